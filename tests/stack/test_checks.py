"""The checks before a start that no real machine can be brought to fail on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from dmp.config import Config
from dmp.errors import UserError
from dmp.stack import Stack, checks
from dmp.stack.flink import PROJECT
from tests.waiting import wait_for


def test_small_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks.check_disk(tmp_path)
    monkeypatch.setattr(checks, "MIN_FREE_DISK_MB", 1 << 40)
    with pytest.raises(UserError, match=rf"MiB are free on the disk of {tmp_path}.*stack\.data_dir"):
        checks.check_disk(tmp_path)


def test_the_servers_need_what_the_readme_asks_for(config: Config) -> None:
    """Peaks of docs/benchmarks.md are 5.5 GiB, and the Python workers of jobs that are not in there less than 0.6."""
    needed = sum(server.memory_mb for server in Stack(config).servers)
    assert "6.5 GiB of free memory" in (PROJECT / "README.md").read_text(encoding="utf-8")
    assert 6.1 * 1024 < needed <= 6.5 * 1024


# Its main thread ends at once, as that of a killed JVM does, and another one holds the port for a while.
DYING = """
import ctypes, os, socket, threading, time
listener = socket.create_server(("127.0.0.1", 0))
def end():
    time.sleep(1)
    os._exit(0)
threading.Thread(target=end).start()
print(listener.getsockname()[1], flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_the_port_of_a_server_that_is_just_dying_is_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", DYING], stdout=subprocess.PIPE) as dying:
        assert dying.stdout is not None
        server = SimpleNamespace(name="kafka", ports=[int(dying.stdout.readline())])
        main = psutil.Process(dying.pid)
        wait_for("the end of its main thread", lambda: main.status() == psutil.STATUS_ZOMBIE, 10, pause_seconds=0.01)
        checks.check_ports([server])  # type: ignore[list-item]
        assert dying.wait(10) == 0
