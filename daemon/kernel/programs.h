/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Objects of BPF programs. Each kind of evidence that a kernel may refuse is an object of its own, which is
 * loaded and attached by itself: a refusal costs what that object gives, and nothing else.
 */
#ifndef TCPSHAKE_PROGRAMS_H
#define TCPSHAKE_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_object;
struct bpf_link;
struct bpf_program;
struct kernel_enums;

#define PROGRAMS_MAX 4

/* What is kept of an object once it is loaded: no more than descriptors. All zero before. */
struct programs {
	size_t count;
	struct program {
		char name[64];
		char section[64]; /* "tp_btf/tcp_retransmit_skb": what it attaches to */
		int fd;
		int link; /* a descriptor; 0: not attached */
	} program[PROGRAMS_MAX];
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
 * file `core` (NULL: the kernel's). Its program `without` is left out (NULL: none is). `opened` is called before the
 * object is closed and may take more of it, or be NULL. 0 or a negative errno; then nothing is left of it.
 */
int programs_load(struct programs *p, programs_elf *elf, const struct bpf_object *shared, const char *core,
		  const char *without, int (*opened)(const struct bpf_object *object, void *ctx), void *ctx);

/* Are there any? */
bool programs_loaded(const struct programs *p);

/*
 * Attach the first of them that the kernel takes, and take note that one is. 0, or the negative errno of the
 * first one, in whose stead another may be attached that sees less.
 */
int programs_attach(struct programs *p);
/* Attach every one of them from the `first` on, counted from 0, or none: 0 or a negative errno. */
int programs_attach_from(struct programs *p, size_t first);
/* Is one of them attached? */
bool programs_attached(const struct programs *p);

/* -EPERM if the kernel refuses every hook into a function, which it says at once; 0: it may be worth trying. */
int programs_hooks_refused(void);

/* Attach every program of an object that was to be loaded; 0 or the first negative errno. */
int programs_attach_all(struct bpf_object *object, struct bpf_link **links, size_t room);

void programs_detach(struct programs *p);
void programs_free(struct programs *p);

#endif
