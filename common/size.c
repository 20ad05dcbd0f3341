// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/size.h"

#include <stdlib.h>
#include <string.h>

int size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	unsigned long long size = strtoull(text, &end, 10);
	int bits;

	if (*text < '0' || *text > '9')
		return -1;
	unit = *end ? strchr(units, *end) : NULL;
	bits = unit ? 10 * (int)(unit - units + 1) : 0;
	if ((*end && !unit) || (unit && end[1]) || size > (1ULL << 50) >> bits)
		return -1;
	*bytes = size << bits;
	return 0;
}
