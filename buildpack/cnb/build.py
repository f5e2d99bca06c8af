"""bin/build: the same build, its parts in layers (Cloud Native Buildpacks, API 0.10)."""

from __future__ import annotations

from collections.abc import Mapping

from buildpack.ahead import TreesAhead
from buildpack.app_dir import process_types_of
from buildpack.cnb.dirs import CACHE_LAYER, CnbDirs
from buildpack.cnb.launch import (
    launch_toml,
    write_exec_d,
    write_layer_environment,
    write_variable,
)
from buildpack.cnb.layers import LayersDir, LayerTypes
from buildpack.compile import BuildDirs, BuiltApp, compile_app
from buildpack.environment import read_env_dir
from buildpack.frameworks.web_process import find_web_process
from buildpack.report import BuildData
from buildpack.sbom import sbom_json
from buildpack.settings import read_settings
from buildpack.support import files
from buildpack.support.deletion import remove_tree
from buildpack.support.output import Output
from buildpack.support.procfile import read_procfile

NLTK_LAYER = "nltk_data"
"""Where nltk.py leaves its data: beside the virtualenv."""


def build_app(cnb: CnbDirs, env: Mapping[str, str], data: BuildData, out: Output) -> None:
    """Build the app and describe its layers."""
    dirs = BuildDirs(
        build_dir=cnb.app_dir,
        cache_dir=cnb.cache_dir,
        env_dir=cnb.env_dir,
        buildpack_dir=cnb.buildpack_dir,
        layers_dir=cnb.layers_dir,
    )
    clear_layers(cnb)
    built = compile_app(dirs, env, data, out, TreesAhead(cnb.cache_dir))
    write_layers(cnb, built)
    processes = process_types(cnb, built, env)
    files.write_atomically(cnb.layers_dir / "launch.toml", launch_toml(processes))
    out.step("Process types: " + (", ".join(processes) or "none"))


def clear_layers(cnb: CnbDirs) -> None:
    """Take away what an earlier build left, but its cache."""
    for name in ("python", "venv", NLTK_LAYER):
        remove_tree(cnb.layers_dir / name)


def write_layers(cnb: CnbDirs, built: BuiltApp) -> None:
    """Say what each layer is for; layers without such a file are thrown away."""
    layers = LayersDir(root=cnb.layers_dir)
    version = str(built.runtime.version)
    used = LayerTypes(launch=True, build=True)
    layers.write("python", used, {"version": version, "build_id": built.runtime.build_id})
    layers.write("venv", used, {"python_version": version})
    layers.write(CACHE_LAYER, LayerTypes(cache=True), {})
    write_layer_environment(built.venv.root, built.app.root)
    if (cnb.layers_dir / NLTK_LAYER).is_dir():
        layers.write(NLTK_LAYER, used, {})
        write_variable(built.venv.root, "NLTK_DATA.default", str(cnb.layers_dir / NLTK_LAYER))
    write_exec_d(built.venv.root)
    sbom = sbom_json(built.venv.site_packages, built.runtime.version)
    files.write_atomically(cnb.layers_dir / "venv.sbom.cdx.json", sbom)


def process_types(cnb: CnbDirs, built: BuiltApp, env: Mapping[str, str]) -> Mapping[str, str]:
    """The Procfile's, or the one found in the app where there is none."""
    app_dir = read_settings(env, read_env_dir(cnb.env_dir)).app_dir
    declared: dict[str, str] = {
        **{str(k): v for k, v in process_types_of(cnb.app_dir, app_dir).items()},
        **{str(k): v for k, v in (read_procfile(cnb.app_dir) or {}).items()},
    }
    if declared:
        return declared
    found = find_web_process(cnb.app_dir, built.venv, app_dir)
    return {"web": found.command} if found else {}
