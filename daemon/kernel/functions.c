// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/kernel/functions.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/event.h"
#include "generated/functions.skel.h"
#include "daemon/kernel/programs.h"
#include "daemon/kernel/share.h"

#define FUNCTION_LINKS 10

struct functions {
	struct functions_bpf *bpf;
	struct bpf_link *links[FUNCTION_LINKS];
	bool tell_acks;
	bool tell_resets;
};

/* Does the kernel let it be hooked at all? The smallest program says so in no time. */
static int probe(uint32_t function)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FEXIT,
		    .attach_btf_id = function);
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe", "GPL", program,
			       sizeof(program) / sizeof(*program), &opts);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int functions_refused(void)
{
	/* Type 1 is no function: who may hook functions gets EINVAL. */
	return probe(1) == -EPERM ? -EPERM : 0;
}

static int load(struct functions *f, const struct bpf_object *shared, const char *core,
		const struct kernel_enums *enums, bool resets)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = core);
	const struct kernel_number *number = enums->number;
	int err;

	f->bpf = functions_bpf__open_opts(&opts);
	if (!f->bpf)
		return -errno;
	f->tell_acks = !number[KERNEL_OVERFLOW_REASON].known;
	f->bpf->rodata->mib_listen_overflows = number[KERNEL_LISTEN_OVERFLOWS].value;
	f->bpf->rodata->mib_listen_drops = number[KERNEL_LISTEN_DROPS].value;
	f->bpf->rodata->mib_reqq_full_drop = number[KERNEL_REQQ_FULL_DROP].value;
	f->bpf->rodata->mib_out_rsts = number[KERNEL_OUT_RSTS].value;
	bpf_program__set_autoload(f->bpf->progs.check_req_begins, f->tell_acks);
	bpf_program__set_autoload(f->bpf->progs.check_req_ends, f->tell_acks);
	bpf_program__set_autoload(f->bpf->progs.cookie_sock_begins, f->tell_acks);
	bpf_program__set_autoload(f->bpf->progs.cookie_sock_ends, f->tell_acks);
	f->tell_resets = resets;
	bpf_program__set_autoload(f->bpf->progs.reset4_begins, resets);
	bpf_program__set_autoload(f->bpf->progs.reset4_ends, resets);
	bpf_program__set_autoload(f->bpf->progs.reset6_begins, resets);
	bpf_program__set_autoload(f->bpf->progs.reset6_ends, resets);
	err = share(f->bpf->obj, shared);
	err = err ? err : functions_bpf__load(f->bpf);
	return err ? err : programs_attach_all(f->bpf->obj, f->links, FUNCTION_LINKS);
}

static int probe_and_load(struct functions *f, const struct bpf_object *shared, const char *core,
			  const struct kernel_enums *enums, bool resets)
{
	int err = enums->target[TARGET_CONN_REQUEST] ? probe(enums->target[TARGET_CONN_REQUEST]) : -ENOENT;

	for (int n = KERNEL_LISTEN_OVERFLOWS; n <= KERNEL_REQQ_FULL_DROP; n++)
		if (!enums->number[n].known)
			err = -ENOENT;
	if (err)
		return err;
	resets = resets && enums->target[TARGET_V4_SEND_RESET] && enums->target[TARGET_V6_SEND_RESET] &&
		  enums->number[KERNEL_OUT_RSTS].known;
	err = load(f, shared, core, enums, resets);
	if (!err || !resets)
		return err;
	functions_detach(f);
	functions_bpf__destroy(f->bpf); /* they may be inlined there: without them */
	return load(f, shared, core, enums, false);
}

struct functions *functions_new(const struct bpf_object *shared, const char *core,
				const struct kernel_enums *enums, bool resets, int *err)
{
	struct functions *f = calloc(1, sizeof(*f));

	*err = f ? probe_and_load(f, shared, core, enums, resets) : -ENOMEM;
	if (!*err)
		return f;
	functions_free(f);
	return NULL;
}

void functions_detach(struct functions *f)
{
	for (int i = 0; f && i < FUNCTION_LINKS; i++) {
		bpf_link__destroy(f->links[i]);
		f->links[i] = NULL;
	}
}

void functions_free(struct functions *f)
{
	if (!f)
		return;
	functions_detach(f);
	functions_bpf__destroy(f->bpf);
	free(f);
}

struct bpf_object *functions_object(const struct functions *f)
{
	return f ? f->bpf->obj : NULL;
}

bool functions_tell_acks(const struct functions *f)
{
	return f && f->tell_acks;
}

bool functions_tell_resets(const struct functions *f)
{
	return f && f->tell_resets;
}
