// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/parts.h"

#include "common/addr.h"

void put_endpoint(struct buf *b, const uint8_t *addr, uint16_t port)
{
	buf_lit(b, "{\"addr\":\"");
	addr_format(b, addr);
	buf_lit(b, "\",\"port\":");
	buf_u64(b, port);
	buf_lit(b, "}");
}

void put_ns(struct buf *b, uint64_t ns)
{
	if (ns == NS_UNKNOWN)
		buf_lit(b, "null");
	else
		buf_u64(b, ns);
}

void put_bool(struct buf *b, bool value)
{
	if (value)
		buf_lit(b, "true");
	else
		buf_lit(b, "false");
}

/* Most records are about few processes: the text of those seen last, by pid. */
#define PROCESSES 64
#define PROCESS_TEXT 160 /* each byte of a comm may take six */

struct process_text {
	uint32_t pid, uid;
	char comm[COMM_LEN];
	size_t len; /* 0: nobody's */
	char text[PROCESS_TEXT];
};

static void write_process(struct buf *b, uint32_t pid, uint32_t uid, const char *comm)
{
	buf_lit(b, "{\"pid\":");
	buf_u64(b, pid);
	put_member(b, "comm", buf_json_str, comm, COMM_LEN);
	put_member(b, "uid", buf_u64, uid);
	buf_lit(b, "}");
}

void put_process(struct buf *b, uint32_t pid, uint32_t uid, const char *comm)
{
	static struct process_text known[PROCESSES];
	struct process_text *p = &known[pid % PROCESSES];
	size_t before = b->len;

	if (p->len && p->pid == pid && p->uid == uid && memcmp(p->comm, comm, COMM_LEN) == 0) {
		buf_mem(b, p->text, p->len);
		return;
	}
	write_process(b, pid, uid, comm);
	if (b->failed || b->len - before > PROCESS_TEXT)
		return;
	*p = (struct process_text){ .pid = pid, .uid = uid, .len = b->len - before };
	memcpy(p->comm, comm, COMM_LEN);
	memcpy(p->text, b->data + before, p->len);
}

void put_owner(struct buf *b, const struct listener_owner *owner)
{
	if (owner)
		put_process(b, owner->pid, owner->uid, owner->comm);
	else
		buf_lit(b, "null");
}

void put_text(struct buf *b, const char *text)
{
	if (text)
		buf_json_str(b, text, SIZE_MAX);
	else
		buf_lit(b, "null");
}

void put_hash(struct buf *b, uint64_t hash)
{
	buf_lit(b, "\"");
	buf_hex64(b, hash);
	buf_lit(b, "\"");
}

void put_family(struct buf *b, const uint8_t *addr)
{
	put_word(b, "family", addr_is_ipv4(addr) ? "ipv4" : "ipv6");
}

void put_ends(struct buf *b, uint32_t netns, const uint8_t *local_addr, uint16_t local_port,
	      const uint8_t *remote_addr, uint16_t remote_port)
{
	put_family(b, remote_addr);
	put_member(b, "netns", buf_u64, netns);
	put_member(b, "local", put_endpoint, local_addr, local_port);
	put_member(b, "remote", put_endpoint, remote_addr, remote_port);
}

void put_accept_queue(struct buf *b, uint32_t len, uint32_t max)
{
	buf_lit(b, ",\"accept_queue\":{\"len\":");
	buf_u64(b, len);
	put_member(b, "max", buf_u64, max);
	buf_lit(b, "}");
}

void put_count(struct buf *b, const char *key, uint64_t value)
{
	buf_lit(b, "\"");
	buf_str(b, key);
	buf_lit(b, "\":");
	buf_u64(b, value);
}
