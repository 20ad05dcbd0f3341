// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/privilege/privilege.h"

#include <errno.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "common/log.h"

/* What is kept, if the daemon was started with it. */
static const cap_value_t kept[] = {
	CAP_DAC_READ_SEARCH, /* open_by_handle_at(): a cgroup by its id; /proc/PID/fd, to count */
	CAP_SYS_PTRACE, /* /proc/PID/ns/net, and /proc/PID/fd, of other users' processes */
};

/* bpf() wants one of them before 5.19, where unprivileged_bpf_disabled is set; later a descriptor is enough. */
static const cap_value_t for_bpf[] = { CAP_BPF, CAP_SYS_ADMIN };

static bool is_held(cap_t held, cap_value_t value)
{
	cap_flag_value_t set = CAP_CLEAR;

	return cap_get_flag(held, value, CAP_PERMITTED, &set) == 0 && set == CAP_SET;
}

static void keep(cap_t caps, cap_t held, cap_value_t value, cap_flag_t flag)
{
	if (is_held(held, value))
		cap_set_flag(caps, flag, 1, &value, CAP_SET);
}

/* The capabilities that stay permitted and in effect; `bpf` stays permitted, and may be taken into effect again. */
static int keep_only(cap_t held, const cap_value_t *bpf, bool in_effect)
{
	cap_t caps = cap_init();
	int err;

	if (!caps)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		keep(caps, held, kept[i], CAP_PERMITTED);
		keep(caps, held, kept[i], CAP_EFFECTIVE);
	}
	for (size_t i = 0; bpf && i < sizeof(for_bpf) / sizeof(*for_bpf); i++)
		if (!in_effect || for_bpf[i] == *bpf)
			keep(caps, held, for_bpf[i], CAP_PERMITTED);
	if (bpf && in_effect)
		keep(caps, held, *bpf, CAP_EFFECTIVE);
	err = cap_set_proc(caps) ? -errno : 0;
	cap_free(caps);
	return err;
}

/* The kernel is asked, for what it wants depends on its version and a sysctl: without, then with one, then the other. */
static int drop_capabilities(cap_t held, privilege_works_fn works, void *ctx)
{
	int err = keep_only(held, for_bpf, false);

	if (err)
		return err;
	if (works(ctx))
		return keep_only(held, NULL, false);
	return keep_only(held, is_held(held, CAP_BPF) ? &for_bpf[0] : &for_bpf[1], true);
}

static bool stays(cap_value_t value)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (kept[i] == value)
			return true;
	return false;
}

/*
 * What a program that this process runs could have at most. Who may not change it (no CAP_SETPCAP) has to leave it;
 * no_new_privs keeps such a program from getting any of it.
 */
static void drop_bounding_set(void)
{
	for (cap_value_t value = 0; cap_get_bound(value) >= 0; value++)
		if (!stays(value) && cap_get_bound(value) > 0 && cap_drop_bound(value)) {
			log_debug("the bounding set of capabilities stays: %s", strerror(errno));
			return;
		}
}

void privilege_drop(const struct calls_wanted *wanted, privilege_works_fn works, void *ctx)
{
	cap_t held = cap_get_proc();
	int err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;

	if (err)
		log_warning("cannot set no_new_privs: %s; going on", strerror(-err));
	drop_bounding_set();
	err = held ? drop_capabilities(held, works, ctx) : -errno;
	cap_free(held);
	if (err)
		log_warning("cannot give up capabilities: %s; going on with all of them", strerror(-err));
	err = calls_limit(wanted);
	if (err)
		log_warning("cannot limit system calls by seccomp: %s; going on without a limit", strerror(-err));
}
