"""The local stack as a whole: Kafka, Elasticsearch and Flink on this machine, brought up and down together."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from dmp.config import Config
from dmp.errors import UserError
from dmp.stack.artifacts import ArtifactCache
from dmp.stack.checks import check_disk, check_memory, check_ports
from dmp.stack.elasticsearch import Elasticsearch
from dmp.stack.flink import FlinkHome, JobManager, TaskManager
from dmp.stack.kafka import Kafka
from dmp.stack.keys import prepare_keys
from dmp.stack.process import Running, find, stop
from dmp.stack.server import Server, Surroundings

READY_SECONDS = 300  # some 25 s on two free cores, much longer on busy ones; a server that dies is noticed at once
POLL_SECONDS = 0.25
GRACE_SECONDS = 30
LOG_LINES = 15


class Stack:
    """The servers of one data folder. Two data folders with different ports are two independent stacks."""

    def __init__(self, config: Config, console: Console | None = None):
        self.config = config
        self.console = console or Console(stderr=True)
        artifacts = ArtifactCache(config.stack.cache_dir, config.stack.maven_repository)
        self.surroundings = Surroundings(config, artifacts)
        self.flink = FlinkHome(self.surroundings)
        self.servers: list[Server] = [
            JobManager(self.surroundings, self.flink),
            TaskManager(self.surroundings, self.flink),
        ]
        # What the configuration has elsewhere is not started here.
        kafka, elasticsearch = Kafka(self.surroundings), Elasticsearch(self.surroundings)
        if config.kafka.bootstrap_servers == kafka.address:
            self.servers.append(kafka)
        if config.elasticsearch.url == elasticsearch.address:
            self.servers.insert(0, elasticsearch)  # the slowest to become ready is started first

    def up(self, set_up: bool = True) -> None:
        """Bring every server up and, if `set_up`, apply topics and templates; harmless when they already run.

        Raises UserError when something is in the way, or a server does not become ready.
        """
        with self._lock():
            self._make_folders()
            for folder in (self.config.stack.data_dir, self.config.stack.cache_dir):
                check_disk(folder)
            self.surroundings.artifacts.fetch(self.console)
            wanting = self._clear_away_unready()
            check_ports(wanting)
            check_memory(wanting)
            prepare_keys(self.config)
            self.flink.write()
            self._start(wanting)
            if set_up:
                from schemas.setup import apply

                apply(self.config)

    def down(self, purge: bool = False) -> None:
        """Stop every server; with `purge` also remove the data folder. Harmless when nothing runs."""
        if not self.config.stack.data_dir.exists():
            return
        with self._lock():
            running = self._running()
            # Flink first: its jobs would only fill their logs with complaints about the others.
            for servers in ([s for s in self.servers if s.name.startswith("flink")], self.servers):
                stop([running[server.name] for server in servers], GRACE_SECONDS)
            self.flink.clear_tmp()
            if purge:
                self._remove_data()

    def status(self) -> dict[str, dict[str, Any]]:
        """For each server by name: address, ready, pid (None when it does not run), memory_mb, log."""
        running = self._running()
        return {
            server.name: {
                "address": server.address,
                "ready": self._is_ready(server, running[server.name]),
                "pid": getattr(running[server.name].main, "pid", None),
                "memory_mb": running[server.name].memory_mb(),
                "log": str(server.log),
            }
            for server in sorted(self.servers, key=lambda server: server.name)
        }

    def environment(self) -> dict[str, str]:
        """The environment in which Flink's own commands (`flink run`, `sql-client.sh`) reach this cluster."""
        return self.flink.environment()

    def flink_command(self) -> Path:
        """The `flink` program of this cluster's FLINK_HOME."""
        return self.flink.home / "bin" / "flink"

    def _running(self) -> dict[str, Running]:
        found = find({server.identity: server.main_class for server in self.servers})
        return {server.name: found[server.identity] for server in self.servers}

    def _is_ready(self, server: Server, running: Running) -> bool:
        return running.main is not None and server.ready()

    def _clear_away_unready(self) -> list[Server]:
        """The servers to be started. Under the lock nobody else is starting one: what runs unready has failed."""
        running = self._running()
        wanting = [server for server in self.servers if not self._is_ready(server, running[server.name])]
        stop([running[server.name] for server in wanting], GRACE_SECONDS)
        return wanting

    def _start(self, servers: list[Server]) -> None:
        begin = time.monotonic()
        pending = {server: server.start() for server in servers}
        while pending:
            names = ", ".join(server.name for server in pending)
            with self.console.status(f"Waiting for {names}"):
                time.sleep(POLL_SECONDS)
                done = [server for server, process in pending.items() if self._has_come_up(server, process, begin)]
            for server in done:
                del pending[server]
                self.console.print(f"{server.name} is ready after {time.monotonic() - begin:.1f} s", highlight=False)

    def _has_come_up(self, server: Server, process: subprocess.Popen[bytes], begin: float) -> bool:
        """Whether it is ready; raises UserError, after showing its last words, when it will not be."""
        exit_status = process.poll()  # a launcher that has done its work ends with 0
        if server.ready():
            return True
        if exit_status:
            reason = f"{server.name} ended with status {exit_status} while starting"
        elif time.monotonic() - begin > READY_SECONDS:
            reason = f"{server.name} was not ready after {READY_SECONDS} s"
        else:
            return False
        self._show_last_words(server)
        stop([self._running()[server.name]], GRACE_SECONDS)
        raise UserError(f"{reason}: see {server.log} and {server.output}")

    def _show_last_words(self, server: Server) -> None:
        for file in (server.log, server.output):
            if file.exists():
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
                self.console.print("\n".join(lines), markup=False, highlight=False)

    def _make_folders(self) -> None:
        """Folders that only their owner can list: Kafka holds raw events. As root, Elasticsearch's user may pass."""
        mode = 0o711 if os.geteuid() == 0 else 0o700
        data_dir = self.config.stack.data_dir
        modes = {data_dir: mode, self.config.stack.cache_dir: mode, self.surroundings.logs: mode}
        modes.update({data_dir / name: 0o700 for name in ("kafka", "flink", "secrets", "elasticsearch")})
        for folder, wanted in modes.items():
            _make(folder)
            folder.chmod(wanted)

    def _remove_data(self) -> None:
        folder = self.config.stack.data_dir
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise UserError(
                f"the servers are stopped, but {folder} cannot be removed ({error.filename}: {error.strerror}): "
                "unmount what is mounted there, take back what is not yours, and purge again"
            ) from None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One `up` or `down` at a time; a second one waits. The kernel frees the lock of a process that died."""
        _make(self.config.stack.data_dir)
        with (self.config.stack.data_dir / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with self.console.status("Waiting for another dmp up or down to end"):
                    fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {folder} ({error.strerror}): "
            "set stack.data_dir and stack.cache_dir in dmp.toml to folders of your own"
        ) from None
