"""Events made to break things: each has its result or its reject, nobody waits, Elasticsearch takes every document."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from schemas.topics import EVENTS_REJECTED, INDEX_REJECTED, PROFILES
from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex[:12]
KEPT_BYTES = 512 * 1024  # of a reject
LIGATURE = "\ufdfa"  # eighteen letters after NFKC
ODD_NAMES = {"a\0b": "nul", "\U0001f600": "emoji", '\u2028\x01"\\': "escapes", "": "empty", ".": "dot"}
ODD_NAMES["k" * 2000] = "long"


def identify(number: int, user: str, traits: dict[str, Any], **fields: Any) -> bytes:
    seconds = f"2026-05-01T10:{number // 60:02d}:{number % 60:02d}Z"
    event = {"type": "identify", "messageId": f"{RUN}-{number}", "timestamp": seconds, "userId": user, "traits": traits}
    return json.dumps({**event, **fields}, ensure_ascii=False).encode()


def traits(platform: Platform, user: str) -> dict[str, Any]:
    """Those of the profile of a login, as Elasticsearch has them; none without a profile."""
    person = platform.identities().get(("user_id", user))
    found = [row["traits"] for row in platform.documents("dmp-profiles") if row["profile_id"] == person]
    return found[0] or {} if found else {}


def test_hostile_events_hold_up_nobody_and_every_profile_is_found(platform: Platform) -> None:
    odd, wide, hog = f"odd-{RUN}", f"wide-{RUN}", f"hog-{RUN}"
    before = platform.failures("pipeline"), platform.failures("index")
    mapping = platform.search.indices.get_mapping(index="dmp-profiles").body
    nested = json.loads('{"a":' * 100 + "1" + "}" * 100)
    large = f"{RUN}".encode() * 75_000  # 900 KB; in base64 it would be more than Kafka takes
    platform.send([
        identify(1, odd, {**ODD_NAMES, "nested": nested}),
        identify(2, LIGATURE * 10_000, {}, anonymousId=f"c-{RUN}"),
        identify(3, wide, {f"k{n:04d}": n for n in range(2_000)}),
        large,
    ])  # fmt: skip
    # 600 different traits of 2 KB are more than a message of Kafka: of a person the latest 200 stay.
    names = [[f"t{number:02d}-{n:02d}" for n in range(15)] for number in range(40)]
    platform.send([identify(10 + number, hog, dict.fromkeys(some, "x" * 2_000)) for number, some in enumerate(names)])

    platform.assert_exact()
    latest = {name for some in names[27:] for name in some} | set(names[26][:5])
    wait_for("the latest traits", lambda: set(traits(platform, hog)) == latest)
    assert traits(platform, wide) == {f"k{n:04d}": n for n in range(200)}
    found = traits(platform, odd)
    assert {name: value for name, value in found.items() if name != "nested"} == {
        name.replace("\0", "\ufffd"): value for name, value in ODD_NAMES.items()
    }
    assert set(platform.quality()["flagged"]) >= {"long_identifier", "truncated"}

    assert (platform.failures("pipeline"), platform.failures("index")) == before
    letters = [json.loads(message.value) for message in platform.topic(INDEX_REJECTED.name)]
    assert not [letter for letter in letters if letter["source_topic"] == PROFILES.name]
    rejects = [json.loads(message.value) for message in platform.topic(EVENTS_REJECTED.name)]
    assert large[:KEPT_BYTES] in [base64.b64decode(reject["raw"]) for reject in rejects]
    assert platform.search.indices.get_mapping(index="dmp-profiles").body == mapping, "the mapping grew"

