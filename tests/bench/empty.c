/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* empty OBJECT: attach the programs of a BPF object, say "ready", and hold them until a signal comes. */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_program *program;

	prctl(PR_SET_PDEATHSIG, 9); /* never outlive who started it */
	if (!object || bpf_object__load(object)) {
		fprintf(stderr, "usage: empty OBJECT (which the kernel takes)\n");
		return 1;
	}
	bpf_object__for_each_program(program, object)
	{
		if (!bpf_program__attach(program))
			return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
