// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* container_names: the trees that kubelets and runtimes keep, and what is no such; container_lookup: when they are read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/host/container_lookup.h"
#include "daemon/host/container_names.h"

#define ID "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f"
#define OTHER "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"
#define POD "0f6b2f6e-1c2d-4e3f-8a9b-c0d1e2f3a4b5"
#define OTHER_POD "1f6b2f6e-1c2d-4e3f-8a9b-c0d1e2f3a4b5"
#define DOCKER "var/lib/docker/containers/" ID "/config.v2.json"
#define STORAGE "var/lib/containers/storage/overlay-containers/containers.json"
#define VOLATILE "var/lib/containers/storage/overlay-containers/volatile-containers.json"
#define TRANSIENT "run/containers/storage/overlay-containers/volatile-containers.json"
#define LOG(name) "var/log/containers/" name
#define PODS(name) "var/log/pods/" name

static char root[] = "/tmp/test_container_names.XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level ? remove(path) : 0;
}

/* An empty tree, before and after each test. */
static int clear(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", root, name);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
}

static void put_bytes(const char *name, const char *text, size_t len)
{
	char path[4096];
	FILE *file;

	path_of(path, sizeof(path), name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

static void make(const char *name)
{
	char path[4096];

	path_of(path, sizeof(path), name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static struct container container(const char *runtime, const char *pod_uid)
{
	struct container c = { .id = ID, .runtime = runtime };

	strcpy(c.pod_uid, pod_uid);
	return c;
}

static void expect(const char *runtime, const char *pod_uid, const char *name, const char *pod, const char *namespace)
{
	struct container c = container(runtime, pod_uid);
	struct container_names names;

	assert_int_equal(container_names_find(root, &c, &names), 0);
	assert_string_equal(names.name, name);
	assert_string_equal(names.pod, pod);
	assert_string_equal(names.namespace, namespace);
}

static void expect_nothing(const char *runtime, const char *pod_uid)
{
	expect(runtime, pod_uid, "", "", "");
}

static void test_containerd(void **state)
{
	(void)state;
	expect_nothing("containerd", POD);
	make(PODS("shop_cart-7d9f6c5b8-x2x4z_" POD));
	make(PODS("kube-system_etcd-node1_0123456789abcdef0123456789abcdef"));
	expect("containerd", POD, "", "cart-7d9f6c5b8-x2x4z", "shop");
	expect_nothing("containerd", OTHER_POD);
	put(LOG("cart-7d9f6c5b8-x2x4z_shop_envoy-" OTHER ".log"), "");
	put(LOG("cart-7d9f6c5b8-x2x4z_shop_web-1-" ID ".log"), "");
	expect("containerd", POD, "web-1", "cart-7d9f6c5b8-x2x4z", "shop");
	/* A static pod's UID is no UUID: the container's ID is enough. */
	expect("containerd", "", "web-1", "cart-7d9f6c5b8-x2x4z", "shop");
	/* Not the runtime's own, nor Docker's, for it is none of Docker's. */
	clear(NULL);
	put(DOCKER, "{\"ID\":\"" ID "\",\"Name\":\"/web\"}");
	expect_nothing("containerd", POD);
}

static void test_crio(void **state)
{
	(void)state;
	put(STORAGE, "[{\"id\":\"" OTHER "\",\"names\":[\"k8s_POD_cart_shop_" POD "_0\"]},"
		     "{\"id\":\"" ID "\",\"names\":[\"k8s_web_cart-0.db_shop_" POD "_12\"],\"metadata\":\"{}\"}]");
	expect("crio", POD, "web", "cart-0.db", "shop");
	expect_nothing("crio", OTHER_POD);
	expect_nothing("docker", POD); /* not Docker's file */
	put(LOG("cart-0.db_shop_web-" ID ".log"), "");
	expect("crio", POD, "web", "cart-0.db", "shop");
}

static void test_docker(void **state)
{
	(void)state;
	put(DOCKER, "{\"StreamConfig\":{},\"ID\":\"" ID "\",\"Config\":{\"Hostname\":\"x\"},\"Name\":\"/web_1.A\"}");
	expect("docker", "", "web_1.A", "", "");
	expect(NULL, "", "web_1.A", "", "");
	expect_nothing("podman", "");
	/* Of a pod it has the name that the kubelet gave it, and no other. */
	expect_nothing("docker", POD);
	put(DOCKER, "{\"ID\":\"" ID "\",\"Name\":\"/k8s_web_cart_shop_" POD "_0\"}");
	expect("docker", POD, "web", "cart", "shop");
	expect_nothing("docker", OTHER_POD);
	expect("docker", "", "k8s_web_cart_shop_" POD "_0", "", "");
	put(DOCKER, "{\"ID\":\"" OTHER "\",\"Name\":\"/web\"}");
	expect_nothing("docker", "");
}

static void test_podman(void **state)
{
	(void)state;
	put(STORAGE, "[{\"id\":\"" OTHER "\",\"names\":[\"db\"]},{\"id\":\"" ID "\",\"names\":[\"web\",\"alias\"]}]");
	expect("podman", "", "web", "", "");
	put(STORAGE, "[]");
	expect_nothing("podman", "");
	put(VOLATILE, "[{\"id\":\"" ID "\",\"names\":[\"job\"]}]");
	expect("podman", "", "job", "", "");
	put(VOLATILE, "[{\"id\":\"" ID "\"}]");
	expect_nothing("podman", "");
	put(TRANSIENT, "[{\"id\":\"" ID "\",\"names\":[\"brief\"]}]");
	expect("podman", "", "brief", "", "");
}

/* What no kubelet writes: nothing is taken from it, rather than a part. */
static void test_strange_entries(void **state)
{
	static const char *const entries[] = {
		LOG("cart_shop_web-" ID), LOG("cart_shop_web" ID ".log"), LOG("cart_shop_-" ID ".log"), LOG("-" ID ".log"),
		LOG("a_cart_shop_web-" ID ".log"), LOG("cart_web-" ID ".log"), LOG("cart_shop_We\x1b[31mb-" ID ".log"),
		LOG("cart_sh.op_web-" ID ".log"), LOG("c\"art_shop_web-" ID ".log"), LOG("cart_shop_web-" ID ".log.1"),
		PODS("shop_" POD), PODS("a_shop_cart_" POD), PODS("_cart_" POD), PODS("shop__" POD), PODS("shop_Cart_" POD),
		PODS("sh op_cart_" POD), PODS("shop_-cart_" POD),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		put(entries[i], "");
		expect_nothing("containerd", POD);
	}
	put(LOG("cart_shop_web-" ID ".log"), "");
	expect("containerd", POD, "web", "cart", "shop");
	/* They contradict one another. */
	make(PODS("shop_carp_" POD));
	expect_nothing("containerd", POD);
	clear(NULL);
	make(PODS("shop_cart_" POD));
	make(PODS("mall_cart_" POD));
	expect_nothing("containerd", POD);
}

static void test_strange_files(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "null", "\"x\"", "{\"ID\":1,\"Name\":\"/web\"}", "{\"ID\":\"" ID "\"}", "{\"ID\":\"" ID "\",\"Name\":7}",
		"{\"ID\":\"" ID "\",\"Name\":\"\"}", "{\"ID\":\"" ID "\",\"Name\":\"/\"}", "{\"ID\":\"" ID "\",\"Name\":\"/a\\u001bb\"}",
		"{\"ID\":\"" ID "\",\"Name\":\"//web\"}", "{\"ID\":\"" ID "\",\"Name\":\"/.web\"}", "{\"id\":\"" ID "\",\"name\":\"/web\"}",
		"[{\"id\":\"" ID "\",\"names\":{}}]", "[{\"id\":\"" ID "\",\"names\":[]}]", "[{\"id\":\"" ID "\",\"names\":[3]}]",
		"[{\"id\":\"" ID "\",\"names\":[\"we b\"]}]", "[[[{\"id\":\"" ID "\",\"names\":[\"web\"]}]]]",
	};
	char *large, path[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		put(DOCKER, texts[i]);
		put(STORAGE, texts[i]);
		expect_nothing(NULL, "");
	}
	/* Deep, and cut off. */
	large = malloc(CONTAINER_NAMES_BYTES + 1);
	memset(large, '[', CONTAINER_NAMES_BYTES + 1);
	put_bytes(STORAGE, large, CONTAINER_NAMES_BYTES);
	put_bytes(DOCKER, large, CONTAINER_NAMES_BYTES);
	expect_nothing(NULL, "");
	/* As large as a file may be, and larger. */
	memset(large, ' ', CONTAINER_NAMES_BYTES + 1);
	memcpy(large, "{\"ID\":\"" ID "\",\"Name\":\"/web\"}", strlen("{\"ID\":\"" ID "\",\"Name\":\"/web\"}"));
	put_bytes(DOCKER, large, CONTAINER_NAMES_BYTES);
	expect("docker", "", "web", "", "");
	put_bytes(DOCKER, large, CONTAINER_NAMES_BYTES + 1);
	expect_nothing("docker", "");
	free(large);
	/* A name that is as long as there is room for, and a longer one. */
	for (int len = 128; len <= 129; len++) {
		char name[130] = {}, json[256];

		memset(name, 'x', (size_t)len);
		snprintf(json, sizeof(json), "{\"ID\":\"" ID "\",\"Name\":\"/%s\"}", name);
		put(DOCKER, json);
		expect("docker", "", len == 128 ? name : "", "", "");
	}
	/* No files: nobody waits for a writer, and /dev/zero has no end. */
	clear(NULL);
	path_of(path, sizeof(path), DOCKER);
	assert_int_equal(mkfifo(path, 0644), 0);
	path_of(path, sizeof(path), STORAGE);
	assert_int_equal(symlink("/dev/zero", path), 0);
	path_of(path, sizeof(path), VOLATILE);
	assert_int_equal(symlink(VOLATILE, path), 0);
	path_of(path, sizeof(path), TRANSIENT);
	assert_int_equal(mkdir(path, 0755), 0);
	put("var/log/pods", "no directory");
	expect_nothing(NULL, "");
	expect_nothing("crio", POD);
}

/* Beyond a bound nothing is taken: what came later might contradict it. */
static void test_many_entries(void **state)
{
	char name[64];

	(void)state;
	put(LOG("cart_shop_web-" ID ".log"), "");
	for (int i = 0; i < CONTAINER_NAMES_ENTRIES; i++) {
		snprintf(name, sizeof(name), LOG("%d"), i);
		put(name, "");
		if (i == CONTAINER_NAMES_ENTRIES - 4) /* and "." and ".." */
			expect("containerd", "", "web", "cart", "shop");
	}
	expect_nothing("containerd", "");
}

static const char *name_of(struct container_lookup *l, const char *path, const char *id, uint64_t now, uint64_t *again)
{
	const struct container_names *names;
	struct container c = container("docker", "");

	memcpy(c.id, id, sizeof(c.id));
	names = container_lookup(l, path, &c, now, again);
	return names ? names->name : "";
}

static void test_when(void **state)
{
	struct container_lookup *l = container_lookup_new(root);
	uint64_t now = 1000, again, waited = CONTAINER_LOOKUP_FIRST_NS;

	(void)state;
	/* Not there at first: again, and each time after twice as long. */
	while (waited <= CONTAINER_LOOKUP_LAST_NS) {
		assert_string_equal(name_of(l, "/docker/" ID, ID, now, &again), "");
		assert_int_equal(again, now + waited);
		waited *= 2;
		now = again;
	}
	assert_string_equal(name_of(l, "/docker/" ID, ID, now, &again), "");
	assert_int_equal(again, now + CONTAINER_LOOKUP_LAST_NS);
	put(DOCKER, "{\"ID\":\"" ID "\",\"Name\":\"/web\"}");
	assert_string_equal(name_of(l, "/docker/" ID, ID, again - 1, &again), "");
	now = again;
	assert_string_equal(name_of(l, "/docker/" ID, ID, now, &again), "web");
	assert_int_equal(again, now + CONTAINER_LOOKUP_LAST_NS);
	/* Renamed; and what was known outlives its file. */
	put(DOCKER, "{\"ID\":\"" ID "\",\"Name\":\"/shop\"}");
	container_lookup_hold(l, true);
	assert_string_equal(name_of(l, "/docker/" ID, ID, again, &now), "web");
	container_lookup_hold(l, false);
	assert_string_equal(name_of(l, "/docker/" ID, ID, now, &again), "shop");
	clear(NULL);
	assert_string_equal(name_of(l, "/docker/" ID, ID, again, &again), "shop");
	/* A user's own cgroup may have another's ID. */
	assert_string_equal(name_of(l, "/user.slice/user-1000.slice/docker-" ID ".scope", ID, again, &again), "");
	assert_int_equal(again, UINT64_MAX);
	assert_string_equal(name_of(l, "/machine.slice/lxc-a.scope/user.slice/user-0.slice/docker-" ID ".scope", ID, again, &again), "");
	assert_int_equal(again, UINT64_MAX);
	container_lookup_free(l);
}

/* Memory and time are bounded, whatever cgroups there are. */
static void test_bounds(void **state)
{
	struct container_lookup *l = container_lookup_new(root);
	static char text[400 << 10] = "[{}";
	char id[65], path[256];
	uint64_t again;

	(void)state;
	put(DOCKER, "{\"ID\":\"" ID "\",\"Name\":\"/web\"}");
	for (int i = 0; i < 3 * CONTAINER_LOOKUP_ROOM; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		name_of(l, "/docker", id, 1 + (uint64_t)i * CONTAINER_LOOKUP_BURST_NS, &again);
	}
	assert_string_equal(name_of(l, "/docker", ID, UINT64_MAX / 2, &again), "web");
	container_lookup_free(l);

	/* A look takes milliseconds, and the clock stands still: at the end of the burst nobody looks any more. */
	l = container_lookup_new(root);
	for (size_t i = 3; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, ",{}", 4);
	put(DOCKER, text);
	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		snprintf(path, sizeof(path), "var/lib/docker/containers/%s/config.v2.json", id);
		put(path, text);
		name_of(l, "/docker", id, 1, &again);
	}
	put(DOCKER, "{\"ID\":\"" ID "\",\"Name\":\"/web\"}");
	assert_string_equal(name_of(l, "/docker", ID, 1, &again), "");
	/* A look may have taken longer than the burst, on a slow machine. */
	assert_string_equal(name_of(l, "/docker", ID, 1000 * CONTAINER_LOOKUP_BURST_NS, &again), "web");
	container_lookup_free(l);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(root);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, clear, clear)
	const struct CMUnitTest tests[] = {
		TEST(test_containerd), TEST(test_crio), TEST(test_docker), TEST(test_podman), TEST(test_strange_entries),
		TEST(test_strange_files), TEST(test_many_entries), TEST(test_when), TEST(test_bounds),
	};

	return cmocka_run_group_tests_name("container_names", tests, set_up, tear_down);
}
