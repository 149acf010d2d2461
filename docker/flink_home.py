"""FLINK_HOME of the image: links to the jars of the lock file, and Flink's configuration from the DMP_ variables.

The Dockerfile runs it to fetch the jars; the entry point runs it again, because the variables are known only then.
"""

from __future__ import annotations

from rich.console import Console

from dmp.config import load_config
from dmp.stack.artifacts import ArtifactCache, read_lock
from dmp.stack.flink import FlinkHome
from dmp.stack.server import Surroundings

if __name__ == "__main__":
    config = load_config()
    jars = [artifact for artifact in read_lock() if artifact.purpose.startswith("flink-")]
    cache = ArtifactCache(config.stack.cache_dir, config.stack.maven_repository, jars)
    cache.fetch(Console(stderr=True))
    FlinkHome(Surroundings(config, cache)).write()
