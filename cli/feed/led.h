/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose latency and outcome a client's record has, where NAT led the client elsewhere. Pure. */
#ifndef TCPSHAKE_LED_H
#define TCPSHAKE_LED_H

#include <stdbool.h>

#include "cli/feed/parsed_record.h"

/* Did NAT lead this client to another end than the one that it connected to? `h->nat` is that end. */
bool record_is_led(const struct record_handshake *h);
/*
 * … and to its own host, as REDIRECT does to a sidecar's proxy: to the loopback address, or to the address that it
 * sends from itself?
 */
bool record_is_led_home(const struct record_handshake *h);

#endif
