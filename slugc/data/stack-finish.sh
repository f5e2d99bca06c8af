#!/bin/sh
# The last step of every stack image, whatever it was made with. $1 is the root of the image.
set -eu
root=$1

# The one user that apps run as: the same number on every engine.
grep -q '^[^:]*:[^:]*:1000:' "$root/etc/group" || echo 'app:x:1000:' >>"$root/etc/group"
grep -q '^[^:]*:[^:]*:1000:' "$root/etc/passwd" ||
	echo 'app:x:1000:1000:Slugkit app:/app:/bin/bash' >>"$root/etc/passwd"
mkdir -p "$root/app"
chown 1000:1000 "$root/app"

# Nothing in a container may change who it is: no live setuid or setgid program stays.
find "$root" -xdev -type f -perm /6000 -exec chmod u-s,g-s {} +

# Caches, logs and identities differ from day to day, and belong to the machine that built.
rm -rf "$root/var/lib/apt/lists" "$root/var/cache/apt" "$root/var/cache/debconf" \
	"$root/var/cache/ldconfig" "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
find "$root/var/log" -type f -delete
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
