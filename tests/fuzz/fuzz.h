/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the fuzzers share: libFuzzer's entry point, and checks that -DNDEBUG does not take away. */
#ifndef TCPSHAKE_FUZZ_H
#define TCPSHAKE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)        \
	do {                         \
		if (!(condition))    \
			abort();     \
	} while (0)

#endif
