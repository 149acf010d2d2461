"""Segments over files: each of the ten shipped ones at its edges, at a given moment."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dmp.segments import read_text
from tests.replay.test_replay import Row, dmp, lines, replay
from tests.segments.recount import members

pytestmark = pytest.mark.flink

NOW = datetime(2026, 6, 30, 12, 20, tzinfo=timezone.utc)
DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
YES, NO = {"categoryPreferences": {"marketing": True}}, {"categoryPreferences": {"marketing": False}}


def did(who: str, event: str, context: Row | None = None, revenue: float | None = None, **ago: float) -> Row:
    """An event of a person, `ago` before NOW (arguments of timedelta)."""
    when = (NOW - timedelta(**ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "type": "track", "event": event, "userId": who, "timestamp": when, "messageId": f"{who}-{event}-{when}",
        "context": context or {}, "properties": {} if revenue is None else {"revenue": revenue},
    }  # fmt: skip


def campaign(name: str) -> Row:
    return {"campaign": {"name": name}}


EVENTS = [
    did("seven days less a moment", "Seen", days=7, milliseconds=-1),
    did("seven days", "Seen", days=7),
    did("old friend", "Seen", days=100), did("old friend", "Seen", days=1),
    did("bought 30 days ago", "Order Completed", days=30),
    did("bought 29 days ago", "Order Completed", days=30, milliseconds=-1),
    did("three visits", "Seen", days=50), did("three visits", "Seen", days=45), did("three visits", "Seen", days=40),
    did("two visits", "Seen", days=50), did("two visits", "Seen", days=40),
    did("ninety days", "Order Completed", days=90),
    # NOW is 12:20: of 30 days, 1 hour 20 minutes ago the hour is the first that does not count any more.
    did("spends", "Order Completed", revenue=499.5, days=29, hours=23),
    did("spends", "Order Completed", revenue=0.5, minutes=1),
    did("spent", "Order Completed", revenue=499.5, days=30, hours=0, minutes=21),
    did("spent", "Order Completed", revenue=0.5, minutes=1),
    did("subscribes", "Subscription Renewed", revenue=600, days=3),
    did("returns", "Order Completed", revenue=600, days=3), did("returns", "Order Refunded", revenue=-200, days=2),
    did("cart", "Product Added", {"consent": YES}, hours=1),
    did("cart without consent", "Product Added", hours=1),
    did("cart of a minute ago", "Product Added", {"consent": YES}, minutes=59),
    did("cart of last week", "Product Added", {"consent": YES}, days=7),
    did("cart ordered", "Product Added", {"consent": YES}, hours=3), did("cart ordered", "Order Completed", hours=2),
    did("cart after order", "Order Completed", {"consent": YES}, hours=5),
    did("cart after order", "Checkout Started", hours=4),
    did("campaign", "Seen", hours=2), did("campaign", "Seen", campaign("spring"), hours=1, minutes=30),
    did("campaign later", "Seen", hours=2), did("campaign later", "Seen", campaign("spring"), hours=1, minutes=29),
    did("two kinds", "Seen", {"userAgent": DESKTOP}, hours=2), did("two kinds", "Seen", {"userAgent": PHONE}, hours=1),
    did("two devices", "Seen", {"device": {"id": "d1"}}, hours=2),
    did("two devices", "Seen", {"device": {"id": "d2"}}, hours=1),
    did("half a bot", "Seen", {"userAgent": BOT}, hours=2), did("half a bot", "Seen", hours=1),
    did("third of a bot", "Seen", {"userAgent": BOT}, hours=2), did("third of a bot", "Seen", hours=1),
    did("third of a bot", "Seen", minutes=50),
    did("withdrew", "Seen", {"consent": YES}, hours=2), did("withdrew", "Seen", {"consent": NO}, hours=1),
    did("from tomorrow", "Seen", days=-1),
    {**did("has a plan", "Seen", hours=1), "type": "identify", "traits": {"plan": "pro"}},
]  # fmt: skip
OWN_RULES = """
  - name: with_trait
    description: What is known of a person by its traits
    condition: trait('plan') = 'pro' AND trait('no such') IS NULL
  - name: with_everything
    description: All that a condition can have, true of one who has spent 500 with two orders
    condition: >-
      monetary / frequency > 1.9 AND ABS(-orders) + 1 IN (3, 7) AND COALESCE(channel, 'none') NOT LIKE 'w%'
      AND LOWER(UPPER('x')) = 'x' AND NOT cart_open AND orders <> 0 AND recency BETWEEN 4 AND 5
      AND marketing_consent IS NULL AND analytics_consent IS NOT FALSE AND (revenue_30d - 0.5) * 2 >= 999
      AND (events / hours_since_cart > 1 OR hours_since_cart / 0 > 1) IS NOT TRUE
"""
RECENT = {"new", "active"}
EXPECTED = {
    "seven days less a moment": RECENT,
    "seven days": set(),
    "old friend": {"active"},
    "bought 30 days ago": {"at_risk"},
    "bought 29 days ago": set(),
    "three visits": {"at_risk"},
    "two visits": set(),
    "ninety days": {"lost"},
    "spends": {"active", "big_spender", "with_everything"},
    "spent": {"active"},
    "subscribes": {*RECENT, "big_spender"},
    "returns": RECENT,
    "cart": {*RECENT, "cart_abandoner", "marketing_consented"},
    "cart without consent": RECENT,
    "cart of a minute ago": {*RECENT, "marketing_consented"},
    "cart of last week": {"marketing_consented"},
    "cart ordered": {*RECENT, "marketing_consented"},
    "cart after order": {*RECENT, "cart_abandoner", "marketing_consented"},
    "campaign": {*RECENT, "campaign_acquired"},
    "campaign later": RECENT,
    "two kinds": {*RECENT, "multi_device"},
    "two devices": {*RECENT, "multi_device"},
    "half a bot": {*RECENT, "bot_like"},
    "third of a bot": RECENT,
    "withdrew": RECENT,
    "from tomorrow": RECENT,
    "has a plan": {*RECENT, "with_trait"},
}


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder, at = tmp_path_factory.mktemp("segments"), NOW.isoformat().replace("+00:00", "Z")
    (folder / "own.yaml").write_text(read_text(None) + OWN_RULES, encoding="utf-8")
    (folder / "own.toml").write_text(f'[segments]\nrules = "{folder / "own.yaml"}"\n', encoding="utf-8")
    return replay(folder / "run", EVENTS, [], "--at", at, "--config", str(folder / "own.toml"))


def test_each_segment_begins_and_ends_where_it_says(replayed: dict[str, bytes]) -> None:
    names = {row["profile_id"]: row["id"] for row in lines(replayed["identities"]) if row["type"] == "user_id"}
    found: dict[str, set[str]] = defaultdict(set)
    for row in lines(replayed["segments"]):
        found[names[row["profile_id"]]].add(row["segment"])
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert set(names.values()) == set(EXPECTED)


def test_the_recount_of_the_live_tests_agrees(replayed: dict[str, bytes]) -> None:
    persons = {row["id"]: row["profile_id"] for row in lines(replayed["identities"]) if row["type"] == "user_id"}
    purchases = defaultdict(list)
    for event in EVENTS:
        if "revenue" in event["properties"]:
            at = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).timestamp() * 1000
            purchases[persons[event["userId"]]].append((round(at), event["properties"]["revenue"]))
    expected = members(lines(replayed["profiles"]), purchases, round(NOW.timestamp() * 1000))
    found = {(row["segment"], row["profile_id"]) for row in lines(replayed["segments"])}
    assert {member for member in found if not member[0].startswith("with_")} == expected


def test_bad_rules_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        json.dumps({"segments": [{"name": "a", "description": "b", "condition": "ordrs > 1"}]}), encoding="utf-8"
    )
    (tmp_path / "own.toml").write_text(f'[segments]\nrules = "{tmp_path / "own.yaml"}"\n', encoding="utf-8")
    (tmp_path / "some.jsonl").write_text("{}\n", encoding="utf-8")
    done = dmp(tmp_path, "replay", "--events", "some.jsonl", "--out", "out", "--config", "own.toml")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "did you mean orders?" in done.stderr
