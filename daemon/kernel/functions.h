/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The function tier: hooks into the functions that refuse a SYN or a final ACK, or send a RST, where
 * the kernel lets functions be hooked.
 */
#ifndef TCPSHAKE_FUNCTIONS_H
#define TCPSHAKE_FUNCTIONS_H

#include <stdbool.h>

#include "daemon/kernel/enums.h"

struct bpf_object;
struct functions;

/* -EPERM if the kernel refuses every hook, which it says at once; 0: it may be worth trying. */
int functions_refused(void);

/*
 * Load and attach, with the maps and constants of `shared`, which is loaded, and relocated by `core` (btf.h); with those that see RSTs sent where
 * there is no full socket, if `resets`, and if the kernel does not refuse them. NULL and `*err`, a
 * negative errno, if it refuses any of the others.
 */
struct functions *functions_new(const struct bpf_object *shared, const char *core,
				const struct kernel_enums *enums, bool resets, int *err);
void functions_detach(struct functions *f);
void functions_free(struct functions *f);

/* The programs; NULL without them. */
struct bpf_object *functions_object(const struct functions *f);

/* Do they tell final ACKs, too? Only where the kernel does not name the drop itself. */
bool functions_tell_acks(const struct functions *f);
/* … and RSTs that tcp_send_reset is silent about? */
bool functions_tell_resets(const struct functions *f);

#endif
