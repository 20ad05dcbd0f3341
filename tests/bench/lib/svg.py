# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Plots as plain SVG: bars with their ranges, and lines."""
from xml.sax.saxutils import escape

HEAD = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
        'font-family="sans-serif" font-size="12">\n'
        '<!-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause; drawn by tests/bench/lib/svg.py -->\n'
        '<rect width="100%" height="100%" fill="white"/>\n')
OURS, OTHERS, INK, PALE = "#1a7f37", "#6e7781", "#24292f", "#d0d7de"


def text(x, y, what, anchor="start", weight="normal", fill=INK):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
            f'fill="{fill}">{escape(what)}</text>\n')


def bars(title, rows, form, width=760):
    """rows: (name, (median, low, high), ours). The longest bar is the greatest of all."""
    left, right, step, top = 240, 110, 24, 40
    most = max(high for _, (_, _, high), _ in rows) or 1
    scale = (width - left - right) / most
    height = top + step * len(rows) + 12
    out = HEAD.format(w=width, h=height) + text(12, 22, title, weight="bold")
    for i, (name, (median, low, high), ours) in enumerate(rows):
        y = top + i * step
        out += text(left - 8, y + 14, name, "end")
        out += (f'<rect x="{left}" y="{y + 3}" width="{max(median * scale, 1):.1f}" height="15" '
                f'fill="{OURS if ours else OTHERS}"/>\n')
        out += (f'<path d="M{left + low * scale:.1f} {y + 10.5}H{left + high * scale:.1f}" stroke="{INK}" '
                'stroke-width="1.5"/>\n')
        out += text(left + high * scale + 6, y + 15, form.format(median))
    return out + "</svg>\n"


def lines(panels, width=760, height=240):
    """panels: (title, unit of x, [(x, y)…]), side by side; x by its rank, y from 0 in % of a CPU."""
    each = width / len(panels)
    out = HEAD.format(w=width, h=height)
    for i, (title, unit, points) in enumerate(panels):
        x0, y0, w, h = i * each + 44, 40, each - 64, height - 90
        most = max([y for _, y in points] + [1]) * 1.15
        out += text(i * each + 12, 22, title, weight="bold")
        for share in (0, 0.5, 1):
            y = y0 + h * (1 - share)
            out += f'<path d="M{x0} {y:.1f}h{w:.1f}" stroke="{PALE}"/>\n'
            out += text(x0 - 6, y + 4, f"{most * share:.3g}", "end")
        at = [(x0 + w * (k + 0.5) / len(points), y0 + h * (1 - y / most)) for k, (_, y) in enumerate(points)]
        out += (f'<path d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in at)}" fill="none" stroke="{OURS}" '
                'stroke-width="2"/>\n')
        for (x, y), (label, value) in zip(at, points):
            out += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{OURS}"/>\n'
            out += text(x, y - 8, f"{value:.3g}", "middle") + text(x, y0 + h + 16, f"{label:,}", "middle")
        out += text(x0 + w / 2, y0 + h + 36, unit, "middle")
    return out + "</svg>\n"
