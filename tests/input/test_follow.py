"""Files that are still being written, with a real Kafka: each line once, through rotation, truncation and kills."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.input.running import Running, kafka_away
from tests.input.written import Raw
from tests.stacks import StackUnderTest

pytestmark = pytest.mark.stack


def line(number: int) -> bytes:
    return json.dumps({"type": "track", "event": "x", "messageId": str(number)}).encode()


class Log:
    """A log that is written line by line; `written` has all of it, wherever it is by now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        path.touch()

    def append(self, lines: int) -> None:
        with self.path.open("ab") as file:
            for _ in range(lines):
                file.write(line(self.written) + b"\n")
                self.written += 1

    def rotate(self) -> None:
        """As logrotate does: log.1 becomes log.2, log becomes log.1, log is new."""
        older = sorted(self.path.parent.glob("log.*"), reverse=True)
        for file in older:
            file.rename(file.with_suffix(f".{int(file.suffix[1:]) + 1}"))
        self.path.rename(self.path.with_suffix(".1"))
        self.path.touch()

    def truncate(self) -> None:
        """As logrotate's copytruncate does."""
        self.path.write_bytes(b"")


def arrived(raw: Raw, log: Log) -> bool:
    return sum(raw.values().values()) >= log.written


def assert_once(raw: Raw, log: Log) -> None:
    assert raw.values() == Counter(line(number) for number in range(log.written))


def test_lines_are_followed_through_rotation_truncation_and_kafkas_restart(
    stack: StackUnderTest, raw: Raw, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log")
    with Running(stack.env, "collect", "jsonl", "--follow", str(log.path), log=tmp_path / "stderr") as collector:

        def wait_until_all_have_arrived() -> None:
            collector.wait_for("all lines", lambda: arrived(raw, log))

        log.append(100)
        wait_until_all_have_arrived()
        with log.path.open("ab", buffering=0) as slow:
            slow.write(line(log.written)[:20])
            log.path.with_name("log.other").write_bytes(b"")  # beside it, and not of it
            slow.write(line(log.written)[20:] + b"\n")
            log.written += 1
            wait_until_all_have_arrived()
            log.path.with_name("log.other").unlink()
            log.rotate()
            slow.write(line(log.written) + b"\n")  # its writer has not noticed yet
            log.written += 1
        log.append(100)
        wait_until_all_have_arrived()
        log.truncate()
        collector.wait_for("its notice", lambda: "truncated" in collector.log.read_text())
        log.append(30)
        wait_until_all_have_arrived()
        with kafka_away(stack):
            log.append(50)
            log.rotate()
        log.append(50)
        wait_until_all_have_arrived()
        assert collector.stop() == 0
    assert_once(raw, log)


def test_killed_while_the_log_is_rotated_nothing_is_lost_or_doubled(
    stack: StackUnderTest, raw: Raw, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log")
    log.append(20_000)
    choose = random.Random(1)
    seen = 0
    with Running(stack.env, "collect", "jsonl", "--follow", str(log.path), log=tmp_path / "stderr") as collector:
        for _ in range(3):
            collector.wait_for("something", lambda seen=seen: sum(raw.values().values()) > seen)
            collector.kill()
            seen = sum(raw.values().values())  # there is always more to come: what is written next
            for _ in range(choose.randrange(1, 3)):
                log.append(5_000)
                log.rotate()
            log.append(1_000)
            collector.start()
        collector.wait_for("all lines", lambda: arrived(raw, log))
        assert collector.stop() == 0
    assert_once(raw, log)


def test_a_csv_that_is_interrupted_again_and_again_gives_each_row_once(
    stack: StackUnderTest, raw: Raw, tmp_path: Path
) -> None:
    path = tmp_path / "behaviour.csv"
    path.write_text("".join(f"{number % 997},{number},7,pv,{1511544070 + number}\n" for number in range(150_000)))
    command = ("collect", "csv", str(path), "--mapping", "shop-behaviour")
    with Running(stack.env, *command, log=tmp_path / "stderr") as collector:
        collector.wait_for("a commit", raw.values)
        collector.kill()
        collector.start()
        assert collector.wait() == 0
    events = [json.loads(message.value()) for message in raw.messages()]
    assert sorted(int(event["properties"]["product_id"]) for event in events) == list(range(150_000))
    assert len({event["userId"] for event in events}) == 997


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["jsonl", "--follow", "missing"], "No such file"),
        (["csv", "missing", "--mapping", "shop-behaviour"], "No such file"),
        (["csv", "missing", "--mapping", "missing"], "cannot read the mapping missing"),
        (["csv", "missing"], "Missing option '--mapping'"),
    ],
)
def test_what_is_missing_is_said_in_one_line(stack: StackUnderTest, arguments: list[str], complaint: str) -> None:
    done = stack.dmp("collect", *arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and complaint in done.stderr


def test_text_becomes_events_line_by_line(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("first\n\nsecond\nfirst\n")
    for _ in range(2):
        assert stack.dmp("collect", "text", str(path)).returncode == 0
    events = [json.loads(message.value()) for message in raw.messages()]
    assert Counter(event["properties"]["text"] for event in events) == {"first": 2, "second": 1}
    assert len({event["messageId"] for event in events}) == 3
