"""A bar chart of ratios as SVG, on a logarithmic scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

BAR, GAP, TOP, BOTTOM = 14, 6, 46, 30
LABELS, PLOT, RIGHT = 190, 560, 90
FASTER, SLOWER, GRID, TEXT = "#2f7d6b", "#c2573a", "#d8dcdf", "#22292f"


@dataclass(frozen=True)
class Bar:
    """One ratio: below one is faster."""

    label: str
    ratio: float
    note: str


def bar_chart(title: str, bars: list[Bar]) -> str:
    """Bars that grow from one to the left where the ratio is below one, to the right where it is above."""
    values = [bar.ratio for bar in bars] or [1.0]
    low = math.floor(min(-1.0, math.log10(min(values))))
    high = math.ceil(max(0.3, math.log10(max(values))) * 2) / 2
    height = TOP + len(bars) * (BAR + GAP) + BOTTOM
    width = LABELS + PLOT + RIGHT

    def x(ratio: float) -> float:
        return LABELS + (math.log10(ratio) - low) / (high - low) * PLOT

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="sans-serif" font-size="12" fill="{TEXT}" role="img" aria-label="{escape(title)}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    parts += [tick(x(value), value, height) for value in ticks(low, high)]
    for position, bar in enumerate(bars):
        parts.append(drawn(bar, TOP + position * (BAR + GAP), x(1.0), x(bar.ratio)))
    one = x(1.0)
    parts.append(f'<line x1="{one:.1f}" y1="{TOP - 6}" x2="{one:.1f}" y2="{height - BOTTOM}" stroke="{TEXT}"/>')
    return "\n".join([*parts, "</svg>", ""])


def drawn(bar: Bar, top: int, one: float, end: float) -> str:
    colour = FASTER if bar.ratio <= 1 else SLOWER
    left, width = min(one, end), max(abs(end - one), 1.0)
    middle = top + BAR - 3
    return (
        f'<text x="{LABELS - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour}">'
        f"<title>{escape(bar.note)}</title></rect>"
        f'<text x="{max(one, end) + 5:.1f}" y="{middle}">{bar.ratio:.2f}</text>'
    )


def tick(at: float, value: float, height: int) -> str:
    return (
        f'<line x1="{at:.1f}" y1="{TOP - 6}" x2="{at:.1f}" y2="{height - BOTTOM}" stroke="{GRID}"/>'
        f'<text x="{at:.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">{value:g}</text>'
    )


def ticks(low: int, high: float) -> list[float]:
    """Powers of ten and three times them, within the scale."""
    steps = [factor * 10.0**power for power in range(low, math.ceil(high) + 1) for factor in (1, 3)]
    return [step for step in steps if math.log10(step) <= high + 1e-9]
