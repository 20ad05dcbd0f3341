/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the objects of BPF programs have in common, by name: one is loaded first, the others join it. */
#ifndef TCPSHAKE_SHARE_H
#define TCPSHAKE_SHARE_H

struct bpf_object;

/*
 * Give the maps of `with`, which is opened, the memory of the maps of `shared`, which is loaded, and its
 * constants the values they have there. 0 or a negative errno.
 */
int share(const struct bpf_object *with, const struct bpf_object *shared);

#endif
