# Written by the Python buildpack. Everything is relative to $HOME, where the app is.
export PATH="$HOME/.heroku/venv/bin:$HOME/.heroku/python/bin:$PATH"
export PYTHONUNBUFFERED=true
export LANG="${LANG:-C.UTF-8}"
export PYTHONPATH="${PYTHONPATH-$HOME}"

# Logs go to standard output, and the router in front of us may say who the client was.
export GUNICORN_CMD_ARGS="${GUNICORN_CMD_ARGS---access-logfile -}"
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS-*}"

# WEB_CONCURRENCY: as many workers as processors and memory allow, unless the app decides.
__python_limits() {
  local memory= quota= period= cores
  if [ -r /sys/fs/cgroup/memory.max ]; then
    read -r memory < /sys/fs/cgroup/memory.max
  elif [ -r /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
    read -r memory < /sys/fs/cgroup/memory/memory.limit_in_bytes
  fi
  cores=$(nproc 2>/dev/null) || cores=1
  if [ -r /sys/fs/cgroup/cpu.max ]; then
    read -r quota period < /sys/fs/cgroup/cpu.max
  elif [ -r /sys/fs/cgroup/cpu/cpu.cfs_quota_us ]; then
    read -r quota < /sys/fs/cgroup/cpu/cpu.cfs_quota_us
    read -r period < /sys/fs/cgroup/cpu/cpu.cfs_period_us
  fi
  __python_concurrency "$memory" "$quota" "$period" "$cores"
}

# Arguments: memory limit in bytes or "max", CPU quota, CPU period, processors.
__python_concurrency() {
  local memory=$1 quota=$2 period=$3 cores=$4 by_cores by_memory megabytes memory_shown
  case $quota in
    ''|*[!0-9]*) ;;
    *) if [ "${period:-0}" -gt 0 ] && [ $(( (quota + period - 1) / period )) -lt "$cores" ]; then
         cores=$(( (quota + period - 1) / period ))
       fi ;;
  esac
  by_cores=$(( cores * 2 + 1 ))
  WEB_CONCURRENCY=$by_cores
  # Without a limit the kernel reports "max" or a number beyond any machine (over 1 TB).
  case $memory in
    ''|*[!0-9]*) megabytes= ;;
    ?????????????????*) megabytes= ;;
    *) megabytes=$(( memory / 1048576 )) ;;
  esac
  if [ -n "$megabytes" ] && [ "$megabytes" -le 1048576 ]; then
    by_memory=$(( megabytes / 256 ))
    if [ "$by_memory" -lt "$WEB_CONCURRENCY" ]; then WEB_CONCURRENCY=$by_memory; fi
    export DYNO_RAM=$megabytes
  fi
  if [ "$WEB_CONCURRENCY" -lt 1 ]; then WEB_CONCURRENCY=1; fi
  memory_shown="no limit"
  if [ -n "$megabytes" ]; then memory_shown="$megabytes MB"; fi
  export WEB_CONCURRENCY
  export WEB_CONCURRENCY_SET_BY=slugkit/python
  case ${DYNO-} in
    web.*)
      echo "Python buildpack: WEB_CONCURRENCY=$WEB_CONCURRENCY" \
        "(memory: $memory_shown, processors: $cores)" >&2 ;;
  esac
}

[ -n "${WEB_CONCURRENCY-}" ] || __python_limits
unset -f __python_limits __python_concurrency
