/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the scenarios are that come with the program. */
#ifndef TCPSHAKE_LAB_LIBRARY_H
#define TCPSHAKE_LAB_LIBRARY_H

#include <stddef.h>

/* The text of a file, to be freed; or NULL after one line on stderr. */
char *lab_library_read(const char *path);
/* Where a scenario is: one of ours by its name, or a file. -1 after one line on stderr. */
int lab_library_find(const char *name, char *path, size_t size);
/* The names of all of ours, in order; to be freed with lab_library_free(). NULL after one line on stderr. */
char **lab_library_names(size_t *count);
void lab_library_free(char **names, size_t count);

#endif
