/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Does what is expected hold, as things were last seen? And what is there. Pure. */
#ifndef TCPSHAKE_LAB_JUDGE_H
#define TCPSHAKE_LAB_JUDGE_H

#include "cli/feed/parsed_record.h"
#include "cli/lab/socket.h"

#include "common/buf.h"

/* Appends a few words on what was found. */
bool lab_judge_sockets(const struct lab_expect *e, const struct lab_sockets *sockets, struct buf *found);
/* `now` is NULL if this kernel has no such counter. */
bool lab_judge_counter(const struct lab_expect *e, const struct lab_counter *before,
		       const struct lab_counter *now, struct buf *found);
/* Is it a record of that type with these fields? */
bool lab_judge_record(const struct lab_expect *e, const struct record *r);

#endif
