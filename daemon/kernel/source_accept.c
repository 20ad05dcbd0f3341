// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How accept() is seen: by its function, by its two system calls, or by the exits of all. */
#include "daemon/kernel/source_internal.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "daemon/kernel/share.h"
#include "generated/accept.skel.h"

void accept_unload(struct source *s)
{
	for (size_t i = 0; i < sizeof(s->accept_links) / sizeof(*s->accept_links); i++) {
		bpf_link__destroy(s->accept_links[i]);
		s->accept_links[i] = NULL;
	}
	accept_bpf__destroy(s->accept);
	s->accept = NULL;
}

enum accept_by { BY_FUNCTION, BY_ITS_CALLS, BY_ALL_CALLS };

/* Load one way to see accept(), with the maps of the other programs. */
static int try_accept(struct source *s, enum accept_by by)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	struct capability *capability =
		&s->capabilities[by == BY_FUNCTION ? CAP_ACCEPT_FUNCTION : CAP_ACCEPT_SYSCALL];
	struct accept_bpf *a;
	int err;

	if (capability_refused(capability->name) || (by == BY_FUNCTION && programs_hooks_refused()))
		return capability->error = -EPERM;
	a = accept_bpf__open_opts(&opts);
	if (!a)
		return capability->error = -errno;
	bpf_program__set_autoload(a->progs.accept_function, by == BY_FUNCTION);
	bpf_program__set_autoload(a->progs.accept_syscall, by == BY_ITS_CALLS);
	bpf_program__set_autoload(a->progs.accept4_syscall, by == BY_ITS_CALLS);
	bpf_program__set_autoload(a->progs.syscall_exit, by == BY_ALL_CALLS);
	err = share(a->obj, s->bpf->obj);
	err = err ? err : accept_bpf__load(a);
	err = err ? err : programs_attach_all(a->obj, s->accept_links, 2);
	s->accept = a;
	if (err)
		accept_unload(s);
	return capability->error = err;
}

/* The exits of the two system calls need tracefs; without it, those of all calls (decision 0011). */
int accept_load(struct source *s, bool function)
{
	int err = try_accept(s, function ? BY_FUNCTION : BY_ITS_CALLS);

	return err && !function ? try_accept(s, BY_ALL_CALLS) : err;
}

/* What sees accept() already goes on, and alone reports it: what is tried is not what the settings name. */
void source_probe_accept(struct source *s)
{
	static const int capabilities[] = { CAP_ACCEPT_SYSCALL, CAP_ACCEPT_FUNCTION };
	struct accept_bpf *used = s->accept;
	struct bpf_link *links[] = { s->accept_links[0], s->accept_links[1] };

	for (int function = 0; function < 2; function++) {
		if (s->capabilities[capabilities[function]].error != CAPABILITY_UNTRIED)
			continue; /* it was tried */
		s->accept = NULL;
		memset(s->accept_links, 0, sizeof(s->accept_links));
		if (accept_load(s, function) == 0)
			accept_unload(s);
	}
	s->accept = used;
	memcpy(s->accept_links, links, sizeof(links));
}

int source_accept_error(const struct source *s)
{
	if (s->accept || s->accept_wait == ACCEPT_WAIT_OFF || s->accept_wait == ACCEPT_WAIT_AUTO)
		return 0;
	return s->capabilities[s->accept_wait == ACCEPT_WAIT_FUNCTION ? CAP_ACCEPT_FUNCTION :
									CAP_ACCEPT_SYSCALL]
		.error;
}
