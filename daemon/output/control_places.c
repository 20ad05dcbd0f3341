// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which client goes when there is no room for all. */
#include "daemon/output/control_internal.h"

#include "common/clock.h"
#include "daemon/host/resources.h"

#define MAX_CLIENTS 64
#define DESCRIPTORS_KEPT 8 /* for what the daemon opens for a moment: a scan, a cgroup, a file of /proc */
#define ANSWER_BYTES (64 * 1024 * 1024) /* that wait, of all clients */

/* Answers that wait for their reader. A subscriber's records have a bound of their own (feed.h). */
static size_t waiting_bytes(const struct client *client)
{
	const struct feed *feed = sink_feed(client->sink);

	return !feed_is_subscribed(feed) || feed_is_full(feed) ? feed_backlog(feed) : 0;
}

void control_make_room(const struct client *asks)
{
	const struct control *c = asks->control;
	struct client *oldest;
	size_t sum;

	do {
		oldest = NULL;
		sum = 0;
		for (struct client *client = c->clients; client; client = client->next) {
			sum += waiting_bytes(client);
			if (client != asks && waiting_bytes(client) &&
			    (!oldest || client->active_ns < oldest->active_ns))
				oldest = client;
		}
		if (sum > ANSWER_BYTES && oldest)
			client_close(oldest, LIMIT_ANSWER_BYTES);
	} while (sum > ANSWER_BYTES && oldest);
}

static int places_of(const struct control *c, uid_t uid)
{
	int count = 0;

	for (const struct client *client = c->clients; client; client = client->next)
		count += client->uid == uid;
	return count;
}

/* The user with the most places, who is the first to give one back. */
static uid_t greediest(const struct control *c, uid_t other)
{
	uid_t most = other;

	for (const struct client *client = c->clients; client; client = client->next)
		if (places_of(c, client->uid) > places_of(c, most))
			most = client->uid;
	return most;
}

/*
 * Whose place a client of `uid` gets when all are taken: of the user that has the most, who has been silent for the
 * longest time without a subscription; another user's subscription, too, but no one's own. NULL: nobody's.
 */
static struct client *find_victim(const struct control *c, uid_t uid)
{
	uid_t from = greediest(c, uid);
	struct client *victim = NULL;

	for (struct client *client = c->clients; client; client = client->next) {
		bool subscribed = feed_is_subscribed(sink_feed(client->sink)), than;

		if (client->uid != from || (subscribed && from == uid))
			continue;
		than = victim && feed_is_subscribed(sink_feed(victim->sink));
		if (!victim || (than && !subscribed) ||
		    (than == subscribed && client->active_ns < victim->active_ns))
			victim = client;
	}
	return victim;
}

/* What there is none of for one more client; LIMITS: there is enough of all. */
static enum limit short_of(const struct control *c)
{
	if (c->count == MAX_CLIENTS)
		return LIMIT_PLACES;
	return resources_descriptors_scarce(c->socket.fd, DESCRIPTORS_KEPT) ? LIMIT_DESCRIPTORS : LIMITS;
}

bool control_make_place(struct control *c, uid_t uid)
{
	enum limit limit = short_of(c);
	struct client *victim;

	if (limit == LIMITS)
		return true;
	victim = find_victim(c, uid);
	if (victim)
		client_close(victim, limit);
	else
		limits_reached(&c->limits, limit, clock_mono_ns());
	return victim;
}
