"""A process that stands still, as on a machine that swaps or a virtual machine that is moved."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import python_workers

SECONDS = 20  # shorter than the heartbeat's timeout of flink-conf
SERVERS = ("flink_jobmanager", "flink_taskmanager", "kafka", "elasticsearch")


class Pause(Fault):
    """SIGSTOP of a server or a Python worker, SIGCONT after 20 seconds."""

    name = "pause a process for 20 s"

    def inject(self) -> None:
        platform = self.site.platform
        name = self.chance.choice((*SERVERS, "python"))
        if name == "python":
            self._process = self.chance.choice(python_workers(platform))
        else:
            self._process = platform.stack.process(name)
        self._process.suspend()

    def endure(self) -> None:
        time.sleep(SECONDS)

    def heal(self) -> None:
        with suppress(AttributeError, psutil.NoSuchProcess):
            self._process.resume()
