// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/lab/library.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define ENDING ".lab"
#define TEXT_MAX (1024 * 1024)

/* Installed in PREFIX/bin, or built in a directory of the source tree (build/, build/san/). */
static const char *const places[] = {
	"../share/tcpshake/lab",
	"../../share/tcpshake/lab",
};

/* 0, or -1 if they are nowhere. */
static int find_directory(char *path, size_t size)
{
	char self[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return -1;
	self[len] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
		int used = snprintf(path, size, "%.*s/%s", (int)(slash - self), self, places[i]);

		if (used > 0 && (size_t)used < size && access(path, R_OK) == 0)
			return 0;
	}
	return -1;
}

int lab_library_find(const char *name, char *path, size_t size)
{
	char directory[PATH_MAX];

	if (!strchr(name, '/') && find_directory(directory, sizeof(directory)) == 0 &&
	    (size_t)snprintf(path, size, "%s/%s" ENDING, directory, name) < size && access(path, R_OK) == 0)
		return 0;
	if ((size_t)snprintf(path, size, "%s", name) < size && access(path, R_OK) == 0)
		return 0;
	log_error("there is no scenario '%s', and no such file; tcpshake lab --list shows what there is", name);
	return -1;
}

char *lab_library_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(TEXT_MAX + 1) : NULL;
	size_t len = 0;
	int error;

	errno = file && !text ? ENOMEM : errno;
	if (text)
		len = fread(text, 1, TEXT_MAX + 1, file);
	if (text && (ferror(file) || len > TEXT_MAX || memchr(text, '\0', len))) {
		errno = ferror(file) ? errno : len > TEXT_MAX ? EFBIG : EILSEQ;
		error = errno;
		free(text);
		text = NULL;
		errno = error;
	}
	if (!text)
		log_error("cannot read the scenario %s: %s", path, strerror(errno));
	else
		text[len] = '\0';
	if (file)
		fclose(file);
	return text;
}

static int is_scenario(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > strlen(ENDING) && strcmp(entry->d_name + len - strlen(ENDING), ENDING) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **lab_library_names(size_t *count)
{
	char directory[PATH_MAX];
	struct dirent **entries = NULL;
	char **names;
	int found = find_directory(directory, sizeof(directory)) < 0 ? -1 :
		    scandir(directory, &entries, is_scenario, NULL);

	names = found < 0 ? NULL : calloc((size_t)found + 1, sizeof(*names));
	*count = names ? (size_t)found : 0;
	for (int i = 0; i < found; i++) {
		if (names)
			names[i] = strndup(entries[i]->d_name, strlen(entries[i]->d_name) - strlen(ENDING));
		free(entries[i]);
	}
	free(entries);
	if (names)
		qsort(names, *count, sizeof(*names), by_name);
	else
		log_error("cannot find the scenarios of the lab in share/tcpshake/lab beside this program");
	return names;
}

void lab_library_free(char **names, size_t count)
{
	for (size_t i = 0; names && i < count; i++)
		free(names[i]);
	free(names);
}
