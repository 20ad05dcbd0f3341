/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Evidence that is to be refused though the kernel grants it: TCPSHAKE_REFUSE, for tests and for the curious. */
#ifndef TCPSHAKE_CAPABILITIES_H
#define TCPSHAKE_CAPABILITIES_H

#include <stdbool.h>

/*
 * Does TCPSHAKE_REFUSE name it? A list of names of `--probe`, separated by commas; "all" is everything that
 * the daemon can do without.
 */
bool capability_refused(const char *name);

/* Is every name in TCPSHAKE_REFUSE one of a capability? If not, one line in the log says which is none. */
bool capabilities_check_refusals(void);

#endif
