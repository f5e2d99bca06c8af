"""The embedded engine: bubblewrap, slirp4netns and the kernel, without a daemon.

Who does what: ``engine`` starts and stops, ``checks`` says what is missing, ``rundir`` keeps
live state and sweeps what a killed run left, ``rootfs`` makes the file system a container sees,
``network`` the app's own network, ``cgroups`` the limits, ``bwrap`` the argument list that is
our security policy, ``container`` one running container.
"""

from __future__ import annotations

from runner.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
