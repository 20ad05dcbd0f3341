/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a scenario of the lab says, statement by statement: what the parser makes and the executor does. Plain data. */
#ifndef TCPSHAKE_LAB_STATEMENT_H
#define TCPSHAKE_LAB_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LAB_NAME_SIZE 16 /* of a socket, with its NUL */
#define LAB_RANGE_MAX 256 /* sockets in c1..c256 */
#define LAB_CHOICES 6 /* of "3 or 4 or 7..9" */
#define LAB_FIELDS 6 /* that a record is to have */
#define LAB_WORD_SIZE 64
#define LAB_ADDRESS_TEXT 64

enum lab_place { LAB_A, LAB_B, LAB_PLACES };

enum lab_kind {
	LAB_REMARK, /* a comment: it teaches, and is shown where it stands */
	LAB_CALL,
	LAB_SYSCTL,
	LAB_NFT,
	LAB_DELAY,
	LAB_WAIT,
	LAB_EXPECT,
	LAB_REQUIRE, /* as expect, and if it does not hold the scenario is not for this kernel */
};

enum lab_call_code {
	LAB_SOCKET,
	LAB_BIND,
	LAB_LISTEN,
	LAB_CONNECT,
	LAB_ACCEPT,
	LAB_SEND,
	LAB_RECV,
	LAB_CLOSE,
	LAB_SHUTDOWN,
	LAB_SETSOCKOPT,
	LAB_GETSOCKOPT,
	LAB_CALLS,
};

/* c1..c5, or one socket. */
struct lab_range {
	char stem[LAB_NAME_SIZE]; /* "c"; of one socket all of its name */
	unsigned first, last; /* 0, 0: one socket */
};

struct lab_address {
	struct sockaddr_storage addr;
	socklen_t len;
	char text[LAB_ADDRESS_TEXT]; /* as it stands in the scenario */
};

struct lab_option; /* words.h */

struct lab_call {
	enum lab_call_code code;
	struct lab_range made; /* the sockets that it makes: socket, accept, some connects */
	struct lab_range on; /* the sockets that it is called on */
	int family, protocol;
	struct lab_address address;
	bool nonblock;
	bool background; /* & : the next statement does not wait for it */
	uint64_t timeout_ns; /* of a client that gives up by itself; 0: it does not */
	int number; /* the backlog, bytes, the option's value */
	int how; /* of shutdown() */
	const struct lab_option *option;
};

/* From `low` to `high`; of a queue n/m, `max_low` to `max_high` are those of m. */
struct lab_number {
	uint64_t low, high, max_low, max_high;
};

struct lab_numbers {
	struct lab_number choices[LAB_CHOICES];
	size_t count;
};

enum lab_subject {
	LAB_STATE, /* a socket's state, or how its last call ended */
	LAB_ACCEPT_QUEUE,
	LAB_SYN_QUEUE,
	LAB_TOOK,
	LAB_RETURNED,
	LAB_VALUE,
	LAB_LOCAL_PORT,
	LAB_PEER_PORT,
	LAB_SUBJECTS_OF_SOCKETS, /* the number of those before */
	LAB_COUNTER,
	LAB_RECORD,
};

struct lab_field {
	char name[LAB_WORD_SIZE], value[LAB_WORD_SIZE];
};

struct lab_expect {
	enum lab_subject subject;
	struct lab_range of;
	bool some; /* `many` of them; else all */
	struct lab_numbers many;
	char words[LAB_CHOICES][LAB_WORD_SIZE]; /* LAB_STATE */
	size_t word_count;
	struct lab_numbers numbers;
	char counter[LAB_WORD_SIZE];
	bool absent; /* no record */
	char record[LAB_WORD_SIZE]; /* its type */
	struct lab_field fields[LAB_FIELDS];
	size_t field_count;
	uint64_t within_ns; /* how long it is waited for; 0: the default */
};

struct lab_statement {
	unsigned line; /* in the file, from 1 */
	const char *text; /* as it stands there, in `struct lab_scenario` */
	enum lab_kind kind;
	enum lab_place place;
	unsigned repeat; /* at least 1 */
	struct lab_call call;
	struct lab_expect expect;
	uint64_t duration_ns; /* wait, delay */
	char name[LAB_WORD_SIZE]; /* sysctl: its name */
	const char *rest; /* sysctl: its value; nft: the rules. In `text` */
};

struct lab_scenario {
	char *text; /* the file, its lines as strings */
	struct lab_statement *statements;
	size_t count;
};

#endif
