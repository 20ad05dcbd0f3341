// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/lab/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/names.h"

/* ---- sockets ---- */

/* Words of 32 bits, each as this CPU reads it. */
static void parse_addr(const char *hex, uint8_t *addr)
{
	size_t words = strlen(hex) / 8;

	memset(addr, 0, 16);
	if (words == 1)
		addr[10] = addr[11] = 0xff;
	for (size_t i = 0; i < words && i < 4; i++) {
		char word[9] = "";
		uint32_t value;

		memcpy(word, hex + 8 * i, 8);
		value = (uint32_t)strtoul(word, NULL, 16);
		memcpy(addr + (words == 1 ? 12 : 4 * i), &value, sizeof(value));
	}
}

static void add_row(struct lab_look *look, const char *line)
{
	char local[40], remote[40];
	unsigned local_port, remote_port, state;
	struct lab_row *row;

	if (sscanf(line, " %*u: %39[0-9A-F]:%x %39[0-9A-F]:%x %x", local, &local_port, remote, &remote_port,
		   &state) != 5 ||
	    !(row = ARRAY_ADD(look->rows, look->row_count, look->row_room)))
		return;
	parse_addr(local, row->local.addr);
	parse_addr(remote, row->remote.addr);
	row->local.port = (uint16_t)local_port;
	row->remote.port = (uint16_t)remote_port;
	/* TCP_NEW_SYN_RECV is shown as SYN_RECV. */
	row->state = state < LAB_STATES ? (enum lab_state)state : LAB_SYN_RECV;
}

/* ---- counters ---- */

static bool is_counted(const char *group)
{
	static const char *const groups[] = { "Tcp:", "TcpExt:", "MPTcpExt:", "Icmp:" };

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (strcmp(groups[i], group) == 0)
			return true;
	return false;
}

/* A line of names, and one of their values. */
static void add_counters(struct lab_look *look, char *names, char *values)
{
	char *next_name, *next_value;
	char *name = strtok_r(names, " \n", &next_name), *value = strtok_r(values, " \n", &next_value);

	if (!name || !value || strcmp(name, value) != 0 || !is_counted(name))
		return;
	while ((name = strtok_r(NULL, " \n", &next_name)) && (value = strtok_r(NULL, " \n", &next_value))) {
		struct lab_counter *c = ARRAY_ADD(look->counters, look->counter_count, look->counter_room);

		if (!c)
			return;
		snprintf(c->name, sizeof(c->name), "%s", name);
		c->value = c->shown = strtoull(value, NULL, 10);
	}
}

static int read_rows(struct lab_look *look, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[512];

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), file))
		add_row(look, line);
	fclose(file);
	return 0;
}

static int read_counters(struct lab_look *look, const char *path)
{
	FILE *file = fopen(path, "re");
	char *lines[2] = { NULL, NULL };
	size_t sizes[2] = { 0, 0 };

	if (!file)
		return -errno;
	while (getline(&lines[0], &sizes[0], file) > 0 && getline(&lines[1], &sizes[1], file) > 0)
		add_counters(look, lines[0], lines[1]);
	free(lines[0]);
	free(lines[1]);
	fclose(file);
	return 0;
}

int lab_look(const struct lab_space *s, enum lab_place place, struct lab_look *look)
{
	int err = lab_space_enter(s, place);

	look->row_count = look->counter_count = 0;
	err = err ? err : read_rows(look, "/proc/thread-self/net/tcp");
	err = err ? err : read_rows(look, "/proc/thread-self/net/tcp6");
	err = err ? err : read_counters(look, "/proc/thread-self/net/snmp");
	err = err ? err : read_counters(look, "/proc/thread-self/net/netstat");
	lab_space_leave(s);
	return err;
}

void lab_look_free(struct lab_look *look)
{
	free(look->rows);
	free(look->counters);
	*look = (struct lab_look){ 0 };
}

const struct lab_counter *lab_look_counter(const struct lab_look *look, const char *name)
{
	for (size_t i = 0; i < look->counter_count; i++)
		if (strcmp(look->counters[i].name, name) == 0)
			return &look->counters[i];
	return NULL;
}

static bool is_end(const struct lab_end *a, const struct lab_end *b)
{
	return a->port == b->port && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

const struct lab_row *lab_look_row(const struct lab_look *look, const struct lab_end *local,
				   const struct lab_end *remote)
{
	for (size_t i = 0; i < look->row_count; i++)
		if (is_end(&look->rows[i].local, local) && is_end(&look->rows[i].remote, remote))
			return &look->rows[i];
	return NULL;
}

unsigned lab_look_requests(const struct lab_look *look, uint16_t port)
{
	unsigned count = 0;

	for (size_t i = 0; i < look->row_count; i++)
		count += look->rows[i].state == LAB_SYN_RECV && look->rows[i].local.port == port;
	return count;
}

bool lab_counter_is_plain(const char *name)
{
	static const char *const names[] = {
		"InSegs", "OutSegs", "CurrEstab", "TCPOrigDataSent", "TCPDelivered", "TCPPureAcks",
		"TCPHPAcks", "TCPHPHits", "TCPAutoCorking", "DelayedACKs", "InMsgs", "OutMsgs",
		"InDestUnreachs", "OutDestUnreachs", "OutRateLimitHost",
	};

	return name_index(names, sizeof(names) / sizeof(*names), name, strlen(name)) >= 0;
}
