#!/bin/sh
# What only start-up knows, as TOML on file descriptor 3 (Cloud Native Buildpacks, exec.d).
# The rules are those of profile.sh, which stands beside this directory.
layer=$(CDPATH='' cd -- "${0%/*}/.." && pwd)
. "$layer/profile.sh"
for name in WEB_CONCURRENCY WEB_CONCURRENCY_SET_BY DYNO_RAM GUNICORN_CMD_ARGS FORWARDED_ALLOW_IPS; do
  eval "is_set=\${$name+yes} value=\${$name-}"
  if [ -n "$is_set" ]; then
    escaped=$(printf '%s' "$value" | sed 's/\\/\\\\/g; s/"/\\"/g')
    printf '%s = "%s"\n' "$name" "$escaped" >&3
  fi
done
