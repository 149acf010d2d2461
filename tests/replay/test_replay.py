"""`dmp replay`: the cases of the design in one input, the same bytes in each mode and parallelism, and its errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dmp.core.identifiers import CleaningRules, parse_identifier
from dmp.core.privacy import PrivacyKeys
from tests.identity.model import Identifier
from tests.stacks import ENVIRONMENT

pytestmark = pytest.mark.flink

Row = dict[str, Any]

DMP = str(Path(sys.executable).with_name("dmp"))
CASES = Path(__file__).parents[1] / "identity" / "cases"
PII_KEY = "a key for tests"
RECOMMENDED = ("recommendations", "related_items")
RESULTS = ("alerts", "identities", "metrics", "profiles", *RECOMMENDED, "refused", "rejected", "segments")
TIMES = {"timestamp", "originalTimestamp", "sentAt", "receivedAt", "at", "window_start", "window_end"}
ID_FIELDS = {"userId": "user_id", "anonymousId": "anonymous_id", "previousId": "anonymous_id", "id": "device_id"}


def shopping(who: str, minute: int, *items: str) -> Row:
    """An order of 2026-02-01."""
    properties = {"products": [{"product_id": item} for item in items]}
    return {
        "type": "track", "event": "Order Completed", "userId": who, "messageId": f"{who}-{minute}",
        "timestamp": f"2026-02-01T10:{minute:02d}:00Z", "properties": properties,
    }  # fmt: skip


SHOPPING = [
    shopping("shopper-1", 1, "tea", "cup"), shopping("shopper-2", 2, "tea", "cup"),
    shopping("shopper-3", 3, "tea", "cup", "spoon"), shopping("shopper-4", 4, "tea"), shopping("shopper-5", 5, "milk"),
]  # fmt: skip


@dataclass
class Case:
    """A case of the design, moved to a day of its own, with identifiers and messageIds of its own."""

    name: str
    config: dict[str, int]
    events: list[Row]
    commands: list[Row]
    expect: Row
    identifiers: set[Identifier] = field(default_factory=set)


def identifier(text: str) -> Identifier:
    return parse_identifier(text, CleaningRules(), PrivacyKeys(PII_KEY.encode()))


def load(number: int, file: Path) -> Case:
    text = file.read_text(encoding="utf-8")
    # An e-mail address keeps its spelling and gets a domain of its own.
    raw = json.loads(re.sub("example.com", lambda match: f"Case{number}.{match[0]}", text, flags=re.IGNORECASE))
    named = set(re.findall(r'"((?:user_id|device_id|anonymous_id):[^"]*)"', text))
    case = Case(file.stem, raw.get("config", {}), raw["events"], raw.get("commands", []), raw["expect"])
    for part in (case.events, case.commands, case.expect):
        _make_own(part, number, named)
    for event in case.events:
        if "messageId" in event:
            event["messageId"] = f"{event['messageId']}-{number}"
    case.identifiers = {identifier(text) for person in case.expect["persons"] for text in person}
    return case


def _make_own(value: Any, number: int, named: set[str]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        if isinstance(inner, (dict, list)):
            _make_own(inner, number, named)
        elif key in TIMES and isinstance(inner, str):
            value[key] = _later(inner, number)
        elif isinstance(inner, str) and (inner in named or f"{ID_FIELDS.get(str(key))}:{inner}" in named):
            value[key] = f"{inner}-{number}"


def _later(text: str, days: int) -> str:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00")) + timedelta(days=days)
    return moment.isoformat().replace("+00:00", "Z")


def replay(folder: Path, events: list[Row], commands: list[Row], *arguments: str) -> dict[str, bytes]:
    """The files that a replay writes, by name."""
    folder.mkdir()
    (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in events), encoding="utf-8")
    (folder / "commands.jsonl").write_text("".join(json.dumps(row) + "\n" for row in commands), encoding="utf-8")
    files = ["--events", str(folder / "events.jsonl"), "--commands", str(folder / "commands.jsonl")]
    done = dmp(folder, "replay", *files, "--out", str(folder / "out"), *arguments)
    assert done.returncode == 0, done.stderr
    return {file.stem: file.read_bytes() for file in (folder / "out").iterdir()}


def dmp(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("DMP_")}
    environment.update(DMP_PII_KEY=PII_KEY, DMP_STACK__DATA_DIR=str(folder / "data"))
    return subprocess.run(
        [DMP, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=300
    )  # fmt: skip


def lines(content: bytes) -> list[Row]:
    return [json.loads(line) for line in content.splitlines()]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [load(number, file) for number, file in enumerate(sorted(CASES.glob("*.json")))]


@pytest.fixture(scope="module")
def plain_cases(cases: list[Case]) -> list[Case]:
    """Those that need no configuration of their own."""
    return [case for case in cases if not case.config]


@pytest.fixture(scope="module")
def batch(plain_cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    events = [event for case in plain_cases for event in case.events] + SHOPPING
    commands = [command for case in plain_cases for command in case.commands]
    return replay(tmp_path_factory.mktemp("batch") / "run", events, commands, "--parallelism", "1", "--recommend")


def test_recommendations_are_what_goes_with_what_was_ordered(batch: dict[str, bytes]) -> None:
    persons = {row["profile_id"]: row["id"] for row in lines(batch["identities"]) if row["type"] == "user_id"}
    found = {persons[row["profile_id"]]: row for row in lines(batch["recommendations"])}
    assert {who: row["items"] for who, row in found.items()} == {
        "shopper-1": ["spoon"], "shopper-2": ["spoon"], "shopper-4": ["cup", "spoon"],
    }  # fmt: skip
    assert found["shopper-4"]["because_of"] == ["tea", "tea"]
    related = {row["item"]: row for row in lines(batch["related_items"])}
    assert sorted(related) == ["cup", "spoon", "tea"]
    # Of 5 baskets 4 have tea, 3 a cup and 1 a spoon.
    assert (related["tea"]["support"], related["tea"]["related"]) == (4, ["cup", "spoon"])
    assert (related["tea"]["supports"], related["tea"]["lifts"]) == ([3, 1], [1.25, 1.25])


def test_every_case_holds(batch: dict[str, bytes], plain_cases: list[Case]) -> None:
    wrong = {case.name: problem for case in plain_cases if (problem := difference(batch, case))}
    assert not wrong


def test_cases_with_limits_of_their_own_hold(cases: list[Case], tmp_path: Path) -> None:
    own = [case for case in cases if case.config]
    for case in own:
        config = tmp_path / "own.toml"
        keys = [f"{name} = {value}\n" for name, value in case.config.items()]
        config.write_text("[identity]\n" + "".join(keys), encoding="utf-8")
        result = replay(tmp_path / case.name, case.events, case.commands, "--config", str(config))
        assert not difference(result, case)
    assert own


@pytest.mark.parametrize(("mode", "parallelism"), [("streaming", 2), ("batch", 4)])
def test_any_order_repetition_mode_and_parallelism_give_the_same_bytes(
    mode: str, parallelism: int, batch: dict[str, bytes], plain_cases: list[Case], tmp_path: Path
) -> None:
    events = [event for case in reversed(plain_cases) for event in reversed(case.events)] + SHOPPING[::-1]
    commands = [command for case in reversed(plain_cases) for command in case.commands]
    again = replay(
        tmp_path / "run", events + events[::3], commands * 2, "--mode", mode, "--parallelism", str(parallelism),
        "--recommend",
    )  # fmt: skip
    assert {name: again[name] for name in RESULTS} == {name: batch[name] for name in RESULTS}
    assert ("merges" in again) == (mode == "streaming")


def difference(result: dict[str, bytes], case: Case) -> str:
    """What of a case's expectations does not hold, empty if all do."""
    persons = defaultdict(set)
    for row in lines(result["identities"]):
        if (row["type"], row["id"]) in case.identifiers:
            persons[row["profile_id"]].add((row["type"], row["id"]))
    wanted = {frozenset(map(identifier, person)) for person in case.expect["persons"]}
    if set(map(frozenset, persons.values())) != wanted:
        return f"persons {persons}"
    for row in case.expect.get("refused", []):
        a, b = (":".join(identifier(end)) for end in sorted(row["link"], key=identifier))
        if {"a": a, "b": b, "reason": row["reason"]} not in lines(result["refused"]):
            return f"not refused: {row}"
    windows = {json.dumps({**row, "revenue": 0}, sort_keys=True) for row in lines(result["metrics"])}
    for row in case.expect.get("metrics", []):
        if json.dumps({**row, "revenue": 0}, sort_keys=True) not in windows:
            return f"no window {row}"
    return ""


def test_what_is_wrong_with_the_arguments_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[identity]\nhop = 2\n", encoding="utf-8")
    (tmp_path / "some.jsonl").write_text("{}\n", encoding="utf-8")
    some = ["--events", "some.jsonl", "--out", "out"]
    for arguments, word in (
        (["--events", "missing.jsonl", "--out", "out"], "missing.jsonl"),
        ([*some, "--config", "bad.toml"], "hops"),
        ([*some, "--mode", "both"], "streaming"),
        ([*some, "--parallelism", "0"], "0"),
    ):
        done = dmp(tmp_path, "replay", *arguments)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1 and word in done.stderr
