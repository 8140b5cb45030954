"""Charts of a drift report, as SVG that takes its colours from the page and runs no script."""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import UTC, date, datetime, time
from typing import Any

from replay.drift.report import Report
from replay.drift.trends import Trend
from replay.errors import MissingExtra
from replay.visible import visible

_HEIGHT = 28
_TRENDS = 6


def findings_chart(report: Report) -> str:
    """Draw in how many runs each kind was found; empty where nothing was."""
    runs: dict[str, set[str]] = defaultdict(set)
    for judged in report.findings:
        names = {instance.run for instance in judged.finding.instances}
        runs[judged.finding.kind] |= names
    if not runs:
        return ""
    chart = _pygal().HorizontalBar(
        **_shared(),
        show_legend=False,
        height=60 + _HEIGHT * len(runs),
        print_values=True,
        x_labels=list(reversed(runs)),
        show_y_guides=False,
        margin_right=40,
    )
    chart.add("runs", [len(names) for names in reversed(runs.values())])
    return _svg(chart)


def trend_charts(report: Report) -> list[tuple[str, str]]:
    """Draw each measure over time, a line a model; by title."""
    by_measure: dict[str, list[Trend]] = defaultdict(list)
    for trend in report.trends:
        by_measure[trend.measure].append(trend)
    drawn = []
    for measure, trends in list(by_measure.items())[:_TRENDS]:
        chart = _pygal().XY(  # DateLine asks Python for what 3.12 has deprecated
            **_shared(),
            height=260,
            x_label_rotation=30,
            x_value_formatter=lambda seconds: str(datetime.fromtimestamp(seconds, UTC).date()),
            legend_at_bottom=True,
        )
        for trend in trends:
            points = [(_midnight(day), value) for day, value in trend.points]
            chart.add(visible(trend.model) or "no model", points)
        drawn.append((measure, _svg(chart)))
    return drawn


def _midnight(day: date) -> float:
    return datetime.combine(day, time.min, UTC).timestamp()


def _shared() -> dict[str, Any]:
    from pygal.style import Style

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--line)",
        font_family="inherit",
        colors=tuple(f"var(--series-{n})" for n in range(1, 6)),
        value_colors=("var(--paper)",) * 5,
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        label_font_size=13,
        value_font_size=13,
        legend_font_size=13,
        opacity="1",
    )
    return {"style": style, "js": [], "width": 720, "explicit_size": False}


def _svg(chart: Any) -> str:
    chart.add_xml_filter(without_scripts)
    svg: str = chart.render(is_unicode=True, disable_xml_declaration=True)
    return svg


def without_scripts(root: Any) -> Any:
    """Take out scripts, and the title, which names the library where the figure has its own."""
    for parent in list(root.iter()):
        for child in list(parent):
            tag = str(child.tag).rpartition("}")[2]
            if tag == "script" or (tag == "title" and parent is root):
                parent.remove(child)
    return root


def _pygal() -> Any:
    try:
        import pygal
    except ImportError:
        raise MissingExtra("A drift report as HTML", "drift") from None
    # It leaves a finder for its plugins of the kind that Python 3.12 no longer knows.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    return pygal
