#!/bin/sh
# Starts what is in this image, as slug-run does: `slug-start TYPE [ARGUMENT...]` a process type of
# its slug, any other words the command they are. Written by slugc export; do not edit.
set -f
export HOME=/app
cd /app || exit 126

#DEFAULTS#
if [ $# -eq 0 ]; then
  printf 'slug-start: say what to run: a process type (%s) or a command\n' '#TYPES#' >&2
  exit 64
fi
type=$1
case $type in
#CASES#
*)
  type=run
  case $# in
  1) command=$1 && shift ;; # one word is a command line of its own
  *) command= ;;
  esac
  ;;
esac
export DYNO="${DYNO:-$type.1}"
if [ "$type" = web ]; then export PORT="${PORT:-#PORT#}"; fi
# Several words, or words after a process type, reach the command as they are.
if [ $# -gt 0 ]; then command="$command \"\$@\""; fi

exec bash -c '
__slugkit_command=$1
shift
__slugkit_list_profiles() {
  local LC_ALL=C
  __slugkit_files=("$HOME"/.profile.d/*.sh "$HOME/.profile")
}
__slugkit_list_profiles
for __slugkit_file in "${__slugkit_files[@]}"; do
  if [ -f "$__slugkit_file" ]; then
    trap '\''echo "slug-start: $__slugkit_file ended the start with status $?" >&2'\'' EXIT
    . "$__slugkit_file"
  fi
done
trap - EXIT
exec bash -c "$__slugkit_command" bash "$@"
' slug-start "$command" "$@"
