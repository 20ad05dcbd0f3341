// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/look.h"
#include "bpf/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "daemon/kernel/mapped.h"

/* An array's elements stand one after the other, each rounded up to 8 bytes. */
_Static_assert(sizeof(struct listener_sample) % 8 == 0, "listener_sample");

static const size_t requests_size = LOOK_BATCH * sizeof(struct look_request);
static const size_t samples_size = LOOK_BATCH * sizeof(struct listener_sample);

static int run(const struct look *l, size_t count)
{
	uint64_t context[] = { count };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = context, .ctx_size_in = sizeof(context));

	return bpf_prog_test_run_opts(l->program, &opts) ? -errno : 0;
}

int look_open(struct look *l, const struct bpf_object *object)
{
	int err = 0;

	*l = (struct look){ .program = -1 };
	l->requests = mapped_open(bpf_object__find_map_fd_by_name(object, "look_requests"), requests_size);
	l->samples = l->requests ? mapped_open(bpf_object__find_map_fd_by_name(object, "look_samples"), samples_size) : NULL;
	if (!l->samples)
		err = -errno;
	if (err)
		look_close(l);
	return err;
}

int look_try(const struct look *l)
{
	return run(l, 0);
}

void look_close(struct look *l)
{
	mapped_close(l->requests, requests_size);
	mapped_close(l->samples, samples_size);
	*l = (struct look){ .program = -1 };
}

int look_at(struct look *l, const struct look_request *requests, size_t count, look_fn *fn, void *ctx)
{
	for (size_t done = 0, n; done < count; done += n) {
		int err;

		n = count - done < LOOK_BATCH ? count - done : LOOK_BATCH;
		memcpy(l->requests, requests + done, n * sizeof(*requests));
		err = run(l, n);
		if (err)
			return err;
		for (size_t i = 0; i < n; i++)
			if (l->samples[i].socket && !l->samples[i].quiet)
				fn(ctx, done + i, &l->samples[i]);
	}
	return 0;
}
