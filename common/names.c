// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "common/names.h"

#include <string.h>

#include "bpf/event.h"

const char *const role_names[ROLES] = {
	[ROLE_ACTIVE] = "active",
	[ROLE_PASSIVE] = "passive",
};

const char *const outcome_names[OUTCOMES] = {
	[OUTCOME_ESTABLISHED] = "established", [OUTCOME_REFUSED] = "refused",
	[OUTCOME_RESET] = "reset",	       [OUTCOME_TIMEOUT] = "timeout",
	[OUTCOME_UNREACHABLE] = "unreachable", [OUTCOME_CANCELLED] = "cancelled",
	[OUTCOME_NO_PORT] = "no_port",	       [OUTCOME_OVERFLOW] = "overflow",
};

int name_index(const char *const *names, int count, const char *word, size_t len)
{
	for (int i = 0; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
			return i;
	return -1;
}

const char *errno_name(int error)
{
	return strerrorname_np(error);
}
