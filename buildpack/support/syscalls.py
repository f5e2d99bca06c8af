"""The system calls that untrusted code may make: one list, for containers and builds alike.

Nothing here starts anything; ``buildpack.support.seccomp`` turns the rules into a filter.
"""

from __future__ import annotations

from enum import StrEnum

from buildpack.support.values import value


class Action(StrEnum):
    """What the kernel does with a system call."""

    ALLOW = "allow"
    REFUSE = "refuse"
    """EPERM: known, and not for containers."""
    MISSING = "missing"
    """ENOSYS: libraries then use the older call they know."""


class Compare(StrEnum):
    EQUAL = "equal"
    MASKED_EQUAL = "masked-equal"


@value
class ArgumentCheck:
    """A condition on one argument: ``argument [& mask] == value``."""

    index: int
    compare: Compare
    value: int
    mask: int = 0


@value
class SyscallRule:
    """One decision on some system calls, taken only where every check holds."""

    names: tuple[str, ...]
    action: Action
    checks: tuple[ArgumentCheck, ...] = ()


# Calls any program may make: what moby's default profile lets a container without capabilities
# do, less io_uring (its own history of kernel holes), ptrace and process_vm_* (a debugger can
# stop the container's init) and the handles of name_to_handle_at.
_ALLOWED = """
accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown
chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range
creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2
fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl
fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64
fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64
getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername
getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr
getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc
kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr
link linkat listen listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat
lstat64 madvise map_shadow_stack membarrier memfd_create mincore mkdir mkdirat mknod mknodat mlock
mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv
msgsnd msync munlock munlockall munmap nanosleep newfstatat _newselect open openat openat2 pause
pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64
prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg
remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall
riscv_flush_icache riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list
set_thread_area set_tid_address set_tls setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32
setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr
setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn
socketpair splice stat stat64 statfs statfs64 statx swapcontext symlink symlinkat sync
sync_file_range sync_file_range2 syncfs sysinfo tee tgkill time timer_create timer_delete
timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate
truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat
utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
"""

# Known calls that are never a container's business. They get EPERM, so that a program can tell
# "not allowed" from "this kernel is old"; whatever is in neither list gets ENOSYS.
_REFUSED = """
acct add_key bpf chroot clock_settime clock_settime64 create_module delete_module fanotify_init
fanotify_mark finit_module fsconfig fsmount fsopen fspick get_kernel_syms get_mempolicy
init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load
kexec_load keyctl listmount lookup_dcookie mbind memfd_secret migrate_pages mount mount_setattr
move_mount move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open
pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev ptrace query_module
quotactl quotactl_fd reboot request_key set_mempolicy set_mempolicy_home_node setdomainname
sethostname setns settimeofday statmount stime swapoff swapon syslog umount umount2 unshare
userfaultfd uselib ustat vhangup vm86 vm86old
"""

# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET, from linux/sched.h
_CLONE_NAMESPACES = 0x7E02_0000

# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (getifaddrs uses it). Not vsock, which reaches the
# hypervisor, nor the rarely used families that kernel holes are found in.
_SOCKET_FAMILIES = (1, 2, 10, 16)

# PER_LINUX, PER_LINUX32, UNAME26, both, and the question "which is set?"
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

DEFAULT_ACTION = Action.MISSING


def _equal(index: int, value: int) -> tuple[ArgumentCheck, ...]:
    return (ArgumentCheck(index=index, compare=Compare.EQUAL, value=value),)


SYSCALL_RULES: tuple[SyscallRule, ...] = (
    SyscallRule(names=tuple(_ALLOWED.split()), action=Action.ALLOW),
    SyscallRule(names=tuple(_REFUSED.split()), action=Action.REFUSE),
    # A process or a thread, but no new namespace.
    SyscallRule(
        names=("clone",),
        action=Action.ALLOW,
        checks=(
            ArgumentCheck(index=0, compare=Compare.MASKED_EQUAL, mask=_CLONE_NAMESPACES, value=0),
        ),
    ),
    # clone3 keeps its flags in memory, where a filter cannot look: glibc falls back to clone.
    SyscallRule(names=("clone3",), action=Action.MISSING),
    *(
        SyscallRule(names=("socket",), action=Action.ALLOW, checks=_equal(0, family))
        for family in _SOCKET_FAMILIES
    ),
    *(
        SyscallRule(names=("personality",), action=Action.ALLOW, checks=_equal(0, value))
        for value in _PERSONALITIES
    ),
)
