"""The engines by name; each is imported only when asked for."""

from __future__ import annotations

from runner.engines.base import EngineFactory

ENGINE_NAMES = ("embedded", "docker", "host")


def engine_factory(name: str) -> EngineFactory:
    """The engine called ``name``, one of ``ENGINE_NAMES``."""
    match name:
        case "embedded":
            from runner.engines.embedded import EmbeddedEngine

            return EmbeddedEngine
        case "docker":
            from runner.engines.docker import DockerEngine

            return DockerEngine
        case "host":
            from runner.engines.host import HostEngine

            return HostEngine
        case _:
            raise ValueError(name)
