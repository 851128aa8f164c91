"""Charts of an audit as inline SVG: bars of jobs by day, shares of verdicts, privacy spent, gas. No script, no network.

Colours come from the page's style sheet, so that a chart follows light, dark and print. Every text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

WIDTH = 720
HEIGHT = 220
LEFT = 56
BOTTOM = 28
TOP = 10
MAX_BARS = 60
TICKS = 4
DAY_S = 86_400
MIN_LABEL_GAP = 90
OUTCOMES = ("released", "withheld", "failed", "refused", "cancelled")


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a line: `at` on the axis of time, in unix seconds."""

    at: int
    value: float


def bar_chart(days: Mapping[int, Mapping[str, int]], *, title: str) -> str:
    """Stack outcomes into a bar for each day; days are joined to weeks or longer when there are too many."""
    spans = _join_days(days)
    highest = max((sum(counts.values()) for _, counts in spans), default=1)
    top = TICKS * _round_up(math.ceil(highest / TICKS))  # whole jobs at each tick
    slot = (WIDTH - LEFT) / max(len(spans), 1)
    parts = _grid(top)
    for number, (day, counts) in enumerate(spans):
        height, x = 0.0, LEFT + number * slot
        for outcome in OUTCOMES:
            part = counts.get(outcome, 0) / top * (HEIGHT - TOP - BOTTOM)
            height += part
            if part:
                y = HEIGHT - BOTTOM - height
                width = min(slot * 0.8, 48)
                parts.append(
                    f'<rect class="{outcome}" x="{x + (slot - width) / 2:.1f}" y="{y:.1f}" width="{width:.1f}"'
                    f' height="{part:.1f}"><title>{format_day(day)}: {counts[outcome]} {outcome}</title></rect>'
                )
    parts += _day_labels([(LEFT + (number + 0.5) * slot, day) for number, (day, _) in enumerate(spans)])
    return _svg(parts, title)


def line_chart(
    points: Sequence[Point], *, title: str, cap: float | None = None, stepped: bool = False
) -> str:
    """Draw values over time, with a dashed line at a cap; `stepped` holds each value until the next."""
    if not points:
        return ""
    first, last = points[0].at, max(points[-1].at, points[0].at + 1)
    top = _round_up(max([point.value for point in points] + ([cap] if cap else [])) or 1)

    def place(point: Point) -> tuple[float, float]:
        x = LEFT + (point.at - first) / (last - first) * (WIDTH - LEFT - 12)
        return x, HEIGHT - BOTTOM - point.value / top * (HEIGHT - TOP - BOTTOM)

    parts = _grid(top)
    if cap is not None:
        y = place(Point(first, cap))[1]
        parts.append(f'<line class="cap" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
    places = [place(point) for point in points]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
    for x, y in places[1:]:
        path += f"H{x:.1f}V{y:.1f}" if stepped else f"L{x:.1f} {y:.1f}"
    parts.append(f'<path class="line" d="{path}"/>')
    parts += [
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{point.value:g}</title></circle>'
        for point, (x, y) in zip(points, places, strict=True)
    ]
    parts += _day_labels([(x, point.at // DAY_S) for point, (x, _) in zip(points, places, strict=True)])
    return _svg(parts, title)


def share_chart(counts: Mapping[str, int], *, title: str) -> str:
    """Draw how many of all ended in each way, as one bar."""
    total = sum(counts.values()) or 1
    parts, x = [], 0.0
    for outcome in OUTCOMES:
        width = counts.get(outcome, 0) / total * WIDTH
        if width:
            parts.append(
                f'<rect class="{outcome}" x="{x:.1f}" y="0" width="{width:.1f}" height="26">'
                f"<title>{counts[outcome]} {outcome}</title></rect>"
            )
        x += width
    return _svg(parts, title, height=26)


def format_day(day: int) -> str:
    """Write a day since 1970 as a date; one that no calendar has, as its number."""
    try:
        return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return f"day {day}"


def _join_days(days: Mapping[int, Mapping[str, int]]) -> list[tuple[int, dict[str, int]]]:
    """Return first day and counts of spans of days of one length, at most `MAX_BARS`, those without a job left out."""
    if not days:
        return []
    first = min(days)
    length = math.ceil((max(days) - first + 1) / MAX_BARS)
    spans: dict[int, dict[str, int]] = {}
    for day in sorted(days):
        span = spans.setdefault(first + (day - first) // length * length, {})
        for outcome, count in days[day].items():
            span[outcome] = span.get(outcome, 0) + count
    return sorted(spans.items())


def _grid(top: float) -> list[str]:
    parts = []
    for number in range(TICKS + 1):
        y = HEIGHT - BOTTOM - number / TICKS * (HEIGHT - TOP - BOTTOM)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}">{top * number / TICKS:g}</text>')
    return parts


def _day_labels(places: Sequence[tuple[float, int]]) -> list[str]:
    parts, free = [], float(LEFT)
    for x, day in places:
        if x >= free and x <= WIDTH - MIN_LABEL_GAP / 3:
            parts.append(f'<text class="day" x="{x:.1f}" y="{HEIGHT - 8}">{format_day(day)}</text>')
            free = x + MIN_LABEL_GAP
    return parts


def _round_up(value: float) -> float:
    """Return the next number that divides well into ticks: 1, 2, 4 or 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 4, 8, 10, 20) if step * power >= value)


def _svg(parts: Sequence[str], title: str, *, height: int = HEIGHT) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="xMidYMid meet">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
