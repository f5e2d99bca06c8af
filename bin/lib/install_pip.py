"""Puts pip into a virtual environment made without ensurepip, as on a Debian without python3-venv.

    install_pip.py VENV STATE_DIR

The buildpack's own tool fetcher brings uv, pinned and hash-checked; uv installs what
requirements-build.txt locks, pip among it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from buildpack.support.command import Command, capture  # noqa: E402
from buildpack.support.errors import SlugkitError  # noqa: E402
from buildpack.support.output import Output  # noqa: E402
from buildpack.tools import ToolBox, index_url  # noqa: E402

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def install_pip(venv: Path, state_dir: Path) -> None:
    env = dict(os.environ)
    uv = ToolBox(directory=state_dir / "tools", env=env).program("uv")
    # uv brings its own list of certificate authorities; Debian's is the one that was set up here.
    env = {"SSL_CERT_FILE": CERTIFICATES, "UV_DEFAULT_INDEX": index_url(env), **env}
    requirements = f"--requirement={ROOT / 'requirements-build.txt'}"
    python = f"--python={venv / 'bin/python'}"
    argv = (str(uv), "--no-config", "pip", "install", "--require-hashes", python, requirements)
    capture(Command(argv=argv, cwd=ROOT, env=env, timeout=300, title="uv pip install pip"))


if __name__ == "__main__":
    try:
        install_pip(Path(sys.argv[1]), Path(sys.argv[2]))
    except SlugkitError as error:
        Output().error(error)
        sys.exit(error.exit_code)
