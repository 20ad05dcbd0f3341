/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the service manager hears, if one listens: sd_notify(3), by a datagram of our own. */
#ifndef TCPSHAKE_NOTIFY_H
#define TCPSHAKE_NOTIFY_H

#include <stdint.h>

#define NOTIFY_READY "READY=1"
#define NOTIFY_WATCHDOG "WATCHDOG=1"
#define NOTIFY_STOPPING "STOPPING=1"

/* Connect to $NOTIFY_SOCKET, if it is set. 0 or a negative errno. */
int notify_open(void);
/* No answer is waited for: who does not listen any more misses it. */
void notify_send(const char *state);
/* How often it expects a sign of life, by $WATCHDOG_USEC: 0 for never. */
uint64_t notify_watchdog_ns(void);

#endif
