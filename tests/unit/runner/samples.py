"""Values the runner's tests start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.formation import ContainerSpec
from runner.launch import container_spec
from runner.release import Release, create_release
from slugc.procfile import ProcessType
from slugc.slug import Slug, SlugMetadata
from slugc.stack import Stack

STACK = Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64")


def a_slug(
    process_types: Mapping[str, str] | None = None,
    *,
    config_vars: Mapping[str, str] | None = None,
    archive: Path = Path("hello.slug"),
) -> Slug:
    types = process_types if process_types is not None else {"web": "gunicorn app:app"}
    metadata = SlugMetadata(
        name="hello",
        stack=STACK,
        buildpacks=(),
        process_types={ProcessType(name): command for name, command in types.items()},
        config_vars=config_vars or {},
        layers=(),
        checksum="sha256:9f2c" + "0" * 60,
    )
    return Slug(archive=archive, metadata=metadata)


def a_release(
    process_types: Mapping[str, str] | None = None, *, config_vars: Mapping[str, str] | None = None
) -> Release:
    return create_release(a_slug(process_types), config_vars or {})


def a_spec(name: str = "web.1", *, command: str = "true", port: int | None = None) -> ContainerSpec:
    process_type, _, ordinal = name.partition(".")
    return container_spec(
        a_release(),
        process_type=ProcessType(process_type),
        ordinal=int(ordinal),
        command=command,
        port=port,
    )
