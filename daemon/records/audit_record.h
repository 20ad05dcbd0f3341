/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The record about the audit of a network namespace. */
#ifndef TCPSHAKE_AUDIT_RECORD_H
#define TCPSHAKE_AUDIT_RECORD_H

#include "common/buf.h"
#include "daemon/queues/audit.h"

/* End the body of an `audit` record. */
void record_audit(struct buf *b, const struct audit_report *r);

#endif
