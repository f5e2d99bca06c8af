#!/bin/sh
# The first program of a Linux of its own (user-mode-linux), whose files are this machine's,
# read-only. Its control groups are version 2, with all controllers, whatever this machine has.
# Prints a line of JSON for each probe, behind its name.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/srv/repo
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir /srv/repo /srv/root /srv/user
mount --bind "$CHECKOUT" /srv/repo # an ordinary user might not get to where it lies
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
chown "$USER_ID" /srv/user
cd /

probe() { # probe NAME PLACE PROGRAM...: what became of $plan
  name=$1 place=$2
  shift 2
  printf '%s %s\n' "=$name=" "$("$@" /usr/bin/python3 -m tests.integration.build_probe "$place" "$plan" 2>&1 | tail -n 1)"
}
as_user() { # as_user GROUP PROGRAM...: in that group, without rights
  group=$1
  shift
  (
    sh -c 'echo $PPID' > "/sys/fs/cgroup/$group/cgroup.procs"
    exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups "$@"
  )
}
memory='{"network":"host","limits":{"memory":67108864},"script":"exec python3 -c \"x = bytearray(1 << 28)\""}'
processes='{"network":"host","limits":{"processes":30},"script":"python3 -c \"import subprocess; [subprocess.Popen(['\''sleep'\'', '\''20'\'']) for _ in range(40)]\""}'

plan=$memory
probe root-memory /srv/root env
delegated=/sys/fs/cgroup/user/session
mkdir -p $delegated
for above in /sys/fs/cgroup /sys/fs/cgroup/user; do
  echo "+memory +pids +cpu" > $above/cgroup.subtree_control
done
chown -R "$USER_ID" $delegated
probe user-memory /srv/user as_user user/session
plan=$processes
probe user-processes /srv/user as_user user/session/slugkit-own
# As a desktop's terminal: the user's own, and not theirs to order until systemd says so.
mkdir $delegated/terminal
chown -R "$USER_ID" $delegated/terminal
plan='{"network":"host","limits":{"processes":30},"script":"true"}'
probe terminal /srv/user as_user user/session/terminal
/usr/bin/python3 -c "import os; os.setxattr('$delegated/terminal', 'user.delegate', b'1')"
probe scope /srv/user as_user user/session/terminal
echo "=usage= $(/usr/bin/python3 -m tests.integration.usage_probe 2>&1 | tail -n 1)"
echo "=groups=" $(cd $delegated && find . -type d | sort)
echo o > /proc/sysrq-trigger
sleep 5
