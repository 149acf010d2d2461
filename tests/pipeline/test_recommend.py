"""Recommendations through the real jobs: events in, documents equal to a recount out, corrected as persons merge, are
erased and the job is stopped."""

from __future__ import annotations

import csv
import io
import json
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from dmp.config import RecommendationsSection
from tests.identity.model import Identifier
from tests.pipeline.platform import Platform, wait_for, wait_until_equal
from tests.recommend import recount
from tests.recommend.recount import Rules, Seen

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex[:12]
RULES = Rules(**RecommendationsSection().model_dump(exclude={"refresh_seconds"}))
CONSENT = {"consent": {"categoryPreferences": {"marketing": True}}}


def event(hours_ago: int, *items: str, **who: object) -> bytes:
    """An order of items that no other test sells."""
    when = datetime.fromtimestamp(time.time() - hours_ago * 3600, timezone.utc)
    return json.dumps({
        "type": "track", "event": "Order Completed", "messageId": uuid.uuid4().hex, "timestamp": when.isoformat(),
        "properties": {"products": [{"product_id": own(item)} for item in items]}, "context": CONSENT, **who,
    }).encode()  # fmt: skip


def own(name: str) -> str:
    return f"{name}-{RUN}"


class Shop:
    """What Elasticsearch holds, and what it should."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def related(self) -> dict[str, Any]:
        return self._documents("dmp-related-items", "item")

    def recommended(self) -> dict[str, Any]:
        # test_dashboards has put a person there that is none.
        found = self._documents("dmp-recommendations", "profile_id")
        return {person: row for person, row in found.items() if len(person) > 2}

    def _documents(self, alias: str, key: str) -> dict[str, Any]:
        rows = self.platform.documents(alias)
        return {row[key]: {name: row[name] for name in row if name not in (key, "decided_at")} for row in rows}

    def assert_exact(self) -> None:
        """Wait until both are those of a recount of the clean events."""
        self.platform.assert_exact()
        rows = [json.loads(message.value) for message in self.platform.topic("dmp.events.clean")]
        persons = self.platform.identities()
        seen = [Seen((row["subject_type"], row["subject_id"]), row["event_ms"], recount.items(row)) for row in rows]
        wait_until_equal("documents", lambda: self._differences(seen, persons), {})

    def _differences(self, seen: list[Seen], persons: dict[Identifier, str]) -> dict[str, Any]:
        """What is other than at this moment (a period may end meanwhile): (found, expected) by item or person."""
        now = round(time.time() * 1000)
        related = recount.related(seen, persons, RULES, now)
        expected = {**related, **recount.recommended(seen, persons, related, RULES, now)}
        found = {**self.related(), **self.recommended()}
        keys = found.keys() | expected.keys()
        return {key: (found.get(key), expected.get(key)) for key in keys if found.get(key) != expected.get(key)}

    def person(self, kind: str, name: str) -> str:
        return wait_for(name, lambda: self.platform.identities().get((kind, own(name))))

    def offered(self, person: str) -> list[str]:
        return self.recommended().get(person, {}).get("items", [])


@pytest.fixture(scope="module")
def shop(platform: Platform) -> Iterator[Shop]:
    platform.dmp("submit", "recommend")
    yield Shop(platform)
    platform.dmp("stop", "recommend")


def test_documents_equal_a_recount_and_a_merge_and_an_erasure_correct_them(shop: Shop) -> None:
    shop.platform.dmp("generate", "--events", "2000", "--seed", "61", "--to", "kafka")
    cookie, login = {"anonymousId": own("cookie")}, {"userId": own("login")}
    shop.platform.send([
        *(event(hours, "tea", "cup", userId=own(f"other{hours}")) for hours in range(5)),
        event(200, "tea", "spoon", userId=own("erased")),
        event(3, "tea", **cookie), event(2, "milk", **login),
    ])  # fmt: skip
    shop.assert_exact()
    before, after = shop.person("anonymous_id", "cookie"), shop.person("user_id", "login")
    assert (shop.offered(before), shop.offered(after)) == ([own("cup"), own("spoon")], [])

    shop.platform.send([event(1, **cookie, **login)])
    wait_for("the offer to the merged person", lambda: shop.offered(after) == [own("cup"), own("spoon")])
    shop.assert_exact()
    assert before not in shop.recommended()

    shop.platform.dmp("erase", f"user_id:{own('erased')}", "--yes")
    wait_for("the offer without the erased", lambda: shop.offered(after) == [own("cup")])
    shop.assert_exact()
    assert own("spoon") not in shop.related()


def test_a_stopped_job_goes_on(shop: Shop) -> None:
    shop.platform.dmp("stop", "recommend")
    shop.platform.send([event(4, "milk", "sugar", userId=own("late"))])
    assert "--fromSavepoint" in shop.platform.dmp("submit", "recommend")
    login = shop.person("user_id", "login")
    wait_for("the new offer", lambda: own("sugar") in shop.offered(login))
    shop.assert_exact()
    assert shop.platform.failures("recommend") == 0


def test_the_saved_question_tells_those_who_consented(shop: Shop, gateway: str) -> None:
    login = shop.person("user_id", "login")
    consented = ("marketing_consented", login)
    wait_for("the segment", lambda: consented in {
        (row["segment"], row["profile_id"]) for row in shop.platform.documents("dmp-segments")
    })  # fmt: skip
    asked = shop.platform.dmp("sql", "--question", "recommendations", "--param", "places=1", "--csv")
    (row,) = (row for row in csv.DictReader(io.StringIO(asked)) if row["profile_id"] == login)
    assert (row["place"], row["item"], row["because_of"]) == ("1", own("cup"), own("tea"))
