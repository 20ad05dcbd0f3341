/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a client waited for in vain, no matter who gave up: the kernel or the application. Pure. */
#ifndef TCPSHAKE_UNANSWERED_H
#define TCPSHAKE_UNANSWERED_H

#include "daemon/cause/cause.h"
#include "daemon/cause/handshake_evidence.h"

/* True for a client's time-out and for one that gave up: each has a cause. */
bool unanswered(const struct evidence *e, struct cause *cause);

#endif
