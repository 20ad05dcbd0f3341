// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "kernel_enums.h"
#include "share.h"

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

int programs_load(struct programs *p, programs_elf *elf, const struct bpf_object *shared, const char *core)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = core);
	size_t size;
	const void *bytes = elf(&size);
	int err;

	p->object = bpf_object__open_mem(bytes, size, &opts);
	if (!p->object)
		return -errno;
	err = share(p->object, shared);
	err = err ? err : bpf_object__load(p->object);
	if (err)
		programs_free(p);
	return err;
}

/* A classic tracepoint: libbpf would want tracefs to be mounted. */
static struct bpf_link *attach_classic(struct bpf_program *program)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	struct bpf_link *link;
	int fd, id = kernel_tracepoint(strchr(bpf_program__section_name(program), '/') + 1);

	if (id < 0) {
		errno = -id;
		return NULL;
	}
	attr.config = (uint64_t)id;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return NULL;
	link = bpf_program__attach_perf_event(program, fd);
	if (!link)
		close(fd);
	return link;
}

static struct bpf_link *attach(struct bpf_program *program)
{
	/* libbpf forgets how, once the type of a program is changed. */
	if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING)
		return bpf_program__attach_trace(program);
	return bpf_program__attach(program);
}

int programs_attach(struct programs *p)
{
	struct bpf_program *program;
	int first = 0;

	bpf_object__for_each_program(program, p->object)
	{
		p->link = bpf_program__type(program) == BPF_PROG_TYPE_TRACEPOINT ? attach_classic(program) :
											 attach(program);
		if (p->link)
			return 0;
		if (!first)
			first = -errno;
	}
	return first;
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
		links[count] = attach(program);
		if (!links[count++])
			return -errno;
	}
	return 0;
}

void programs_detach(struct programs *p)
{
	bpf_link__destroy(p->link);
	p->link = NULL;
}

void programs_free(struct programs *p)
{
	programs_detach(p);
	bpf_object__close(p->object);
	p->object = NULL;
}
