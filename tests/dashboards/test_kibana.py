"""The file for Kibana is what its import and its panels need; and the check of it can fail.

No Kibana could be run where this was written: `saved_objects.py` says what it goes by.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboards.catalogue import DASHBOARDS
from dashboards.kibana import kql, ndjson, objects
from dashboards.model import AtLeast, Is, IsNot
from tests.dashboards.saved_objects import problems

Json = dict[str, Any]


def test_the_file_is_what_kibana_needs() -> None:
    assert problems(ndjson()) == []


def test_the_same_dashboards_give_the_same_bytes() -> None:
    assert ndjson() == ndjson()


def test_every_dashboard_and_panel_is_there() -> None:
    built = {each["id"]: each["attributes"] for each in objects() if each["type"] == "dashboard"}
    assert {name: attributes["title"] for name, attributes in built.items()} == {
        f"dmp-{dashboard.id}": dashboard.title for dashboard in DASHBOARDS
    }
    for dashboard in DASHBOARDS:
        panels = json.loads(built[f"dmp-{dashboard.id}"]["panelsJSON"])
        assert [panel["title"] for panel in panels] == [panel.title for panel in dashboard.panels]


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ((), ""),
        ((Is("event", "Order Completed"),), 'event: "Order Completed"'),
        ((Is("channel", "web", "app"),), 'channel: ("web" or "app")'),
        ((Is("consent.marketing", True),), "consent.marketing: true"),
        ((Is("campaign", 'a "b" \\ c'),), r'campaign: "a \"b\" \\ c"'),
        ((IsNot("campaign", ""), AtLeast("orders", 2)), 'not campaign: "" and orders >= 2'),
    ],
)
def test_filters_in_kibanas_language(filters: tuple[Any, ...], text: str) -> None:
    assert kql(filters) == text


# What is broken, and what the check must say of it. Each takes the objects by type and id, and spoils them.


def _of(objects: list[Json], kind: str) -> Json:
    return next(each for each in objects if each["type"] == kind)


def _panels(change: Callable[[list[Json]], None]) -> Callable[[list[Json]], None]:
    """A change of the panels of the first dashboard."""

    def apply(objects: list[Json]) -> None:
        attributes = _of(objects, "dashboard")["attributes"]
        panels = json.loads(attributes["panelsJSON"])
        change(panels)
        attributes["panelsJSON"] = json.dumps(panels)

    return apply


def _layer(change: Callable[[Json], Any], panel: str = "channels") -> Callable[[list[Json]], None]:
    """A change of the Lens layer of a panel of the first dashboard."""

    def apply(panels: list[Json]) -> None:
        attributes = next(each for each in panels if each["panelIndex"] == panel)["embeddableConfig"]["attributes"]
        change(attributes["state"]["datasourceStates"]["formBased"]["layers"]["layer"])

    return _panels(apply)


def _formula(objects: list[Json]) -> None:
    attributes = next(each for each in objects if each["id"] == "dmp-funnel")["attributes"]
    assert '"references":["value-1X2"]' in attributes["panelsJSON"]
    attributes["panelsJSON"] = attributes["panelsJSON"].replace('"references":["value-1X2"]', '"references":[]')


BROKEN: list[tuple[Callable[[list[Json]], Any], str]] = [
    (lambda objects: objects.append(objects[0]), "twice"),
    (lambda objects: objects.pop(0), "leads nowhere"),
    (lambda objects: objects[0].pop("typeMigrationVersion"), "typeMigrationVersion"),
    (lambda objects: _of(objects, "dashboard").update(typeMigrationVersion="10.3.0"), "typeMigrationVersion"),
    (lambda objects: objects[0].update(coreMigrationVersion="9.0.0"), "coreMigrationVersion"),
    (lambda objects: objects[0].update(managed=True), "not the user's"),
    (lambda objects: objects[0]["attributes"].update(title="dmp-nothing-*"), "no index template"),
    (lambda objects: objects[0]["attributes"].update(timeFieldName="channel"), "no date"),
    (lambda objects: objects[0]["attributes"].pop("timeFieldName"), "without time"),
    (lambda objects: _of(objects, "search")["attributes"]["columns"].append("nothing"), "in no template"),
    (lambda objects: _of(objects, "search")["references"].clear(), "names no data view"),
    (lambda objects: _of(objects, "dashboard")["references"].pop(0), "twin"),
    (lambda objects: _of(objects, "dashboard")["references"].pop(), "no data view"),
    (lambda objects: _of(objects, "dashboard")["references"][0].update(id="dmp-quality"), "twin"),
    (lambda objects: _of(objects, "dashboard")["attributes"].update(panelsJSON=[]), "no text"),
    (lambda objects: _of(objects, "dashboard")["attributes"].pop("timeFrom"), "timeRestore"),
    (_panels(lambda panels: panels[0].pop("type")), "not used here"),
    (_panels(lambda panels: panels[0]["gridData"].update(w=13)), "overlaps"),
    (_panels(lambda panels: panels[0]["gridData"].update(i="other")), "differs"),
    (_panels(lambda panels: panels[0]["embeddableConfig"].pop("attributes")), "no Lens state"),
    (_panels(lambda panels: panels[0]["embeddableConfig"]["attributes"]["references"].clear()), "no data view"),
    (_layer(lambda layer: layer["columnOrder"].reverse()), "behind a number"),
    (_layer(lambda layer: layer["columnOrder"].pop()), "columnOrder"),
    (_layer(lambda layer: layer["columns"]["value-0"].update(sourceField="nothing")), "in no template"),
    (_layer(lambda layer: layer["columns"]["value-0"].update(sourceField="channel")), "sum of a string"),
    (_layer(lambda layer: layer["columns"]["bucket-0"].update(dataType="number")), "dataType"),
    (_layer(lambda layer: layer["columns"]["bucket-0"]["params"]["orderBy"].update(columnId="x")), "ordered by"),
    (_layer(lambda layer: layer["columns"]["value-1"]["filter"].update(query='none: "a"')), "the query names none"),
    (_formula, "will not compute"),
    (lambda objects: objects[-1]["attributes"].update(panelsJSON="[]"), "belongs to nothing"),
]


@pytest.mark.parametrize(("spoil", "said"), BROKEN, ids=[f"{n}: {said}" for n, (_, said) in enumerate(BROKEN)])
def test_the_check_finds_a_broken_copy(spoil: Callable[[list[Json]], Any], said: str) -> None:
    copies = [json.loads(line) for line in ndjson().splitlines()]
    spoil(copies)
    found = problems("\n".join(map(json.dumps, copies)))
    assert any(said in problem for problem in found), found


def test_the_check_finds_a_torn_line() -> None:
    assert problems(ndjson()[:-20])
