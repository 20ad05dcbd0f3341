// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/tail/fold.h"

#include <linux/types.h>
#include <stdlib.h>

#include "common/names.h"

/* Above so many the oldest goes, whatever it waits for. */
#define ENTRIES 4096

struct entry {
	uint64_t conn; /* of a RST that may have ended a handshake; else 0 */
	uint64_t mono_ns;
	size_t len; /* of its lines */
	bool folded;
};

struct fold {
	struct entry entries[ENTRIES]; /* a ring */
	uint64_t start, end;
	struct buf lines; /* of all entries, one after the other */
	size_t used; /* of `lines`: gone already */
	uint64_t newest_ns;
};

struct fold *fold_new(void)
{
	return calloc(1, sizeof(struct fold));
}

void fold_free(struct fold *f)
{
	if (f)
		buf_free(&f->lines);
	free(f);
}

static struct entry *entry_at(struct fold *f, uint64_t number)
{
	return &f->entries[number % ENTRIES];
}

bool fold_waits(const struct fold *f)
{
	return f->start < f->end;
}

static void take_first(struct fold *f, struct buf *out)
{
	const struct entry *e = entry_at(f, f->start++);

	if (!e->folded)
		buf_mem(out, f->lines.data + f->used, e->len);
	f->used += e->len;
	if (f->used <= f->lines.len / 2)
		return;
	buf_consume(&f->lines, f->used);
	f->used = 0;
}

void fold_end(struct fold *f, struct buf *out)
{
	out->failed = out->failed || f->lines.failed;
	while (fold_waits(f))
		take_first(f, out);
}

static uint64_t conn_of(const char *text)
{
	return text ? strtoull(text, NULL, 16) : 0;
}

/* All that came for it: the RST as it was sent, and as it was received. */
static void fold_into(struct fold *f, const struct record_handshake *h)
{
	uint64_t conn = conn_of(h->conn);

	for (uint64_t i = f->start; conn && i < f->end; i++)
		if (entry_at(f, i)->conn == conn)
			entry_at(f, i)->folded = true;
}

static bool must_wait(const struct fold *f, const struct entry *e)
{
	return e->conn && !e->folded && f->newest_ns < e->mono_ns + FOLD_WAIT_NS;
}

void fold_put(struct fold *f, const struct record *r, const struct buf *lines, struct buf *out)
{
	size_t before;

	if (r->type == RECORD_HELLO) { /* another feed, maybe of another clock */
		fold_end(f, out);
		f->newest_ns = 0;
	}
	if (r->type == RECORD_HANDSHAKE && r->handshake.outcome != OUTCOME_ESTABLISHED)
		fold_into(f, &r->handshake);
	if (f->end - f->start == ENTRIES)
		take_first(f, out);
	before = f->lines.len;
	buf_mem(&f->lines, lines->data, lines->len);
	*entry_at(f, f->end++) = (struct entry){
		.conn = r->type == RECORD_RESET ? conn_of(r->reset.conn) : 0,
		.mono_ns = r->mono_ns,
		.len = f->lines.len - before,
	};
	if (r->mono_ns > f->newest_ns)
		f->newest_ns = r->mono_ns;
	while (fold_waits(f) && !must_wait(f, entry_at(f, f->start)))
		take_first(f, out);
	out->failed = out->failed || f->lines.failed || lines->failed;
}
