# Written by the Python buildpack. Everything is relative to $HOME, where the app is.
# Sourced at each start of a container, by bash or any other sh: it starts no program.
case ":$PATH:" in
  *":$HOME/.heroku/venv/bin:"*) ;;
  *) export PATH="$HOME/.heroku/venv/bin:$HOME/.heroku/python/bin:$PATH" ;;
esac
export PYTHONUNBUFFERED=true
export LANG="${LANG:-C.UTF-8}"
export PYTHONPATH="${PYTHONPATH-$HOME}"
if [ -d "$HOME/.heroku/nltk_data" ]; then export NLTK_DATA="${NLTK_DATA-$HOME/.heroku/nltk_data}"; fi

# Logs go to standard output, and the router in front of us may say who the client was.
export GUNICORN_CMD_ARGS="${GUNICORN_CMD_ARGS---access-logfile -}"
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS-*}"

# The rest finds WEB_CONCURRENCY: as many workers as processors and memory allow.

# Arguments: the hierarchy's directory, our path in it, the names of one or two files.
# A limit holds for everything below it, so each level up to the root is asked. Where the path is
# not to be seen from in here (a container without a cgroup namespace), the root is us.
__python_walk_cgroup() {
  local path="$2" memory= quota= period=
  [ -e "$1$path/$3" ] || path=
  while :; do
    if [ $# -eq 3 ]; then
      if [ -r "$1$path/$3" ] && read -r memory < "$1$path/$3"; then
        __python_take_memory "$memory"
      fi
    elif [ "$3" = "$4" ]; then
      if [ -r "$1$path/$3" ] && read -r quota period < "$1$path/$3"; then
        __python_take_quota "$quota" "$period"
      fi
    elif [ -r "$1$path/$3" ] && read -r quota < "$1$path/$3" && read -r period < "$1$path/$4"; then
      __python_take_quota "$quota" "$period"
    fi
    case $path in ''|/) break ;; esac
    path=${path%/*}
  done
}

# The smallest limit wins. Without one the kernel says "max", or a number beyond any machine.
__python_take_memory() {
  case $1 in ''|*[!0-9]*|????????????????*) return 0 ;; esac
  if [ -z "$__python_memory" ] || [ "$1" -lt "$__python_memory" ]; then __python_memory=$1; fi
}

# A CPU quota is a number of processors, rounded up.
__python_take_quota() {
  local whole
  case $1 in ''|*[!0-9]*|????????????????*) return 0 ;; esac
  case $2 in ''|0|*[!0-9]*) return 0 ;; esac
  whole=$(( ($1 + $2 - 1) / $2 ))
  if [ "$whole" -lt "$__python_cores" ]; then __python_cores=$whole; fi
}

# "0-3,8" is five processors: those this process may run on.
__python_count_cores() {
  local rest="$1," part
  __python_cores=0
  while [ -n "$rest" ]; do
    part=${rest%%,*} rest=${rest#*,}
    case $part in
      ''|*[!0-9-]*) ;;
      *-*) __python_cores=$(( __python_cores + ${part#*-} - ${part%-*} + 1 )) ;;
      *) __python_cores=$(( __python_cores + 1 )) ;;
    esac
  done
  if [ "$__python_cores" -lt 1 ]; then __python_cores=1; fi
}

# Reads /proc/self/status. bash takes it in one go: line by line costs it half a millisecond.
__python_find_cores() {
  local name= value= IFS="$IFS"
  __python_cores=1
  [ -r "$1" ] || return 0
  if [ -n "${BASH_VERSION-}" ]; then
    IFS=' '
    mapfile -t value < "$1"
    value="${value[*]}"
    case $value in
      *Cpus_allowed_list:*)
        value=${value#*Cpus_allowed_list:?}
        __python_count_cores "${value%% *}" ;;
    esac
    return 0
  fi
  while read -r name value; do
    case $name in Cpus_allowed_list:) __python_count_cores "$value"; break ;; esac
  done < "$1"
}

# Arguments: where cgroups are mounted, /proc/self/status, /proc/self/cgroup.
__python_limits() {
  local line= controllers= path= root="$1"
  __python_memory=
  __python_find_cores "$2"
  [ -r "$3" ] || return 0
  while read -r line; do
    line=${line#*:} controllers=${line%%:*} path=${line#*:}
    case ",$controllers," in
      ,,)
        if [ -e "$root/cgroup.controllers" ]; then
          __python_walk_cgroup "$root" "$path" memory.max
          __python_walk_cgroup "$root" "$path" cpu.max cpu.max
        fi ;;
      *,memory,*) __python_walk_cgroup "$root/memory" "$path" memory.limit_in_bytes ;;
      *,cpu,*) __python_walk_cgroup "$root/cpu" "$path" cpu.cfs_quota_us cpu.cfs_period_us ;;
    esac
  done < "$3"
}

# min(2 x processors + 1, memory / 256 MB), at least 1.
__python_concurrency() {
  local workers="$(( __python_cores * 2 + 1 ))" megabytes= shown="no limit"
  # Where no cgroup limits us, who runs us may say how many megabytes we have.
  case $__python_memory,${DYNO_RAM-} in
    ,|,0*|,*[!0-9]*|,????????*|[!,]*) ;;
    *) __python_memory=$(( DYNO_RAM * 1048576 )) ;;
  esac
  if [ -n "$__python_memory" ] && [ "$__python_memory" -le 1099511627776 ]; then
    megabytes=$(( __python_memory / 1048576 )) shown="$(( __python_memory / 1048576 )) MB"
    export DYNO_RAM="$megabytes"
    if [ "$(( megabytes / 256 ))" -lt "$workers" ]; then workers=$(( megabytes / 256 )); fi
  fi
  if [ -n "${WEB_CONCURRENCY-}" ]; then return 0; fi
  if [ "$workers" -lt 1 ]; then workers=1; fi
  export WEB_CONCURRENCY="$workers" WEB_CONCURRENCY_SET_BY=slugkit/python
  # Whoever is brought into a container that runs already has a parent outside, which is 0.
  if [ "$PPID" -eq 0 ] && [ "$$" -ne 1 ]; then return 0; fi
  case ${DYNO-} in
    web.*)
      echo "Python buildpack: WEB_CONCURRENCY=$workers" \
        "(memory: $shown, processors: $__python_cores)" >&2 ;;
  esac
}

__python_limits /sys/fs/cgroup /proc/self/status /proc/self/cgroup
__python_concurrency
unset -f __python_walk_cgroup __python_take_memory __python_take_quota
unset -f __python_count_cores __python_find_cores __python_limits __python_concurrency
unset __python_memory __python_cores
