// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a limited process is refused, each in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/privilege/calls.h"

static char path[64];

static bool is_refused(long result)
{
	return result < 0 && errno == EPERM;
}

static bool run_program(void)
{
	char name[] = "true", *argv[] = { name, NULL };

	return is_refused(execv("/bin/true", argv));
}

static bool make_socket(void)
{
	return is_refused(socket(AF_INET, SOCK_STREAM, 0));
}

static bool fork_child(void)
{
	return is_refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static bool load_program(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	return is_refused(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static bool look_up(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (__u32)-1;
	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) == 0 || errno != EBADF;
}

static bool map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
	       errno == EPERM;
}

static bool map_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static bool append(void)
{
	return is_refused(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

static bool overwrite(void)
{
	return is_refused(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

static bool read_and_write(void)
{
	return is_refused(open(path, O_RDWR | O_CLOEXEC));
}

static bool read_file(void)
{
	return is_refused(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
}

static bool send_signal(void)
{
	return is_refused(kill(getppid(), SIGCONT));
}

static bool ask_for_process(void)
{
	return is_refused(kill(getpid(), 0));
}

/* Does a process that is limited so see a call refused? */
static bool refused(bool (*call)(void), unsigned int uses)
{
	const struct calls_wanted wanted = { uses };
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(calls_limit(&wanted) ? 2 : call());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status);
}

static void test_what_nobody_may(void **state)
{
	static bool (*const calls[])(void) = { run_program, make_socket, fork_child, load_program, map_code,
					       overwrite, read_and_write };
	const unsigned int all = USE_OUTPUT | USE_SOCKET | USE_METRICS;

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		assert_true(refused(calls[i], all));
	assert_true(refused(send_signal, all));
}

static void test_what_everybody_may(void **state)
{
	(void)state;
	assert_false(refused(look_up, 0));
	assert_false(refused(map_memory, 0));
	assert_false(refused(read_file, 0));
	assert_false(refused(ask_for_process, 0));
}

/* The file that was opened again is appended to, and only where there is one. */
static void test_output(void **state)
{
	(void)state;
	assert_true(refused(append, USE_SOCKET | USE_METRICS));
	assert_false(refused(append, USE_OUTPUT));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_nobody_may),
		cmocka_unit_test(test_what_everybody_may),
		cmocka_unit_test(test_output),
	};

	snprintf(path, sizeof(path), "/tmp/tcpshake-unit-calls-%d", (int)getpid());
#ifdef __SANITIZE_ADDRESS__
	return 0; /* there is no limit */
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
