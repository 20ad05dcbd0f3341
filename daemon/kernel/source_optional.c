// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Objects of programs that a kernel may refuse: each is loaded and attached alone. */
#include "daemon/kernel/source_internal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "common/log.h"
#include "daemon/kernel/unreported.h"
#include "generated/classic.skel.h"
#include "generated/close.skel.h"
#include "generated/close_classic.skel.h"
#include "generated/close_takeover.skel.h"
#include "generated/drop.skel.h"
#include "generated/files.skel.h"
#include "generated/look.skel.h"
#include "generated/neighbour.skel.h"
#include "generated/refused_ack.skel.h"
#include "generated/refused_syn.skel.h"
#include "generated/request.skel.h"
#include "generated/reset_answer.skel.h"
#include "generated/reset_received.skel.h"
#include "generated/reset_sent.skel.h"
#include "generated/retransmit.skel.h"
#include "generated/takeover.skel.h"
#include "generated/takeover_again.skel.h"

/* When the programs of an object are attached. */
enum attached {
	ATTACH_NEVER, /* it is run when it is wanted */
	ATTACH_LATER, /* with the rest: the first that the kernel takes */
	ATTACH_EACH_LATER, /* with the rest: each of them */
	ATTACH_NOW, /* each of them, before any event is counted */
};

/* What a kernel may refuse, each an object of its own, in the order they are loaded in. */
static const struct optional {
	programs_elf *elf;
	int capability;
	enum attached attached;
} optionals[OPTIONALS] = {
	[OPTIONAL_CLASSIC] = { classic_bpf__elf_bytes, CAP_UNPREEMPTED, ATTACH_LATER },
	[OPTIONAL_TAKEOVER] = { takeover_bpf__elf_bytes, CAP_TAKEOVER, ATTACH_LATER },
	[OPTIONAL_TAKEOVER_AGAIN] = { takeover_again_bpf__elf_bytes, CAP_TAKEOVER, ATTACH_EACH_LATER },
	[OPTIONAL_RETRANSMIT] = { retransmit_bpf__elf_bytes, CAP_RETRANSMIT_SYN, ATTACH_LATER },
	[OPTIONAL_RESET_SENT] = { reset_sent_bpf__elf_bytes, CAP_RESET_SENT, ATTACH_LATER },
	[OPTIONAL_RESET_RECEIVED] = { reset_received_bpf__elf_bytes, CAP_RESET_RECEIVED, ATTACH_LATER },
	[OPTIONAL_NEIGHBOUR] = { neighbour_bpf__elf_bytes, CAP_NEIGHBOUR, ATTACH_LATER },
	[OPTIONAL_DROP] = { drop_bpf__elf_bytes, CAP_KFREE, ATTACH_LATER },
	[OPTIONAL_FILES] = { files_bpf__elf_bytes, CAP_FILES, ATTACH_NEVER },
	[OPTIONAL_LOOK] = { look_bpf__elf_bytes, CAP_LOOK, ATTACH_NEVER },
	[OPTIONAL_REFUSED_SYN] = { refused_syn_bpf__elf_bytes, CAP_FUNCTIONS, ATTACH_NOW },
	[OPTIONAL_REFUSED_ACK] = { refused_ack_bpf__elf_bytes, CAP_ACK_HOOKS, ATTACH_NOW },
	[OPTIONAL_RESET_ANSWER] = { reset_answer_bpf__elf_bytes, CAP_RESET_HOOKS, ATTACH_NOW },
	[OPTIONAL_REQUEST] = { request_bpf__elf_bytes, CAP_REQUEST_FUNCTION, ATTACH_LATER },
	[OPTIONAL_CLOSE_CLASSIC] = { close_classic_bpf__elf_bytes, CAP_CLOSE, ATTACH_LATER },
	[OPTIONAL_CLOSE] = { close_bpf__elf_bytes, CAP_CLOSE, ATTACH_LATER },
	[OPTIONAL_CLOSE_TAKEOVER] = { close_takeover_bpf__elf_bytes, CAP_TAKEOVER, ATTACH_LATER },
};

bool optional_loaded(const struct source *s, int which)
{
	return programs_loaded(&s->optional[which]);
}

/* Does another kind of evidence leave something to it? */
static bool needed(const struct source *s, int which)
{
	switch (which) {
	case OPTIONAL_CLASSIC:
		return s->preempts && !s->capabilities[CAP_ATOMICS].error;
	case OPTIONAL_TAKEOVER:
		return s->guards;
	case OPTIONAL_TAKEOVER_AGAIN:
		return s->preempts && needed(s, OPTIONAL_TAKEOVER);
	case OPTIONAL_REFUSED_ACK:
		return !optional_loaded(s, OPTIONAL_DROP) || s->capabilities[CAP_REASON].error;
	case OPTIONAL_RESET_ANSWER:
		return s->unreported & UNREPORTED_NO_SOCKET;
	case OPTIONAL_CLOSE_CLASSIC:
		return s->closes && s->preempts;
	case OPTIONAL_CLOSE:
		return s->closes;
	case OPTIONAL_CLOSE_TAKEOVER:
		return s->closes && needed(s, OPTIONAL_TAKEOVER);
	}
	return true;
}

/* Of what is not asked for, nobody knows whether the kernel would grant it: it stays CAPABILITY_UNTRIED. */
static bool asked_for(const struct source *s, int which)
{
	return optionals[which].capability != CAP_CLOSE || s->closes;
}

/* The counters by which hooks into functions see what these do. */
static bool counters_known(const struct source *s)
{
	for (int n = 0; n < KERNEL_NAMES; n++)
		if (n != KERNEL_NO_SOCKET && n != KERNEL_OVERFLOW_REASON && !s->enums.number[n].known)
			return false;
	return true;
}

/* Why one is not even tried: 0, or a negative errno. */
static int foreseen(const struct source *s, int which)
{
	const struct optional *o = &optionals[which];

	if (capability_refused(s->capabilities[o->capability].name))
		return -EPERM;
	if (which == OPTIONAL_REQUEST)
		return programs_hooks_refused();
	if (which == OPTIONAL_DROP && s->core && !s->enums.number[KERNEL_NO_SOCKET].known)
		return -EINVAL; /* without a reason the tracepoint shows nothing */
	if (o->capability == CAP_TAKEOVER && needed(s, which))
		return s->capabilities[CAP_ATOMICS].error; /* without them attempts are in another table */
	if (o->attached != ATTACH_NOW || !needed(s, which))
		return 0;
	return counters_known(s) ? programs_hooks_refused() : -ENOENT;
}

static int open_look(const struct bpf_object *object, void *ctx)
{
	struct source *s = ctx;

	return look_open(&s->look, object);
}

/* What has to be done at once with what was loaded. */
static int begin_optional(struct source *s, int which)
{
	struct programs *p = &s->optional[which];

	if (optionals[which].attached == ATTACH_NOW)
		return programs_attach_from(p, 0);
	if (which != OPTIONAL_LOOK)
		return 0;
	s->look.program = p->program[0].fd;
	return look_try(&s->look);
}

/* Of two programs for one tracepoint, that which the other makes needless; NULL if the kernel may refuse to attach the other. */
static const char *left_out(const struct source *s, int which)
{
	return which == OPTIONAL_DROP && s->enums.drop_has_socket ? "skb_dropped_reason" : NULL;
}

/* Another object has this one's capability, too: of this one only a failure counts. */
static bool adds(int which)
{
	return which == OPTIONAL_TAKEOVER_AGAIN || which == OPTIONAL_CLOSE_TAKEOVER;
}

static void load_optional(struct source *s, int which)
{
	const struct optional *o = &optionals[which];
	struct programs *p = &s->optional[which];
	int err = foreseen(s, which);

	if (!err && !asked_for(s, which))
		return;
	if (!err && needed(s, which)) {
		err = programs_load(p, o->elf, s->bpf->obj, s->core, left_out(s, which),
				    which == OPTIONAL_LOOK ? open_look : NULL, s);
		err = err ? err : begin_optional(s, which);
	}
	if (err)
		programs_free(p);
	if ((err || !adds(which)) && which != OPTIONAL_CLOSE_CLASSIC) /* in whose stead there is the other */
		s->capabilities[o->capability].error = err;
	log_debug("%s: %s", s->capabilities[o->capability].name,
		  err ? strerror(-err) : optional_loaded(s, which) ? "loaded" : "not needed");
}

/*
 * Half of the work: the other half is what is required, in its stead the classic tracepoint, and what shows drops or
 * refusals, of which one is needed if another is refused. Nothing else depends on another.
 */
static bool loads_apart(int which)
{
	switch (which) {
	case OPTIONAL_CLASSIC:
	case OPTIONAL_DROP:
	case OPTIONAL_REFUSED_SYN:
	case OPTIONAL_REFUSED_ACK:
	case OPTIONAL_RESET_ANSWER:
		return false;
	}
	return true;
}

static void load_some(struct source *s, bool apart)
{
	for (int which = 0; which < OPTIONALS; which++)
		if (loads_apart(which) == apart)
			load_optional(s, which);
}

static void *load_apart(void *ctx)
{
	load_some(ctx, true);
	return NULL;
}

/*
 * libbpf and the verifier need most of the time of a start: two threads share it. What the hooks see the tracepoints
 * must not report again.
 */
int objects_load(struct source *s)
{
	pthread_t thread;
	bool alone = pthread_create(&thread, NULL, load_apart, s) != 0;
	int err = required_load(s);

	if (!err && alone)
		load_some(s, true);
	if (!err)
		load_some(s, false);
	if (!alone)
		pthread_join(thread, NULL);
	if (err)
		return err;
	s->settings.acks_by_function = optional_loaded(s, OPTIONAL_REFUSED_ACK);
	s->settings.resets_by_function = optional_loaded(s, OPTIONAL_RESET_ANSWER);
	if (optional_loaded(s, OPTIONAL_RESET_ANSWER))
		s->unreported &= ~(uint32_t)UNREPORTED_NO_SOCKET;
	if (optional_loaded(s, OPTIONAL_REFUSED_ACK))
		s->unreported &= ~(uint32_t)UNREPORTED_REQUEST_RESET;
	return source_write_settings(s);
}

/* Not attached: it would count what nobody asked for. */
void source_probe_ends(struct source *s)
{
	struct programs tried = { .count = 0 };
	int *error = &s->capabilities[CAP_CLOSE].error;

	if (*error != CAPABILITY_UNTRIED)
		return;
	*error = programs_load(&tried, close_bpf__elf_bytes, s->bpf->obj, s->core, NULL, NULL, s);
	programs_free(&tried);
}

/* Of two for one tracepoint, or without what it stands behind. */
static bool needless(const struct source *s, int which)
{
	bool classic = optional_loaded(s, OPTIONAL_CLOSE_CLASSIC);

	return (which == OPTIONAL_CLOSE && classic) ||
	       (which == OPTIONAL_CLOSE_TAKEOVER && !classic && !optional_loaded(s, OPTIONAL_CLOSE));
}

/* The first program has to leave marks before the second looks for them. */
static void expect_takeover(struct source *s, int which, bool attached)
{
	if (which != OPTIONAL_CLOSE_TAKEOVER)
		return;
	s->settings.closes_taken_over = attached;
	source_write_settings(s);
}

void optional_attach(struct source *s, int which)
{
	struct programs *p = &s->optional[which];
	bool each = optionals[which].attached == ATTACH_EACH_LATER;
	int err;

	if ((!each && optionals[which].attached != ATTACH_LATER) || !programs_loaded(p))
		return;
	if (needless(s, which)) {
		programs_free(p);
		return;
	}
	expect_takeover(s, which, true);
	err = each ? programs_attach_from(p, 0) : programs_attach(p);
	if (err || !adds(which))
		s->capabilities[optionals[which].capability].error = err;
	if (programs_attached(p))
		return;
	expect_takeover(s, which, false);
	programs_free(p);
}

uint32_t optionals_unreported(const struct source *s)
{
	uint32_t unreported = 0;

	if (!optional_loaded(s, OPTIONAL_RESET_SENT))
		unreported |= UNREPORTED_RESET_SENT;
	if (!optional_loaded(s, OPTIONAL_RESET_SENT) || (s->unreported & UNREPORTED_NO_SOCKET && !optional_loaded(s, OPTIONAL_DROP)))
		unreported |= UNREPORTED_CLOSED_PORT;
	if (!optional_loaded(s, OPTIONAL_RESET_RECEIVED))
		unreported |= UNREPORTED_RESET_RECEIVED;
	if (!source_reports_acks(s))
		unreported |= UNREPORTED_REFUSED_ACK;
	if (s->capabilities[CAP_KFREE].error && !optional_loaded(s, OPTIONAL_REFUSED_ACK))
		unreported |= UNREPORTED_REQUEST_RESET | UNREPORTED_REFUSED_COOKIE;
	if (!optional_loaded(s, OPTIONAL_DROP))
		unreported |= UNREPORTED_DROP;
	if (!optional_loaded(s, OPTIONAL_RETRANSMIT))
		unreported |= UNREPORTED_SYN_RETRANSMIT;
	if (!optional_loaded(s, OPTIONAL_NEIGHBOUR))
		unreported |= UNREPORTED_NEIGHBOUR;
	if (!optional_loaded(s, OPTIONAL_LOOK))
		unreported |= UNREPORTED_QUEUES;
	if (!optional_loaded(s, OPTIONAL_FILES))
		unreported |= UNREPORTED_LISTENERS;
	return unreported;
}
