# Sourced by bin/run-tests: runs pytest, and decides what counts as a failure.

forget_dead() { # forget_dead PID_FILE NAME: who was killed has left it, and the number may be another's by now
  local pid
  pid=$(cat -- "$1" 2> /dev/null) || return 0
  if [ "$(cat "/proc/$pid/comm" 2> /dev/null)" != "$2" ]; then rm -f -- "$1"; fi
}

run_tests() { # run_tests PYTEST_ARGUMENT...: its exit code
  local status=0 failed
  rm -f .pytest_cache/v/cache/lastfailed # of earlier runs: only what fails now is run again
  # Side by side, each file of tests in one process: those of a file share what they have built.
  "$bin/python" -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@" || status=$?

  # Of thousands on a busy machine one or two may fail for want of time. They are run again, alone
  # and in sight; what fails twice, or with many others, has failed.
  mapfile -t failed < <(failed_tests)
  if [ "$status" -ne 1 ] || [ "${#failed[@]}" -lt 1 ] || [ "${#failed[@]}" -gt 3 ]; then
    return "$status"
  fi
  step "Tests that failed, once more and alone"
  "$bin/python" -m pytest --last-failed --last-failed-no-failures none "$@" || return
  printf ' !     %s\n' "Passed alone, and failed among all the others, which is a flaw to mend:" "${failed[@]/#/  }" >&2
}

failed_tests() { # those of the last run of pytest, one on a line
  sed -n 's/^  "\(.*\)": true,\{0,1\}$/\1/p' .pytest_cache/v/cache/lastfailed 2> /dev/null || true
}
