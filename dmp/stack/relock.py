"""Maintainer's command: write `artifacts.json` anew after changing a version below.

    .venv/bin/python -m dmp.stack.relock

Resolves the runtime dependencies of each root, downloads every file, and records its SHA-256 and size.
Read the difference before committing it: whatever stands in the lock is what every user will run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from jgo.maven import MavenContext

from dmp.stack.artifacts import LOCK_FILE, TIMEOUT_SECONDS, Artifact, sha256


class Root(NamedTuple):
    """Something the stack needs: its coordinates, what for, and whether its dependencies are needed, too."""

    coordinates: str
    packaging: str
    purpose: str
    transitive: bool = False


ROOTS = (
    Root("org.apache.kafka:kafka_2.13:4.3.1", "jar", "kafka", transitive=True),
    # Kafka logs through SLF4J 1.7 and depends on log4j-core, but not on what ties them together.
    Root("org.apache.logging.log4j:log4j-slf4j-impl:2.25.4", "jar", "kafka"),
    Root("org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.17.4", "zip", "elasticsearch"),
    Root("org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2", "jar", "flink-lib"),
    # Parquet's writer and reader use Hadoop's classes (no server of it): the two jars that hold them with relocated
    # dependencies.
    Root("org.apache.flink:flink-sql-parquet:2.3.0", "jar", "flink-lib"),
    Root("org.apache.hadoop:hadoop-client-api:3.4.2", "jar", "flink-lib"),
    Root("org.apache.hadoop:hadoop-client-runtime:3.4.2", "jar", "flink-lib"),
    Root("org.apache.flink:flink-sql-gateway:2.3.0", "jar", "flink-opt"),
)


def lock() -> Iterator[Artifact]:
    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch), timeout=TIMEOUT_SECONDS)
        for root in ROOTS:
            group, name, version = root.coordinates.split(":")
            wanted = [context.project(group, name).at_version(version).artifact(packaging=root.packaging)]
            if root.transitive:
                _, dependencies = context.resolver.resolve([context.create_dependency(root.coordinates)])
                wanted += [dependency.artifact for dependency in dependencies]
            for artifact in wanted:
                file = artifact.resolve()
                coordinates = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
                yield Artifact(coordinates, artifact.packaging, sha256(file), file.stat().st_size, root.purpose)


if __name__ == "__main__":
    entries = sorted(lock(), key=lambda artifact: (artifact.purpose, artifact.coordinates))
    LOCK_FILE.write_text(json.dumps([asdict(entry) for entry in entries], indent=1) + "\n", encoding="utf-8")
