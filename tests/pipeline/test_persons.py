"""Persons through the real jobs: results that are out are corrected when persons merge, part or are erased."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex[:12]
DMP = str(Path(sys.executable).with_name("dmp"))
REPLAYED = ("identities", "metrics", "profiles", "refused")


def event(number: int, when: str, **fields: object) -> bytes:
    return json.dumps({
        "type": "track", "messageId": f"{RUN}-{number}", "event": "Page Read", "context": {"channel": "web"},
        "timestamp": when, **fields,
    }).encode()  # fmt: skip


def own(name: str) -> str:
    """An id that no other run uses."""
    return f"{name}-{RUN}"


def persons(platform: Platform, window_start: str) -> int:
    """Persons in a window of page views."""
    return platform.windows().get((window_start, "web", "Page Read", ""), (0, 0, 0.0))[1]


def moves(platform: Platform, identifier: str) -> list[dict[str, Any]]:
    found = [row for row in platform.documents("dmp-merges") if row["identifier"] == identifier]
    return sorted(found, key=lambda row: row["at"])


def test_merge_after_window_fired_corrects_it_and_unlink_corrects_it_back(platform: Platform) -> None:
    window, cookie, login = "2026-04-01T10:00:00Z", own("merge-c"), own("merge-u")
    platform.send([
        event(1, "2026-04-01T10:00:01Z", anonymousId=cookie), event(2, "2026-04-01T10:00:02Z", userId=login),
        event(3, "2026-04-01T10:07:00Z", anonymousId=own("another")),
    ])  # fmt: skip
    wait_for("a window of two persons", lambda: persons(platform, window) == 2)
    platform.send([event(4, "2026-04-01T10:05:00Z", userId=login, anonymousId=cookie)])
    wait_for("the merge in the window", lambda: persons(platform, window) == 1)
    platform.assert_exact()
    platform.dmp("unlink", f"user_id:{login}", f"anonymous_id:{cookie}")
    wait_for("the parting in the window", lambda: persons(platform, window) == 2)
    platform.assert_exact()
    wait_for("both moves", lambda: len(moves(platform, f"anonymous_id:{cookie}")) == 2)
    joined, parted = moves(platform, f"anonymous_id:{cookie}")
    assert (joined["reason"], parted["reason"]) == ("joined", "parted")
    assert (joined["from"], joined["to"]) == (parted["to"], parted["from"])


def test_refused_links_are_told_with_their_reason(platform: Platform) -> None:
    device, one, two = own("tablet"), own("anna"), own("bert")
    platform.send([
        event(10, "2026-04-02T10:00:01Z", userId=one, context={"device": {"id": device}}),
        event(11, "2026-04-02T10:00:02Z", userId=two, context={"device": {"id": device}}),
    ])  # fmt: skip
    platform.assert_exact()
    wait_for("the refused links", lambda: len(moves(platform, f"device_id:{device}")) >= 2)
    told = [row for row in moves(platform, f"device_id:{device}") if row["reason"] == "shared"]
    assert {row["other"] for row in told} == {f"user_id:{one}", f"user_id:{two}"}
    quality = platform.quality()
    assert quality["links_refused"]["shared"] >= 2 and quality["shared_devices"][""] >= 1


def test_an_erased_person_is_in_no_result_and_a_late_event_stays_suppressed(platform: Platform) -> None:
    login, cookie = own("erased-u"), own("erased-c")
    before = platform.recount().suppressed
    platform.send([
        event(20, "2026-04-03T10:00:01Z", userId=login, anonymousId=cookie),
        event(21, "2026-04-03T10:00:02Z", anonymousId=cookie),
        event(22, "2026-04-03T10:00:03Z", type="identify", userId=login, traits={"email": f"ann@{RUN}.example.com"}),
    ])  # fmt: skip
    profile = wait_for("the person", lambda: platform.identities().get(("user_id", login)))
    wait_for("the profile", lambda: platform.profiles().get(profile, (0, 0))[1] == 3)
    platform.dmp("erase", f"anonymous_id:{cookie}", "--yes")
    platform.send([event(23, "2026-04-03T10:00:04Z", userId=login), event(24, "2026-04-03T11:00:04Z", userId=login)])
    expected = platform.assert_exact()
    assert expected.suppressed - before == 5
    assert profile not in platform.profiles()
    assert not {(kind, id_) for kind, id_ in platform.identities() if id_ in (login, cookie)}
    wait_for("the count of suppressed events", lambda: platform.quality()["suppressed"][""] == expected.suppressed)
    assert not [row for row in platform.documents("dmp-merges") if login in str(row) or cookie in str(row)]


def test_killed_taskmanager_in_the_midst_of_merges_and_unlinks_leaves_no_trace(platform: Platform) -> None:
    platform.dmp("generate", "--events", "3000", "--seed", "21", "--to", "kafka")
    for number in range(10):
        when = f"2026-04-04T10:00:{number:02d}Z"
        platform.send([event(100 + number, when, userId=own(f"k{number % 3}"), anonymousId=own(f"kc{number}"))])
    platform.dmp("link", f"user_id:{own('k1')}", f"user_id:{own('k2')}")
    platform.assert_exact()
    platform.wait_for_checkpoint("pipeline")
    before = platform.written("dmp.identities")
    platform.dmp("unlink", f"user_id:{own('k0')}", f"anonymous_id:{own('kc0')}")
    # Killed when the person who comes of the unlink is written, but likely not committed; and then it never was one.
    wait_for("a person of its own", lambda: platform.written("dmp.identities") > before)
    platform.kill("flink_taskmanager")
    platform.dmp("generate", "--events", "3000", "--seed", "22", "--to", "kafka")
    platform.dmp("unlink", f"user_id:{own('k1')}", f"anonymous_id:{own('kc1')}")
    platform.dmp("link", f"user_id:{own('k0')}", f"anonymous_id:{own('kc0')}")
    platform.dmp("up")
    platform.assert_exact()


def test_replay_of_the_topics_gives_the_documents(platform: Platform, tmp_path: Path) -> None:
    for name, topic in (("events", "dmp.events.raw"), ("commands", "dmp.commands")):
        lines = b"".join(message.value.replace(b"\n", b" ") + b"\n" for message in platform.topic(topic))
        (tmp_path / f"{name}.jsonl").write_bytes(lines)
    platform.assert_exact()
    key = {"DMP_PII_KEY_FILE": str(platform.stack.config.local_pii_key_file)}
    command = [DMP, "replay", "--events", "events.jsonl", "--commands", "commands.jsonl", "--out", "out"]
    done = subprocess.run(command, env={**platform.stack.env, **key}, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in REPLAYED:
        # Not splitlines, which ends a line at U+2028, too, and that may be within a trait.
        lines = (tmp_path / "out" / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        replayed = sorted(lines)
        names = list(json.loads(lines[0])) if lines else []
        documents = [_as_replayed(row, names) for row in platform.documents(f"dmp-{name}")]
        assert sorted(documents) == replayed, name


def _as_replayed(document: dict[str, Any], names: list[str]) -> str:
    row = {name: None if document[name] == "" else document[name] for name in names}
    if "traits" in row:
        row["traits"] = dict(sorted((row["traits"] or {}).items()))
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))
