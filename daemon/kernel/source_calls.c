// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls whose ends are observed: accept(), and a connect() that fails at once. Each by the functions that it comes to, by the
 * tracepoints of its system calls, or by those of all.
 */
#include "daemon/kernel/source_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "daemon/kernel/share.h"
#include "generated/accept.skel.h"
#include "generated/connect.skel.h"

enum way { BY_FUNCTION, BY_ITS_CALLS, BY_ALL_CALLS, WAYS };

static const struct call_programs {
	programs_elf *elf;
	bool auto_by_calls; /* OBSERVE_AUTO: by the system call where functions cannot be hooked, else not at all */
	int capability[WAYS];
	const char *programs[WAYS][CALL_LINKS];
} programs_of[CALLS] = {
	[CALL_ACCEPT] = {
		.elf = accept_bpf__elf_bytes,
		.capability = { CAP_ACCEPT_FUNCTION, CAP_ACCEPT_SYSCALL, CAP_ACCEPT_SYSCALL },
		.programs = {
			[BY_FUNCTION] = { "accept_function" },
			[BY_ITS_CALLS] = { "accept_syscall", "accept4_syscall" },
			[BY_ALL_CALLS] = { "syscall_exit" },
		},
	},
	[CALL_CONNECT] = {
		.elf = connect_bpf__elf_bytes,
		.auto_by_calls = true,
		.capability = { CAP_CONNECT_FUNCTION, CAP_CONNECT_SYSCALL, CAP_CONNECT_SYSCALL },
		.programs = {
			[BY_FUNCTION] = { "connect_security", "connect_enter", "connect_v4", "connect_v6", "connect_exit" },
			[BY_ITS_CALLS] = { "connect_syscall_enter", "connect_syscall_exit" },
			[BY_ALL_CALLS] = { "connect_any_enter", "connect_any_exit" },
		},
	},
};

static void detach(struct observed *o)
{
	for (int i = 0; i < CALL_LINKS; i++) {
		bpf_link__destroy(o->links[i]);
		o->links[i] = NULL;
	}
}

static void unload(struct observed *o)
{
	detach(o);
	bpf_object__close(o->object);
	*o = (struct observed){ .how = o->how };
}

void source_detach_calls(struct source *s)
{
	for (int call = 0; call < CALLS; call++)
		detach(&s->calls[call]);
}

void source_unload_calls(struct source *s)
{
	for (int call = 0; call < CALLS; call++)
		unload(&s->calls[call]);
}

void source_observe(struct source *s, enum call call, enum observe how)
{
	s->calls[call].how = how;
}

static bool is_chosen(const struct source *s, const char *const *programs, const char *name)
{
	if (strcmp(name, "connect_v6") == 0 && !s->bpf->rodata->tcp6_seen)
		return false;
	for (int i = 0; i < CALL_LINKS && programs[i]; i++)
		if (strcmp(programs[i], name) == 0)
			return true;
	return false;
}

/* Load one way to see it, with the maps of the other programs. */
static int try_way(struct source *s, enum call call, enum way way)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	const struct call_programs *c = &programs_of[call];
	struct capability *capability = &s->capabilities[c->capability[way]];
	struct observed *o = &s->calls[call];
	struct bpf_program *program;
	size_t size;
	const void *elf = c->elf(&size);
	int err;

	if (capability_refused(capability->name) || (way == BY_FUNCTION && programs_hooks_refused()))
		return capability->error = -EPERM;
	o->object = bpf_object__open_mem(elf, size, &opts);
	if (!o->object)
		return capability->error = -errno;
	bpf_object__for_each_program(program, o->object)
		bpf_program__set_autoload(program, is_chosen(s, c->programs[way], bpf_program__name(program)));
	err = share(o->object, s->bpf->obj);
	err = err ? err : bpf_object__load(o->object);
	err = err ? err : programs_attach_all(o->object, o->links, CALL_LINKS);
	if (err)
		unload(o);
	return capability->error = err;
}

/* The tracepoints of single calls need tracefs; without it, those of all calls (decision 0011). */
static int load_call(struct source *s, enum call call, bool function)
{
	int err = try_way(s, call, function ? BY_FUNCTION : BY_ITS_CALLS);

	return err && !function ? try_way(s, call, BY_ALL_CALLS) : err;
}

/* As it was asked for; where it is not seen, source_call_error() says why. */
static enum call_evidence watch(struct source *s, enum call call)
{
	enum observe how = s->calls[call].how;
	bool by_calls = how == OBSERVE_SYSCALL || (how == OBSERVE_AUTO && programs_of[call].auto_by_calls);

	if (how == OBSERVE_OFF)
		return CALL_UNSEEN;
	if (how != OBSERVE_SYSCALL && load_call(s, call, true) == 0)
		return CALL_BY_FUNCTION;
	return by_calls && load_call(s, call, false) == 0 ? CALL_BY_SYSCALL : CALL_UNSEEN;
}

/* What is beyond the room of the table is counted in an entry of its own, which is there from the beginning. */
static int make_room(const struct source *s)
{
	struct connect_error_key rest = { .error = 0 };
	uint64_t none = 0;

	return bpf_map__update_elem(s->bpf->maps.connect_errors, &rest, sizeof(rest), &none, sizeof(none), BPF_ANY);
}

/* By one way only: the other may be tried later, while this one reports. */
int source_watch_calls(struct source *s)
{
	int err;

	s->settings.accept_by = watch(s, CALL_ACCEPT);
	s->settings.connect_by = watch(s, CALL_CONNECT);
	err = s->settings.connect_by ? make_room(s) : 0;
	return err ? err : source_write_settings(s);
}

/* What sees a call already goes on, and alone reports it: what is tried is not what the settings name. */
void source_probe_calls(struct source *s)
{
	for (int call = 0; call < CALLS; call++) {
		const int *capability = programs_of[call].capability;
		struct observed used = s->calls[call];

		for (int function = 0; function < 2; function++) {
			if (s->capabilities[capability[function ? BY_FUNCTION : BY_ITS_CALLS]].error != CAPABILITY_UNTRIED)
				continue; /* it was tried */
			s->calls[call] = (struct observed){ .how = used.how };
			if (load_call(s, call, function) == 0)
				unload(&s->calls[call]);
		}
		s->calls[call] = used;
	}
}

int source_call_error(const struct source *s, enum call call)
{
	const struct call_programs *c = &programs_of[call];
	enum observe how = s->calls[call].how;

	if (s->calls[call].object || how == OBSERVE_OFF || (how == OBSERVE_AUTO && !c->auto_by_calls))
		return 0;
	return s->capabilities[c->capability[how == OBSERVE_FUNCTION ? BY_FUNCTION : BY_ITS_CALLS]].error;
}

void source_connect_errors(const struct source *s,
			   void (*fn)(void *ctx, const struct connect_error_key *key, uint64_t count), void *ctx)
{
	int map = bpf_map__fd(s->bpf->maps.connect_errors);
	struct connect_error_key key, *before = NULL;
	uint64_t count;

	if (!s->calls[CALL_CONNECT].object)
		return;
	while (bpf_map_get_next_key(map, before, &key) == 0) {
		if (bpf_map_lookup_elem(map, &key, &count) == 0 && count)
			fn(ctx, &key, count);
		before = &key;
	}
}
