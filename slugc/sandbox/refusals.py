"""What keeps the embedded sandbox from running here, in words that lead somewhere."""

from __future__ import annotations

import os
import shutil

from slugc.sandbox.base import Problem


def missing_tools(path: str) -> tuple[Problem, ...]:
    """Programs the sandbox needs that are not on ``path``."""
    packages = {"bwrap": "bubblewrap"}
    if os.getuid() == 0:
        packages |= {"setpriv": "util-linux", "unshare": "util-linux", "mount": "mount"}
    return tuple(
        Problem(
            what=f"the program '{program}' is not installed",
            fix=f"Install it: apt-get install {package}",
        )
        for program, package in packages.items()
        if shutil.which(program, path=path) is None
    )


def explain_refusal(said: str) -> Problem:
    """What bubblewrap or the kernel objects to, in words that lead somewhere."""
    what = f"bubblewrap could not start: {said.strip() or 'it gave no reason'}"
    if "disable-userns" in said:
        return Problem(what=what, fix="Install bubblewrap 0.8 or newer.")
    if "namespace" in said or "uid map" in said or "Operation not permitted" in said:
        return Problem(
            what=what,
            fix=(
                "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1\n"
                "   user.max_user_namespaces=15000, on Ubuntu also\n"
                "   kernel.apparmor_restrict_unprivileged_userns=0; in a container, start it with\n"
                "   --security-opt seccomp=unconfined --security-opt apparmor=unconfined."
            ),
        )
    return Problem(what=what, fix="See docs/slugc.md, section 'Sandboxes'.")
