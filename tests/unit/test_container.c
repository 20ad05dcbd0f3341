// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* container: the paths that runtimes make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/host/container.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID_DASH "b0d3f6a1-1c2d-4e5f-8a9b-0c1d2e3f4a5b"
#define UID_LINE "b0d3f6a1_1c2d_4e5f_8a9b_0c1d2e3f4a5b"

static void test_containers(void **state)
{
	static const struct {
		const char *path, *runtime, *pod_uid;
	} cases[] = {
		{ "/docker/" ID, "docker", "" },
		{ "/system.slice/docker-" ID ".scope", "docker", "" },
		{ "/system.slice/docker-" ID ".scope/init", "docker", "" },
		{ "/machine.slice/libpod-" ID ".scope/container", "podman", "" },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_LINE
		  ".slice/cri-containerd-" ID ".scope", "containerd", UID_DASH },
		{ "/kubepods.slice/kubepods-pod" UID_LINE ".slice/crio-" ID ".scope", "crio", UID_DASH },
		{ "/kubepods/besteffort/pod" UID_DASH "/" ID, NULL, UID_DASH },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct container c;

		assert_true(container_of_path(cases[i].path, &c));
		assert_string_equal(c.id, ID);
		if (cases[i].runtime)
			assert_string_equal(c.runtime, cases[i].runtime);
		else
			assert_null(c.runtime);
		assert_string_equal(c.pod_uid, cases[i].pod_uid);
	}
}

static void test_others(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/user.slice/user-1000.slice/session-3.scope",
		"/system.slice/docker.service",
		"/system.slice/docker-0123.scope", /* too short */
		"/docker/" ID "0", /* too long */
		"/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct container c;

		assert_false(container_of_path(paths[i], &c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
