"""The collectors, the generator and the replay of rejects with a real Kafka."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.collect.files import CHECKPOINTS_TOPIC
from connectors.generate import Traffic
from connectors.generate.stream import blocks
from connectors.kafka.consumers import read_committed
from connectors.kafka.producers import Producer
from connectors.kafka.topics import ensure_topics
from dmp.config import KafkaSection
from dmp.errors import UserError
from schemas.topics import EVENTS_RAW, EVENTS_REJECTED
from tests.input.written import Raw
from tests.stacks import StackUnderTest

pytestmark = pytest.mark.stack

DMP = str(Path(sys.executable).with_name("dmp"))
DEMO = Path(__file__).parents[2] / "dmp" / "demo_data" / "access.log"


@pytest.fixture(scope="module")
def events() -> list[bytes]:
    """200,000 lines, among them malformed and repeated ones."""
    traffic = Traffic(events=200_000, rate=0, seed=3, start_us=1_767_225_600_000_000)
    return [value for block in blocks(traffic) for value in block.values]


def write_lines(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_killed_again_and_again_each_line_is_sent_exactly_once(
    stack: StackUnderTest, raw: Raw, events: list[bytes], tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "events.jsonl", events)
    command = [DMP, "collect", "jsonl", str(path)]
    messages, statuses = random.Random(1), []
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        raw.settle()  # or the killed writer's messages would pass for those of the next, which is still starting
        process = subprocess.Popen(command, env=stack.env, stderr=subprocess.PIPE)
        disturbed = raw.wait_for_more(messages.randrange(2_000, 8_000), process)
        process.send_signal(number)
        process.communicate()
        if not disturbed:  # a fast machine can be through the file before the last signals
            break
        statuses.append(process.returncode)
    assert statuses == [-9, 130, -9, 143, -9][: len(statuses)]
    assert len(statuses) >= 2
    done = stack.dmp("collect", "jsonl", str(path))
    assert done.returncode == 0 and "went on at byte" in done.stderr
    assert raw.values() == Counter(events)
    again = stack.dmp("collect", "jsonl", str(path))
    assert "0 events sent of 0 lines" in again.stderr
    assert raw.values() == Counter(events)


def test_a_second_collector_takes_over_and_nothing_is_doubled(
    stack: StackUnderTest, raw: Raw, events: list[bytes], tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "events.jsonl", events)
    first = subprocess.Popen([DMP, "collect", "jsonl", str(path)], env=stack.env, stderr=subprocess.PIPE, text=True)
    assert raw.wait_for_more(5_000, first)
    second = stack.dmp("collect", "jsonl", str(path))
    _, message = first.communicate()
    assert second.returncode == 0
    assert first.returncode == 2 and "taken over" in message
    assert raw.values() == Counter(events)


def test_appended_lines_follow_and_restart_sends_all_again(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "some.jsonl", [b'{"userId":"a"}', b"", b"not json", b"\xff"])
    first = stack.dmp("collect", "jsonl", str(path))
    assert "3 events sent of 4 lines (1 empty)" in first.stderr
    with path.open("ab") as file:
        file.write(b'{"userId":"b"}\n')
    assert "1 events sent of 1 lines" in stack.dmp("collect", "jsonl", str(path)).stderr
    expected = Counter([b'{"userId":"a"}', b"not json", b"\xff", b'{"userId":"b"}'])
    assert raw.values() == expected
    assert {record.value(): record.key() for record in raw.messages()} == {
        b'{"userId":"a"}': b"a", b'{"userId":"b"}': b"b", b"not json": None, b"\xff": None,
    }  # fmt: skip
    assert stack.dmp("collect", "jsonl", "--restart", str(path)).returncode == 0
    assert raw.values() == expected + expected


def test_access_log_is_sent_once_with_malformed_lines_as_they_are(
    stack: StackUnderTest, raw: Raw, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(DEMO.read_bytes() + b"what is this\n\n")
    for expected in ("6,001 events sent of 6,002 lines (1 empty)", "0 events sent of 0 lines"):
        assert expected in stack.dmp("collect", "access-log", str(path)).stderr
    values = raw.values()
    assert sum(values.values()) == len(values) == 6001
    assert values[b"what is this"] == 1


def test_absurd_lines_are_cut_and_the_rest_goes_on(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    largest = b'"' + b"x" * (512 * 1024 - 2) + b'"'
    path = write_lines(tmp_path / "long.jsonl", [b"first", b"x" * 5_000_000, largest, b"last"])
    done = stack.dmp("collect", "jsonl", str(path))
    assert done.returncode == 0 and "1 lines too long" in done.stderr
    values = raw.values()
    assert sum(values.values()) == 4 and {b"first", b"last", largest} < set(values)


def test_generated_messages_arrive_as_the_manifest_says(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    manifest, file = tmp_path / "manifest.json", tmp_path / "events.jsonl"
    options = ["generate", "--events", "30000", "--seed", "5", "--start", "2026-01-01T00:00:00Z"]
    assert stack.dmp(*options, "--manifest", str(manifest)).returncode == 0
    assert stack.dmp(*options, "--to", "file", "--out", str(file)).returncode == 0
    assert raw.values() == Counter(file.read_bytes().splitlines())
    totals = json.loads(manifest.read_text())
    assert totals["sent"] == 30_000 == totals["accepted"] + totals["duplicates"] + sum(totals["rejected"].values())


def test_interrupted_generator_tells_exactly_what_it_sent(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    command = [DMP, "generate", "--events", "1000000", "--rate", "5000", "--manifest", str(manifest)]
    process = subprocess.Popen(command, env=stack.env, stderr=subprocess.PIPE)
    assert raw.wait_for_more(5_000, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert sum(raw.values().values()) == json.loads(manifest.read_text())["sent"] > 0


def reject(kafka: KafkaSection, offset: int, reason: str, raw_event: bytes) -> None:
    """A record as the cleaning job writes it."""
    row = {
        "reason": reason, "detail": "for a test", "received_at": f"2026-01-01T00:00:00.{offset:03d}Z",
        "source_topic": EVENTS_RAW.name, "source_partition": 99, "source_offset": offset,
        "raw": base64.b64encode(raw_event).decode(),
    }  # fmt: skip
    producer = Producer(kafka, [EVENTS_REJECTED.name])
    producer.send(EVENTS_REJECTED.name, json.dumps(row).encode())
    producer.flush()


def test_rejects_are_listed_mended_and_replayed_once(stack: StackUnderTest, raw: Raw) -> None:
    kafka = stack.config.kafka
    reject(kafka, 1, "unknown_type", b'{"type":"Page","userId":"secret"}')
    reject(kafka, 2, "unknown_type", b'{"type":"buy"}')
    reject(kafka, 2, "unknown_type", b'{"type":"buy"}')  # written twice, for instance by a job run anew
    reject(kafka, 3, "bad_timestamp", b"\xff")

    shown = stack.dmp("rejected", "list", "--reason", "unknown_type", "--limit", "3")
    assert f"{EVENTS_RAW.name}/99/1  unknown_type: for a test" in shown.stdout
    assert "secret" not in shown.stdout and "99/3" not in shown.stdout
    assert "secret" in stack.dmp("rejected", "list", "--raw", "--reason", "unknown_type").stdout
    rows = [json.loads(line) for line in stack.dmp("rejected", "list", "--json", "--raw").stdout.splitlines()]
    assert base64.b64decode(next(row["raw"] for row in rows if row["source"].endswith("/99/3"))) == b"\xff"

    mend = ["rejected", "replay", "--reason", "unknown_type", "--mend", "grep -a Page | sed s/Page/page/"]
    assert "1 events to replay" in stack.dmp(*mend, "--dry-run").stdout
    assert not raw.messages()
    assert "1 events replayed" in stack.dmp(*mend).stdout
    (record,) = raw.messages()
    assert record.value() == b'{"type":"page","userId":"secret"}' and record.key() == b"secret"
    assert record.headers() == [("dmp-replayed-from", b"dmp.events.raw/99/1")]

    assert stack.dmp("rejected", "replay").returncode == 0
    expected = Counter([b'{"type":"page","userId":"secret"}', b'{"type":"buy"}', b"\xff"])
    assert raw.values() == expected
    assert "0 events replayed" in stack.dmp("rejected", "replay").stdout
    assert raw.values() == expected
    assert "(replayed)" in stack.dmp("rejected", "list").stdout


def test_topics_are_made_once_and_never_repartitioned(stack: StackUnderTest) -> None:
    kafka = stack.config.kafka
    topic: Any = {"name": "dmp.test.topics", "partitions": 2, "config": {"retention.ms": "1000"}}
    ensure_topics(kafka, [topic])
    ensure_topics(kafka, [{**topic, "config": {"retention.ms": "2000"}}])
    with pytest.raises(UserError, match="has 2 partitions but 3 are configured"):
        ensure_topics(kafka, [{**topic, "partitions": 3}])
    assert list(read_committed(kafka, "dmp.test.topics")) == []
    with pytest.raises(UserError, match=r"has no topic dmp\.test\.none"):
        list(read_committed(kafka, "dmp.test.none"))


def test_checkpoints_of_other_collectors_do_not_hide_ours(stack: StackUnderTest) -> None:
    """A transaction that somebody has left open holds back what is committed after it; we wait for its end."""
    kafka, topic = stack.config.kafka, "dmp.test.checkpoints"  # collectors of later tests read their own
    ensure_topics(kafka, [{**CHECKPOINTS_TOPIC, "name": topic}])
    other, ours = (Producer(kafka, [topic], transactional_id=f"test.{name}") for name in ("other", "ours"))
    with other.transaction():
        other.send(topic, b"{}", b"other")
        other.flush()
        with ours.transaction():
            ours.send(topic, b"{}", b"test.ours")
        assert not any(record.key == b"test.ours" for record in read_committed(kafka, topic))
        reader = read_committed(kafka, topic, wait_for_open=True)
    assert any(record.key == b"test.ours" for record in reader)


@pytest.mark.parametrize(
    "command", [["generate"], ["collect", "jsonl", str(DEMO)], ["rejected", "list"], ["rejected", "replay"]]
)
def test_without_kafka_one_line_says_so(command: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "DMP_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    done = subprocess.run([DMP, *command], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "Kafka does not answer at 127.0.0.1:9" in done.stderr
