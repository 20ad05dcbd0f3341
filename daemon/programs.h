/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Objects of BPF programs. Each kind of evidence that a kernel may refuse is an object of its own, which is
 * loaded and attached by itself: a refusal costs what that object gives, and nothing else.
 */
#ifndef TCPSHAKE_PROGRAMS_H
#define TCPSHAKE_PROGRAMS_H

#include <stddef.h>

struct bpf_object;
struct bpf_link;
struct kernel_enums;

struct programs {
	struct bpf_object *object; /* NULL: not loaded */
	struct bpf_link *link; /* NULL: not attached */
};

/* The bytes of an object, as a skeleton holds them. */
typedef const void *programs_elf(size_t *size);

/*
 * From now on libbpf does not look through the kernel's BTF for what a program attaches to: `enums` has
 * the numbers of these types, and must stay. Once, before the first load.
 */
void programs_know(const struct kernel_enums *enums);

/*
 * Load an object with the maps and the constants of `shared`, which is loaded, relocated by the BTF in the
 * file `core` (NULL: the kernel's). 0 or a negative errno; then nothing is left of it.
 */
int programs_load(struct programs *p, programs_elf *elf, const struct bpf_object *shared, const char *core);

/* Attach the first of its programs that the kernel takes. 0 or the negative errno of the first one. */
int programs_attach(struct programs *p);

/* Attach every program of an object that is loaded; 0 or the first negative errno. */
int programs_attach_all(struct bpf_object *object, struct bpf_link **links, size_t room);

void programs_detach(struct programs *p);
void programs_free(struct programs *p);

#endif
