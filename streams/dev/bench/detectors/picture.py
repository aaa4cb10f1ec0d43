"""Delays of the detectors by condition as an SVG, one row a condition, minutes on a logarithmic axis."""

import math
from html import escape

from streams.dev.bench.detectors.report import Report

WIDTH, LEFT, RIGHT, TOP, ROW = 860, 250, 30, 56, 26
TICKS = (1, 3, 10, 30, 100, 300, 1_000)
LEAST, MOST = 1.0, 1_440.0
COLOURS = {  # Okabe and Ito's, told apart by the colour-blind
    "clairvoyant": "#000000",
    "surge": "#0072B2",
    "fixed threshold": "#D55E00",
    "z-score": "#E69F00",
    "EWMA": "#009E73",
}


def svg(found: Report) -> str:
    """The picture; it stands on white, whatever the page's colour."""
    height = TOP + ROW * len(found.conditions) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for at, (name, colour) in enumerate(COLOURS.items()):
        x = LEFT + 120 * at
        parts += [f'<circle cx="{x}" cy="18" r="5" fill="{colour}"/>', _text(x + 10, 22, name)]
    bottom = TOP + ROW * len(found.conditions)
    for tick in TICKS:
        parts += [
            f'<line x1="{_x(tick):.1f}" y1="{TOP - 14}" x2="{_x(tick):.1f}" y2="{bottom}" stroke="#dddddd"/>',
            _text(_x(tick), bottom + 16, f"{tick:,}", "middle"),
        ]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 34, "minutes from the start of an incident", "middle"))
    for at, condition in enumerate(found.conditions):
        y = TOP + ROW * at
        parts.append(_text(LEFT - 12, y + 4, condition, "end"))
        for name, one in found.results.items():
            colour = COLOURS[name.partition("/")[0]]
            parts.append(
                f'<circle cx="{_x(one.rows[at].delay):.1f}" cy="{y}" r="5" fill="{colour}" fill-opacity=".85"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _x(minutes: float) -> float:
    share = math.log(max(minutes, LEAST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
