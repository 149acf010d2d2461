"""The page of a dashboard: everything but the numbers, which page.js fetches."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from dashboards.model import Control, Dashboard, Panel

RANGES = {
    "5m": "5 minutes", "15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days",
    "30d": "30 days", "365d": "365 days",
}  # fmt: skip
REFRESH = {"0": "not by itself", "5": "every 5 seconds", "10": "every 10 seconds", "60": "every minute"}
DEFAULT_REFRESH = "10"
CHARTS = {
    "line": "Line chart", "columns": "Column chart", "bars": "Bar chart", "heatmap": "Heat map",
}  # fmt: skip


def page(dashboard: Dashboard, dashboards: Sequence[Dashboard]) -> str:
    """A whole document."""
    template = Template(files("dashboards").joinpath("page", "page.html").read_text(encoding="utf-8"))
    titles = {each.id: each.title for each in dashboards}
    return template.substitute(
        id=dashboard.id,
        title=escape(dashboard.title),
        help=escape(dashboard.help),
        links="\n".join(_link(each, each is dashboard) for each in dashboards),
        ranges="\n".join(_option(key, f"the last {text}", key == dashboard.range) for key, text in RANGES.items()),
        refresh="\n".join(_option(key, text, key == DEFAULT_REFRESH) for key, text in REFRESH.items()),
        controls="\n".join(_control(control) for control in dashboard.controls),
        panels="\n".join(_panel(panel, width, titles) for panel, _, _, width in dashboard.placed()),
    )


def _link(dashboard: Dashboard, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<li><a href="/{dashboard.id}" data-dashboard{mark}>{escape(dashboard.title)}</a></li>'


def _option(value: str, text: str, selected: bool = False) -> str:
    return f'<option value="{value}"{" selected" if selected else ""}>{escape(text)}</option>'


def _control(control: Control) -> str:
    choice = f'<select name="{control.field}" data-control>{_option("", "all")}</select>'
    return f"<label>{escape(control.title)} {choice}</label>"


def _panel(panel: Panel, width: int, titles: dict[str, str]) -> str:
    more = ""
    if panel.leads_to:
        more = f'<a class="more" href="/{panel.leads_to}" data-dashboard>{escape(titles[panel.leads_to])}</a>'
    return f"""<section class="panel {panel.kind} width-{width}" id="{panel.id}" aria-labelledby="{panel.id}-title">
<header><h2 id="{panel.id}-title">{escape(panel.title)}</h2>{more}</header>
<p class="help">{escape(panel.help)}</p>
{_body(panel)}
<p class="note" hidden></p>
</section>"""


def _body(panel: Panel) -> str:
    if panel.kind == "number":
        return '<p class="figure" data-body><data>…</data></p>'
    table = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {escape(panel.title)}"><table>'
        f'<caption>{escape(panel.title)}</caption><thead></thead><tbody></tbody></table></div>'
    )
    if panel.kind not in CHARTS:
        return f"<div data-body>{table}</div>"
    label = f"{CHARTS[panel.kind]}: {panel.title}. {panel.help} The same numbers are in the table below."
    summary = f'<summary>Numbers<span class="hidden"> of {escape(panel.title)}</span></summary>'
    chart = f'<div class="chart" role="img" aria-label="{escape(label)}"></div>'
    return f"<div data-body>{chart}<details>{summary}{table}</details></div>"
