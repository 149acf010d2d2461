"""Every panel's search against what the real pipeline brought into Elasticsearch, and the local page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from dashboards.catalogue import DASHBOARDS
from dashboards.model import Dashboard, Panel
from dashboards.search import Span
from dashboards.server import answer
from dmp.core.timestamps import parse_rfc3339, rfc3339
from dmp.jobs import ALL
from schemas.topics import ALERTS, CLUSTERS, RECOMMENDATIONS, Topic
from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PAGE_SECONDS = 120
# Dense enough that persons are merged and every reason to reject occurs.
TRAFFIC = (
    "--events", "4000", "--people", "300", "--seed", "11", "--malformed", "0.03", "--duplicates", "0.03",
    "--old", "0.05",
)  # fmt: skip
MAY_BE_ZERO = ("restarts-of-jobs", "failed-checkpoints", "refused-documents", "greatest-lag")

# As their jobs write them: alerts take minutes of trouble to arise, clusters need a model, and `recommend` does
# not run here.
_NOON = "2026-01-01T12:00:00Z"
ALERT = {
    "alert_id": "dashboards", "rule": "traffic-stopped", "kind": "silence", "severity": "critical", "series": "",
    "status": "open", "summary": "No event at all for a minute.", "started_at": _NOON, "opened_at": _NOON,
    "updated_at": _NOON, "resolved_at": None, "adopted": False, "value": 0.0, "expected": 1.0, "worst": 0.0,
    "windows": 6, "reopened": 0, "decided_at": _NOON,
}  # fmt: skip
CLUSTERED = {"profile_id": "", "cluster": 0, "model": "1", "scored_at": _NOON}
RECOMMENDED = {"profile_id": "p0", "items": ["P1"], "scores": [0.5], "because_of": ["P2"], "decided_at": _NOON}

each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.id)


@pytest.fixture(scope="module")
def traffic(platform: Platform) -> Platform:
    """The platform with generated traffic and samples of its jobs in Elasticsearch."""
    platform.dmp("generate", *TRAFFIC)
    platform.send(_shared_by_two_logins())
    platform.assert_exact()
    for _ in range(2):
        platform.dmp("sample", "--once")
    _send_rows(platform, ALERTS, [{**ALERT, "opened_at": rfc3339(time.time_ns() // 1_000_000)}])
    _send_rows(platform, CLUSTERS, [{**CLUSTERED, "cluster": number, "profile_id": f"p{number}"} for number in (0, 1)])
    _send_rows(platform, RECOMMENDATIONS, [RECOMMENDED])
    needed = {
        "dmp-operations": 2 * len(ALL), "dmp-alerts": 1, "dmp-clusters": 2, "dmp-segment-sizes": 1,
        "dmp-recommendations": 1,
    }  # fmt: skip
    for alias, rows in needed.items():
        wait_for(alias, partial(_has, platform, alias, rows))
    return platform


@pytest.fixture(scope="module")
def span(traffic: Platform) -> Span:
    """The last day."""
    now = time.time_ns() // 1_000_000
    return Span(now - 86_400_000, now + 60_000)


def rows(traffic: Platform, dashboard_id: str, panel_id: str, span: Span, **choices: str) -> list[list[Any]]:
    """What a panel shows."""
    dashboard = next(each for each in DASHBOARDS if each.id == dashboard_id)
    shown: list[list[Any]] = answer(traffic.search, dashboard, span, choices)["panels"][panel_id]["rows"]
    return shown


@each_dashboard
def test_every_panel_has_data(traffic: Platform, span: Span, dashboard: Dashboard) -> None:
    shown = answer(traffic.search, dashboard, span, {})
    assert list(shown["panels"]) == [panel.id for panel in dashboard.panels]
    for panel in dashboard.panels:
        content = shown["panels"][panel.id]
        assert not content.get("error"), (panel.title, content)
        assert not content["empty"], panel.title
        if panel.kind == "number" and panel.id not in MAY_BE_ZERO:
            assert content["rows"][0][0] > 0, panel.title
    for control in dashboard.controls:
        assert shown["controls"][control.field], control.title


def test_numbers_are_those_of_the_documents(traffic: Platform, span: Span) -> None:
    """Counted in Python over all documents, for each kind of number."""
    windows = [row for row in traffic.documents("dmp-metrics") if _within(row["window_start"], span)]
    profiles, quality = traffic.documents("dmp-profiles"), traffic.documents("dmp-quality")
    seen = [row for row in profiles if _within(row["last_seen"], span)]
    quality = [row for row in quality if _within(row["window_start"], span)]

    def events(name: str, channels: tuple[str, ...] = ("web", "app")) -> int:
        return sum(row["events"] for row in windows if row["event"] == name and row["channel"] in channels)

    assert rows(traffic, "traffic", "events", span) == [[sum(row["events"] for row in windows)]]
    assert rows(traffic, "traffic", "active-persons", span) == [[len(seen)]]
    assert rows(traffic, "traffic", "revenue", span)[0][0] == pytest.approx(sum(row["revenue"] for row in windows))
    assert rows(traffic, "people", "persons", span) == [[len(profiles)]]
    names = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")
    assert [row[1] for row in rows(traffic, "funnel", "steps-of-the-shop", span)] == [events(name) for name in names]
    by_channel = {row[0]: row[-1] for row in rows(traffic, "funnel", "conversion-by-channel", span)}
    for channel in ("web", "app"):
        share = events("Order Completed", (channel,)) / events("Product Viewed", (channel,))
        assert by_channel[channel] == pytest.approx(share)
    steps = dict(rows(traffic, "funnel", "steps-of-persons", span))
    assert steps["Ordered again"] == sum(row["orders"] >= 2 for row in seen)
    reasons = {row["label"] for row in quality if row["measure"] == "rejected"}
    assert dict(rows(traffic, "quality", "rejected-by-reason", span)) == {
        reason: sum(row["value"] for row in quality if (row["measure"], row["label"]) == ("rejected", reason))
        for reason in reasons
    }
    over_time = rows(traffic, "traffic", "events-by-channel", span)
    assert sum(row[2] for row in over_time) == sum(row["events"] for row in windows)


def test_a_control_filters_all_panels(traffic: Platform, span: Span) -> None:
    all_channels = {row[0]: row[1] for row in rows(traffic, "traffic", "channels", span)}
    assert rows(traffic, "traffic", "events", span, channel="app") == [[all_channels["app"]]]
    assert [row[0] for row in rows(traffic, "traffic", "channels", span, channel="app")] == ["app"]


def test_kibanas_form_of_is_not_empty_finds_the_same(traffic: Platform) -> None:
    """Of `not campaign: ""` Kibana makes a phrase query, the local page a term query."""
    counts = [
        traffic.search.count(index="dmp-metrics", query={"bool": {"must_not": {kind: {"campaign": ""}}}})["count"]
        for kind in ("term", "match_phrase")
    ]
    assert counts[0] == counts[1] > 0


def test_samples_tell_how_the_jobs_are_doing(traffic: Platform) -> None:
    samples = traffic.documents("dmp-operations")
    assert {(row["job"], row["state"]) for row in samples} == {(job, "RUNNING") for job in ALL}
    assert {row["job"] for row in samples if row["lag"] is not None} == set(ALL)
    assert all(row["checkpoint_bytes"] for row in samples if row["job"] == "pipeline")
    assert {row["job"] for row in samples if row["index_rejected"] is not None} == {"index"}


# ---- The local page


@pytest.fixture(scope="module")
def page(traffic: Platform) -> Iterator[str]:
    """Address of `dmp dashboards serve`."""
    command = [str(Path(sys.executable).with_name("dmp")), "dashboards", "serve", "--port", "0"]
    with subprocess.Popen(command, env=traffic.stack.env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert found
        yield found[0]
        server.send_signal(signal.SIGINT)
        assert server.wait(30) in (0, 130)


def fetch(url: str, host: str = "") -> tuple[int, Any, Any]:
    """Status, headers and body; JSON is read."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def test_what_the_server_refuses(page: str) -> None:
    assert fetch(f"{page}/nothing")[0] == 404
    for query in ("last=1x", "from=1", "from=2&to=1", "from=a&to=b", "last=15m&zone=a%20b"):
        status, _, text = fetch(f"{page}/traffic/data?{query}")
        assert status == 400, query
        assert json.loads(text)["error"]
    assert fetch(f"{page}/traffic", host="evil.example")[0] == 400
    assert fetch(f"{page}/static/..%2fserver.py")[0] == 404


def test_nothing_comes_from_elsewhere(page: str) -> None:
    status, headers, text = fetch(f"{page}/traffic")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert re.findall(r"(?:src|href)=\"(?!/|data:|#)", text) == []


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1400,1000", "lang=en-US"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(PAGE_SECONDS)
    driver.set_script_timeout(PAGE_SECONDS)
    yield driver
    driver.quit()


def until(driver: webdriver.Chrome, condition: Callable[[webdriver.Chrome], Any]) -> Any:
    return WebDriverWait(driver, PAGE_SECONDS).until(condition)


def open_page(driver: webdriver.Chrome, page: str, dashboard: str, query: str) -> None:
    """Load a dashboard and wait until it has shown its numbers."""
    driver.get(f"{page}/{dashboard}?{query}")
    until(driver, lambda d: d.find_element(By.ID, "updated").text)


def shown_table(driver: webdriver.Chrome, panel: Panel) -> list[list[str]]:
    """The rows of a panel's table as text, whether it is unfolded or not."""
    script = """return [...document.getElementById(arguments[0]).querySelectorAll('tbody tr')]
      .map((row) => [...row.cells].map((cell) => cell.textContent))"""
    table: list[list[str]] = driver.execute_script(script, panel.id)
    return table


def as_number(text: str) -> float | None:
    digits = re.sub(r"[^\d.\-]", "", text)
    return None if text == "–" else float(digits) / (100 if text.endswith("%") else 1)


@pytest.mark.browser
@each_dashboard
def test_the_numbers_on_the_page_are_those_of_elasticsearch(
    traffic: Platform, page: str, span: Span, browser: webdriver.Chrome, dashboard: Dashboard
) -> None:
    browser.get_log("browser")  # forgets what earlier pages said
    open_page(browser, page, dashboard.id, f"from={span.start // 1000 * 1000}&to={span.end // 1000 * 1000}&refresh=0")
    zone = browser.execute_script("return Intl.DateTimeFormat().resolvedOptions().timeZone")
    asked = Span(span.start // 1000 * 1000, span.end // 1000 * 1000, zone)
    expected = answer(traffic.search, dashboard, asked, {})["panels"]
    for panel in dashboard.panels:
        columns, wanted = expected[panel.id]["columns"], expected[panel.id]["rows"]
        if panel.kind == "number":
            found = browser.find_element(By.CSS_SELECTOR, f"#{panel.id} data").get_attribute("value")
            assert found is not None
            assert float(found) == pytest.approx(wanted[0][0]), panel.title
            continue
        table = shown_table(browser, panel)
        assert len(table) == len(wanted), panel.title
        for shown, row in zip(table, wanted):
            for text, value, column in zip(shown, row, columns):
                if column["type"] == "text":
                    assert text == ("–" if value is None else str(value)), panel.title
                elif column["type"] == "number" and column["unit"] in ("", "money", "percent"):
                    half = 0.0005 if column["unit"] == "percent" else 0.005  # of the last digit; binary adds its own
                    rounded = {"abs": half + 1e-9}
                    assert as_number(text) == (None if value is None else pytest.approx(value, **rounded)), panel.title
    charts = browser.execute_script("return document.querySelectorAll('.chart svg').length")
    assert charts == sum("chart" in content for content in expected.values())
    assert [line["message"] for line in browser.get_log("browser")] == []


@pytest.mark.browser
def test_a_chart_draws_what_its_table_says(traffic: Platform, page: str, browser: webdriver.Chrome) -> None:
    open_page(browser, page, "traffic", "last=24h&refresh=0")
    panel = next(panel for panel in DASHBOARDS[0].panels if panel.id == "commonest-events")
    bars = browser.execute_script(
        "return [...document.querySelectorAll('#commonest-events .mark-rect path')].map((bar) => bar.getBBox().width)"
    )
    numbers = [as_number(row[1]) for row in shown_table(browser, panel)]
    assert len(bars) == len(numbers) > 3
    longest = max(bars)
    for width, number in zip(bars, numbers):
        assert number is not None and numbers[0] is not None
        assert width / longest == pytest.approx(number / numbers[0], abs=0.02)


@pytest.mark.browser
def test_a_refresh_changes_numbers_charts_and_tables(traffic: Platform, page: str, browser: webdriver.Chrome) -> None:
    open_page(browser, page, "traffic", "last=24h&refresh=0")
    panel = next(panel for panel in DASHBOARDS[0].panels if panel.id == "commonest-events")
    before = dict(shown_table(browser, panel))
    bars = browser.find_elements(By.CSS_SELECTOR, "#commonest-events .mark-rect path")
    assert len(bars) == len(before)
    name = "Refreshed"
    moment = rfc3339(time.time_ns() // 1_000_000)
    event = {"type": "track", "event": name, "anonymousId": "refresh", "timestamp": moment}
    traffic.send([json.dumps({**event, "messageId": f"refresh-{n}"}).encode() for n in range(3000)])
    wait_for("the new events", lambda: _events(traffic, name) == 3000)
    browser.find_element(By.XPATH, "//button[text()='Refresh now']").click()
    until(browser, lambda _: dict(shown_table(browser, panel)).get(name) == "3,000")
    until(browser, lambda d: name in d.find_element(By.CSS_SELECTOR, "#commonest-events svg").text)
    assert browser.find_element(By.ID, "trouble").text == ""


@pytest.mark.browser
def test_choices_stand_in_the_address_and_go_along(page: str, browser: webdriver.Chrome) -> None:
    open_page(browser, page, "traffic", "last=24h&refresh=0")
    events = browser.find_element(By.CSS_SELECTOR, "#events data")
    everything = events.get_attribute("value")
    Select(browser.find_element(By.NAME, "channel")).select_by_value("app")
    until(browser, lambda _: events.get_attribute("value") != everything)
    assert "channel=app" in browser.current_url
    assert browser.find_element(By.ID, "trouble").text == ""
    until(browser, lambda d: "Updated" in d.find_element(By.ID, "status").get_attribute("textContent"))
    browser.find_element(By.LINK_TEXT, "Data quality").click()
    until(browser, lambda d: "/quality" in d.current_url and d.find_element(By.ID, "updated").text)
    assert Select(browser.find_element(By.NAME, "last")).first_selected_option.get_attribute("value") == "24h"


@pytest.mark.browser
def test_a_time_without_data_says_so_and_leads_to_the_newest(page: str, browser: webdriver.Chrome) -> None:
    open_page(browser, page, "traffic", "from=946684800000&to=946688400000&refresh=0")
    note = browser.find_element(By.CSS_SELECTOR, "#campaigns .note")
    assert note.text.startswith("Nothing in this time.")
    note.find_element(By.TAG_NAME, "button").click()
    until(browser, lambda d: d.find_element(By.CSS_SELECTOR, "#campaigns table").is_displayed())
    assert not note.is_displayed()


@pytest.mark.browser
def test_the_page_says_when_elasticsearch_is_away_and_goes_on_when_it_is_back(
    traffic: Platform, page: str, browser: webdriver.Chrome
) -> None:
    open_page(browser, page, "traffic", "last=24h&refresh=5")
    events = browser.find_element(By.CSS_SELECTOR, "#events data").get_attribute("value")
    trouble = browser.find_element(By.ID, "trouble")
    assert not trouble.is_displayed()
    traffic.kill("elasticsearch")
    until(browser, lambda _: trouble.is_displayed())
    assert "Elasticsearch does not answer" in trouble.text
    assert "What is shown is of" in trouble.text
    assert browser.find_element(By.CSS_SELECTOR, "#events data").get_attribute("value") == events
    browser.get(f"{page}/traffic?last=24h&refresh=5")  # opened while it is away
    trouble = browser.find_element(By.ID, "trouble")
    until(browser, lambda _: trouble.is_displayed())
    traffic.dmp("up")
    until(browser, lambda _: not trouble.is_displayed())
    until(browser, lambda d: d.find_element(By.CSS_SELECTOR, "#events data").get_attribute("value") == events)
    assert "live again" in browser.find_element(By.ID, "status").get_attribute("textContent")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@each_dashboard
def test_everyone_can_use_the_page(page: str, browser: webdriver.Chrome, dashboard: Dashboard, scheme: str) -> None:
    """No violation of WCAG 2.1 A and AA that axe finds, contrast included."""
    pytest.importorskip("axe_core_python", reason="axe has no package for Python 3.9")
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    open_page(browser, page, dashboard.id, "last=24h&refresh=0")
    browser.execute_script(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    run = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then(arguments[0])"
    violations = browser.execute_async_script(run)["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []


@pytest.mark.browser
def test_by_keyboard_alone(page: str, browser: webdriver.Chrome) -> None:
    open_page(browser, page, "traffic", "last=24h&refresh=0")
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "To the panels"
    reached = []
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        element = browser.switch_to.active_element
        reached.append((element.tag_name, element.text.splitlines()[0] if element.text else ""))
        if element.tag_name == "summary":
            element.send_keys(Keys.ENTER)
            break
    assert ("a", "Traffic now") in reached
    assert ("button", "Refresh now") in reached
    assert browser.find_element(By.CSS_SELECTOR, "details[open] table").is_displayed()


def _send_rows(platform: Platform, topic: Topic, rows: Sequence[dict[str, Any]]) -> None:
    """Rows into an upsert topic, as a job would write them."""
    producer = Producer({"bootstrap.servers": platform.stack.config.kafka.bootstrap_servers, "acks": "all"})
    for row in rows:
        producer.produce(topic.name, json.dumps(row), key=json.dumps({name: row[name] for name in topic.key}))
    assert producer.flush(60) == 0


def _has(platform: Platform, alias: str, rows: int) -> bool:
    return len(platform.documents(alias)) >= rows


def _shared_by_two_logins() -> list[bytes]:
    """Events that identity must refuse links of: a family tablet, and an e-mail that two logins give."""
    events = [
        {
            "type": "identify",
            "messageId": f"dashboards-{user}",
            "userId": user,
            "anonymousId": f"cookie-{user}",
            "timestamp": rfc3339(time.time_ns() // 1_000_000),
            "traits": {"email": "family@example.com"},
            "context": {"device": {"id": "family-tablet"}},
        }
        for user in ("dashboards-ann", "dashboards-bob")
    ]
    return [json.dumps(event).encode() for event in events]


def _events(platform: Platform, name: str) -> int:
    return sum(row["events"] for row in platform.documents("dmp-metrics") if row["event"] == name)


def _within(moment: str, span: Span) -> bool:
    ms = parse_rfc3339(moment)
    return ms is not None and span.start <= ms < span.end
