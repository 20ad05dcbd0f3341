/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What top counts, in which tables, and over which times. */
#ifndef TCPSHAKE_TOP_KINDS_H
#define TCPSHAKE_TOP_KINDS_H

enum top_table_id {
	TOP_LISTENERS, /* of passive handshakes and refusals */
	TOP_DESTINATIONS, /* of active handshakes */
	TOP_PROCESSES, /* by name */
	TOP_CAUSES,
	TOP_TABLES,
};

enum top_count {
	TOP_COUNT_ACTIVE,
	TOP_COUNT_PASSIVE,
	TOP_COUNT_FAILED,
	TOP_COUNT_RETRANSMITTED,
	TOP_COUNT_OVERFLOWED, /* segments refused by full queues */
	TOP_COUNT_COOKIES,
	TOP_COUNT_LOST, /* records */
	TOP_COUNT_LIMITED, /* records above a rate that somebody set */
	TOP_COUNT_BALANCED, /* audits */
	TOP_COUNT_UNBALANCED,
	TOP_COUNTS,
};

enum top_window { TOP_1S, TOP_10S, TOP_1M, TOP_5M, TOP_START, TOP_WINDOWS };

/* 1, 10, 60 and 300; 0: since start. */
extern const unsigned top_window_seconds[TOP_WINDOWS];
extern const char *const top_window_names[TOP_WINDOWS];

#endif
