// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/clocks.h"

#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"

#define PENDING 65536 /* connections of which one side came; a power of two */
#define SAMPLES 256 /* of a pair of hosts: the last */
/* Solved again at so many connections more, or an eighth more: what is read live gets better as it comes. */
#define SOLVE_AFTER 16

/* One side of a connection. */
struct half {
	uint64_t conn; /* 0: none */
	uint64_t begin_ns, end_ns; /* active: SYN and establishment; passive: SYN-ACK and establishment */
	uint32_t host;
	uint32_t role;
};

/* The first host's clock is ahead of the second's by `middle`, give or take `half`. */
struct sample {
	int64_t middle_ns;
	uint64_t half_ns;
};

struct pair {
	uint64_t count;
	struct sample samples[SAMPLES]; /* a ring */
};

struct clocks {
	struct half pending[PENDING];
	struct pair *pairs[CLOCK_HOSTS][CLOCK_HOSTS]; /* of [a][b] with a > b */
	struct clock_reading between[CLOCK_HOSTS][CLOCK_HOSTS]; /* of the pairs: how far a is ahead of b */
	struct clock_reading readings[CLOCK_HOSTS];
	uint64_t count, solved_at;
	uint32_t hosts; /* the highest number + 1 */
};

struct clocks *clocks_new(void)
{
	return calloc(1, sizeof(struct clocks));
}

void clocks_free(struct clocks *c)
{
	for (uint32_t a = 0; c && a < CLOCK_HOSTS; a++)
		for (uint32_t b = 0; b < a; b++)
			free(c->pairs[a][b]);
	free(c);
}

/* ---- connections ---- */

/* A side whose times are known: of a cookie, say, nobody knows when its SYN-ACK left. */
static bool half_of(const struct record *r, struct half *half)
{
	const struct record_handshake *h = &r->handshake;

	if (r->type != RECORD_HANDSHAKE || h->outcome != OUTCOME_ESTABLISHED || !h->conn || h->role < 0 ||
	    h->retransmits || h->latency_ns == NS_UNKNOWN || r->wall_ns <= h->latency_ns ||
	    (h->flags & (HANDSHAKE_SIMULTANEOUS | HANDSHAKE_PARTIAL | HANDSHAKE_FASTOPEN)))
		return false;
	*half = (struct half){
		.conn = strtoull(h->conn, NULL, 16),
		.begin_ns = r->wall_ns - h->latency_ns,
		.end_ns = r->wall_ns,
		.host = r->host_number,
		.role = (uint32_t)h->role,
	};
	return half->conn && half->host < CLOCK_HOSTS;
}

static int64_t min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How far the server is ahead: at least what it was when its SYN-ACK came, at most when it left and at its end. */
static bool sample_of(const struct half *client, const struct half *server, struct sample *s)
{
	int64_t least = (int64_t)(server->begin_ns - client->end_ns);
	int64_t most = min_i64((int64_t)(server->begin_ns - client->begin_ns), (int64_t)(server->end_ns - client->end_ns));

	if (most < least)
		return false;
	s->half_ns = (uint64_t)(most - least + 1) / 2;
	s->middle_ns = least + (int64_t)s->half_ns;
	return true;
}

static void take_sample(struct clocks *c, uint32_t ahead, uint32_t than, struct sample s)
{
	uint32_t a = ahead > than ? ahead : than, b = ahead > than ? than : ahead;
	struct pair **pair = &c->pairs[a][b];

	if (!*pair && !(*pair = calloc(1, sizeof(**pair))))
		return;
	if (a != ahead)
		s.middle_ns = -s.middle_ns;
	(*pair)->samples[(*pair)->count++ % SAMPLES] = s;
	c->count++;
}

void clocks_add(struct clocks *c, const struct record *r)
{
	struct half half, *other;
	struct sample sample;

	if (!half_of(r, &half))
		return;
	if (half.host >= c->hosts)
		c->hosts = half.host + 1;
	other = &c->pending[half.conn % PENDING];
	if (other->conn != half.conn || other->role == half.role) {
		*other = half;
		return;
	}
	if (other->host != half.host) {
		const struct half *client = half.role == ROLE_ACTIVE ? &half : other;
		const struct half *server = half.role == ROLE_ACTIVE ? other : &half;

		if (sample_of(client, server, &sample))
			take_sample(c, server->host, client->host, sample);
	}
	other->conn = 0;
}

/* ---- what they say together ---- */

static int compare_halves(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->half_ns > y->half_ns) - (x->half_ns < y->half_ns);
}

static int compare_middles(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->middle_ns > y->middle_ns) - (x->middle_ns < y->middle_ns);
}

static uint64_t distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/*
 * The median of the narrower half. If the truth is one number, it is within `half` of each middle: so within `half`
 * and the middle's distance of the median. The median of these bounds holds also where one connection is odd.
 */
static struct clock_reading read_pair(const struct pair *p)
{
	struct sample s[SAMPLES];
	size_t count = p->count < SAMPLES ? p->count : SAMPLES;
	struct clock_reading reading = { .known = true, .connections = p->count };

	memcpy(s, p->samples, count * sizeof(*s));
	qsort(s, count, sizeof(*s), compare_halves);
	count = (count + 1) / 2;
	qsort(s, count, sizeof(*s), compare_middles);
	reading.ahead_ns = s[count / 2].middle_ns;
	for (size_t i = 0; i < count; i++)
		s[i].half_ns += distance(s[i].middle_ns, reading.ahead_ns);
	qsort(s, count, sizeof(*s), compare_halves);
	reading.bound_ns = s[count / 2].half_ns;
	return reading;
}

static void read_pairs(struct clocks *c)
{
	for (uint32_t a = 1; a < c->hosts; a++)
		for (uint32_t b = 0; b < a; b++)
			if (c->pairs[a][b])
				c->between[a][b] = read_pair(c->pairs[a][b]);
}

/* How far `host` is ahead of host 0 by what is known of `over`, which it was compared with. */
static struct clock_reading read_over(const struct clocks *c, uint32_t host, uint32_t over)
{
	struct clock_reading reading = host > over ? c->between[host][over] : c->between[over][host];
	const struct clock_reading *known = &c->readings[over];

	if (!reading.known || !known->known)
		return (struct clock_reading){ 0 };
	if (host < over)
		reading.ahead_ns = -reading.ahead_ns;
	reading.ahead_ns += known->ahead_ns;
	reading.bound_ns += known->bound_ns;
	return reading;
}

/* The host that is known best of those that are not yet; 0: there is none. */
static uint32_t find_next(const struct clocks *c, struct clock_reading *best)
{
	uint32_t at = 0;

	for (uint32_t host = 1; host < c->hosts; host++) {
		for (uint32_t over = 0; !c->readings[host].known && over < c->hosts; over++) {
			struct clock_reading r = read_over(c, host, over);

			if (!r.known || (at && r.bound_ns >= best->bound_ns))
				continue;
			*best = r;
			at = host;
		}
	}
	return at;
}

/* From host 0 on. */
static void solve(struct clocks *c)
{
	struct clock_reading best;
	uint32_t at;

	read_pairs(c);
	memset(c->readings, 0, sizeof(c->readings));
	c->readings[0].known = true;
	while ((at = find_next(c, &best)))
		c->readings[at] = best;
	c->solved_at = c->count;
}

struct clock_reading clocks_read(struct clocks *c, uint32_t host)
{
	if (c->count != c->solved_at)
		solve(c);
	return host && host < CLOCK_HOSTS ? c->readings[host] : (struct clock_reading){ .known = !host };
}

int64_t clocks_ahead(struct clocks *c, uint32_t host)
{
	uint64_t more = c->count - c->solved_at;

	if (more && (!c->solved_at || (more >= SOLVE_AFTER && more >= c->solved_at / 8)))
		solve(c);
	return host < CLOCK_HOSTS ? c->readings[host].ahead_ns : 0;
}
