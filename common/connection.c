// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/connection.h"

#include <string.h>

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 33;
}

static uint64_t hash_endpoint(const uint8_t *addr, uint16_t port)
{
	uint64_t word[2];

	memcpy(word, addr, sizeof(word));
	return mix(mix(word[0]) ^ mix(word[1] + port));
}

uint64_t connection_hash(const uint8_t *local_addr, uint16_t local_port, const uint8_t *remote_addr,
			 uint16_t remote_port, uint32_t client_isn)
{
	uint64_t ends = hash_endpoint(local_addr, local_port) +
			hash_endpoint(remote_addr, remote_port);

	return mix(ends ^ client_isn);
}
