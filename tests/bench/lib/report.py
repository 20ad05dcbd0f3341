# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From numbers to docs/performance.md and its plots. What is between the markers is written here only."""
import statistics

from . import host, memory, svg

DOC = host.ROOT / "docs" / "performance.md"
PLOTS = {name: host.ROOT / "docs" / f"performance-{name}.svg" for name in ("rate", "cpu", "growth")}
BEGIN, END = "<!-- bench {}: begin; written by make bench -->\n", "<!-- bench {}: end -->\n"


def spread(values):
    return statistics.median(values), min(values), max(values)


def show(values, form, factor=1.0):
    """Median (range)."""
    if not values:
        return "–"
    median, low, high = (form.format(v * factor) for v in spread(values))
    return median if low == high else f"{median} ({low}–{high})"


def of(tracer, key):
    return [run[key] for run in tracer["runs"] if run.get(key) is not None]


def lost(tracer):
    shares = [100 * (1 - run["got"] / run["wanted"]) for run in tracer["runs"] if run.get("wanted")]
    if not shares:
        return "–"
    if not any(shares):
        return "0"
    return show(shares, "{:.2g} %")


def maps(tracer):
    """MiB here; and computed, with 2 and 256 CPUs."""
    found = of(tracer, "maps")
    if not found or not any(found[0]):
        return "–"
    here, *others = (f"{size / 2**20:.1f}" for size in found[-1])
    return f"{here} ({', '.join(others)})"


def row(tracer, connections):
    name = tracer["name"] + (f" {tracer['version']}" if tracer["version"] else "")
    if tracer["failed"]:
        return f"| {name} | does not run here: `{tracer['failed'].replace('|', '/')}` | | | | | |"
    first = f"{tracer['first_ms']:.0f}" if tracer["first_ms"] else "–"
    return (f"| {name} | {show(of(tracer, 'relative'), '{:.2f}')} "
            f"| {show(of(tracer, 'cpu_s'), '{:.2f}', 100000 / connections)} | {lost(tracer)} "
            f"| {show(of(tracer, 'rss_kb'), '{:.1f}', 1 / 1024)} | {maps(tracer)} | {first} |")


def setting(about):
    return (f"Measured {about['date']} on {about['cpus']} CPUs, kernel {about['kernel']}, with a load average of "
            f"{about['load']} before it began.")


def comparison(result):
    none = result["tracers"][0]
    return "\n".join([
        setting(result["about"]),
        f"There were {result['rounds']} rounds. In each round, every tracer had one run of {result['connections']:,} loopback connections, as "
        f"fast as one client makes them, in turns. Without a tracer: {show(of(none, 'rate'), '{:,.0f}')} a second. Figures are medians (ranges).",
        "",
        "| tracer | connection rate, relative to no tracer | CPU s per 100,000 connections | lost | peak RSS, MiB | maps, MiB (2, 256 CPUs) | first record, ms |",
        "|---|---|---|---|---|---|---|",
        *[row(tracer, result["connections"]) for tracer in result["tracers"]],
        "",
        "Each connection is two handshakes, one for each side. *CPU s* is the CPU time of the tracer's processes, from when they were ready to their end. The time of",
        "their BPF programs shows in the connection rate. *Lost* is the share of the handshakes, lines or packets of these connections that the tracer should have reported but did not. *First record* is timed on a",
        "terminal, from the start of the program, with 200 connections a second. In the runs the records go to a file. A tool that sees only one side of a",
        "connection, or no failures, or no latency, has the same kind of row as one that sees all. *Maps* is kernel memory of the BPF maps, which RSS does not include: here",
        f"and, computed, on hosts with 2 and 256 CPUs; the histograms of `--metrics` add {memory.of_histograms(2) / 2**20:.1f} and {memory.of_histograms(256) / 2**20:.1f} MiB.",
        "", "![connection rate](performance-rate.svg)", "", "![CPU time](performance-cpu.svg)", ""])


def growth(result):
    def table(name, head, form):
        lines = [f"| {head} | % of a CPU | time of a look, ms | looks, % of a CPU | interval, s |", "|---|---|---|---|---|"]
        for point in result[name]:
            look = "–" if point["look_ms"] is None else f"{point['look_ms']:.1f}"
            lines.append(f"| {form(point)} | {point['cpu_percent']:.2f} | {look} | {point['looks_percent']:.2f} "
                         f"| {point['interval_s']:.2g} |")
        return lines + [""]

    def size(point):
        return f"{point['x']:,}"

    def rate(point):
        made = f" ({point['rate']:,.0f} made)" if abs(point["rate"] - point["x"]) > 0.02 * point["x"] else ""
        return f"{point['x']:,}{made}"
    idle = result["idle"][0]
    return "\n".join([
        setting(result["about"]) + f" {result['seconds']:g} s each; all records to a file, socket and metrics on.", "",
        f"On a host without traffic of its own (others' may have come): {idle['wake_ups']:.1f} wake-ups a second, {idle['cpu_percent']:.3f} % of a CPU, "
        f"in {idle['seconds']:.0f} s.", "",
        *table("rate", "connections a second (two handshakes each)", rate),
        *table("listeners", "listeners, in one namespace with 10 connections a second", size),
        *table("namespaces", "namespaces, each with a listener and 10 connections a second", size),
        *table("both", "listeners, in 100 namespaces with 10 connections a second each", size),
        "A *look* happens every interval (`--listener-interval`). It reads the queues of every listener, and the counters of each namespace with traffic.",
        "Where looks would take more than 1 % of a CPU, the interval becomes longer. While nothing happens and all queues are empty, only every fourth interval has one.",
        "", "![growth](performance-growth.svg)", ""])


def put(name, text):
    """Between its markers in the document, and nothing else."""
    document = DOC.read_text()
    begin, end = BEGIN.format(name), END.format(name)
    before, rest = document.split(begin)
    _, after = rest.split(end)
    DOC.write_text(before + begin + text + end + after)


def draw_comparison(result):
    ran = [t for t in result["tracers"] if not t["failed"]]

    def rows(key, factor=1.0):
        return [(t["name"], tuple(v * factor for v in spread(of(t, key))), t["name"].startswith("tcpshaked"))
                for t in ran if of(t, key)]
    PLOTS["rate"].write_text(svg.bars("Connection rate, relative to none", rows("relative"), "{:.2f}"))
    PLOTS["cpu"].write_text(svg.bars("CPU seconds per 100,000 connections",
                                     rows("cpu_s", 100000 / result["connections"]), "{:.2f}"))


def draw_growth(result):
    PLOTS["growth"].write_text(svg.lines([
        (f"% of a CPU by {name}", unit, [(p["x"], p["cpu_percent"]) for p in result[key]])
        for name, unit, key in (("rate", "connections/s", "rate"), ("listeners", "listeners", "listeners"),
                                ("namespaces", "namespaces", "namespaces"))]))
