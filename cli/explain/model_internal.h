/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two halves of the model share: taking records, and counting what they said. */
#ifndef TCPSHAKE_EXPLAIN_MODEL_INTERNAL_H
#define TCPSHAKE_EXPLAIN_MODEL_INTERNAL_H

#include "cli/explain/across.h"
#include "cli/explain/model.h"
#include "cli/feed/containers.h"
#include "common/keyset.h"

#define NO_CAUSE UINT32_MAX
#define NO_USUAL UINT32_MAX
#define PLACES 4096 /* that are kept apart, of causes, of ordinary handshakes and of listeners */
#define OTHERS 256 /* causes whose further places are one: there are fewer codes, unless a feed makes them up */
#define USUAL_SAMPLES 15
#define CONNECTIONS_MAX (1U << 20) /* among these, and as many before them, the other side is looked for */
#define HARMS_MAX (1U << 20) /* that are kept one by one; then the older half is counted */
#define HARM_FOLDED UINT32_MAX

/* Keys: no padding, unused bytes zero. */
struct place_key {
	uint64_t netns;
	uint32_t host; /* as struct record numbers them */
	uint32_t port;
	char addr[ADDR_SIZE];
};

struct cause_key {
	struct place_key place;
	uint32_t by; /* enum cause_by */
	uint32_t active; /* the place is as a client saw it: its netns may be another */
	uint32_t others; /* all places beyond PLACES */
	uint32_t unused;
	char code[CODE_SIZE];
	char comm[COMM_SIZE]; /* by source */
};

/* What a client connected to, and where NAT led it. */
struct lead_key {
	struct place_key from, to;
	uint32_t home; /* its own host */
	uint32_t unused;
};

/* A listener that the feed reported. */
struct listener_facts {
	uint64_t limit, oldest_wait_ns;
	struct backlog backlog; /* of the newest record */
	struct group *group; /* all of this address and port; NULL: none was reported */
	bool v6only;
	struct explain_process owner;
};

/* Latencies of ordinary handshakes, the last of them. */
struct usual {
	uint64_t latency[USUAL_SAMPLES];
	uint32_t count; /* of all that came */
};

/* One handshake that was harmed. */
struct harm {
	uint32_t cause; /* number in `causes`, or NO_CAUSE */
	uint32_t usual; /* number in `usual`: where it went; or NO_USUAL */
	uint32_t attempt; /* number for across_find(); UINT32_MAX: none */
	uint32_t lead; /* number + 1 of where NAT led it; 0: not elsewhere, or not known */
	uint64_t lost_ns; /* or NS_UNKNOWN; with `slow` its whole latency */
	int8_t weight; /* -1: no cause */
	uint8_t outcome;
	bool failed, proven, slow, passive;
};

/* Harms with the same key (bounds.c): what they come to. */
struct harms {
	uint64_t count, untimed, lost_ns;
};

/* A connection: which sides came, and what harmed it. */
struct connection {
	uint32_t roles; /* 1 << role */
	uint32_t harm; /* number + 1; 0: none; HARM_FOLDED: counted already */
	uint32_t same; /* number + 1 of the one that this is, by another name; 0: none */
};

/* The side of a connection that came last with a client's first sequence number. */
struct isn_side {
	uint32_t connection; /* number + 1; 0: none that waits for its other side */
	uint32_t host;
	int role;
	uint64_t mono_ns;
	uint16_t client_port, server_port;
};

struct host_name {
	char name[ADDR_SIZE];
};

struct array {
	void *items;
	size_t count, room;
};

struct explain {
	struct keyset cause_keys, usual_keys, listener_keys, connection_keys, isn_keys, lead_keys;
	struct array causes; /* struct explain_cause, by number of its key */
	struct array usuals; /* struct usual */
	struct array listeners; /* struct listener_facts */
	struct array connections; /* struct connection */
	struct array isns; /* struct isn_side */
	struct array harms; /* struct harm */
	struct containers containers;
	struct keyset older_keys, folded_keys;
	struct array older; /* struct connection: those before CONNECTIONS_MAX others */
	struct array folded; /* struct harms, by number of its key, which is a struct harm */
	struct array hosts; /* struct host_name, by their numbers */
	struct across *across;
	struct explain_totals totals;
	bool finished, failed;
};

/* A zeroed item at the end, or NULL and `failed`. */
void *explain_append(struct explain *e, struct array *a, size_t size);
/* The cause of a key, made if it is new; NULL and `failed` if memory is out. */
struct explain_cause *explain_cause_of(struct explain *e, const struct cause_key *key);
/* Make the time from `first` to `last` include `ts`, which may be NULL. */
void explain_stretch(char *first, char *last, const char *ts);
/* Handshakes that other hosts' records explain better get that cause. */
void explain_ask_others(struct explain *e, const struct input_report *report);
/* The number of the connection whose other side this record is, by the client's ISN; else `connection`, which is its own. */
uint32_t explain_other_side(struct explain *e, const struct record *r, uint32_t connection);
/* Before a connection is added: forget what came long ago, if it is too much. */
void explain_forget(struct explain *e);
/* A connection that is new may be one of the older ones. */
void explain_remember(const struct explain *e, uint64_t conn, struct connection *c);
/* Before a harm is added: count the older ones, if there are too many. */
void explain_fold_harms(struct explain *e);
/* As far as it is known now what is usual there; or NS_UNKNOWN. */
uint64_t explain_time_lost(const struct explain *e, const struct harm *h);
/* The number + 1 of where NAT led the client of this record; 0: not elsewhere. */
uint32_t explain_lead(struct explain *e, const struct record *r);
void explain_count_lead(const struct explain *e, struct explain_cause *c, uint32_t lead, uint64_t count);
/* The server's end of a handshake: for a listener, where NAT led to. */
const struct endpoint *explain_server_end(const struct record_handshake *h, enum cause_by by);
void explain_set_place(struct place_key *key, const struct record *r, const struct endpoint *end);
/* Who owns the listener that takes what comes there, as far as the feed says. */
struct explain_process explain_owner_at(const struct explain *e, const struct place_key *place);
/* The newer process takes the place of `into`. If it is the same one and names no container, it keeps that of `into`. */
void explain_take_process(struct explain_process *into, struct explain_process newer);
/* `to` gets the container of `from`, if both are the same process and that of `to` is not known. */
void explain_lend_container(struct explain_process *to, const struct explain_process *from);
/* Replace its sentence. */
void explain_set_evidence(struct explain *e, struct explain_cause *c, const char *detail);

#endif
