"""The embedded engine: bubblewrap, slirp4netns and the kernel, without a daemon.

Who does what: ``engine`` sets a run up and starts containers in it, ``checks`` says what the
machine lacks, ``rootfs`` makes the file system a container sees, ``network`` the app's own network,
``cgroups`` the limits. ``bwrap`` is the argument list that is our security policy, ``starter`` the
chain of programs that leads to it, ``launcher`` runs that chain. ``container`` is one that runs.
"""

from __future__ import annotations

from runner.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
