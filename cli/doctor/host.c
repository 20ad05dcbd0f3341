// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/doctor/host.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef CAP_PERFMON /* headers before 5.8 */
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif
#define BIT(capability) (1ULL << (capability))

static const struct {
	const char *name;
	uint64_t all; /* of these */
	uint64_t instead; /* or this one */
	bool required;
	const char *needed_for, *without;
} privileges[] = {
	{ "CAP_BPF, CAP_PERFMON", BIT(CAP_BPF) | BIT(CAP_PERFMON), BIT(CAP_SYS_ADMIN), true,
	  "loading and attaching the BPF programs", "tcpshaked does not run" },
	{ "CAP_DAC_READ_SEARCH", BIT(CAP_DAC_READ_SEARCH), 0, false,
	  "cgroup paths and containers; tracefs", "cgroup paths are null" },
	{ "CAP_SYS_PTRACE", BIT(CAP_SYS_PTRACE), 0, false,
	  "auditing network namespaces in which only other users' processes live",
	  "these are not audited" },
};

struct place {
	const char *name, *paths[3];
	long magic; /* of its file system; 0: it need only be readable */
	bool required;
	const char *needed_for, *without, *remedy;
};

static const struct place places[] = {
	{ "BTF", { "/sys/kernel/btf/vmlinux" }, 0, true, "fitting the programs to this kernel",
	  "tcpshaked does not run",
	  "mount -t sysfs sysfs /sys, or a kernel built with CONFIG_DEBUG_INFO_BTF=y" },
	{ "tracefs", { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" }, TRACEFS_MAGIC, false,
	  "classic tracepoints: the cheap accept_syscall, and state changes where tasks preempt programs",
	  "accept_syscall costs all system calls 0.1 us more; preempted state changes are missed",
	  "mount -t tracefs tracefs /sys/kernel/tracing" },
	{ "cgroup2", { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" }, CGROUP2_SUPER_MAGIC, false,
	  "cgroup paths and containers", "cgroup paths and containers are null",
	  "mount -t cgroup2 cgroup2 /sys/fs/cgroup" },
};

/* The effective capabilities; false if /proc does not say. */
static bool read_capabilities(pid_t pid, uint64_t *effective)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		found = strncmp(line, "CapEff:", 7) == 0;
		if (found)
			*effective = strtoull(line + 7, NULL, 16);
	}
	if (f)
		fclose(f);
	return found;
}

static void judge_privileges(struct doctor *d, pid_t pid)
{
	uint64_t have = 0;
	bool known = read_capabilities(pid, &have);

	for (size_t i = 0; i < sizeof(privileges) / sizeof(privileges[0]); i++) {
		/* A daemon that answers has loaded its programs, and has given up what that takes. */
		bool used = pid != getpid() && privileges[i].required;
		bool ok = used || (have & privileges[i].all) == privileges[i].all ||
			  (have & privileges[i].instead);
		struct doctor_finding *f =
			doctor_add(d, DOCTOR_PRIVILEGE, privileges[i].name,
				   !known && !used ? DOCTOR_UNKNOWN : ok ? DOCTOR_OK : DOCTOR_MISSING);

		f->required = privileges[i].required;
		snprintf(f->detail, sizeof(f->detail), "%s%s", privileges[i].needed_for,
			 used ? ": this daemon has done it" : "");
		if (!known || ok)
			continue;
		snprintf(f->detail, sizeof(f->detail), "%s; without it: %s", privileges[i].needed_for,
			 privileges[i].without);
		snprintf(f->advice, sizeof(f->advice),
			 "run it as root (sudo), or as a service with AmbientCapabilities");
	}
}

/* Is it there, as that process sees the file system, or, where we may not look, as we do? */
static bool is_there(pid_t pid, const char *path, long magic)
{
	char theirs[160];
	struct statfs fs;
	int fd;

	snprintf(theirs, sizeof(theirs), "/proc/%d/root", pid);
	if (access(theirs, X_OK) == 0)
		snprintf(theirs, sizeof(theirs), "/proc/%d/root%s", pid, path);
	else
		snprintf(theirs, sizeof(theirs), "%s", path);
	if (magic)
		return statfs(theirs, &fs) == 0 && (long)fs.f_type == magic;
	fd = open(theirs, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void judge_place(struct doctor *d, pid_t pid, const struct place *place)
{
	struct doctor_finding *f = doctor_add(d, DOCTOR_MOUNT, place->name, DOCTOR_MISSING);

	f->required = place->required;
	for (size_t i = 0; place->paths[i]; i++) {
		if (!is_there(pid, place->paths[i], place->magic))
			continue;
		f->verdict = DOCTOR_OK;
		snprintf(f->value, sizeof(f->value), "%s", place->paths[i]);
		snprintf(f->detail, sizeof(f->detail), "%s", place->needed_for);
		return;
	}
	snprintf(f->detail, sizeof(f->detail), "%s; without it: %s", place->needed_for, place->without);
	snprintf(f->advice, sizeof(f->advice), "%s", place->remedy);
}

void doctor_look_at_host(struct doctor *d, pid_t pid)
{
	if (!pid)
		pid = getpid();
	judge_privileges(d, pid);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		judge_place(d, pid, &places[i]);
}
