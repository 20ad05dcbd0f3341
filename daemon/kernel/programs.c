// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/kernel/enums.h"
#include "daemon/kernel/kernel.h"
#include "daemon/kernel/share.h"

/* ---- what a program attaches to, found without libbpf's walk over the kernel's BTF ---- */

static const struct kernel_enums *known;

static const struct section {
	const char *section;
	enum bpf_attach_type attach;
} sections[] = {
	{ "tp_btf/", BPF_TRACE_RAW_TP },
	{ "iter/", BPF_TRACE_ITER },
	{ "fentry/", BPF_TRACE_FENTRY },
	{ "fexit/", BPF_TRACE_FEXIT },
};

/* libbpf calls it right before it hands the program to the kernel. */
static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *opts, long attach)
{
	const char *name = strchr(bpf_program__section_name(program), '/') + 1;

	opts->attach_btf_id = kernel_attach_target(known, (enum bpf_attach_type)attach, name);
	opts->expected_attach_type = (enum bpf_attach_type)attach;
	if (!opts->attach_btf_id)
		return -ENOENT; /* this kernel has no such tracepoint or function */
	return bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
}

/*
 * libbpf reads all of the kernel's BTF, some 5 MB, for each object with a program of the type
 * BPF_PROG_TYPE_TRACING. So these programs get another type, until they are loaded.
 */
void programs_know(const struct kernel_enums *enums)
{
	bool registered = known;

	known = enums;
	for (size_t i = 0; !registered && i < sizeof(sections) / sizeof(*sections); i++) {
		LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)sections[i].attach,
			    .prog_prepare_load_fn = prepare);
		char section[16];

		snprintf(section, sizeof(section), "%.*s+", (int)strlen(sections[i].section) - 1,
			 sections[i].section);
		libbpf_register_prog_handler(section, BPF_PROG_TYPE_RAW_TRACEPOINT, sections[i].attach,
					     &opts);
	}
}

/* ---- load and attach ---- */

/* libbpf holds descriptors of all maps that an object knows: these few are what is needed. */
static int keep(struct programs *p, const struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		struct program *one = &p->program[p->count];

		if (!bpf_program__autoload(program))
			continue;
		if (p->count == PROGRAMS_MAX)
			return -E2BIG;
		one->fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
		if (one->fd < 0)
			return -errno;
		p->count++;
		one->link = 0;
		snprintf(one->name, sizeof(one->name), "%s", bpf_program__name(program));
		snprintf(one->section, sizeof(one->section), "%s", bpf_program__section_name(program));
	}
	return 0;
}

int programs_load(struct programs *p, programs_elf *elf, const struct bpf_object *shared, const char *core,
		  const char *without, int (*opened)(const struct bpf_object *object, void *ctx), void *ctx)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = core);
	size_t size;
	const void *bytes = elf(&size);
	struct bpf_object *object = bpf_object__open_mem(bytes, size, &opts);
	int err;

	if (!object)
		return -errno;
	if (without)
		bpf_program__set_autoload(bpf_object__find_program_by_name(object, without), false);
	err = share(object, shared);
	err = err ? err : bpf_object__load(object);
	err = err ? err : keep(p, object);
	err = err || !opened ? err : opened(object, ctx);
	bpf_object__close(object);
	if (err)
		programs_free(p);
	return err;
}

bool programs_loaded(const struct programs *p)
{
	return p->count;
}

/* A classic tracepoint: libbpf would want tracefs to be mounted. */
static int attach_classic(int fd, const char *name)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	int event, link, id = kernel_tracepoint(name);

	if (id < 0)
		return id;
	attr.config = (uint64_t)id;
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	link = bpf_link_create(fd, event, BPF_PERF_EVENT, NULL); /* 5.15: older kernels do not preempt programs */
	if (link < 0)
		link = -errno;
	close(event);
	return link;
}

/* The descriptor of its link, or a negative errno. */
static int attach_raw(const struct program *p)
{
	const char *name = strchr(p->section, '/') + 1;
	int link;

	if (strncmp(p->section, "tp/", strlen("tp/")) == 0)
		return attach_classic(p->fd, name);
	/* A tp_btf program has what it attaches to in itself. */
	link = bpf_raw_tracepoint_open(strncmp(p->section, "raw_tp/", strlen("raw_tp/")) == 0 ? name : NULL, p->fd);
	return link < 0 ? -errno : link;
}

static int attach(struct program *p)
{
	int link = attach_raw(p);

	p->link = link < 0 ? 0 : link;
	return link < 0 ? link : 0;
}

int programs_attach(struct programs *p)
{
	int first = 0;

	for (size_t i = 0; i < p->count; i++) {
		int err = attach(&p->program[i]);

		if (!err)
			return first;
		first = first ? first : err;
	}
	return first;
}

int programs_attach_from(struct programs *p, size_t first)
{
	int err = 0;

	for (size_t i = first; i < p->count && !err; i++)
		err = attach(&p->program[i]);
	if (err)
		programs_detach(p);
	return err;
}

bool programs_attached(const struct programs *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->program[i].link > 0)
			return true;
	return false;
}

/* The smallest program says so in no time. Type 1 is no function: who may hook functions gets EINVAL. */
int programs_hooks_refused(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FEXIT, .attach_btf_id = 1);
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe", "GPL", program,
			       sizeof(program) / sizeof(*program), &opts);

	if (fd >= 0)
		close(fd);
	return fd == -EPERM ? -EPERM : 0;
}

/* NULL and errno if the kernel refuses. */
static struct bpf_link *attach_one(struct bpf_program *program)
{
	/* libbpf forgets how, once the type of a program is changed. */
	if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING)
		return bpf_program__attach_trace(program);
	return bpf_program__attach(program);
}

int programs_attach_all(struct bpf_object *object, struct bpf_link **links, size_t room)
{
	struct bpf_program *program;
	size_t count = 0;

	bpf_object__for_each_program(program, object)
	{
		if (!bpf_program__autoload(program))
			continue;
		if (count == room)
			return -E2BIG;
		links[count] = attach_one(program);
		if (!links[count++])
			return -errno;
	}
	return 0;
}

void programs_detach(struct programs *p)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->program[i].link > 0)
			close(p->program[i].link);
		p->program[i].link = 0;
	}
}

void programs_free(struct programs *p)
{
	programs_detach(p);
	for (size_t i = 0; i < p->count; i++)
		close(p->program[i].fd);
	p->count = 0;
}
