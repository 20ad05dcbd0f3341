// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The distributions that the kernel side keeps of each listener's queues. */
#include "daemon/kernel/source_internal.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <sys/socket.h>

static bool read_queue(const struct bpf_map *map, uint64_t queue, void *value, size_t size)
{
	struct queue_key key = { queue };

	return bpf_map__lookup_elem(map, &key, sizeof(key), value, size, 0) == 0;
}

/* Each request shows its listener: none is counted for a port. */
bool source_depth(const struct source *s, enum overflow_queue which, const struct queue_place *place, struct depth *sum)
{
	const struct bpf_map *map = which == QUEUE_SYN ? s->bpf->maps.syn_depths : s->bpf->maps.accept_depths;
	struct depth port;
	bool found;

	memset(sum, 0, sizeof(*sum));
	found = read_queue(map, place->socket, sum, sizeof(*sum));
	if (which == QUEUE_SYN || !place->alone || !read_queue(map, service_queue(place->service), &port, sizeof(port)))
		return found;
	sum->sum += port.sum;
	sum->crowded += port.crowded;
	sum->limit = found ? sum->limit : port.limit;
	add_words(sum->bucket, port.bucket, sizeof(sum->bucket));
	return true;
}

bool source_wait(const struct source *s, const struct queue_place *place, struct latency *sum)
{
	const struct bpf_map *map = s->bpf->maps.accept_waits;
	struct latency port;
	bool found;

	memset(sum, 0, sizeof(*sum));
	found = read_queue(map, place->socket, sum, sizeof(*sum));
	if (!place->alone || !read_queue(map, service_queue(place->service), &port, sizeof(port)))
		return found;
	add_words(sum, &port, sizeof(*sum));
	return true;
}

bool source_sees_accept(const struct source *s)
{
	return s->calls[CALL_ACCEPT].object;
}

bool source_sees_queue(const struct source *s, enum overflow_queue which)
{
	return which == QUEUE_ACCEPT || programs_attached(&s->optional[OPTIONAL_REQUEST]);
}

/* Its end took it out of the table of listeners: what is there came after. */
bool source_listens_again(const struct source *s, uint64_t socket)
{
	struct listener_key key = { socket };
	struct listener_state state;

	return bpf_map__lookup_elem(s->bpf->maps.listeners, &key, sizeof(key), &state, sizeof(state), 0) == 0;
}

void source_forget_queue(struct source *s, uint64_t queue)
{
	struct queue_key key = { queue };

	bpf_map__delete_elem(s->bpf->maps.accept_depths, &key, sizeof(key), 0);
	bpf_map__delete_elem(s->bpf->maps.syn_depths, &key, sizeof(key), 0);
	bpf_map__delete_elem(s->bpf->maps.accept_waits, &key, sizeof(key), 0);
}

static const uint16_t families[] = { AF_INET, AF_INET6 };

void source_forget_port(struct source *s, uint32_t netns, uint16_t port)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		source_forget_queue(s, service_queue((struct service_key){ netns, port, families[i] }));
}

void source_forget_service(struct source *s, uint32_t netns, uint16_t port)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		struct service_key key = { netns, port, families[i] };

		bpf_map__delete_elem(s->bpf->maps.services, &key, sizeof(key), 0);
	}
	source_forget_port(s, netns, port);
}
