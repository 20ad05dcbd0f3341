// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The kernel side's latency histograms: their slots, what they hold, whose they are. */
#include "daemon/kernel/source_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/kernel/latency_use.h"

struct latencies {
	uint32_t shards;
	uint32_t intervals; /* since the last sweep */
	struct latency retired[ROLES]; /* what ports had counted that lost their slot */
	struct close_port retired_ends[ROLES]; /* the same of the ends of their connections: who left a state then, left it in the role's slot */
	struct latency sum, shard; /* the one being read */
	struct latency_use use[LATENCY_SLOTS];
	uint16_t taken_back[LATENCY_SLOTS]; /* how often */
	struct leaving {
		bool is; /* no program finds it any more, but one that runs may still add to it */
		uint8_t role;
	} leaving[LATENCY_SLOTS];
};

void source_want_latencies(struct source *s)
{
	s->latencies = calloc(1, sizeof(*s->latencies));
}

void latencies_free(struct latencies *l)
{
	free(l);
}

/* From where the kernel takes ports that nobody chose; elsewhere it is rarely set otherwise. */
static void read_ephemeral(struct source *s)
{
	unsigned int first = 32768, last = 60999;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (f && (fscanf(f, "%u %u", &first, &last) != 2 || first > last || last > 65535)) {
		first = 32768;
		last = 60999;
	}
	if (f)
		fclose(f);
	s->bpf->rodata->ephemeral_first = (__u16)first;
	s->bpf->rodata->ephemeral_last = (__u16)last;
}

void latencies_prepare(struct source *s)
{
	struct bpf_map *const maps[] = { s->bpf->maps.latencies, s->bpf->maps.latency_slots,
					 s->bpf->maps.free_listeners, s->bpf->maps.free_remotes,
					 s->bpf->maps.close_times, s->bpf->maps.close_ports };
	struct latencies *l = s->latencies;

	for (size_t i = 0; !l && i < sizeof(maps) / sizeof(*maps); i++)
		bpf_map__set_max_entries(maps[i], 1);
	if (!l)
		return;
	l->shards = 1;
	while (l->shards < LATENCY_SHARDS_MAX && l->shards * 2 <= (uint32_t)s->cpus)
		l->shards *= 2;
	s->bpf->rodata->latency_shards = l->shards;
	s->bpf->rodata->latency_shared = l->shards < (uint32_t)s->cpus;
	/* takeover.bpf.h has one more shard. */
	bpf_map__set_max_entries(s->bpf->maps.latencies, LATENCY_SLOTS * (l->shards + 1));
	read_ephemeral(s);
}

static bool is_remote(uint32_t slot)
{
	return slot >= LATENCY_FIXED + LATENCY_LISTENERS;
}

static int give_back(const struct source *s, uint32_t slot)
{
	const struct bpf_map *queue = is_remote(slot) ? s->bpf->maps.free_remotes :
							s->bpf->maps.free_listeners;
	uint32_t free_slot = slot | LATENCY_SLOT_TAKEN_BACK(s->latencies->taken_back[slot]);

	return bpf_map_update_elem(bpf_map__fd(queue), NULL, &free_slot, BPF_ANY) ? -errno : 0;
}

int latencies_begin(struct source *s)
{
	int err = 0;

	for (uint32_t slot = LATENCY_FIXED; s->latencies && !err && slot < LATENCY_SLOTS; slot++)
		err = give_back(s, slot);
	return err;
}

/* A slot, summed over its shards, is added to `sum`; with `empty` it holds nothing then. */
static void read_slot(struct source *s, uint32_t slot, struct latency *sum, bool empty)
{
	static const struct latency nothing;
	struct latencies *l = s->latencies;
	int fd = bpf_map__fd(s->bpf->maps.latencies);

	for (uint32_t i = 0; i <= l->shards; i++) {
		uint32_t index = i < l->shards ? slot * l->shards + i : LATENCY_SLOTS * l->shards + slot;

		if (bpf_map_lookup_elem(fd, &index, &l->shard))
			continue;
		add_words(sum, &l->shard, sizeof(*sum));
		if (empty)
			bpf_map_update_elem(fd, &index, &nothing, BPF_ANY);
	}
}

/* The ends of connections that a slot has counted, which has no shards, are added to `sum`; with `empty` it holds nothing then. */
static void read_ends(struct source *s, uint32_t slot, struct close_port *sum, bool empty)
{
	static const struct close_port nothing;
	int fd = bpf_map__fd(s->bpf->maps.close_ports);
	struct close_port here;

	if (!s->closes || bpf_map_lookup_elem(fd, &slot, &here))
		return;
	add_words(sum, &here, sizeof(here));
	if (empty)
		bpf_map_update_elem(fd, &slot, &nothing, BPF_ANY);
}

/* Call `fn` for each port that has a slot. It may take away the slot it is called with. */
static void each_port(struct source *s,
		      void (*fn)(struct source *s, const struct latency_key *key, uint32_t slot,
				 void *ctx),
		      void *ctx)
{
	struct bpf_map *map = s->bpf->maps.latency_slots;
	struct latency_key key, next;
	bool more = bpf_map__get_next_key(map, NULL, &key, sizeof(key)) == 0;
	uint32_t slot;

	while (more) {
		more = bpf_map__get_next_key(map, &key, &next, sizeof(next)) == 0;
		if (bpf_map__lookup_elem(map, &key, sizeof(key), &slot, sizeof(slot), 0) == 0 &&
		    LATENCY_SLOT(slot) >= LATENCY_FIXED && LATENCY_SLOT(slot) < LATENCY_SLOTS)
			fn(s, &key, LATENCY_SLOT(slot), ctx);
		key = next;
	}
}

struct reading {
	void (*fn)(void *ctx, const struct latency_series *series, const struct latency *sum);
	void *ctx;
};

static void read_port(struct source *s, const struct latency_key *key, uint32_t slot, void *ctx)
{
	const struct latency_series series = { key->role, OUTCOME_ESTABLISHED, key->netns, key->port };
	struct latency *sum = &s->latencies->sum;
	const struct reading *r = ctx;

	memset(sum, 0, sizeof(*sum));
	read_slot(s, slot, sum, false);
	r->fn(r->ctx, &series, sum);
}

static void add_leaving(struct source *s, enum role role, struct latency *sum)
{
	for (uint32_t slot = LATENCY_FIXED; slot < LATENCY_SLOTS; slot++)
		if (s->latencies->leaving[slot].is && s->latencies->leaving[slot].role == role)
			read_slot(s, slot, sum, false);
}

void source_latencies(struct source *s,
		      void (*fn)(void *ctx, const struct latency_series *series,
				 const struct latency *sum),
		      void *ctx)
{
	struct reading reading = { fn, ctx };
	struct latencies *l = s->latencies;

	if (!l)
		return;
	for (uint32_t slot = 0; slot < LATENCY_FIXED; slot++) {
		struct latency_series series = { .role = slot / OUTCOMES,
						 .outcome = slot % OUTCOMES };

		memset(&l->sum, 0, sizeof(l->sum));
		read_slot(s, slot, &l->sum, false);
		if (series.outcome == OUTCOME_ESTABLISHED) {
			add_words(&l->sum, &l->retired[series.role], sizeof(l->sum));
			add_leaving(s, series.role, &l->sum);
		}
		fn(ctx, &series, &l->sum);
	}
	each_port(s, read_port, &reading);
}

struct reading_ends {
	void (*fn)(void *ctx, const struct latency_series *series, const struct close_port *sum);
	void *ctx;
};

static void read_port_ends(struct source *s, const struct latency_key *key, uint32_t slot, void *ctx)
{
	const struct latency_series series = { key->role, OUTCOME_ESTABLISHED, key->netns, key->port };
	const struct reading_ends *r = ctx;
	struct close_port sum = {};

	read_ends(s, slot, &sum, false);
	r->fn(r->ctx, &series, &sum);
}

void source_close_ports(struct source *s,
			void (*fn)(void *ctx, const struct latency_series *series, const struct close_port *sum),
			void *ctx)
{
	struct reading_ends reading = { fn, ctx };
	struct latencies *l = s->latencies;

	if (!l || !s->closes)
		return;
	for (uint32_t role = 0; role < ROLES; role++) {
		const struct latency_series series = { .role = role, .outcome = OUTCOME_ESTABLISHED };
		struct close_port sum = l->retired_ends[role];

		read_ends(s, role, &sum, false);
		for (uint32_t slot = LATENCY_FIXED; slot < LATENCY_SLOTS; slot++)
			if (l->leaving[slot].is && l->leaving[slot].role == role)
				read_ends(s, slot, &sum, false);
		fn(ctx, &series, &sum);
	}
	each_port(s, read_port_ends, &reading);
}

struct sweep {
	bool (*listens)(void *ctx, uint32_t netns, uint16_t port);
	void *ctx;
	uint32_t used[ROLES];
};

static void count_port(struct source *s, const struct latency_key *key, uint32_t slot, void *ctx)
{
	struct latency *sum = &s->latencies->sum;
	struct sweep *sweep = ctx;
	uint64_t count;

	sweep->used[key->role]++;
	memset(sum, 0, sizeof(*sum));
	read_slot(s, slot, sum, false);
	count = sum->unknown;
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		count += sum->bucket[i];
	latency_use_update(&s->latencies->use[slot], count);
}

static void end_port(struct source *s, const struct latency_key *key, uint32_t slot, void *ctx)
{
	struct latencies *l = s->latencies;
	const struct sweep *sweep = ctx;
	bool passive = key->role == ROLE_PASSIVE;

	if (!latency_use_ends(&l->use[slot], passive && sweep->listens(sweep->ctx, key->netns, key->port),
			      sweep->used[key->role],
			      passive ? LATENCY_LISTENERS : LATENCY_REMOTES) ||
	    bpf_map__delete_elem(s->bpf->maps.latency_slots, key, sizeof(*key), 0))
		return;
	l->leaving[slot] = (struct leaving){ .is = true, .role = key->role };
}

/* Programs that had found a slot have long ended since the sweep before. */
static void take_back(struct source *s)
{
	struct latencies *l = s->latencies;

	for (uint32_t slot = LATENCY_FIXED; slot < LATENCY_SLOTS; slot++) {
		if (!l->leaving[slot].is)
			continue;
		read_slot(s, slot, &l->retired[l->leaving[slot].role], true);
		read_ends(s, slot, &l->retired_ends[l->leaving[slot].role], true);
		l->use[slot] = (struct latency_use){};
		l->leaving[slot].is = false;
		l->taken_back[slot]++;
		give_back(s, slot);
	}
}

void source_sweep_latencies(struct source *s,
			    bool (*listens)(void *ctx, uint32_t netns, uint16_t port), void *ctx)
{
	struct sweep sweep = { listens, ctx, {} };

	if (!s->latencies || ++s->latencies->intervals < LATENCY_SWEEP_INTERVALS)
		return;
	s->latencies->intervals = 0;
	take_back(s);
	each_port(s, count_port, &sweep);
	each_port(s, end_port, &sweep);
}
