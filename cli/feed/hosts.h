/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose records these are, where feeds of several hosts are read as one: a host is known by the `host` of its
 * records, or else by the recording that they are in. `seq` is checked for each feed,
 * and times are put on one clock, that of the first host. Pure.
 */
#ifndef TCPSHAKE_HOSTS_H
#define TCPSHAKE_HOSTS_H

#include "cli/feed/clocks.h"
#include "cli/feed/parsed_record.h"

#define HOST_NAME_SIZE 64 /* as host names are at most; what is longer is cut off */

/* What a view says of a host at the end. */
struct host_report {
	char name[HOST_NAME_SIZE]; /* made safe */
	uint64_t records, missing;
	struct clock_reading clock; /* compared with the first host's */
};

struct hosts;

/* NULL if memory is out. */
struct hosts *hosts_new(void);
void hosts_free(struct hosts *h);

/*
 * Find out whose record it is: sets `host` and `host_number`. `source`: the number of the recording; `name`: what a
 * host is called that its records do not name, NULL if it is the only one. False if memory is out.
 */
bool hosts_name(struct hosts *h, struct record *r, uint32_t source, const char *name);
/* How many there are so far. */
uint32_t hosts_count(const struct hosts *h);

/* To be called once for each record, as they come: how many more are missing now, by its `seq`. */
int64_t hosts_missing(struct hosts *h, const struct record *r, uint32_t source);

/*
 * To be called once for each record, in their order: how long there was no record of its host before its recording
 * began; of others 0. Nobody recorded then, or there was nothing to record.
 */
uint64_t hosts_gap(struct hosts *h, const struct record *r);

/* The records come again: forget how many came. */
void hosts_again(struct hosts *h);

/* Compare clocks by it. */
void hosts_learn(struct hosts *h, const struct record *r);
/* By the clock of the first host, in nanoseconds since the epoch; 0 if the record has no time. */
uint64_t hosts_time(struct hosts *h, const struct record *r);
/*
 * Put `ts` and `mono_ns` on the clock of the first host. The text is that of `h` until the next call. Nothing
 * happens as long as there is one host.
 */
void hosts_correct(struct hosts *h, struct record *r);

void hosts_report(struct hosts *h, uint32_t number, struct host_report *report);
/* "B is 300 ms ahead of A (±0.4 ms, from 212 connections)" */
const char *hosts_clock_text(const struct host_report *first, const struct host_report *other, char *out, size_t size);

#endif
