// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/privilege/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define ANY(name) .call = SCMP_SYS(name)
#define EQUAL(name, n, value) .call = SCMP_SYS(name), .args = 1, .arg = SCMP_CMP(n, SCMP_CMP_EQ, value)
#define MASKED(name, n, mask, value) \
	.call = SCMP_SYS(name), .args = 1, .arg = SCMP_CMP(n, SCMP_CMP_MASKED_EQ, mask, value)

/* A sanitizer makes calls of its own. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC)
#define APPENDS (O_ACCMODE | O_TRUNC | O_APPEND)

/* docs/privileges.md has the same rows. What differs between C libraries and architectures is here for each. */
static const struct rule {
	int call;
	unsigned int args;
	struct scmp_arg_cmp arg;
	unsigned int use;
} rules[] = {
	{ ANY(read), .use = USE_ALWAYS }, /* iterators, /proc, signals that came */
	{ ANY(pread64), .use = USE_ALWAYS }, /* counters of network namespaces, through descriptors that stay open */
	{ ANY(write), .use = USE_ALWAYS }, /* records, standard error */
	{ ANY(sendto), .use = USE_ALWAYS }, /* records into sockets, messages to the service manager */
	{ ANY(close), .use = USE_ALWAYS }, /* what was opened */
	{ MASKED(openat, 2, WRITES, O_RDONLY), .use = USE_ALWAYS }, /* /proc, the names of containers; nothing to be written */
	{ MASKED(openat, 2, APPENDS, O_WRONLY | O_APPEND), .use = USE_OUTPUT }, /* the output again, after SIGHUP: to append */
	{ ANY(fallocate), .use = USE_ALWAYS }, /* is there room for more records, and for the last ones? */
	{ ANY(ftruncate), .use = USE_ALWAYS }, /* half a record, or room that was not used, is cut off */
	{ ANY(open_by_handle_at), .use = USE_ALWAYS }, /* a cgroup by its id */
	{ ANY(fstat), .use = USE_ALWAYS }, /* what kind of file it is */
	{ ANY(newfstatat), .use = USE_ALWAYS }, /* the same, of a path; /proc/PID/ns/net, /proc/PID/fd */
	{ ANY(statx), .use = USE_ALWAYS }, /* the same, in other C libraries */
	{ ANY(readlink), .use = USE_ALWAYS }, /* a cgroup's path, the sockets of /proc/PID/fd */
	{ ANY(readlinkat), .use = USE_ALWAYS }, /* the same */
	{ ANY(getdents64), .use = USE_ALWAYS }, /* processes and their descriptors in /proc */
	{ ANY(lseek), .use = USE_ALWAYS }, /* the C library, where it closes what it read */
	{ ANY(fcntl), .use = USE_ALWAYS }, /* O_NONBLOCK; the C library, where it opens a directory */
	{ ANY(dup), .use = USE_ALWAYS }, /* --cgroup: the way up to the root of the hierarchy */
	{ ANY(fstatfs), .use = USE_ALWAYS }, /* --cgroup: is it a cgroup? */
	{ ANY(epoll_wait), .use = USE_ALWAYS }, /* the event loop */
	{ ANY(epoll_pwait), .use = USE_ALWAYS }, /* the same, on other architectures */
	{ ANY(epoll_ctl), .use = USE_ALWAYS }, /* what the event loop waits for */
	{ ANY(poll), .use = USE_ALWAYS }, /* has a reader gone; readers that are slow at the end */
	{ ANY(ppoll), .use = USE_ALWAYS }, /* the same, on other architectures */
	{ EQUAL(bpf, 0, BPF_MAP_LOOKUP_ELEM), .use = USE_ALWAYS }, /* counters, histograms, requests */
	{ EQUAL(bpf, 0, BPF_MAP_UPDATE_ELEM), .use = USE_ALWAYS }, /* settings, histograms that are emptied */
	{ EQUAL(bpf, 0, BPF_MAP_DELETE_ELEM), .use = USE_ALWAYS }, /* what is gone: listeners, namespaces, ports */
	{ EQUAL(bpf, 0, BPF_MAP_GET_NEXT_KEY), .use = USE_ALWAYS }, /* the ports that have histograms */
	{ EQUAL(bpf, 0, BPF_MAP_LOOKUP_BATCH), .use = USE_ALWAYS }, /* requests and attempts: which have expired */
	{ EQUAL(bpf, 0, BPF_MAP_DELETE_BATCH), .use = USE_ALWAYS }, /* the same */
	{ EQUAL(bpf, 0, BPF_PROG_TEST_RUN), .use = USE_ALWAYS }, /* a look at the queues */
	{ EQUAL(bpf, 0, BPF_LINK_CREATE), .use = USE_ALWAYS }, /* a scan for listeners: its iterator */
	{ EQUAL(bpf, 0, BPF_ITER_CREATE), .use = USE_ALWAYS }, /* the same */
	{ EQUAL(bpf, 0, BPF_OBJ_GET_INFO_BY_FD), .use = USE_ALWAYS }, /* what programs cost and missed */
	{ EQUAL(ioctl, 1, PERF_EVENT_IOC_DISABLE), .use = USE_ALWAYS }, /* programs are detached, at the end */
	{ MASKED(mmap, 2, PROT_EXEC, 0), .use = USE_ALWAYS }, /* memory, but not to be executed */
	{ MASKED(mprotect, 2, PROT_EXEC, 0), .use = USE_ALWAYS }, /* the same */
	{ ANY(mremap), .use = USE_ALWAYS }, /* the same */
	{ ANY(munmap), .use = USE_ALWAYS }, /* the same */
	{ ANY(madvise), .use = USE_ALWAYS }, /* the same */
	{ ANY(brk), .use = USE_ALWAYS }, /* the same */
	{ ANY(futex), .use = USE_ALWAYS }, /* the C library's locks */
	{ ANY(clock_gettime), .use = USE_ALWAYS }, /* what a look costs; the time, where the kernel does not map it */
	{ ANY(gettimeofday), .use = USE_ALWAYS }, /* the time, in libevent */
	{ ANY(rt_sigaction), .use = USE_ALWAYS }, /* signals, at the end */
	{ ANY(rt_sigprocmask), .use = USE_ALWAYS }, /* the same */
	{ ANY(rt_sigreturn), .use = USE_ALWAYS }, /* back from a signal */
	{ ANY(restart_syscall), .use = USE_ALWAYS }, /* after SIGSTOP and SIGCONT */
	{ EQUAL(kill, 1, 0), .use = USE_ALWAYS }, /* does a listener's owner live? It signals nothing */
	{ ANY(sched_getaffinity), .use = USE_ALWAYS }, /* how many CPUs there are, where the C library lacks a descriptor to read it */
	{ ANY(getrandom), .use = USE_ALWAYS }, /* --with-host: a new feed's name */
	{ ANY(uname), .use = USE_ALWAYS }, /* the kernel's version, which hello has */
	{ ANY(exit_group), .use = USE_ALWAYS }, /* the end */
	{ ANY(timerfd_settime), .use = USE_ALWAYS }, /* whether the clock is set again */
	{ ANY(rename), .use = USE_ROTATION }, /* the output, when it is full */
	{ ANY(renameat), .use = USE_ROTATION }, /* the same, on other architectures */
	{ ANY(dup3), .use = USE_ROTATION }, /* the new file takes the place of the old one's descriptor */
	{ ANY(access), .use = USE_ROTATION }, /* which numbers are taken */
	{ ANY(faccessat), .use = USE_ROTATION }, /* the same, on other architectures */
	{ ANY(accept4), .use = USE_SOCKET | USE_METRICS }, /* a client */
	{ ANY(recvfrom), .use = USE_SOCKET }, /* requests */
	{ EQUAL(getsockopt, 2, SO_PEERCRED), .use = USE_SOCKET }, /* the user of a client */
	{ ANY(unlink), .use = USE_SOCKET }, /* the socket, at the end */
	{ ANY(unlinkat), .use = USE_SOCKET }, /* the same, on other architectures */
	{ EQUAL(kill, 1, SIGKILL), .use = USE_SOCKET }, /* our own process that found out what the kernel grants, if it still runs */
	{ ANY(wait4), .use = USE_SOCKET }, /* the same */
	{ ANY(getrusage), .use = USE_METRICS }, /* the CPU time that the daemon took */
	{ EQUAL(prlimit64, 2, 0), .use = USE_ALWAYS }, /* how many descriptors there may be, to read it only */
	{ ANY(readv), .use = USE_METRICS }, /* a scrape's request */
	{ ANY(writev), .use = USE_METRICS }, /* its answer */
	{ EQUAL(ioctl, 1, FIONREAD), .use = USE_METRICS }, /* how much of it is here */
	{ ANY(shutdown), .use = USE_METRICS }, /* its end */
};

/* What makes it neither wider nor narrower is tried only: older kernels and libraries lack some. */
static void set_attributes(scmp_filter_ctx filter)
{
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1); /* the kernel's log says what was refused */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1); /* no code of others runs in this process: no price for that */
}

static int add_rules(scmp_filter_ctx filter, const struct calls_wanted *wanted)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *r = &rules[i];
		int err;

		if (r->use && !(r->use & wanted->uses))
			continue;
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call, r->args, &r->arg);
		if (err && err != -EDOM) /* -EDOM: this architecture has no such call */
			return err;
	}
	return 0;
}

int calls_limit(const struct calls_wanted *wanted)
{
	scmp_filter_ctx filter;
	int err;

	if (SANITIZED)
		return 0;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return -ENOMEM;
	set_attributes(filter);
	err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* every thread, or none */
	err = err ? err : add_rules(filter, wanted);
	err = err ? err : seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
