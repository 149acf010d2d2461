"""Server processes: started detached, found again by what they carry, stopped together with their children.

Every process of a server inherits one environment variable that names the stack and the server. So the process
table itself is the record: there is no pid file that could be stale, and nothing of a half-started server, not
even a Python worker that outlived its TaskManager, escapes `find`.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dmp.errors import UserError

MARKER = "_DMP_SERVER"

# What must not leak from the caller's shell into the servers.
FOREIGN_PREFIXES = ("FLINK_", "ES_", "KAFKA_", "HADOOP_", "YARN_", "HBASE_", "_FLINK", "_PYFLINK", "PYFLINK_")
FOREIGN_NAMES = (
    "JAVA_HOME",
    "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "JVM_ARGS",
    "CLASSPATH",
)


@dataclass(frozen=True)
class User:
    """An account to start a process as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> User:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise UserError(
                f"there is no user {name}: set stack.elasticsearch_user to an existing, unprivileged one"
            ) from None
        if entry.pw_uid == 0:
            raise UserError(
                "Elasticsearch refuses to run as root: set stack.elasticsearch_user to an unprivileged user"
            )
        return cls(name, entry.pw_uid, entry.pw_gid)

    def can(self, *command: str) -> bool:
        """Whether a command succeeds as this user."""
        try:
            return subprocess.run(command, capture_output=True, cwd="/", **self.popen_arguments()).returncode == 0
        except PermissionError:
            return False

    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Running:
    """The processes of one server: `main` is its JVM, None while (or if) there is none; `all` includes it."""

    main: psutil.Process | None
    all: list[psutil.Process]

    def memory_mb(self) -> int:
        """Resident memory of all processes in MiB."""
        return sum(_rss(process) for process in self.all) >> 20


def clean_environment() -> dict[str, str]:
    """The caller's environment without settings meant for other Java programs."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*FOREIGN_PREFIXES, "DMP_")) and name not in FOREIGN_NAMES
    }


def spawn(
    identity: str, command: Sequence[str], environment: Mapping[str, str], output: Path, user: User | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that it survives this command and its terminal.

    A JVM that crashes leaves its report beside `output`: in the folder that it works in.
    """
    with output.open("wb") as stream:
        return subprocess.Popen(
            list(command),
            env={**environment, MARKER: identity},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=output.parent,
            start_new_session=True,
            **(user.popen_arguments() if user else {}),  # type: ignore[call-overload]
        )


def find(main_classes: Mapping[str, str]) -> dict[str, Running]:
    """The running processes of each server, given the main class of each server's identity."""
    found: dict[str, list[psutil.Process]] = {identity: [] for identity in main_classes}
    for process in psutil.process_iter():
        try:
            identity = process.environ().get(MARKER, "")
        except (psutil.Error, OSError):  # somebody else's, or gone meanwhile
            continue
        if identity in found:
            found[identity].append(process)
    return {
        identity: Running(next((p for p in processes if main_classes[identity] in _command_line(p)), None), processes)
        for identity, processes in found.items()
    }


def stop(processes: Iterable[Running], grace_seconds: float) -> None:
    """End servers: politely their JVMs first, then whatever is left."""
    running = list(processes)
    main = [server.main for server in running if server.main]
    everything = [process for server in running for process in server.all]
    _signal(main, "terminate")
    _wait(main, grace_seconds)
    _signal(everything, "kill")
    _wait(everything, grace_seconds)


def _signal(processes: Iterable[psutil.Process], method: str) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            getattr(process, method)()  # psutil refuses when the pid meanwhile belongs to another process


def _wait(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Wait until all have ended; one whose parent has not taken notice yet (a zombie) has ended, too."""
    deadline = time.monotonic() + seconds
    while any(_runs(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE  # type: ignore[no-any-return]
    except psutil.NoSuchProcess:
        return False


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()  # type: ignore[no-any-return]
    except psutil.Error:
        return []


def _rss(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss  # type: ignore[no-any-return]
    except psutil.Error:
        return 0
