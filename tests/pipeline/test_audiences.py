"""Segments on the real stack: equal to a recount, entered and left by events, merges and time; and models."""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmp.core.clusters import Model, profile_row, read_model
from tests.pipeline.audiences import assert_exact, changes, segments
from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex[:12]
MARGINS = (30, 60, 90, 120)
"""Seconds: how long before they leave a segment people appear; one of these is longer than the machine takes."""


def event(who: str, ago: timedelta, **fields: object) -> bytes:
    when = (datetime.now(timezone.utc) - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    base = {"type": "track", "event": "Page Read", "userId": f"{who}-{RUN}", "messageId": uuid.uuid4().hex}
    return json.dumps({**base, "timestamp": when, **fields}).encode()


def person(platform: Platform, who: str, kind: str = "user_id") -> str:
    return wait_for(f"person {who}", lambda: platform.identities().get((kind, f"{who}-{RUN}")))


@pytest.fixture(scope="module", autouse=True)
def leavers(platform: Platform) -> dict[str, str]:
    """People who are about to have been away for seven days: sent first, looked at last."""
    names = [f"leaver{margin}" for margin in MARGINS]
    platform.send([
        event(name, timedelta(days=7, seconds=-margin)) for name, margin in zip(names, MARGINS)
    ])  # fmt: skip
    return {person(platform, name): name for name in names}


def test_segments_of_generated_traffic_equal_a_recount(platform: Platform) -> None:
    platform.dmp("generate", "--events", "4000", "--seed", "51", "--people", "800", "--to", "kafka")
    day = timedelta(days=1)
    platform.send([
        event("risk", 40 * day, event="Order Completed", properties={"revenue": 20}),
        event("gone", 200 * day),
        event("spends", 10 * day, event="Order Completed", properties={"revenue": 700}),
        event("spent", 31 * day, event="Order Completed", properties={"revenue": 700}),
        event("cart", timedelta(hours=5), event="Product Added",
              context={"consent": {"categoryPreferences": {"marketing": True}}}),
        event("campaign", day, context={"campaign": {"name": "spring"}}),
    ])  # fmt: skip
    found = assert_exact(platform)
    for name, segment in (
        ("risk", "at_risk"), ("gone", "lost"), ("spends", "big_spender"), ("cart", "cart_abandoner"),
        ("campaign", "campaign_acquired"),
    ):  # fmt: skip
        assert (segment, person(platform, name)) in found
    assert ("big_spender", person(platform, "spent")) not in found


def test_sizes_of_the_last_windows_are_those_of_the_segments(platform: Platform) -> None:
    sizes: dict[str, int] = defaultdict(int)

    def agree() -> bool:
        sizes.clear()
        for segment, _ in segments(platform):
            sizes[segment] += 1
        rows = sorted(platform.documents("dmp-segment-sizes"), key=lambda row: row["window_start"])
        latest = {row["segment"]: row["members"] for row in rows}
        return {segment: size for segment, size in latest.items() if size} == sizes

    wait_for("the sizes", agree)
    day_ago = (datetime.now(timezone.utc) - timedelta(days=1)).isoformat()
    assert min(row["window_start"] for row in platform.documents("dmp-segment-sizes")) > day_ago
    assert sizes["active"] > 100


def test_rfm_scores_follow_the_limits(platform: Platform) -> None:
    def scores() -> dict[str, tuple[int, int, int]]:
        rows = platform.documents("dmp-rfm")
        return {row["profile_id"]: (row["recency"], row["frequency"], row["monetary"]) for row in rows}

    def recounted() -> dict[str, tuple[int, int, int]]:
        now, found = datetime.now(timezone.utc), {}
        for row in platform.documents("dmp-profiles"):
            if row["orders"]:
                days = (now - datetime.fromisoformat(row["last_order_at"].replace("Z", "+00:00"))).days
                found[row["profile_id"]] = (
                    1 + sum(days < limit for limit in (7, 30, 90, 180)),
                    1 + sum(row["orders"] >= limit for limit in (2, 3, 5, 10)),
                    1 + sum(row["revenue"] >= limit for limit in (50, 200, 500, 1000)),
                )
        return found

    wait_for("the scores", lambda: scores() == recounted())
    assert scores()[person(platform, "risk")] == (3, 1, 1)


def test_merged_persons_leave_and_enter(platform: Platform) -> None:
    cookie = {"userId": None, "anonymousId": f"cookie-{RUN}"}
    platform.send([
        event("", timedelta(days=2), event="Order Completed", properties={"revenue": 900}, **cookie),
        event("buyer", timedelta(days=1)),
    ])  # fmt: skip
    before, buyer = person(platform, "cookie", "anonymous_id"), person(platform, "buyer")
    wait_for("the spender", lambda: ("big_spender", before) in segments(platform))
    platform.send([event("buyer", timedelta(hours=1), anonymousId=f"cookie-{RUN}")])
    wait_for("the merged spender", lambda: ("big_spender", buyer) in segments(platform))
    found = assert_exact(platform)
    assert not [member for member in found if member[1] == before]
    reasons = {row["because"] for row in changes(platform) if row["profile_id"] == before and row["change"] == "left"}
    assert "merge" in reasons  # purchases move before the profile goes: what depends on them may leave "by event"
    platform.dmp("unlink", f"user_id:buyer-{RUN}", f"anonymous_id:cookie-{RUN}")
    wait_for("the parted spender", lambda: ("big_spender", before) in segments(platform))
    assert ("big_spender", buyer) not in assert_exact(platform)


def test_who_withdraws_consent_leaves_marketing_at_once(platform: Platform) -> None:
    def choice(marketing: bool) -> dict[str, Any]:
        return {"consent": {"categoryPreferences": {"marketing": marketing}}}

    platform.send([event("choosy", timedelta(hours=2), event="Product Added", context=choice(True))])
    choosy = person(platform, "choosy")
    both = {("cart_abandoner", choosy), ("marketing_consented", choosy)}
    wait_for("both segments", lambda: both <= segments(platform))
    platform.send([event("choosy", timedelta(hours=1), context=choice(False))])
    wait_for("neither segment", lambda: not both & segments(platform))
    wait_for("the change", lambda: [
        row["because"] for row in changes(platform) if (row["segment"], row["profile_id"]) in both
    ] == ["event"] * 4)  # fmt: skip


def test_a_published_model_scores_everyone_as_offline_and_the_next_one_takes_over(
    platform: Platform, tmp_path: Path
) -> None:
    job, failures = platform.cluster.running()["segments"], platform.failures("segments")
    for clusters in ("3", "4"):
        file = tmp_path / f"model{clusters}.json"
        told = platform.dmp("segments", "train", "--from", "elasticsearch", "--clusters", clusters, "--out", str(file))
        assert "silhouette" in told
        platform.dmp("segments", "publish", str(file))
        model = read_model(file.read_text(encoding="utf-8"))
        wait_for(f"{clusters} clusters", lambda model=model: clustered(platform) == offline(platform, model))
        assert len({cluster for cluster, _ in clustered(platform).values()}) == int(clusters)
    assert (platform.cluster.running()["segments"], platform.failures("segments")) == (job, failures)


def clustered(platform: Platform) -> dict[str, tuple[int, str]]:
    return {row["profile_id"]: (row["cluster"], row["model"]) for row in platform.documents("dmp-clusters")}


def offline(platform: Platform, model: Model) -> dict[str, tuple[int, str]]:
    profiles = platform.documents("dmp-profiles")
    scores = model.score(np.array([profile_row(profile, model.features) for profile in profiles])).tolist()
    return {profile["profile_id"]: (score, model.version) for profile, score in zip(profiles, scores)}


def told(platform: Platform) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row.values()) for row in changes(platform))


def test_stop_and_resume_tells_nothing_twice(platform: Platform) -> None:
    before = told(platform)
    platform.dmp("stop", "segments")
    assert "--fromSavepoint" in platform.dmp("submit", "segments")
    platform.send([event("afterwards", timedelta(hours=1))])
    afterwards = person(platform, "afterwards")
    wait_for("the newcomer", lambda: [row for row in changes(platform) if row["profile_id"] == afterwards])
    assert_exact(platform)
    assert not [key for key in told(platform) - before if afterwards not in key and "time" not in key]


def test_who_stays_away_leaves_without_any_event(platform: Platform, leavers: dict[str, str]) -> None:
    def left() -> list[str]:
        gone = [row for row in changes(platform) if row["profile_id"] in leavers and row["change"] == "left"]
        return [leavers[row["profile_id"]] for row in gone if (row["segment"], row["because"]) == ("active", "time")]

    wait_for("the last to leave in time", lambda: f"leaver{MARGINS[-1]}" in left())
