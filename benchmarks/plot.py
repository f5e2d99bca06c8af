"""A plot of a few lines as SVG, with nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 50, 60
COLOURS = ("#0b6e99", "#b3541e", "#5b7f2b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


def draw(title: str, lines: Sequence[Line], *, across: str, up: str) -> str:
    """Both axes begin at zero, so that what grows in proportion is a straight line through it."""
    most_x = max(x for line in lines for x, _ in line.points)
    most_y = max(y for line in lines for _, y in line.points)
    plot = _Plot(most_x=most_x, most_y=_ceiling(most_y))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="28" font-size="16">{escape(title)}</text>',
        *plot.axes(across, up),
    ]
    for colour, line in zip(COLOURS, lines, strict=False):
        parts += plot.line(line, colour)
    return "\n".join([*parts, "</svg>", ""])


def _ceiling(most: float) -> float:
    """The next number of the kind 1, 2, 5, 10 that is not smaller."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 2, 5, 10) if most <= power * step)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plot:
    most_x: float
    most_y: float

    def x(self, value: float) -> float:
        return LEFT + value / self.most_x * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.most_y * (HEIGHT - TOP - BOTTOM)

    def axes(self, across: str, up: str) -> list[str]:
        parts = []
        for step in range(6):
            y, value = self.y(self.most_y * step / 5), self.most_y * step / 5
            parts += [
                f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" '
                f'stroke="#dddddd"/>',
                f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>',
            ]
        for step in range(5):
            value = self.most_x * step / 4
            parts.append(
                f'<text x="{self.x(value):.1f}" y="{HEIGHT - BOTTOM + 20}" '
                f'text-anchor="middle">{value:,.0f}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts += [
            f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle">{escape(across)}</text>',
            f'<text x="18" y="{TOP - 12}">{escape(up)}</text>',
        ]
        return parts

    def line(self, line: Line, colour: str) -> list[str]:
        places = [(self.x(x), self.y(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        return [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *dots,
            f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(line.name)}</text>',
        ]
