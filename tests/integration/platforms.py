"""Other people's platforms, as far as a buildpack sees them: their directories, users, variables.

Both run in a root of their own that holds this machine's programs read-only, so that the paths
are the very ones those platforms use (/app, /tmp/build, /workspace, /layers).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.environment import given
from tests.integration.support import ROOT

SYSTEM = tuple(Path("/", name) for name in ("usr", "etc", "opt", "bin", "lib", "lib64", "sbin"))
SETTINGS = (
    "PIP_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "PIP_CERT",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy",
)  # fmt: skip
UID = 32767


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A root directory of its own, and the user everything runs as."""

    root: Path
    uid: int = UID

    def path(self, inside: str) -> Path:
        """Where the directory that is ``inside`` there lies out here."""
        return self.root / inside.lstrip("/")

    def make(self, *inside: str) -> None:
        for name in inside:
            self.path(name).mkdir(parents=True, exist_ok=True)

    def give(self) -> None:
        """Everything belongs to the user, as those platforms see to it."""
        subprocess.run(
            ["chown", "-R", f"{self.uid}:{self.uid}", str(self.root)], check=True, timeout=60
        )

    def run(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], fd_3: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        own = [
            word
            for name in sorted(self._own())
            for word in ("--bind", str(self.root / name), f"/{name}")
        ]
        system = [word for path in SYSTEM if path.exists() for word in shared(path)]
        sandbox = ("bwrap", "--unshare-pid", "--unshare-ipc", "--die-with-parent", *system,
                   "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *own,
                   "--chdir", cwd)  # fmt: skip
        open_3 = ("bash", "-c", 'exec 3>"$0"; exec "$@"', str(fd_3)) if fd_3 else ()
        settings = given(*SETTINGS)
        return subprocess.run(
            [*open_3, *sandbox, *argv],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", **settings, **env},
            user=self.uid, group=self.uid, extra_groups=(),
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def _own(self) -> list[str]:
        tmp = self.root / "tmp"
        below = [f"tmp/{entry.name}" for entry in tmp.iterdir()] if tmp.is_dir() else []
        return [entry.name for entry in self.root.iterdir() if entry.name != "tmp"] + below


def shared(path: Path) -> tuple[str, str, str]:
    """bubblewrap's words for one of this machine's system directories."""
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--ro-bind", str(path), str(path))


def copy_buildpack(target: Path) -> None:
    """The checkout as a platform would clone it, without what is not in git's care."""
    for name in ("bin", "buildpack"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "buildpack.toml", target / "buildpack.toml")


def write_env_dir(directory: Path, config_vars: Mapping[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, value in config_vars.items():
        (directory / name).write_text(value)


def checked(answer: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Herokuish:
    """`herokuish buildpack build` and `procfile start` (include/buildpack.bash, procfile.bash)."""

    machine: Machine

    BUILDPACK = "/tmp/buildpacks/00_python"
    ENV: Mapping[str, str] = field(default_factory=lambda: {"HOME": "/app", "STACK": "heroku-24"})

    def build(self, source: Path, config_vars: Mapping[str, str]) -> str:
        """Build ``source`` in /tmp/build, then move it to /app; gives what was printed."""
        machine = self.machine
        machine.make("/app", "/tmp/cache", "/tmp/env")
        for name in ("/tmp/build", self.BUILDPACK):
            shutil.rmtree(machine.path(name), ignore_errors=True)
        shutil.copytree(source, machine.path("/tmp/build"))
        copy_buildpack(machine.path(self.BUILDPACK))
        write_env_dir(machine.path("/tmp/env"), config_vars)
        machine.give()
        name = self._buildpack("detect", "/tmp/build")
        assert name.strip(), "herokuish refuses a buildpack without a name"
        log = self._buildpack("compile", "/tmp/build", "/tmp/cache", "/tmp/env")
        release = self._buildpack("release", "/tmp/build", "/tmp/cache")
        machine.path("/tmp/build/.release").write_text(release)
        shutil.rmtree(machine.path("/app"))
        machine.path("/tmp/build").rename(machine.path("/app"))
        machine.make("/tmp/build")
        return log

    def _buildpack(self, program: str, *args: str) -> str:
        argv = (f"{self.BUILDPACK}/bin/{program}", *args)
        return checked(self.machine.run(argv, cwd="/tmp/build", env=self.ENV))

    def start(self, command: str, **env: str) -> str:
        """Run ``command`` as a process: HOME is /app, every profile script is read before."""
        script = 'cd /app; for file in .profile.d/*; do source "$file"; done; eval exec "$1"'
        argv = ("bash", "-c", script, "bash", command)
        return checked(self.machine.run(argv, cwd="/app", env={**self.ENV, **env}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Detector, restorer, builder and launcher of a CNB lifecycle (API 0.10)."""

    machine: Machine

    BUILDPACK = "/cnb/buildpacks/slugkit_python/0.1.0"
    LAYERS = "/layers/slugkit_python"

    def prepare(self, source: Path, config_vars: Mapping[str, str]) -> None:
        machine = self.machine
        shutil.rmtree(machine.path("/workspace"), ignore_errors=True)
        machine.make(self.LAYERS, "/tmp/plan")
        shutil.copytree(source, machine.path("/workspace"))
        if not machine.path(self.BUILDPACK).exists():
            copy_buildpack(machine.path(self.BUILDPACK))
        write_env_dir(machine.path("/platform/env"), config_vars)
        machine.give()

    def detect(self) -> int:
        plan = "/tmp/plan/plan.toml"
        answer = self.machine.run(
            (f"{self.BUILDPACK}/bin/detect", "/platform", plan),
            cwd="/workspace",
            env={**self._env(), "CNB_BUILD_PLAN_PATH": plan},
        )
        return answer.returncode

    def build_plan(self) -> Mapping[str, object]:
        return tomllib.loads(self.machine.path("/tmp/plan/plan.toml").read_text())

    def build(self, code: int = 0) -> str:
        plan = "/tmp/plan/entries.toml"
        self.machine.path(plan).write_text('[[entries]]\nname = "python"\n')
        self.machine.give()
        answer = self.machine.run(
            (f"{self.BUILDPACK}/bin/build", self.LAYERS, "/platform", plan),
            cwd="/workspace",
            env={**self._env(), "CNB_LAYERS_DIR": self.LAYERS, "CNB_BP_PLAN_PATH": plan},
        )
        checked(answer, code)
        return answer.stdout + answer.stderr

    def _env(self) -> dict[str, str]:
        config = self.machine.path("/platform/env")
        return {
            "HOME": "/home/cnb",
            "CNB_BUILDPACK_DIR": self.BUILDPACK,
            "CNB_PLATFORM_DIR": "/platform",
            "CNB_TARGET_OS": "linux",
            "CNB_TARGET_ARCH": "amd64",
            **{path.name: path.read_text() for path in config.iterdir()},
        }

    def layer(self, name: str) -> Mapping[str, Mapping[str, object]]:
        found: dict[str, Mapping[str, object]] = tomllib.loads(
            self.machine.path(f"{self.LAYERS}/{name}.toml").read_text()
        )
        return found

    def processes(self) -> list[dict[str, object]]:
        text = self.machine.path(f"{self.LAYERS}/launch.toml").read_text()
        found: list[dict[str, object]] = tomllib.loads(text)["processes"]
        return found

    def export_and_restore(self) -> None:
        """What the next build finds: layers that are cached, and what was noted of the others."""
        layers = self.machine.path(self.LAYERS)
        for path in sorted(layers.glob("*.toml")):
            table = tomllib.loads(path.read_text())
            types = table.get("types", {})
            if not types.get("cache"):
                shutil.rmtree(layers / path.stem, ignore_errors=True)
            keep = types.get("cache") or types.get("launch")
            metadata = table.get("metadata", {})
            path.unlink()
            if keep:
                lines = [f"{key} = {json.dumps(value)}" for key, value in metadata.items()]
                path.write_text("\n".join(["[metadata]", *lines, ""]))
        for path in layers.glob("*.sbom.*"):
            path.unlink()

    def launch(self, command: Sequence[str], **env: str) -> str:
        """Start ``command`` as the launcher does: no shell, variables from the layers."""
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/cnb", **env}
        layers = self.machine.path(self.LAYERS)
        names = sorted(path.stem for path in layers.glob("*.toml") if (layers / path.stem).is_dir())
        launched = [name for name in names if self.layer(name)["types"].get("launch")]
        for name in launched:
            self._add_layer(name, variables)
        for name in launched:
            self._run_exec_d(name, variables)
        return checked(self.machine.run(command, cwd="/workspace", env=variables))

    def _add_layer(self, name: str, variables: dict[str, str]) -> None:
        layer = self.machine.path(f"{self.LAYERS}/{name}")
        if (layer / "bin").is_dir():
            variables["PATH"] = f"{self.LAYERS}/{name}/bin:{variables['PATH']}"
        if (layer / "lib").is_dir():
            before = variables.get("LD_LIBRARY_PATH")
            variables["LD_LIBRARY_PATH"] = f"{self.LAYERS}/{name}/lib" + (
                f":{before}" if before else ""
            )
        for directory in ("env", "env.launch"):
            for path in sorted((layer / directory).glob("*")):
                variable, _, how = path.name.partition(".")
                assert how in {"default", "override"}, path
                if how == "override" or variable not in variables:
                    variables[variable] = path.read_text()

    def _run_exec_d(self, name: str, variables: dict[str, str]) -> None:
        layer = self.machine.path(f"{self.LAYERS}/{name}")
        answer_file = self.machine.path("/tmp/plan/exec-d")
        for program in sorted((layer / "exec.d").glob("*")):
            argv = (f"{self.LAYERS}/{name}/exec.d/{program.name}",)
            checked(self.machine.run(argv, cwd="/workspace", env=variables, fd_3=answer_file))
            variables.update(tomllib.loads(answer_file.read_text()))
