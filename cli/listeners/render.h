/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of listeners. Pure. */
#ifndef TCPSHAKE_LISTENER_RENDER_H
#define TCPSHAKE_LISTENER_RENDER_H

#include "cli/listeners/listener_list.h"
#include "cli/text/terminal.h"

#include "common/buf.h"

/*
 * Sorted already. At most `rows` lines of listeners; one line says how many more there are, and one
 * sentence at the end what cannot be seen of them here, and why. What is not known is a dash.
 */
void listener_render(struct buf *b, const struct style *style, const struct listener_list *list,
		     size_t rows);

/*
 * A queue of max + 1 places as a bar of `columns` characters: filled up to `len`, with a mark
 * where the peak was. Appends it with a NUL. Shows something as soon as len or peak is not 0,
 * and is full only if the queue is.
 */
void listener_bar(struct buf *b, bool utf8, size_t columns, const struct queue *queue);

#endif
