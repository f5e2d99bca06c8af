# Sourced by bin/quickstart and bin/run-tests: finds a Python, installs what is missing, makes a
# virtual environment under .slugkit/. Every step says what it does and is skipped when it is done.

state_dir=$root/.slugkit
tun_device=/dev/net/tun
service_policy=/usr/sbin/policy-rc.d
exit_unavailable=69   # sysexits(3), as in slugc and slug-run (docs/ARCHITECTURE.md, section 8)
exit_cannot_create=73

step() { printf -- '-----> %s\n' "$*" >&2; }
detail() { printf '       %s\n' "$*" >&2; }
fail() { # fail CODE LINE...: an error as slugc prints it
  local code=$1 line
  shift
  for line in "$@"; do printf ' !%s\n' "${line:+     $line}" >&2; done
  exit "$code"
}
is_root() { [ "$(id -u)" -eq 0 ]; }
has() { command -v "$1" > /dev/null 2>&1; }

# One line for each system package: what it is for, and what tells that it is there.
runtime_packages='bubblewrap|containers: the sandbox itself|has bwrap
slirp4netns|containers: their way to the network|has slirp4netns
iproute2|containers: their network devices|has ip
util-linux|containers: namespaces and privileges|has nsenter && has setpriv
libseccomp2|containers: the system-call filter|has_library libseccomp.so.2
caddy|the load balancer before web.1, web.2, ...|has caddy
ca-certificates|TLS to the package index|[ -s /etc/ssl/certs/ca-certificates.crt ]'
test_packages='zstd|tests open slugs with tar --zstd|has zstd
curl|tests type the lines of the README|has curl
skopeo|tests read our images with a program of others|has skopeo
umoci|tests unpack our images with a program of others|has umoci
docker-registry|tests push images to a real registry|has docker-registry
openssl|tests make a certificate for that registry|has openssl
fish|tests complete commands in it|has fish
zsh|tests complete commands in it|has zsh
nodejs|tests run the script of a page|has node
bindfs|tests build from a file system of another kind|has bindfs
procps|tests look for processes that were left|has pgrep
gcc|tests build a package that is written in C|has cc
python3-dev|tests build a package that is written in C|ls /usr/include/python3*/Python.h
strace|tests count the programs that a profile starts|has strace
systemd|tests run an app as a service of a user|[ -x /lib/systemd/systemd ] && has systemd-analyze
libfaketime|tests build with a clock that is a year ahead|ls /usr/lib/*/faketime/libfaketime.so.1'
# Ubuntu has the browser as a snap alone: what there is already will do, or its tests are skipped.
if grep -qsx 'ID=debian' /etc/os-release; then
  test_packages+=$'\n''chromium-headless-shell|tests look at a page in a browser|has chromium-headless-shell || has chromium'
fi
# A Linux in which control groups are version 2; Debian builds it for these processors alone.
case $(uname -m) in
  x86_64) test_packages+=$'\n''user-mode-linux|tests of limits have a Linux of their own|has linux.uml' ;;
esac
docker_packages='docker.io|the Docker engine under test|has dockerd && has docker
docker-compose|the services that Docker tests use|has docker-compose || docker compose version
mmdebstrap|the stack image, from Debian packages|has mmdebstrap'

has_library() { # not through a pipe: grep -q ends early, and pipefail calls that a failure
  local known
  known=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p) && [[ $known == *"$1 "* ]]
}

ensure_state_dir() { # what a run as root has left there is root's, and a checkout may be read-only
  local locked advice=("Clone Slugkit to a directory of your own.")
  mkdir -p -- "$state_dir/slugs" 2> /dev/null || fail "$exit_cannot_create" "Cannot write to $root" "" "${advice[@]}"
  locked=$(find "$state_dir" -maxdepth 2 ! -type l ! -writable -print -quit)
  if [ -z "$locked" ]; then return; fi
  if [ -O "$root" ] && [ ! -O "$locked" ]; then
    advice=("It belongs to $(stat -c %U -- "$locked"), who has run this before. As root, give it back:" \
      "  chown -R $(id -u):$(id -g) $(printf %q "$state_dir")")
  fi
  fail "$exit_cannot_create" "Cannot write to $locked" "" "${advice[@]}"
}

missing_packages() { # missing_packages LIST: the lines of LIST whose probe fails
  local name purpose probe
  while IFS='|' read -r name purpose probe; do
    eval "$probe" > /dev/null 2>&1 || printf '%s|%s\n' "$name" "$purpose"
  done <<< "$1"
}

ensure_machine() { # ensure_machine LIST: its packages, and $tun_device; root is asked for all at once
  local missing name purpose names=() commands=()
  missing=$(missing_packages "$1")
  while IFS='|' read -r name purpose; do names+=(${name:+"$name"}); done <<< "$missing"
  if is_root && { [ -z "$missing" ] || has apt-get; }; then
    if [ -n "$missing" ]; then install_missing "$missing" "${names[@]}"; fi
    tun_is_open || open_tun
    return
  fi
  if [ -n "$missing" ]; then
    if has apt-get; then commands+=("apt-get update" "apt-get install --no-install-recommends ${names[*]}")
    else commands+=("# what installs the above here, where its names are not Debian's"); fi
  fi
  if ! tun_is_open; then
    missing+=${missing:+$'\n'}"$tun_device|containers: for users to open, as systemd-udev makes it; that grants nothing by itself"
    commands+=("mkdir -p /dev/net; [ -c $tun_device ] || mknod $tun_device c 10 200; chmod 0666 $tun_device")
  fi
  if [ -n "$missing" ]; then explain_missing "$missing" "${commands[@]}"; fi
}

install_missing() { # install_missing MISSING NAME...
  local name purpose
  step "Installing system packages"
  while IFS='|' read -r name purpose; do detail "$name ($purpose)"; done <<< "$1"
  install_packages "${@:2}"
}

explain_missing() { # explain_missing MISSING COMMAND...
  local lines=("This machine lacks something that only root can give it" "") name purpose
  while IFS='|' read -r name purpose; do lines+=("  $name ($purpose)"); done <<< "$1"
  shift
  lines+=("" "As root, run:" "${@/#/  }" "and then, as yourself, this command again.")
  fail "$exit_unavailable" "${lines[@]}"
}

install_packages() {
  local log=$state_dir/apt.log
  without_starting_services apt_get "$log" "$@" && return
  tail -n 20 "$log" >&2
  fail "$exit_unavailable" "apt-get could not install: $*" "" "Its whole output is in $log." \
    "If it says why not, mend that (the network, a source in /etc/apt), and run this command again."
}

apt_get() { # apt_get LOG PACKAGE...: package lists are fetched only when the ones here do not do
  local log=$1 install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
  install+=(-o DPkg::Lock::Timeout=300) # a new machine often brings itself up to date just then
  shift
  "${install[@]}" "$@" > "$log" 2>&1 || { apt-get update -qq >> "$log" 2>&1 && "${install[@]}" "$@" >> "$log" 2>&1; }
}

without_starting_services() ( # Debian starts a new service at once; we want its program only
  ours='#!/bin/sh
# Of Slugkit, for the time of one installation.
exit 101'
  # One at a time, by the lock of its directory: whoever is done first would take it from the other.
  exec 9< "${service_policy%/*}"
  flock 9
  # One that is there is the machine's, or was left by a run that was killed.
  if [ ! -e "$service_policy" ] || [ "$(cat -- "$service_policy")" = "$ours" ]; then
    trap 'rm -f -- "$service_policy"' EXIT # also when Ctrl-C ends the installation
    printf '%s\n' "$ours" > "$service_policy"
    chmod 0755 "$service_policy"
  fi
  "$@" 9<&- # a program that it leaves running would hold the lock
)

tun_is_open() { [ -c "$tun_device" ] && [ $((0$(stat -c %a "$tun_device") & 6)) -eq 6 ]; }

open_tun() { # slirp4netns opens it as an ordinary user, also when root starts it
  step "Opening $tun_device to ordinary users (mode 0666, as systemd-udev does)"
  mkdir -p /dev/net
  [ -c "$tun_device" ] || mknod "$tun_device" c 10 200
  chmod 0666 "$tun_device"
}

find_python() { # the first Python >= 3.11 that ordinary users can run too, then any other on PATH
  local candidate
  for candidate in /usr/bin/python3 /usr/local/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
    if has "$candidate" && "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      command -v "$candidate"
      return
    fi
  done
  fail "$exit_unavailable" "Slugkit needs Python 3.11 or newer" "" \
    "python3 here: $( (has python3 && python3 -I -V 2>&1) || echo none)" \
    "Install it (on Debian 12: apt-get install python3), and run this command again."
}

ensure_venv() { # ensure_venv DIR LOCK...: a virtual environment with exactly these locks, and Slugkit
  local venv=$1 stamp
  shift
  stamp=$(cd "$root" && { echo "$venv"; "$python" -I -VV; cat -- pyproject.toml "$@"; } | sha256sum)
  if is_made "$venv" "$stamp"; then return; fi
  # One at a time: who has waited finds it made.
  (flock 9; is_made "$venv" "$stamp" || make_venv "$venv" "$stamp" "$@") 9> "$state_dir/venv.lock"
}

is_made() { [ -x "$1/bin/slugc" ] && [ "$(cat -- "$1/.stamp" 2> /dev/null)" = "$2" ]; } # is_made VENV STAMP

make_venv() { # make_venv VENV STAMP LOCK...
  local venv=$1 stamp=$2
  shift 2
  step "Creating a virtual environment in ${venv#"$root"/} (once; what it needs is downloaded)"
  if [ -e "$venv" ]; then mv -- "$venv" "$(mktemp -d "$state_dir/old.XXXXXX")"; fi
  create_venv "$venv"
  pip_install "$venv" --require-hashes "${@/#/--requirement=}"
  pip_install "$venv" --no-deps --no-build-isolation --editable .
  printf '%s\n' "$stamp" > "$venv/.stamp"
  rm -rf -- "$state_dir"/old.*
}

create_venv() {
  if "$python" -I -c 'import ensurepip' 2> /dev/null; then
    "$python" -I -m venv "$1"
  else # Debian without python3-venv
    "$python" -I -m venv --without-pip "$1"
    "$python" -I "$root/bin/lib/install_pip.py" "$1" "$state_dir"
  fi
}

pip_install() {
  local venv=$1 log=$state_dir/pip.log
  shift
  (cd "$root" && "$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --progress-bar=off "$@") > "$log" 2>&1 && return
  tail -n 20 "$log" >&2
  fail "$exit_unavailable" "pip could not install Slugkit's dependencies" "" "Its whole output is in $log."
}
