/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The running kernel's names for why it sent a RST; their numbers differ from kernel to kernel. */
#ifndef TCPSHAKE_REASONS_H
#define TCPSHAKE_REASONS_H

#include <stdint.h>

struct reasons;

/* Reads the kernel's BTF. Without that enum (before 6.10), or any BTF, it has no name. NULL: no memory. */
struct reasons *reasons_new(void);
void reasons_free(struct reasons *r);

/* "no_socket" for SK_RST_REASON_NO_SOCKET; NULL if the kernel has no such number, or `r` is NULL. */
const char *reasons_name(const struct reasons *r, uint32_t reason);

#endif
