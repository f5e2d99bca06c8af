"""The steps of a build as bars over time, drawn as SVG; a table says the same to who cannot see."""

from __future__ import annotations

from slugc.history import BuildRecord
from slugc.inspection.markup import Markup, element, joined, number_cell, table
from slugc.timeline import BuildStep

_LABEL, _PLOT, _ROW, _BAR, _AXIS = 250, 640, 28, 16, 26
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)


def timeline_chart(build: BuildRecord) -> Markup:
    """Bars, then the numbers."""
    steps = sorted(build.steps, key=lambda step: (step.started, step.name))
    whole = max([build.duration, *(step.started + step.duration for step in steps), 1e-3])
    height = len(steps) * _ROW + _AXIS
    bars = (_bar(step, place, whole) for place, step in enumerate(steps))
    chart = element(
        "svg",
        *_axis(whole, height),
        *bars,
        viewBox=f"0 0 {_LABEL + _PLOT + 70} {height}",
        class_="timeline",
        role="img",
        aria_label=f"{len(steps)} steps in {build.duration:.2f} seconds; the table has them all",
    )
    when = build.built_at.replace("T", " ").replace("Z", " UTC")
    reused = f", taken over: {', '.join(build.reused)}" if build.reused else ""
    said = f"{when}, {build.duration:.2f} s in all, sandbox {build.sandbox}{reused}"
    numbers = element("details", element("summary", "The same as a table"), _numbers(steps))
    return joined((element("p", said), element("div", chart, class_="scroll"), numbers))


def _numbers(steps: list[BuildStep]) -> Markup:
    rows = (
        (
            step.name,
            number_cell(f"{step.started:.3f} s", step.started),
            number_cell(f"{step.duration:.3f} s", step.duration),
        )
        for step in steps
    )
    return table(("Step", "Began after", "Took"), rows, caption="", class_="sort")


def _bar(step: BuildStep, place: int, whole: float) -> Markup:
    top = place * _ROW
    left = _LABEL + _PLOT * step.started / whole
    width = max(2.0, _PLOT * step.duration / whole)
    middle = f"{top + _ROW / 2 + 4:.1f}"
    kind = step.name.partition(" ")[0]
    return element(
        "g",
        element("title", f"{step.name}: {step.duration:.3f} s"),
        element("text", _cut(step.name), x=str(_LABEL - 12), y=middle, class_="name"),
        element(
            "rect",
            x=f"{left:.1f}",
            y=f"{top + (_ROW - _BAR) / 2:.1f}",
            width=f"{width:.1f}",
            height=str(_BAR),
            rx="3",
            class_=f"step {kind}",
        ),
        element("text", _seconds(step.duration), x=f"{left + width + 6:.1f}", y=middle),
    )


def _cut(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:17]}…{name[-18:]}"


def _seconds(duration: float) -> str:
    return f"{duration * 1000:.0f} ms" if duration < 0.9995 else f"{duration:.2f} s"


def _axis(whole: float, height: int) -> list[Markup]:
    step = next((tick for tick in _TICKS if whole / tick <= 8), whole / 8)
    marks: list[Markup] = []
    for count in range(int(whole / step) + 1):
        x = f"{_LABEL + _PLOT * count * step / whole:.1f}"
        marks.append(element("line", x1=x, x2=x, y1="0", y2=str(height - _AXIS + 4), class_="grid"))
        label = _seconds(count * step) if count else "0"
        marks.append(element("text", label, x=x, y=str(height - 6), class_="tick"))
    return marks
