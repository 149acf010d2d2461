"""Finding and stopping server processes, tried on small Python processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import psutil
import pytest

from dmp.stack.process import clean_environment, find, spawn, stop

# Starts a child, ignores SIGTERM when told to, then waits.
SERVER = """
import signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    identity = f"{tmp_path}:server"

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        output = tmp_path / f"{len(started)}.out"
        process = spawn(identity, [sys.executable, "-c", SERVER, *arguments], clean_environment(), output)
        started.append(process)
        while b"started" not in output.read_bytes():
            time.sleep(0.02)
        return process

    yield start
    stop(find({identity: "Main"}).values(), 5)
    for process in started:
        process.wait(5)


def test_server_and_its_children_are_found_by_what_they_inherit(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start("Main")
    identity, other = f"{tmp_path}:server", f"{tmp_path}:other"
    found = find({identity: "Main", other: "Main"})
    assert found[identity].main is not None and found[identity].main.pid == process.pid
    assert len(found[identity].all) == 2 and found[identity].memory_mb() > 0
    assert found[other].main is None and found[other].all == []


def test_half_started_server_is_found_without_a_main_process(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start("only-a-script-so-far")
    found = find({f"{tmp_path}:server": "Main"})[f"{tmp_path}:server"]
    assert found.main is None and len(found.all) == 2


@pytest.mark.parametrize("arguments", [("Main",), ("Main", "stubborn"), ("only-a-script-so-far",)])
def test_stop_leaves_nothing(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]], arguments: list[str]
) -> None:
    start(*arguments)
    identity = f"{tmp_path}:server"
    processes = find({identity: "Main"})[identity].all
    stop(find({identity: "Main"}).values(), 1)
    assert find({identity: "Main"})[identity].all == []
    assert not any(psutil.pid_exists(p.pid) and p.is_running() and p.status() != "zombie" for p in processes)


def test_children_of_a_killed_server_do_not_escape(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start("Main")
    process.kill()
    process.wait(5)
    identity = f"{tmp_path}:server"
    orphans = find({identity: "Main"})[identity]
    assert orphans.main is None and len(orphans.all) == 1
    stop([orphans], 5)
    assert find({identity: "Main"})[identity].all == []


def test_secrets_and_settings_of_other_programs_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DMP_PII_KEY", "JAVA_TOOL_OPTIONS", "ES_JAVA_OPTS", "FLINK_CONF_DIR", "HADOOP_CLASSPATH"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    environment = clean_environment()
    assert "x" not in [value for name, value in environment.items() if name != "SOMETHING_ELSE"]
    assert environment["SOMETHING_ELSE"] == "x"
