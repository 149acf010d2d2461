"""What the stack needs to know of a server."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template
from typing import Any

from dmp.config import Config
from dmp.stack.artifacts import ArtifactCache
from dmp.stack.java import java_home

PROBE_SECONDS = 5
POST_SECONDS = 60

# The servers are on this machine: a proxy from the environment must not be asked for them.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Surroundings:
    """What all servers share."""

    config: Config
    artifacts: ArtifactCache

    @cached_property
    def java_home(self) -> Path:
        return java_home(self.config)

    @property
    def data_dir(self) -> Path:
        return self.config.stack.data_dir

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"


class Server(ABC):
    """One local server: how to start it, where it answers, where it logs."""

    name: str
    main_class: str  # stands on the command line of its JVM
    address: str
    ports: list[int]
    memory_mb: int  # what it needs when it works, roughly
    log: Path

    def __init__(self, surroundings: Surroundings):
        self.surroundings = surroundings
        self.config = surroundings.config

    @property
    def identity(self) -> str:
        """Names this server of this stack among all processes of the machine."""
        return f"{self.surroundings.data_dir.resolve()}:{self.name}"

    @property
    def output(self) -> Path:
        """What the process prints before its logging works."""
        return self.surroundings.logs / f"{self.name}.out"

    @abstractmethod
    def start(self) -> subprocess.Popen[bytes]:
        """Write its configuration and start it; returns at once. Raises UserError if it cannot work here."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers as it should."""


def get_json(url: str) -> Any:
    """The JSON body of a successful GET, None when the server does not answer so."""
    try:
        with _opener.open(url, timeout=PROBE_SECONDS) as response:
            return json.load(response)
    except (OSError, ValueError):
        return None


def post_json(url: str, body: Any) -> Any:
    """The JSON body of the answer to a POST, a refusal included; None when the server does not answer so."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        try:
            response = _opener.open(request, timeout=POST_SECONDS)
        except urllib.error.HTTPError as refusal:
            response = refusal
        with response:
            return json.load(response)
    except (OSError, ValueError):
        return None


def render(template: Path, target: Path, **values: object) -> None:
    """Fill the ${NAME} placeholders of a configuration file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(Template(template.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
