"""Small inline pictures as SVG: a value with its interval, a line of the past, the mix of labels."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from marketpulse.contract.metrics import Estimate

LABELS = ("negative", "neutral", "positive")
WIDTH, HEIGHT = 120.0, 26.0


def interval(one: Estimate, low: float, high: float, said: str) -> Markup:
    """A value with its 95 % interval on an axis from `low` to `high`; a dashed line at 0 where the axis crosses it."""

    def x(value: float) -> float:
        return 4 + (WIDTH - 8) * (min(max(value, low), high) - low) / (high - low)

    zero = f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="1" y2="13"/>' if low < 0 < high else ""
    return _svg(
        "interval",
        f"0 0 {WIDTH:.0f} 14",
        said,
        f'<line class="axis" x1="4" x2="{WIDTH - 4:.0f}" y1="7" y2="7"/>{zero}'
        f'<line class="range" x1="{x(one.low):.1f}" x2="{x(one.high):.1f}" y1="7" y2="7"/>'
        f'<circle class="dot" cx="{x(one.value):.1f}" cy="7" r="3.5"/>',
    )


def spark(values: Sequence[float | None], said: str, span: float = 0.0, from_zero: bool = False) -> Markup:
    """A line through values; None leaves a gap. The axis spans what is drawn, at least `span`, or begins at zero."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    least = 0.0 if from_zero else min(known)
    room = max(span - (max(known) - least), 0.0)
    least -= room / 2
    height = max(known) + room / 2 - least or 1.0
    step = WIDTH / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            y = 2 + (HEIGHT - 4) * (1 - (value - least) / height)
            runs[-1].append(f"{at * step:.1f},{y:.1f}")
    lines = "".join(f'<polyline points="{" ".join(run)}"/>' for run in runs if len(run) > 1)
    return _svg("spark", f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", said, lines)


def mix(labels: Mapping[str, int]) -> Markup:
    """Shares of negative, neutral and positive as one bar; empty without events."""
    total = sum(labels.values())
    if not total:
        return Markup("")
    shares = {name: labels.get(name, 0) / total for name in LABELS}
    x, bars = 0.0, []
    for name, share in shares.items():
        bars.append(f'<rect class="{name}" x="{x:.2f}" y="0" width="{WIDTH * share:.2f}" height="12"/>')
        x += WIDTH * share
    said = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    return _svg("mix", f"0 0 {WIDTH:.0f} 12", said, "".join(bars))


def bars(now: float, before: float, most: float) -> Markup:
    """Two amounts as bars below each other: what is in force, and what was before."""
    scale = (WIDTH - 2) / most if most > 0 else 0.0
    return _svg(
        "bars",
        f"0 0 {WIDTH:.0f} 18",
        f"{now:,.1f} now, {before:,.1f} before",
        f'<rect class="now" x="0" y="1" width="{now * scale:.1f}" height="8"/>'
        f'<rect class="before" x="0" y="11" width="{before * scale:.1f}" height="5"/>',
    )


def _svg(kind: str, box: str, said: str, content: str) -> Markup:
    return Markup(  # noqa: S704 - numbers and fixed names; the words are escaped
        f'<svg class="{kind}" viewBox="{box}" preserveAspectRatio="none" role="img" aria-label="{escape(said)}">'
        f"<title>{escape(said)}</title>{content}</svg>"
    )
