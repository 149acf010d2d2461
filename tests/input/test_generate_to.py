"""`dmp generate` through the collectors, with a real Kafka: what arrives is what the manifest says."""

from __future__ import annotations

import json
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dmp.core.cleaning import Cleaner, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from tests.input.rabbitmq_node import Node, needs_rabbitmq
from tests.input.running import DMP, PATIENCE_SECONDS, Running, free_port, get, metric
from tests.input.written import Raw
from tests.stacks import StackUnderTest

pytestmark = pytest.mark.stack


def generate(env: dict[str, str], folder: Path, *arguments: str) -> dict[str, Any]:
    """Send some, malformed and repeated messages among them; the manifest."""
    manifest = folder / "manifest.json"
    command = [DMP, "generate", "--malformed", "0.05", "--duplicates", "0.05", "--manifest", str(manifest), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(manifest.read_text()))


def outcomes(raw: Raw) -> dict[str, Any]:
    """What cleaning makes of what has arrived, in the form of the manifest."""
    cleaner = Cleaner(CleaningRules(), PrivacyKeys(b"test"))
    results = [cleaner.clean(message.value()) for message in raw.messages()]
    accepted = Counter(result.message_id for result in results if not isinstance(result, Reject))
    return {
        "sent": len(results),
        "accepted": len(accepted),
        "duplicates": sum(accepted.values()) - len(accepted),
        "rejected": Counter(result.reason for result in results if isinstance(result, Reject)),
    }


def same(manifest: dict[str, Any], found: dict[str, Any]) -> bool:
    return {name: manifest[name] for name in found} == found


def test_over_http(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    env = {**stack.env, "DMP_WRITE_KEYS": "shop=key-of-shop"}
    url = f"http://127.0.0.1:{free_port()}"
    with Running(
        env, "collect", "http", "--port", url.rsplit(":")[-1], "--rate-limit", "150", log=tmp_path / "log"
    ) as collector:
        collector.wait_for("the collector", lambda: get(f"{url}/health"))
        manifest = generate(env, tmp_path, "--events", "1000", "--to", "http", "--address", url)
        assert metric(get(f"{url}/metrics"), "dmp_http_refused_total") > 0  # it was told to slow down
    assert same(manifest, outcomes(raw))
    assert set(manifest["rejected"]) == {"not_an_object", "unknown_type", "missing_event"}


def test_over_udp(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    port, metrics = free_port(socket.SOCK_DGRAM), free_port()
    command = ("collect", "udp", "--port", str(port), "--metrics-port", str(metrics))
    with Running(stack.env, *command, log=tmp_path / "log") as collector:
        collector.wait_for("the collector", lambda: get(f"http://127.0.0.1:{metrics}/metrics"))
        to = ("--to", "udp", "--address", f"127.0.0.1:{port}")
        manifest = generate(stack.env, tmp_path, "--events", "1000", "--rate", "500", *to)
        assert collector.stop() == 0
    counts = json.loads(collector.log.read_text().splitlines()[-1])
    assert counts["received"] + counts["dropped_by_kernel"] == manifest["sent"]
    assert outcomes(raw)["sent"] == counts["delivered"] == counts["received"]
    assert counts["dropped_by_kernel"] or same(manifest, outcomes(raw))


@contextmanager
def bridge(stack: StackUnderTest, node: Node, folder: Path) -> Iterator[Running]:
    env = {**stack.env, "DMP_RABBITMQ_URL": node.url}
    metrics = str(free_port())
    command = ("collect", "rabbitmq", "shop", "--declare", "--metrics-port", metrics)
    with Running(env, *command, log=folder / "log") as collector:
        collector.wait_for("the queue", lambda: "taking messages" in collector.log.read_text())
        yield collector
        received = "dmp_rabbitmq_acknowledged_total"
        collector.wait_for("everything", lambda: metric(get(f"http://127.0.0.1:{metrics}/metrics"), received) >= 10_000)


@needs_rabbitmq
def test_over_rabbitmq(stack: StackUnderTest, raw: Raw, rabbitmq: Node, tmp_path: Path) -> None:
    env = {**stack.env, "DMP_RABBITMQ_URL": rabbitmq.url}
    with bridge(stack, rabbitmq, tmp_path):
        manifest = generate(env, tmp_path, "--events", "10000", "--to", "rabbitmq", "--address", "shop")
    assert same(manifest, outcomes(raw))
    assert len(manifest["rejected"]) == 6


@needs_rabbitmq
def test_a_queue_that_is_missing_is_told_in_one_line(stack: StackUnderTest, rabbitmq: Node) -> None:
    env = {**stack.env, "DMP_RABBITMQ_URL": rabbitmq.url}
    command = [DMP, "generate", "--to", "rabbitmq", "--address", "missing"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "declare the queue" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--to", "http", "--address", "http://127.0.0.1:9"], "does not take events"),
        (["--to", "udp", "--address", "127.0.0.1:9"], "cannot send to 127.0.0.1:9"),
        (["--to", "udp", "--address", "nowhere"], "HOST:PORT"),
        (["--to", "rabbitmq", "--address", "q"], "RabbitMQ does not take messages"),
        (["--to", "rabbitmq"], "needs --address"),
        (["--incident", "flood@1+1"], "is no incident such as"),
    ],
)
def test_what_is_missing_is_said_in_one_line(stack: StackUnderTest, arguments: list[str], complaint: str) -> None:
    secrets = {"DMP_WRITE_KEYS": "shop=key-of-shop", "DMP_RABBITMQ_URL": "amqp://guest:secret@127.0.0.1:9/"}
    done = subprocess.run([DMP, "generate", *arguments], env={**stack.env, **secrets}, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and complaint in done.stderr
    assert "secret" not in done.stderr and "key-of-shop" not in done.stderr
