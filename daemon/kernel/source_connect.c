// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a connect() is seen that fails at once: by the functions it comes to, by its system call, or by the ends of all. */
#include "daemon/kernel/source_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "daemon/kernel/share.h"
#include "generated/connect.skel.h"

void connect_unload(struct source *s)
{
	for (size_t i = 0; i < CONNECT_LINKS; i++) {
		bpf_link__destroy(s->connect_links[i]);
		s->connect_links[i] = NULL;
	}
	connect_bpf__destroy(s->connect);
	s->connect = NULL;
}

enum connect_by { BY_FUNCTION, BY_ITS_CALL, BY_ALL_CALLS };

/* Load one way to see it, with the maps of the other programs. */
static int try_connect(struct source *s, enum connect_by by)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	struct capability *capability =
		&s->capabilities[by == BY_FUNCTION ? CAP_CONNECT_FUNCTION : CAP_CONNECT_SYSCALL];
	struct connect_bpf *c;
	bool tcp6;
	int err;

	if (capability_refused(capability->name) || (by == BY_FUNCTION && programs_hooks_refused()))
		return capability->error = -EPERM;
	c = connect_bpf__open_opts(&opts);
	if (!c)
		return capability->error = -errno;
	bpf_program__set_autoload(c->progs.connect_security, by == BY_FUNCTION);
	bpf_program__set_autoload(c->progs.connect_enter, by == BY_FUNCTION);
	bpf_program__set_autoload(c->progs.connect_v4, by == BY_FUNCTION);
	tcp6 = kernel_attach_target(&s->enums, BPF_TRACE_FEXIT, "tcp_v6_connect"); /* not of a module */
	bpf_program__set_autoload(c->progs.connect_v6, by == BY_FUNCTION && tcp6);
	c->rodata->tcp6_seen = tcp6;
	bpf_program__set_autoload(c->progs.connect_exit, by == BY_FUNCTION);
	bpf_program__set_autoload(c->progs.connect_syscall_enter, by == BY_ITS_CALL);
	bpf_program__set_autoload(c->progs.connect_syscall_exit, by == BY_ITS_CALL);
	bpf_program__set_autoload(c->progs.connect_any_enter, by == BY_ALL_CALLS);
	bpf_program__set_autoload(c->progs.connect_any_exit, by == BY_ALL_CALLS);
	err = share(c->obj, s->bpf->obj);
	err = err ? err : connect_bpf__load(c);
	err = err ? err : programs_attach_all(c->obj, s->connect_links, CONNECT_LINKS);
	s->connect = c;
	if (err)
		connect_unload(s);
	return capability->error = err;
}

/* Its system call's tracepoints need tracefs; without it, those of all calls (decision 0011). */
static int connect_load(struct source *s, bool function)
{
	int err = try_connect(s, function ? BY_FUNCTION : BY_ITS_CALL);

	return err && !function ? try_connect(s, BY_ALL_CALLS) : err;
}

/* What is beyond the room of the table is counted in an entry of its own, which is there from the beginning. */
static int make_room(const struct source *s)
{
	struct connect_error_key rest = { .error = 0 };
	uint64_t none = 0;

	return bpf_map__update_elem(s->bpf->maps.connect_errors, &rest, sizeof(rest), &none, sizeof(none), BPF_ANY);
}

int source_watch_connects(struct source *s)
{
	bool function = s->connect_errors != CONNECT_ERRORS_SYSCALL;
	int err;

	if (s->connect_errors == CONNECT_ERRORS_OFF)
		return 0;
	err = connect_load(s, function);
	if (err && s->connect_errors == CONNECT_ERRORS_AUTO) {
		function = false;
		err = connect_load(s, function);
	}
	if (err)
		return 0; /* source_connect_error() says why */
	s->settings.connect_by = function ? CONNECT_FUNCTION : CONNECT_SYSCALL;
	err = make_room(s);
	return err ? err : source_write_settings(s);
}

/* What sees connect() already goes on, and alone reports it: what is tried is not what the settings name. */
void source_probe_connect(struct source *s)
{
	static const int capabilities[] = { CAP_CONNECT_SYSCALL, CAP_CONNECT_FUNCTION };
	struct connect_bpf *used = s->connect;
	struct bpf_link *links[CONNECT_LINKS];

	memcpy(links, s->connect_links, sizeof(links));
	for (int function = 0; function < 2; function++) {
		if (s->capabilities[capabilities[function]].error != CAPABILITY_UNTRIED)
			continue; /* it was tried */
		s->connect = NULL;
		memset(s->connect_links, 0, sizeof(s->connect_links));
		if (connect_load(s, function) == 0)
			connect_unload(s);
	}
	s->connect = used;
	memcpy(s->connect_links, links, sizeof(links));
}

int source_connect_error(const struct source *s)
{
	if (s->connect || s->connect_errors == CONNECT_ERRORS_OFF)
		return 0;
	return s->capabilities[s->connect_errors == CONNECT_ERRORS_FUNCTION ? CAP_CONNECT_FUNCTION :
									     CAP_CONNECT_SYSCALL]
		.error;
}

void source_connect_errors(const struct source *s,
			   void (*fn)(void *ctx, const struct connect_error_key *key, uint64_t count), void *ctx)
{
	int map = bpf_map__fd(s->bpf->maps.connect_errors);
	struct connect_error_key key, *before = NULL;
	uint64_t count;

	if (!s->connect)
		return;
	while (bpf_map_get_next_key(map, before, &key) == 0) {
		if (bpf_map_lookup_elem(map, &key, &count) == 0 && count)
			fn(ctx, &key, count);
		before = &key;
	}
}
