"""A full disk under the checkpoints: a small file system of its own, which only root can mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dmp.config import Config
from dmp.stack.server import get_json
from tests.chaos.faults.fault import Fault
from tests.pipeline.platform import wait_for

SIZE = "1g"
BLOCK = bytes(1024 * 1024)


def checkpoint_folder(config: Config) -> Path:
    return config.stack.data_dir / "flink" / "checkpoints"


@contextmanager
def small_disk(config: Config) -> Iterator[None]:
    """The checkpoints on a file system in memory; nothing for users who may not mount one. Before `dmp up`."""
    folder = checkpoint_folder(config)
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


class FullDisk(Fault):
    name = "full disk for checkpoints"

    def missing(self) -> str:
        here = checkpoint_folder(self.site.platform.stack.config).is_mount()
        return "" if here else "the checkpoints are on no file system of their own, which takes root"

    def inject(self) -> None:
        self._failed = self._failures()
        with self._ballast.open("wb") as file:
            try:
                while True:
                    file.write(BLOCK)
                    file.flush()
            except OSError:  # full
                pass

    def endure(self) -> None:
        wait_for("failed checkpoints", lambda: self._failures() > self._failed)

    def heal(self) -> None:
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return checkpoint_folder(self.site.platform.stack.config) / "ballast"

    def _failures(self) -> int:
        """Checkpoints of the pipeline that have failed."""
        cluster = self.site.platform.cluster
        return int(get_json(f"{cluster.rest}/jobs/{cluster.running()['pipeline']}/checkpoints")["counts"]["failed"])
