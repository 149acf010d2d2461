"""What the peers of our jobs share. Each is a program that reads a topic of raw messages from beginning to end, cleans
them by the project's own pure code, counts each event once into the windows of `metrics`, tells on its output whenever
it has read so many more messages, and leaves the windows in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from bench.processes import Watch
from bench.progress import Run, Sample, measured
from bench.topics import Windows
from bench.workload import RawTopic
from dmp.config import KafkaSection, load_config
from dmp.core.cleaning import Cleaner
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from dmp.jobs import PROJECT


class Peer(NamedTuple):
    """What a peer is to do."""

    kafka: KafkaSection
    raw: RawTopic
    window_ms: int

    @staticmethod
    def tell(read: int) -> None:
        """So many more messages have been read."""
        print(read, flush=True)


def cleaner() -> Cleaner:
    """That of the platform's defaults; pseudonyms by any key count alike."""
    return Cleaner(CleaningRules(), PrivacyKeys(b"bench"))


def main(run: Callable[[Peer], Windows]) -> None:
    """The program of a peer."""
    name, messages, file = sys.argv[1:]
    config = load_config()
    found = run(Peer(config.kafka, RawTopic(name, int(messages)), config.windows.seconds * 1000))
    Path(file).write_text(json.dumps(list(found.items())), encoding="utf-8")


def wanting(peer: str) -> str:
    """What a peer needs and does not have; empty when it can run."""
    package = {"plain": "orjson", "bytewax": "bytewax", "spark": "pyspark"}[peer]
    if find_spec(package) is None:
        return f"the package {package}"
    return "JAVA_HOME with a full Java 17 or 21" if peer == "spark" and "JAVA_HOME" not in os.environ else ""


def measure(peer: str, raw: RawTopic, kafka_pid: Optional[int]) -> Run:
    """Run the program of a peer in a process of its own."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        begin = time.monotonic()
        command = [sys.executable, "-m", f"bench.engines.{peer}", raw.name, str(raw.messages), file.name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        roots = {peer: process.pid, **({"kafka": kafka_pid} if kafka_pid else {})}
        with Watch(roots) as watch:
            assert process.stdout is not None
            samples = [Sample(0.0, 0)]
            for line in process.stdout:
                if line.strip().isdigit():
                    samples.append(Sample(time.monotonic() - begin, samples[-1].messages + int(line)))
            status = process.wait()
        seconds = time.monotonic() - begin
        if status:
            raise SystemExit(f"the peer {peer} ended with status {status}")
        found = {tuple(key): tuple(row) for key, row in json.loads(Path(file.name).read_text(encoding="utf-8"))}
    return measured(seconds, samples, raw.messages, watch, found)
