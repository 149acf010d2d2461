"""The real servers. One stack serves the whole session; a test that breaks a server brings it up again."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import psutil
import pytest

from dmp.stack import Stack
from dmp.stack.process import find
from dmp.stack.server import get_json

if TYPE_CHECKING:
    from tests.stacks import StackUnderTest

pytestmark = pytest.mark.stack

SERVERS = {"elasticsearch", "flink_jobmanager", "flink_taskmanager", "kafka"}


def status(stack: StackUnderTest) -> dict[str, dict[str, Any]]:
    servers: dict[str, dict[str, Any]] = json.loads(stack.dmp("status", "--json").stdout)
    return servers


def pids(stack: StackUnderTest) -> dict[str, int]:
    return {name: server["pid"] for name, server in status(stack).items()}


def test_status_tells_address_and_readiness(stack: StackUnderTest) -> None:
    done = stack.dmp("status", "--json")
    servers = json.loads(done.stdout)
    assert done.returncode == 0 and set(servers) == SERVERS
    assert all(server["ready"] and server["memory_mb"] > 100 for server in servers.values())
    assert servers["kafka"]["address"] == stack.config.kafka.bootstrap_servers
    assert servers["elasticsearch"]["address"] == stack.config.elasticsearch.url
    assert all(Path(server["log"]).stat().st_size > 0 for server in servers.values())


def test_up_again_changes_nothing(stack: StackUnderTest) -> None:
    before = pids(stack)
    assert stack.dmp("up").returncode == 0
    assert pids(stack) == before


def test_killed_server_is_started_again_even_by_two_at_once(stack: StackUnderTest) -> None:
    before = pids(stack)
    os.kill(before["kafka"], signal.SIGKILL)
    seen = stack.dmp("status", "--json")
    kafka = json.loads(seen.stdout)["kafka"]
    assert (seen.returncode, kafka["ready"], kafka["pid"]) == (1, False, None)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: stack.dmp("up"), range(2)))
    assert [done.returncode for done in both] == [0, 0], both
    after = pids(stack)
    assert after["kafka"] not in (None, before["kafka"])
    assert {**after, "kafka": None} == {**before, "kafka": None}


def test_servers_listen_on_this_machine_only(stack: StackUnderTest) -> None:
    # Flink's Prometheus reporter has no option for an address, nor have Beam's servers for the Python workers of a
    # running job, on ports of their own (docs/operations.md).
    configured = set(stack.config.ports.model_dump().values()) - {stack.config.ports.flink_metrics}
    for name, pid in pids(stack).items():
        listening = [c.laddr for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        ours = [address for address in listening if address.port in configured]
        assert ours, name
        assert [address for address in ours if "127.0.0.1" not in address.ip] == [], name


def test_each_flink_process_has_its_metrics_port(stack: StackUnderTest) -> None:
    first = stack.config.ports.flink_metrics
    for port, metric in ((first, b"flink_jobmanager_"), (first + 1, b"flink_taskmanager_")):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            assert metric in response.read()


def test_slots_are_offered(stack: StackUnderTest) -> None:
    overview = get_json(f"http://127.0.0.1:{stack.config.ports.flink_rest}/overview")
    assert overview["slots-total"] == stack.config.flink.slots


def test_key_is_made_once_and_reaches_workers_by_environment_only(stack: StackUnderTest) -> None:
    file = stack.config.local_pii_key_file
    key = file.read_text()
    assert len(key) == 64 and stat.S_IMODE(file.stat().st_mode) == 0o600
    taskmanager = psutil.Process(pids(stack)["flink_taskmanager"])
    assert taskmanager.environ()["DMP_PII_KEY_FILE"] == str(file)
    for name, pid in pids(stack).items():
        process = psutil.Process(pid)
        assert key not in " ".join(process.cmdline())
        assert name.startswith("flink") or "DMP_PII_KEY_FILE" not in process.environ()


def test_flink_command_reaches_the_cluster(stack: StackUnderTest) -> None:
    running = Stack(stack.config)
    done = subprocess.run(
        [str(running.flink_command()), "list"], env=running.environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "jobs" in done.stdout.lower(), done.stdout + done.stderr


def test_port_in_use_is_named_with_its_user(make_stack: Callable[..., StackUnderTest]) -> None:
    made = make_stack()
    port = made.config.ports.elasticsearch
    with socket.create_server(("127.0.0.1", port)):
        done = made.dmp("up")
    assert done.returncode == 2
    expected = (
        f"dmp: port {port}, which elasticsearch needs, is in use by {psutil.Process().name()} (pid {os.getpid()})"
    )
    assert expected in done.stderr
    assert not any(server["pid"] for server in status(made).values())


def test_too_little_memory_is_told_before_anything_starts(make_stack: Callable[..., StackUnderTest]) -> None:
    made = make_stack()
    made.env["DMP_MEMORY__KAFKA_HEAP"] = "1000000000"
    done = made.dmp("up")
    assert done.returncode == 2 and "MiB of memory are available" in done.stderr and "[memory]" in done.stderr


def test_server_that_cannot_start_shows_its_last_words(make_stack: Callable[..., StackUnderTest]) -> None:
    made = make_stack()
    (made.config.stack.data_dir / "kafka").mkdir(parents=True)
    (made.config.stack.data_dir / "kafka" / "data").write_text("not a folder")
    done = made.dmp("up")
    last_line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and last_line.startswith("dmp: Kafka cannot format its data folder")


def test_down_ends_a_half_started_server_and_purge_removes_its_files(
    make_stack: Callable[..., StackUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_stack()
    running = Stack(made.config)
    (kafka,) = [server for server in running.servers if server.name == "kafka"]
    kafka.surroundings.logs.mkdir(parents=True)
    monkeypatch.setattr("uuid.uuid4", lambda: uuid.UUID(bytes=b"\xf8" * 16))  # in base64 it begins with a dash
    process = kafka.start()
    assert made.dmp("down", "--purge").returncode == 0
    process.wait(10)
    assert find({kafka.identity: kafka.main_class})[kafka.identity].all == []
    assert not made.config.stack.data_dir.exists()
    assert made.dmp("down").returncode == 0  # and harmless when nothing is left


def test_purge_tells_what_it_cannot_remove(make_stack: Callable[..., StackUnderTest]) -> None:
    made = make_stack()
    data_dir = made.config.stack.data_dir
    folder = data_dir / "flink" / "tmp"
    folder.mkdir(parents=True)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        done = made.dmp("down", "--purge")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"dmp: the servers are stopped, but {data_dir} cannot be removed (tmp: ")
    assert made.dmp("down", "--purge").returncode == 0 and not data_dir.exists()


@pytest.mark.parametrize(("home", "expected"), [("", "JAVA_HOME is not set"), ("/nowhere", "has no working bin/java")])
def test_unfit_java_home(make_stack: Callable[..., StackUnderTest], home: str, expected: str) -> None:
    made = make_stack()
    made.env.update({"DMP_STACK__JAVA": "java_home", "JAVA_HOME": home})
    done = made.dmp("up")
    assert done.returncode == 2 and expected in done.stderr
