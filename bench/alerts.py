"""How well the rules that come with the platform find incidents: precision and recall on windows with planted ones.

Windows of a shop are drawn at random: counts that scatter more than Poisson's around a level that swings by a quarter
in an hour and a half, with harmless bursts of some windows now and then. Incidents of each kind, from mild to total and
short to long, are planted among them. An alert is right if it falls into an incident, of the same channel or campaign
where it names one; an incident is found if an alert of the rule that is meant for it falls into it. Seeds are fixed, so
that the figures are those of the rules.

    python -m bench alerts --hours 24 --seeds 5
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dmp.alerting import SHIPPED_RULES, load_rules
from dmp.core.alerts.incidents import Alert, series_name
from dmp.core.alerts.rules import Rule
from dmp.core.alerts.timeline import judge_all

WINDOW_MS = 10_000
BEGIN_MS = 1_772_323_200_000
CHANNELS = {"web": 0.6, "app": 0.4}
CAMPAIGNS = {"": 0.6, "spring": 0.2, "search": 0.12, "friends": 0.08}
EVENTS = {"page": 0.6, "Product Viewed": 0.28, "Checkout Started": 0.07, "Order Completed": 0.05}
EVENTS_A_WINDOW = 400
SLACK_MS = 15 * 60_000  # an alert may open so long after its incident has ended: rules see windows of minutes
PAUSE_MINUTES = 45
REJECTED_SHARE = 0.01

SCATTER = 20  # counts of a minute vary by a fifth of the level more or less: gamma-distributed levels of this shape
BURSTS_AN_HOUR = 1

Row = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of incident: the rule that is meant for it, how many minutes it lasts at least and most, which rows it
    concerns, by what factor at its mildest and worst, and the series that it is in."""

    rule: str
    minutes: tuple[int, int]
    concerns: dict[str, str]
    factor: tuple[float, float]
    series: str = ""


KINDS = {
    "outage": Kind("traffic-stopped", (1, 10), {}, (0, 0)),
    "one channel away": Kind("channel-silent", (8, 30), {"channel": "app"}, (0, 0), "channel=app"),
    "one channel weak": Kind("channel-fell", (3, 15), {"channel": "web"}, (0.6, 0.1), "channel=web"),
    "flood": Kind("traffic-unusual", (2, 10), {"campaign": ""}, (1.5, 5)),
    "campaign taking off": Kind("campaign-surge", (3, 15), {"campaign": "spring"}, (2, 8), "campaign=spring"),
    "no orders": Kind("orders-stopped", (12, 30), {"event": "Order Completed"}, (0, 0)),
    "broken payment": Kind("checkout-broken", (2, 10), {"event": "Order Completed"}, (0.7, 0)),
    "cheap orders": Kind("revenue-fell", (5, 20), {"price": "price"}, (0.5, 0.05)),
    "bad client": Kind("rejects", (1, 5), {"measure": "rejected"}, (4, 20)),
    "stuck queue": Kind("events-delayed", (1, 5), {"measure": "event_delay_ms"}, (200, 1000)),
}


@dataclass(frozen=True)
class Incident:
    name: str
    begin_ms: int
    end_ms: int
    factor: float

    def effect(self, row: Row) -> float:
        """By what the level of a row is multiplied while it lasts."""
        concerns = KINDS[self.name].concerns
        return self.factor if all(row.get(name) == value for name, value in concerns.items()) else 1.0

    def covers(self, rule: Rule, alert: Alert) -> bool:
        """Whether an alert falls into it, and names no other channel or campaign."""
        series, own = series_name(rule, alert.key), KINDS[self.name].series
        other = series and own and series.split("=")[0] == own.split("=")[0] and series != own
        return not other and alert.started_ms < self.end_ms + SLACK_MS and self.begin_ms < alert.updated_ms


def plant(rng: np.random.Generator, hours: float) -> list[Incident]:
    """Incidents of all kinds in random order, as many as there is room for."""
    found: list[Incident] = []
    moment, end = BEGIN_MS + 90 * 60_000, BEGIN_MS + hours * 3_600_000
    while True:
        for name in rng.permutation(list(KINDS)):
            kind = KINDS[name]
            last = moment + int(rng.integers(kind.minutes[0], kind.minutes[1] + 1)) * 60_000
            if last + SLACK_MS > end:
                return found
            factor = kind.factor[0] + rng.random() * (kind.factor[1] - kind.factor[0])
            found.append(Incident(str(name), moment, last, factor))
            moment = last + int(rng.integers(PAUSE_MINUTES, 2 * PAUSE_MINUTES)) * 60_000


def rows(rng: np.random.Generator, hours: float, incidents: list[Incident]) -> list[Row]:
    """Windows of dmp.metrics and dmp.quality."""
    found: list[Row] = []
    scatter = burst = 1.0
    for start in range(BEGIN_MS, BEGIN_MS + int(hours * 3_600_000), WINDOW_MS):
        if start % 60_000 == 0:
            scatter = rng.gamma(SCATTER, 1 / SCATTER) ** 0.5
        if rng.random() < BURSTS_AN_HOUR * WINDOW_MS / 3_600_000:
            burst = float(rng.uniform(1.5, 3))
        elif rng.random() < 0.5:
            burst = 1.0
        swing = 1 + 0.25 * np.sin((start - BEGIN_MS) / 5_400_000 * 2 * np.pi)
        now = next((one for one in incidents if one.begin_ms <= start < one.end_ms), None)
        level = EVENTS_A_WINDOW * swing * scatter * burst
        found += _metrics(rng, start, level, now)
        found += _quality(rng, start, level, now)
    return found


def _metrics(rng: np.random.Generator, start: int, level: float, now: Optional[Incident]) -> list[Row]:
    found = []
    price = 60 * (now.effect({"price": "price"}) if now else 1.0)
    for channel, of_channel in CHANNELS.items():
        for campaign, of_campaign in CAMPAIGNS.items():
            for event, of_event in EVENTS.items():
                row: Row = {"channel": channel, "campaign": campaign, "event": event}
                share = of_channel * of_campaign * of_event * (now.effect(row) if now else 1.0)
                events = int(rng.poisson(level * share))
                revenue = float(rng.gamma(2 * events, price / 2)) if event == "Order Completed" and events else 0.0
                if events:
                    found.append({**row, "window_start": start, "events": events, "revenue": revenue, "late": 0})
    return found


def _quality(rng: np.random.Generator, start: int, level: float, now: Optional[Incident]) -> list[Row]:
    received, rejected, delay = (
        {"measure": measure, "label": label, "window_start": start}
        for measure, label in (("received", ""), ("rejected", "malformed_json"), ("event_delay_ms", "avg"))
    )
    means = [(received, level), (rejected, level * REJECTED_SHARE)]
    found = [{**row, "value": float(rng.poisson(mean * (now.effect(row) if now else 1.0)))} for row, mean in means]
    found.append({**delay, "value": float(rng.gamma(9, 300)) * (now.effect(delay) if now else 1.0)})
    return [row for row in found if row["value"]]


def report(hours: float, seeds: int) -> str:
    rules = load_rules(SHIPPED_RULES, WINDOW_MS // 1000)
    planted: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    told: dict[str, list[int]] = defaultdict(list)
    delays: dict[str, list[float]] = defaultdict(list)
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    windows, seconds = 0, 0.0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        incidents = plant(rng, hours)
        made = rows(rng, hours, incidents)
        windows += len(made)
        begin = time.perf_counter()
        alerts = judge_all(rules, made, BEGIN_MS + int(hours * 3_600_000))
        seconds += time.perf_counter() - begin
        for rule, alert in alerts:
            (right if any(one.covers(rule, alert) for one in incidents) else wrong)[rule.name] += 1
        for one in incidents:
            meant = [alert for rule, alert in alerts if rule.name == KINDS[one.name].rule and one.covers(rule, alert)]
            planted[one.name] += 1
            hits[one.name] += bool(meant)
            told[one.name].append(len(meant))
            if meant:
                delays[one.name].append((min(alert.opened_ms for alert in meant) - one.begin_ms) / 1000)
    return _as_text(rules, hours * seeds, planted, hits, told, delays, right, wrong, windows / seconds)


def _as_text(
    rules: tuple[Rule, ...], hours: float, planted: Counter[str], hits: Counter[str], told: dict[str, list[int]],
    delays: dict[str, list[float]], right: Counter[str], wrong: Counter[str], rate: float,
) -> str:  # fmt: skip
    lines = ["| incident | rule | planted | found | alerts each | opened after, median |"]
    lines.append("|---|---|---:|---:|---:|---:|")
    for name in KINDS:
        each = sum(told[name]) / max(hits[name], 1)
        delay = f"{np.median(delays[name]):.0f} s" if delays[name] else ""
        lines.append(f"| {name} | {KINDS[name].rule} | {planted[name]} | {hits[name]} | {each:.1f} | {delay} |")
    lines += ["", "| rule | alerts in an incident | others |", "|---|---:|---:|"]
    lines += [f"| {rule.name} | {right[rule.name]} | {wrong[rule.name]} |" for rule in rules]
    all_right, all_wrong = sum(right.values()), sum(wrong.values())
    lines += [
        "",
        f"{hours:.0f} hours, {sum(planted.values())} incidents, {all_right + all_wrong} alerts: "
        f"precision {all_right / max(all_right + all_wrong, 1):.3f}, "
        f"recall {sum(hits.values()) / max(sum(planted.values()), 1):.3f}",
        f"{rate:,.0f} rows of windows a second through {len(rules)} rules, one process",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for alerts.md")
    arguments = parser.parse_args()
    text = report(arguments.hours, arguments.seeds)
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "alerts.md").write_text(text)


if __name__ == "__main__":
    main()
