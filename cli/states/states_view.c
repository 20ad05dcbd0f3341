// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `states`: the sockets that there are now, once or redrawn in place. It asks the kernel itself, and no daemon. */
#include "cli/states/look.h"
#include "cli/states/render.h"
#include "cli/feed/live.h"
#include "cli/view.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define INTERVAL_NS NSEC_PER_SEC
#define COST_SHARE 100 /* a look takes no more than one in so many parts of a CPU */

struct view_of_states {
	const struct options *options;
	struct states *states;
	struct states_look look;
	uint64_t pause_ns; /* until the next look */
};

static int look(void *view, uint64_t *pause_ns)
{
	struct view_of_states *v = view;
	int err = states_look(&v->look, v->states, &v->options->filter);

	if (err == -ENOTRECOVERABLE)
		log_error("cannot come back from another network namespace");
	else if (err)
		log_error("cannot look at the network namespaces of this host: %s", strerror(-err));
	else if (!v->look.namespaces.seen && v->look.namespaces.unseen)
		log_error("no network namespace could be looked at: %s", strerror(-v->look.namespaces.error));
	else if (!v->look.namespaces.seen)
		log_error("no such network namespace can be found; see --netns, and run it as root");
	if (err || !v->look.namespaces.seen)
		return err ? err : -ENOENT;
	states_sort(v->states, v->options->sort);
	v->pause_ns = v->look.cost_ns * COST_SHARE > INTERVAL_NS ? v->look.cost_ns * COST_SHARE : INTERVAL_NS;
	*pause_ns = v->pause_ns;
	return 0;
}

static struct states_shown shown(const struct view_of_states *v)
{
	return (struct states_shown){
		.states = v->states,
		.look = &v->look,
		.by_mask = v->options->by_mask,
		.filtered = !filter_is_empty(&v->options->filter),
	};
}

static void draw(void *view, struct buf *b, const struct style *style, size_t rows)
{
	const struct view_of_states *v = view;
	struct states_shown all = shown(v);

	all.pause_ns = rows == SIZE_MAX ? 0 : v->pause_ns;
	states_render(b, style, &all, rows);
}

static void put_json(void *view, struct buf *b)
{
	const struct states_shown all = shown(view);

	states_json(b, &all);
}

enum exit_status states_run(const struct options *o)
{
	static const struct live_ops ops = { .look = look, .draw = draw, .json = put_json };
	struct view_of_states v = { .options = o, .states = states_new(&o->filter) };
	enum exit_status status;

	if (!v.states) {
		log_error("out of memory");
		return STATUS_FAILED;
	}
	status = live_run(o, &ops, &v);
	states_free(v.states);
	return status;
}
