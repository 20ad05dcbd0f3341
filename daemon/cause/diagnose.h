/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a handshake failed, was retransmitted or was slow: from what was seen of it on either side.
 * Pure. `proven` is only said of what the evidence leaves no other explanation for.
 */
#ifndef TCPSHAKE_DIAGNOSE_H
#define TCPSHAKE_DIAGNOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/cause/cause.h"
#include "daemon/cause/handshake_evidence.h"

/* Does it call for a cause? `slow_ns` as in the evidence. */
bool diagnose_wanted(const struct event_handshake *e, uint64_t slow_ns);

void diagnose(const struct evidence *e, struct cause *cause);

#endif
