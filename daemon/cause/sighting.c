// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/sighting.h"

#include <string.h>

#include "common/addr.h"
#include "common/connection.h"

uint64_t ends_conn(const struct ends *ends, uint32_t client_isn)
{
	return connection_hash(ends->client_addr, ends->client_port, ends->server_addr, ends->server_port,
			       client_isn);
}

uint64_t ends_key(const struct ends *ends)
{
	return ends_conn(ends, 0);
}

struct sighting sighting_make(enum role side, const uint8_t *local_addr, uint16_t local_port,
			      const uint8_t *remote_addr, uint16_t remote_port, uint32_t client_isn)
{
	bool client = side == ROLE_ACTIVE;
	struct sighting s = { .side = side, .client_isn = client_isn };

	memcpy(s.ends.client_addr, client ? local_addr : remote_addr, sizeof(s.ends.client_addr));
	memcpy(s.ends.server_addr, client ? remote_addr : local_addr, sizeof(s.ends.server_addr));
	s.ends.client_port = client ? local_port : remote_port;
	s.ends.server_port = client ? remote_port : local_port;
	s.key = ends_key(&s.ends);
	return s;
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, 16) == 0;
}

bool ends_alike(const struct ends *client, const struct ends *server)
{
	return addr_is_ipv4(client->client_addr) == addr_is_ipv4(server->client_addr);
}

bool ends_kept(const struct ends *client, const struct ends *server)
{
	return ends_alike(client, server) && (client->client_port == server->client_port ||
					      same(client->client_addr, server->client_addr) ||
					      (same(client->server_addr, server->server_addr) &&
					       client->server_port == server->server_port));
}
