/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Listeners whose queue was full while their owners had no descriptor left, and when that was seen. Pure. */
#ifndef TCPSHAKE_EXHAUSTED_H
#define TCPSHAKE_EXHAUSTED_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/cause/handshake_evidence.h"
#include "daemon/host/open_files.h"

#define EXHAUSTED 64 /* by a hash; the newest stays */

struct exhausted {
	struct {
		uint32_t netns;
		uint16_t port;
		uint64_t since_ns; /* seen at each look since then, of which the last is `files` */
		struct open_files files;
	} at[EXHAUSTED];
};

void exhausted_add(struct exhausted *x, uint32_t netns, uint16_t port, const struct open_files *files);
/* Set `open_files` of a full accept queue of that port, if its owners had none left between the two times, or up to a look later. */
void exhausted_find(const struct exhausted *x, struct refusal_evidence *r, uint16_t port, uint64_t from_ns, uint64_t to_ns);

#endif
