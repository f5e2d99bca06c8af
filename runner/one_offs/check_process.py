"""The process that asks a health check's command, inside a container that is kept running.

python -m runner.one_offs.check_process APP CONTAINER SECONDS COMMAND

It says what the command says, and ends as it does; with 124 if that takes more than SECONDS, and
with 125 if it could not be asked: timeout(1) has both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from buildpack.support.errors import SlugkitError
from runner.app_option import OpenedApp
from runner.engines.embedded.entering.entered import EnterError
from runner.one_off import OwnStreams
from runner.one_offs.inside import ExecRequest, run_in, target_of
from runner.state.state import opened_state
from runner.supervision.command_question import NOT_ASKED
from slugc.privileges import data_dir


def main(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    number, key, seconds, command = argv
    try:
        home = data_dir(env)
        with opened_state(home) as state:
            (app,) = (each for each in state.apps() if each.number == int(number))
            opened = OpenedApp(app=app, state=state, data_dir=home, who="")
            target = target_of(opened, key)
            request = ExecRequest(
                name=target.inside.name,
                words=(command,),
                env=env,
                stop_timeout=0.0,
                time_limit=float(seconds),
            )
            own = OwnStreams(stdin=None, wants_terminal=False)
            return run_in(opened, target, request, own)
    except (OSError, SlugkitError) as err:
        sys.stderr.write(f"{err.brief if isinstance(err, SlugkitError) else err}\n")
        # Who cannot be entered may have no process left for it, or hold up who tries.
        return int(err.exit_code) if isinstance(err, EnterError) else NOT_ASKED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
