/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rule for what this host threw away itself. Pure. */
#ifndef TCPSHAKE_LOCAL_DROP_H
#define TCPSHAKE_LOCAL_DROP_H

#include "daemon/cause/cause.h"
#include "daemon/cause/handshake_evidence.h"

/* True if it applies: segments of this handshake were dropped here, and that is why it failed or was slow. */
bool local_drop(const struct evidence *e, struct cause *cause);

#endif
