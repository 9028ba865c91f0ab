//! Which system calls Docker's default profile lets through whatever a container may do.
//!
//! The set is that of Docker Engine 29: what is not here, nor in [`super::profile`] for some capability,
//! architecture or argument, fails with EPERM (or ENOSYS, if it is newer than all of these).
//! It is arranged by what calls are about; names of all architectures stand together.

/// Clocks, timers and sleep.
const TIME: &str = "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep \
    setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 \
    timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 \
    timerfd_settime timerfd_settime64 times";

/// Sockets; `socket` itself is below, for it depends on the family.
const NETWORK: &str = "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg \
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall \
    socketpair";

/// System V and POSIX queues, semaphores and shared memory.
const IPC: &str = "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop \
    semtimedop_time64 shmat shmctl shmdt shmget";

/// Address space and memory objects.
const MEMORY: &str = "brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock \
    mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc \
    pkey_free pkey_mprotect process_mrelease process_vm_readv process_vm_writev remap_file_pages";

/// Signals.
const SIGNALS: &str = "kill pause pidfd_send_signal restart_syscall rt_sigaction rt_sigpending rt_sigprocmask \
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 \
    rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn tgkill tkill";

/// Waiting for descriptors, and asynchronous input and output.
const EVENTS: &str = "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait \
    epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 \
    inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 \
    io_setup io_submit _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select";

/// Users, groups, capabilities, sessions.
const IDENTITY: &str = "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 \
    getpgid getpgrp getpid getppid getresgid getresgid32 getresuid getresuid32 getsid gettid \
    getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups \
    setgroups32 setpgid setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid \
    setreuid32 setsid setuid setuid32 umask";

/// Priorities, processors, limits and accounts.
const SCHEDULING: &str = "getcpu getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 \
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam \
    sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity \
    sched_setattr sched_setparam sched_setscheduler sched_yield setpriority setrlimit sysinfo \
    ugetrlimit uname";

/// Making, running, tracing and confining processes.
const PROCESSES: &str = "execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv \
    futex_wake get_robust_list get_thread_area getrandom landlock_add_rule \
    landlock_create_ruleset landlock_restrict_self pidfd_open prctl ptrace riscv_hwprobe rseq \
    seccomp set_robust_list set_thread_area set_tid_address uretprobe vfork wait4 waitid waitpid";

/// Files, directories, links, attributes, mounts as far as one looks at them.
const FILES: &str = "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 \
    faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 \
    fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr \
    fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat \
    getcwd getdents getdents64 getxattr getxattrat ioctl lchown lchown32 lgetxattr link linkat \
    listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat \
    lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe \
    pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat \
    readv removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr \
    setxattrat splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync \
    sync_file_range syncfs tee truncate truncate64 unlink unlinkat utime utimensat \
    utimensat_time64 utimes vmsplice write writev";

/// All of them, each a list of names between blanks.
pub(super) const ALLOWED: [&str; 10] =
    [TIME, NETWORK, IPC, MEMORY, SIGNALS, EVENTS, IDENTITY, SCHEDULING, PROCESSES, FILES];
