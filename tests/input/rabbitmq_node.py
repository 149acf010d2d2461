"""A real RabbitMQ node in a folder of its own, on free ports."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Optional

import pytest

from connectors.rabbitmq import connect, lost_connection
from tests.input.running import PATIENCE_SECONDS, free_port, wait_for

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in the PATH would change to another user
EPMD = shutil.which("epmd")
needs_rabbitmq = pytest.mark.skipif(not (SERVER.exists() and EPMD), reason="needs Debian's rabbitmq-server")


class Node:
    """Started by `start`, also again after `kill`; its data stays. `url` is for its user guest."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self._folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._epmd_port = free_port()
        self._server: Optional[subprocess.Popen[bytes]] = None
        # Erlang's name service would otherwise be started on the side, and stay.
        self._epmd = subprocess.Popen([str(EPMD), "-address", "127.0.0.1", "-port", str(self._epmd_port)])

    def start(self) -> None:
        settings = {
            "NODENAME": f"test{self.port}@localhost",
            "NODE_IP_ADDRESS": "127.0.0.1",
            "NODE_PORT": str(self.port),
            "DIST_PORT": str(free_port()),
            "MNESIA_BASE": str(self._folder / "data"),
            "LOG_BASE": str(self._folder / "log"),
            "CONFIG_FILE": str(self._folder / "none"),
            "CONF_ENV_FILE": str(self._folder / "none"),
            "ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "PID_FILE": str(self._folder / "pid"),
        }
        env = {**os.environ, **{f"RABBITMQ_{name}": value for name, value in settings.items()}}
        env.update(HOME=str(self._folder), ERL_EPMD_PORT=str(self._epmd_port), ERL_EPMD_ADDRESS="127.0.0.1")
        with (self._folder / "output").open("ab") as output:
            self._server = subprocess.Popen(
                [str(SERVER)], env=env, cwd=self._folder, stdout=output, stderr=output, start_new_session=True
            )
        wait_for("RabbitMQ", self._ready)

    def _ready(self) -> bool:
        assert self._server and self._server.poll() is None, (self._folder / "output").read_text()
        return asyncio.run(self._lets_in())

    async def _lets_in(self) -> bool:
        with suppress(*lost_connection()):
            await (await connect(self.url)).close()
            return True
        return False

    def kill(self) -> None:
        """kill -9 of the node and its helpers."""
        if self._server:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait(PATIENCE_SECONDS)
            self._server = None

    def close(self) -> None:
        self.kill()
        self._epmd.kill()
        self._epmd.wait(PATIENCE_SECONDS)
