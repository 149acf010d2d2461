"""Alerts through the real jobs: those of dmp-alerts are those of the windows in Elasticsearch, judged anew; corrections
change them, a restart does not, and a webhook hears of each once."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from connectors.webhook import signature
from dmp.alerting import alerts_of, load_rules
from tests.connectors.receiver import Receiver, receiving
from tests.jobs.windows import as_given, metrics_row
from tests.pipeline.platform import Platform, wait_for, wait_until_equal

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex[:8]
BEAT, SURGE = f"Beat {RUN}", f"Surge {RUN}"
RULES = f"""
rules:
  - {{name: surge-{RUN}, kind: threshold, where: {{event: {SURGE}}}, above: 50, clear: 20, severity: critical}}
  - {{name: quiet-{RUN}, kind: silence, where: {{event: {BEAT}}}, windows: 3}}
  - {{name: fell-{RUN}, kind: change, by: [event], where: {{event: {BEAT}}}, falls: 0.5, baseline: 4, at_least: 5}}
"""
SECRET = "a secret of the tests"
#: So many of them that the few windows of a test are work for longer than it takes to cancel.
MANY_RULES = "rules:\n" + "".join(
    f"  - {{name: many-{n}, kind: threshold, by: [event], window: 3600, above: 1000000}}\n" for n in range(250)
)
WINDOWS = 40
# What happens in the last windows is left out: they begin to be followed by silence as the test goes on.
BEGIN_MS = (int(time.time()) // 60 - 15) * 60_000
END_MS = BEGIN_MS + WINDOWS * 10_000


def events(start: int, name: str, count: int) -> list[bytes]:
    """Events within the window of a number."""
    moments = (BEGIN_MS + start * 10_000 + 9_000 * n // count for n in range(count))
    texts = (datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat() for ms in moments)
    same = {"type": "track", "event": name, "userId": f"u{RUN}", "context": {"channel": "web"}}
    return [json.dumps({**same, "messageId": uuid.uuid4().hex, "timestamp": text}).encode() for text in texts]


class Alerts:
    """The job with rules of the test, for as long as the module runs."""

    def __init__(self, platform: Platform, rules: Path) -> None:
        self.platform = platform
        self.rules = load_rules(rules, 10)
        env = {"DMP_ALERTS__RULES": str(rules), "DMP_WEBHOOK_SECRET": SECRET}
        self.stack = replace(platform.stack, env={**platform.stack.env, **env})
        self._sent = 0

    def dmp(self, *arguments: str) -> str:
        done = self.stack.dmp(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def send(self, events: Sequence[bytes]) -> None:
        """Events, until the windows in Elasticsearch have them all: with half of them, alerts are others."""
        self.platform.send(events)
        self._sent += len(events)
        wait_for("the windows", lambda: sum(row["events"] for row in self._windows()) == self._sent)

    def found(self) -> dict[str, dict[str, Any]]:
        """What Elasticsearch holds of incidents that began in time, by id."""
        names = {rule.name for rule in self.rules}
        rows = [row for row in self.platform.documents("dmp-alerts") if row["rule"] in names]
        return {row["alert_id"]: row for row in rows if as_ms(row["started_at"]) < END_MS}

    def expected(self) -> dict[str, dict[str, Any]]:
        """The alerts of the windows that Elasticsearch holds."""
        marker = metrics_row(int(time.time()) // 10 * 10_000, "web", "now", 1)
        alerts = alerts_of(self.rules, [as_given(row) for row in (*self._windows(), marker)])
        return {row["alert_id"]: row for row in alerts if as_ms(row["started_at"]) < END_MS}

    def _windows(self) -> list[dict[str, Any]]:
        return [row for row in self.platform.documents("dmp-metrics") if row["event"] in (BEAT, SURGE)]

    def standing(self) -> dict[str, dict[str, Any]]:
        """What was found and not withdrawn. (Alerts of the past come and go while its windows come in one by one.)"""
        return {
            number: {name: value for name, value in row.items() if name != "decided_at"}
            for number, row in self.found().items() if row["status"] != "withdrawn"
        }  # fmt: skip

    def assert_equal(self) -> dict[str, dict[str, Any]]:
        """Wait until the standing alerts are those of the windows."""
        expected = self.expected()
        wait_until_equal("alerts", self.standing, expected)
        return expected


def as_ms(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


@pytest.fixture(scope="module")
def other_rules(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file for rules of tests, while the job with everybody's does not run."""
    platform.dmp("stop", "alerts")
    yield tmp_path_factory.mktemp("alerts") / "alerts.yaml"
    platform.dmp("submit", "alerts", "--fresh")


@pytest.fixture(scope="module")
def alerts(platform: Platform, other_rules: Path) -> Iterator[Alerts]:
    other_rules.write_text(RULES)
    running = Alerts(platform, other_rules)
    running.dmp("submit", "alerts", "--fresh")
    yield running
    running.dmp("stop", "alerts")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def statuses(rows: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((row["rule"].split("-")[0], row["status"]) for row in rows.values())


def test_cancelled_in_the_midst_of_judging_leaves_the_others_alone(platform: Platform, other_rules: Path) -> None:
    """A Python function that asks for the state of a task that has ended would end the TaskManager."""
    other_rules.write_text(MANY_RULES)
    platform.dmp("submit", "alerts", "--fresh", DMP_ALERTS__RULES=str(other_rules))
    taskmanager, number = platform.stack.process("flink_taskmanager"), platform.cluster.running()["alerts"]
    platform.send([event for n in range(400) for event in events(0, f"Many {RUN} {n}", 1)])
    wait_for("windows that are judged", lambda: platform.read(number, "KEYED PROCESS") > 0)
    platform.cancel(number)
    time.sleep(5)  # a worker that goes on works for longer
    assert platform.stack.process("flink_taskmanager") == taskmanager


def test_incidents_open_and_resolve(alerts: Alerts) -> None:
    sent = [event for n in range(WINDOWS) if n not in (15, 16, 17, 18) for event in events(n, BEAT, 10)]
    sent += [event for n in range(5, 30) for event in events(n, SURGE, 80 if n in (9, 10) else 10)]
    alerts.send(sent)
    found = alerts.assert_equal()
    assert statuses(found) == [("fell", "resolved"), ("quiet", "resolved"), ("surge", "resolved")]


def test_corrections_change_alerts_and_withdraw_what_no_longer_follows(alerts: Alerts) -> None:
    before = alerts.standing()
    alerts.send([event for n in (15, 16, 17, 18) for event in events(n, BEAT, 10)] + events(9, SURGE, 40))
    (surge,) = alerts.assert_equal().values()
    assert surge["worst"] == 120
    assert surge["alert_id"] in before
    gone = before.keys() - {surge["alert_id"]}
    assert [alerts.found()[number]["status"] for number in gone] == ["withdrawn", "withdrawn"]


def test_a_restart_goes_on_with_what_was_known(alerts: Alerts) -> None:
    assert "savepoint" in alerts.dmp("stop", "alerts")
    alerts.send(events(25, SURGE, 60))
    assert "--fromSavepoint" in alerts.dmp("submit", "alerts")
    found = alerts.assert_equal()
    assert sorted(row["worst"] for row in found.values()) == [70, 120]


def test_a_webhook_hears_of_each_alert_once_and_signed(alerts: Alerts, receiver: Receiver) -> None:
    first = alerts.dmp("alerts", "deliver", "--url", receiver.url, "--until-end")
    came = [json.loads(body) for _, body in receiver.came]
    assert {alert["status"] for alert in came} <= {"open"}, "what was over before the first start is no news"
    assert first.startswith(f"{len(came)} alerts delivered")

    before = len(receiver.came)
    alerts.platform.send(events(35, SURGE, 60))
    wait_for("the window", lambda: len(alerts.expected()) == 3)
    alerts.assert_equal()
    receiver.answers = [(503, {}), (500, {})]
    alerts.dmp("alerts", "deliver", "--url", receiver.url, "--until-end")
    told = [(headers, body) for headers, body in receiver.came[before:] if json.loads(body)["rule"] == f"surge-{RUN}"]
    statuses_told = [json.loads(body)["status"] for _, body in told]
    assert "resolved" in statuses_told
    headers, body = told[-1]
    moment = int(headers["X-DMP-Signature"].split(",")[0][2:])
    assert headers["X-DMP-Signature"] == signature(SECRET.encode(), body, moment)

    calm = len(receiver.came)
    alerts.dmp("alerts", "deliver", "--url", receiver.url, "--until-end")
    again = [json.loads(body)["rule"] for _, body in receiver.came[calm:]]
    assert f"surge-{RUN}" not in again
