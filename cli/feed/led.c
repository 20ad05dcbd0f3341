// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/led.h"

#include <string.h>

bool record_is_led(const struct record_handshake *h)
{
	return h->role == ROLE_ACTIVE && h->has_nat &&
	       (h->nat.port != h->remote.port || strcmp(h->nat.addr, h->remote.addr) != 0);
}

bool record_is_led_home(const struct record_handshake *h)
{
	return record_is_led(h) && (strncmp(h->nat.addr, "127.", strlen("127.")) == 0 ||
				    strcmp(h->nat.addr, "::1") == 0 || strcmp(h->nat.addr, h->local.addr) == 0);
}
