// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Runs a fuzzer's target over files, without libFuzzer: what once was found stays mended, under
 * any compiler. Each file has a process of its own; one that crashes, or that takes longer than
 * SECONDS, is named.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define SECONDS 60

void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

/* What the program says of bad input is of no interest; what a sanitizer says is. */
static void silence(void)
{
	int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10), null = open("/dev/null", O_RDWR);

	if (__sanitizer_set_report_fd)
		__sanitizer_set_report_fd((void *)(intptr_t)kept);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
}

static void run(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t size = 0, room = 1 << 24;
	uint8_t *data = malloc(room), *exact;

	if (!f || !data) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, room, f);
	fclose(f);
	/* Of exactly this size, so that a sanitizer sees who reads beyond it. */
	exact = malloc(size ? size : 1);
	if (!exact)
		exit(1);
	memcpy(exact, data, size);
	free(data);
	silence();
	alarm(SECONDS);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	exit(0);
}

static int try(const char *path, DIR *dir)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		closedir(dir);
		run(path);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s: %s\n", path, WTERMSIG(status) == SIGALRM ?
						   "takes too long" : strsignal(WTERMSIG(status)));
	else
		fprintf(stderr, "%s: fails\n", path);
	return 1;
}

int main(int argc, char **argv)
{
	int files = 0, failed = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;
		char path[4096];

		while (dir && (entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			failed += try(path, dir);
			files++;
		}
		if (dir)
			closedir(dir);
	}
	if (!files)
		fprintf(stderr, "%s: no files; name directories of a corpus\n", argv[0]);
	else if (failed)
		fprintf(stderr, "%s: %d of %d files fail\n", argv[0], failed, files);
	else
		printf("%s: %d files\n", argv[0], files);
	return failed || !files;
}
