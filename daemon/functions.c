// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "functions.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/event.h"
#include "functions.skel.h"

struct functions {
	struct functions_bpf *bpf;
	bool tell_acks;
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
	const char *value = getenv("TCPSHAKE_NO_FUNCTIONS");

	if (value && *value && strcmp(value, "0") != 0)
		return -EPERM;
	/* Type 1 is no function: who may hook functions gets EINVAL. */
	return probe(1) == -EPERM ? -EPERM : 0;
}

static int share_maps(const struct bpf_object *with, const struct bpf_object *shared)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, with)
	{
		const struct bpf_map *same =
			bpf_object__find_map_by_name(shared, bpf_map__name(map));
		int err = same && !bpf_map__is_internal(map) ?
				  bpf_map__reuse_fd(map, bpf_map__fd(same)) :
				  0;

		if (err)
			return err;
	}
	return 0;
}

static int load(struct functions *f, const struct bpf_object *shared,
		const struct kernel_enums *enums)
{
	const struct kernel_number *number = enums->number;
	int err;

	for (int n = KERNEL_LISTEN_OVERFLOWS; n <= KERNEL_REQQ_FULL_DROP; n++)
		if (!number[n].known)
			return -ENOENT;
	err = enums->conn_request ? probe(enums->conn_request) : -ENOENT;
	if (err)
		return err;
	f->bpf = functions_bpf__open();
	if (!f->bpf)
		return -errno;
	f->tell_acks = !number[KERNEL_OVERFLOW_REASON].known;
	f->bpf->rodata->mib_listen_overflows = number[KERNEL_LISTEN_OVERFLOWS].value;
	f->bpf->rodata->mib_listen_drops = number[KERNEL_LISTEN_DROPS].value;
	f->bpf->rodata->mib_reqq_full_drop = number[KERNEL_REQQ_FULL_DROP].value;
	bpf_program__set_autoload(f->bpf->progs.check_req_begins, f->tell_acks);
	bpf_program__set_autoload(f->bpf->progs.check_req_ends, f->tell_acks);
	bpf_program__set_autoload(f->bpf->progs.cookie_sock_begins, f->tell_acks);
	bpf_program__set_autoload(f->bpf->progs.cookie_sock_ends, f->tell_acks);
	err = share_maps(f->bpf->obj, shared);
	err = err ? err : functions_bpf__load(f->bpf);
	return err ? err : functions_bpf__attach(f->bpf);
}

struct functions *functions_new(const struct bpf_object *shared, const struct kernel_enums *enums,
				int *err)
{
	struct functions *f = calloc(1, sizeof(*f));

	*err = f ? load(f, shared, enums) : -ENOMEM;
	if (!*err)
		return f;
	functions_free(f);
	return NULL;
}

void functions_detach(struct functions *f)
{
	if (f)
		functions_bpf__detach(f->bpf);
}

void functions_free(struct functions *f)
{
	if (!f)
		return;
	functions_bpf__destroy(f->bpf);
	free(f);
}

bool functions_tell_acks(const struct functions *f)
{
	return f && f->tell_acks;
}
