"""The process that a supervisor starts for one run of a task.

python -m runner.schedule.process APP RUN
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from buildpack.support.errors import SlugkitError
from runner.schedule.running import run_noted


def main(argv: Sequence[str], env: Mapping[str, str] = os.environ) -> int:
    number, run = map(int, argv)
    try:
        run_noted(number, run, dict(env))
    except SlugkitError as err:
        return int(err.exit_code)  # it was noted and logged where it was known
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
