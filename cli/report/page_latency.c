// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

#include <stdio.h>

#include "common/bands.h"
#include "common/duration.h"

struct map {
	const struct report_model *model;
	int role;
	unsigned bands;
	uint64_t floors[MAP_BANDS];
	uint64_t cells[MAP_BANDS][GRID_COLUMNS];
	uint64_t most;
};

static void fill_map(struct map *map)
{
	const struct grid *g = &map->model->grid;
	const struct histogram *all = &map->model->latency[map->role];
	uint8_t band[HISTOGRAM_BUCKETS];

	map->bands = bands_choose(all->min, all->max, map->floors, MAP_BANDS);
	bands_of_buckets(map->floors, map->bands, band);
	for (unsigned column = 0; column < g->count; column++) {
		const struct histogram *h = report_latency_at(map->model, map->role, column);

		if (!h->count)
			continue;
		for (unsigned i = histogram_bucket(h->min); i <= histogram_bucket(h->max); i++)
			map->cells[band[i]][column] += h->buckets[i];
		for (unsigned i = 0; i < map->bands; i++)
			if (map->cells[i][column] > map->most)
				map->most = map->cells[i][column];
	}
}

/* Where a latency is in the map: 0 at the bottom, 100 at the top. */
static double height_of(const struct map *map, uint64_t ns)
{
	unsigned band = 0;
	uint64_t low, high;
	double share;

	while (band + 1 < map->bands && map->floors[band + 1] <= ns)
		band++;
	low = map->floors[band];
	high = band + 1 < map->bands ? map->floors[band + 1] : 2 * low;
	share = ns <= low || high <= low ? 0 : ns >= high ? 1 : (double)(ns - low) / (double)(high - low);
	return 100 * (band + share) / map->bands;
}

static void put_cells(struct sections *s, const struct map *map)
{
	const struct grid *g = &s->model->grid;

	for (unsigned level = 1; level <= MAP_LEVELS; level++) {
		char class[] = { 'h', (char)('0' + level), '\0' };

		for (unsigned i = 0; i < map->bands; i++) {
			bool in[GRID_COLUMNS];

			for (unsigned column = 0; column < g->count; column++)
				in[column] = bands_level(map->cells[i][column], map->most, MAP_LEVELS) == level;
			plot_band(s->b, class, in, g->count, 100.0 * i / map->bands, 100.0 * (i + 1) / map->bands);
		}
	}
}

static void put_quantile(struct sections *s, const struct map *map, const char *class, double q)
{
	const struct grid *g = &s->model->grid;
	double heights[GRID_COLUMNS];

	for (unsigned column = 0; column < g->count; column++) {
		const struct histogram *h = report_latency_at(s->model, map->role, column);

		heights[column] = h->count ? height_of(map, histogram_quantile(h, q)) : PLOT_NONE;
	}
	plot_marks(s->b, "halo", heights, g->count);
	plot_marks(s->b, class, heights, g->count);
}

/* Where a band begins; every second one if they are many. */
static void put_floors(struct buf *b, const struct map *map)
{
	unsigned every = map->bands > 12 ? 2 : 1;
	char text[32];

	for (unsigned i = 0; i < map->bands; i += every)
		html_put(b, "<text class=\"floor\" x=\"4\" dy=\"-3\" y=\"%f%%\">%s</text>", 100 - 100.0 * i / map->bands,
			 duration_format(map->floors[i], text, sizeof(text)));
}

static void put_legend(struct buf *b, uint64_t most)
{
	buf_lit(b, "<p class=\"legend\"><span><svg class=\"scale\" viewBox=\"0 0 96 12\" aria-hidden=\"true\">");
	for (unsigned level = 1; level <= MAP_LEVELS; level++)
		html_put(b, "<path class=\"h%u\" d=\"M%u 0h16v12h-16z\"/>", level, (level - 1) * 96 / MAP_LEVELS);
	html_put(b, "</svg>1 to %'ju in a field</span><span><svg viewBox=\"0 0 34 12\" aria-hidden=\"true\"><path class=\"p50\" "
		 "d=\"M6 6h22\"/></svg>p50 of a column</span><span><svg viewBox=\"0 0 34 12\" aria-hidden=\"true\"><path "
		 "class=\"p99\" d=\"M6 6h22\"/></svg>p99 of a column</span></p>\n", most);
}

static void put_figures(struct buf *b, const struct histogram *h, const char *id)
{
	static const struct {
		const char *field, *name;
		double q;
	} figures[] = { { "p50", "p50", 0.5 }, { "p90", "p90", 0.9 }, { "p99", "p99", 0.99 }, { "max", "max", 1 } };

	html_put(b, "<p id=\"%s\">", id);
	html_number(b, "count", h->count);
	buf_lit(b, " timed");
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		html_put(b, "; %s <b>", figures[i].name);
		html_duration(b, figures[i].field, histogram_quantile(h, figures[i].q));
		buf_lit(b, "</b>");
	}
	buf_lit(b, "</p>\n");
}

static void put_map(struct sections *s, int role)
{
	static const struct {
		const char *title, *id;
	} words[ROLES] = {
		[ROLE_ACTIVE] = { "Opened from here: from the first SYN to the answer", "latency-active" },
		[ROLE_PASSIVE] = { "Accepted here: from the SYN-ACK to the final ACK", "latency-passive" },
	};
	const struct histogram *h = &s->model->latency[role];
	struct map map = { .model = s->model, .role = role };
	char p50[32], p99[32], what[300];
	struct buf *b = s->b;

	fill_map(&map);
	snprintf(what, sizeof(what), "Map of latencies over time. %s: %llu handshakes, p50 %s, p99 %s", words[role].title,
		 (unsigned long long)h->count, duration_format(histogram_quantile(h, 0.5), p50, sizeof(p50)),
		 duration_format(histogram_quantile(h, 0.99), p99, sizeof(p99)));
	html_put(b, "<figure class=\"card\"><h3>%s</h3>\n", words[role].title);
	put_figures(b, h, words[role].id);
	plot_open(b, "map", what, &s->marks);
	put_cells(s, &map);
	put_quantile(s, &map, "p99", 0.99);
	put_quantile(s, &map, "p50", 0.5);
	plot_end_columns(b);
	put_floors(b, &map);
	plot_close(b, &s->marks);
	plot_axis(b, &s->marks);
	put_legend(b, map.most);
	buf_lit(b, "</figure>\n");
}

void section_latency(struct sections *s)
{
	bool any = false;

	buf_lit(s->b, "<section id=\"latency\"><h2>Latency of established handshakes</h2>\n");
	for (int role = 0; role < ROLES && s->model->grid.count; role++) {
		if (!s->model->latency[role].count)
			continue;
		put_map(s, role);
		any = true;
	}
	buf_str(s->b, any ? "<p class=\"note\">Where the kernel cannot say how long a handshake took (SYN cookies, "
			    "TCP_DEFER_ACCEPT), it is not among these.</p>" :
			    "<div class=\"card\"><p>No record of an established handshake has a latency.</p></div>");
	buf_lit(s->b, "</section>\n");
}
