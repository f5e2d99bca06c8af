"""The supervisor's side of door and switch: made when they are first needed, watched, ended."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from functools import partial

from runner.engines.embedded.lasting.engine import LastingEngine
from runner.engines.embedded.lasting.files import ROUTER
from runner.front import find_caddy
from runner.policy import FrontWatch
from runner.supervision.fd_store import KeptFds
from runner.supervision.front import LastingRouter
from runner.supervision.router_log import RouterLog
from runner.supervision.wanted import Settings


class AppFront:
    """What stands before an app's web containers; nothing where there is no Caddy."""

    def __init__(  # what a router takes, and who watches it
        self,
        *,
        env: Mapping[str, str],
        fds: KeptFds,
        engine: LastingEngine,
        log: RouterLog,
        selector: selectors.BaseSelector,
        say: Callable[[str], None],
    ) -> None:
        self._env, self._fds, self._engine, self._log = env, fds, engine, log
        self._selector, self._say = selector, say
        self.router: LastingRouter | None = None
        self._watch: FrontWatch | None = None

    def listen(self, settings: Settings) -> None:
        """Have it listen where ``settings`` say, and go by their rules."""
        caddy = find_caddy(self._env)
        if caddy is None:
            return
        if self.router is None:
            self.router = LastingRouter(
                caddy,
                directory=self._engine.run.sockets / ROUTER,
                told_dir=self._engine.run.root / ROUTER,
                fds=self._fds,
                log=self._log,
                entry=lambda: self._engine.entry,
            )
            self._watch = FrontWatch(self.router, self._selector, self._say)
        assert self._watch is not None
        where = (settings.bind, settings.port, settings.rules)
        self._watch.change(partial(self.router.listen_on, *where))

    def look(self) -> None:
        """Start what should listen and does not."""
        if self.router is not None and self._watch is not None:
            self._watch.change(self.router.look)

    def end(self) -> None:
        """Close the port; another network's begins anew."""
        if self.router is not None and self._watch is not None:
            self._watch.unwatch()
            self.router.end()
            self.router = None
