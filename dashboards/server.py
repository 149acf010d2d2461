"""The local page: the dashboards as HTML, and their numbers from Elasticsearch as JSON. An ASGI application."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from elasticsearch import ApiError, Elasticsearch
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.elasticsearch import AWAY, trouble
from dashboards import html, search, vega
from dashboards.catalogue import DASHBOARDS
from dashboards.model import Dashboard, Panel, Source
from dmp.config import ElasticsearchSection
from dmp.errors import UserError

Json = dict[str, Any]

UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
LONGEST_MS = 100 * 366 * UNITS_MS["d"]

# Everything comes from this server. Charts need no `eval`: Vega interprets its expressions.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
FILES = {"page.css": "text/css", "page.js": "text/javascript"}


def create_app(client: Elasticsearch, server: ElasticsearchSection, vega_script: str) -> Starlette:
    """The application. `server` is what `client` looks for, `vega_script` the libraries of the charts."""
    pages = {dashboard.id: dashboard for dashboard in DASHBOARDS}

    def home(_: Request) -> Response:
        return RedirectResponse(f"/{DASHBOARDS[0].id}")

    def page(request: Request) -> Response:
        return HTMLResponse(html.page(_find(request), DASHBOARDS), headers=HEADERS)

    def data(request: Request) -> Response:
        dashboard, parameters = _find(request), request.query_params
        span = parse_span(parameters, dashboard, time.time_ns() // 1_000_000)
        choices = {control.field: parameters[control.field] for control in dashboard.controls
                   if parameters.get(control.field)}  # fmt: skip
        try:
            return JSONResponse(answer(client, dashboard, span, choices), headers=HEADERS)
        except (ApiError, *AWAY) as error:
            return JSONResponse({"error": trouble(error, server)}, 503, HEADERS)

    def script(_: Request) -> Response:
        return Response(vega_script, media_type="text/javascript", headers=HEADERS)

    def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise HTTPException(404)
        text = files("dashboards").joinpath("page", name).read_text(encoding="utf-8")
        return Response(text, media_type=FILES[name], headers=HEADERS)

    def failure(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, HEADERS)

    def _find(request: Request) -> Dashboard:
        name = request.path_params["dashboard"]
        if name not in pages:
            raise HTTPException(404, f"there is no dashboard {name}; there are {', '.join(pages)}")
        return pages[name]

    return Starlette(
        routes=[
            Route("/", home),
            Route("/static/vega.js", script),
            Route("/static/{name}", file),
            Route("/{dashboard}", page),
            Route("/{dashboard}/data", data),
        ],
        middleware=[
            # A page of somebody else's whose name leads to this machine gets nothing.
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
            Middleware(GZipMiddleware),
        ],
        exception_handlers={HTTPException: failure},
    )


def parse_span(parameters: Mapping[str, str], dashboard: Dashboard, now_ms: int) -> search.Span:
    """The time range of a request: `last` (such as 15m, 6h, 7d) until now, or `from` and `to` in milliseconds.

    Raises HTTPException 400 with what is wrong.
    """
    zone = parameters.get("zone", "UTC")
    if not re.fullmatch(r"[\w+/-]{1,64}", zone):  # whether there is one of that name Elasticsearch knows
        raise HTTPException(400, f"{zone} is no name of a time zone")
    if "from" in parameters or "to" in parameters:
        limits = [parameters.get(name, "") for name in ("from", "to")]
        if not all(re.fullmatch(r"\d{1,14}", limit) for limit in limits):
            raise HTTPException(400, "from and to must both be milliseconds since 1970")
        start, end = map(int, limits)
    else:
        last = re.fullmatch(r"(\d{1,4})([mhd])", parameters.get("last", dashboard.range))
        if not last:
            raise HTTPException(400, "last must be a number of minutes, hours or days, such as 15m, 6h or 7d")
        start, end = now_ms - int(last[1]) * UNITS_MS[last[2]], now_ms
    if not 0 < end - start <= LONGEST_MS:
        raise HTTPException(400, "the time range must end after it begins")
    return search.Span(start, end, zone)


def answer(client: Elasticsearch, dashboard: Dashboard, span: search.Span, choices: Mapping[str, str]) -> Json:
    """What every panel and control of a dashboard shows, by id. Two requests: the second for empty panels only."""
    asked = [(panel.source, search.body(panel, span, choices)) for panel in dashboard.panels]
    asked += [(control.source, search.options(control.source, control.field, span)) for control in dashboard.controls]
    answers = _search(client, asked)
    panels = {panel.id: _shown(panel, each, span) for panel, each in zip(dashboard.panels, answers)}
    _add_newest(client, dashboard.panels, panels)
    values = (each.get("aggregations", {}).get("values", {"buckets": []}) for each in answers[len(panels) :])
    controls = {
        control.field: [bucket["key"] for bucket in each["buckets"]]
        for control, each in zip(dashboard.controls, values)
    }
    return {"from": span.start, "to": span.end, "panels": panels, "controls": controls}


def _shown(panel: Panel, found: Json, span: search.Span) -> Json:
    if "error" in found:
        return {"error": _refusal(panel.source, found)}
    table = search.table(panel, found)
    shown: Json = {"columns": [vars(column) for column in table.columns], "rows": table.rows, "empty": table.empty}
    chart = None if table.empty else vega.specification(panel, table, span)
    return {**shown, "chart": chart} if chart else shown


def _add_newest(client: Elasticsearch, panels: Iterable[Panel], shown: Mapping[str, Json]) -> None:
    """Tell for empty panels when there was something last."""
    empty = [panel for panel in panels if shown[panel.id].get("empty") and panel.source.time]
    if empty:
        answers = _search(client, [(panel.source, search.newest(panel.source)) for panel in empty])
        for panel, found in zip(empty, answers):
            shown[panel.id]["newest"] = found.get("aggregations", {}).get("newest", {}).get("value")


def _search(client: Elasticsearch, searches: Iterable[tuple[Source, Json]]) -> list[Json]:
    lines = [line for source, body in searches for line in ({"index": source.alias}, body)]
    answers: list[Json] = client.msearch(searches=lines)["responses"]
    return answers


def _refusal(source: Source, found: Json) -> str:
    error = found["error"]
    if error["type"] == "index_not_found_exception":
        return f"There is no index {source.alias} yet: `dmp up` makes it."
    if found["status"] >= 500:
        return f"Elasticsearch cannot search {source.alias} at the moment: it may just be starting."
    causes = error.get("root_cause") or [error]
    return f"Elasticsearch refuses the search: {causes[0].get('reason')}"


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1 and nowhere else. UserError when the port is taken."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
        server.listen()  # from here on nobody is turned away
    except OSError:
        server.close()
        raise UserError(f"port {port} is in use: give another by --port") from None
    return server
