"""The pinned Maven artifacts of the local stack: fetched once for each user, verified every time.

`artifacts.json` beside this file is the lock: every file's coordinates, SHA-256, size and purpose
(`dmp.stack.relock` writes it). Downloads go through jgo, which knows the public repository.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from dmp.errors import UserError

LOCK_FILE = Path(__file__).with_name("artifacts.json")
PARALLEL_DOWNLOADS = 6
ATTEMPTS = 3
RETRY_SECONDS = 2
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Artifact:
    """One file of the lock. `coordinates` is groupId:artifactId:version, packaging "jar" or "zip"."""

    coordinates: str
    packaging: str
    sha256: str
    size: int
    purpose: str

    @property
    def filename(self) -> str:
        _, name, version = self.coordinates.split(":")
        return f"{name}-{version}.{self.packaging}"


def read_lock(file: Path = LOCK_FILE) -> list[Artifact]:
    return [Artifact(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


class ArtifactCache:
    """A folder of verified files, safe to use by several processes at once.

    A file appears in it only complete and verified, by an atomic rename. `repository` is the URL of
    a Maven repository to use instead of the public one.
    """

    def __init__(self, folder: Path, repository: str | None = None, artifacts: Sequence[Artifact] | None = None):
        self.folder = folder / "artifacts"
        self.repository = repository
        self.artifacts = list(artifacts) if artifacts is not None else read_lock()

    def paths(self, purpose: str) -> list[Path]:
        """The files for one purpose; they exist after `fetch`."""
        return [self.folder / artifact.filename for artifact in self.artifacts if artifact.purpose == purpose]

    def missing(self) -> list[Artifact]:
        """Artifacts that are not in the cache, or not as the lock says they must be."""
        return [artifact for artifact in self.artifacts if not _verified(self.folder / artifact.filename, artifact)]

    def fetch(self, console: Console) -> None:
        """Download what is missing, with a progress bar.

        Raises UserError when the repository cannot be reached, or sends something else than the lock says.
        """
        missing = self.missing()
        if not missing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=console) as progress, ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            task = progress.add_task(f"Downloading {len(missing)} files", total=sum(a.size for a in missing))
            list(pool.map(lambda artifact: self._fetch_one(artifact, progress, task), missing))

    def _fetch_one(self, artifact: Artifact, progress: Progress, task: TaskID) -> None:
        # In a folder of its own until verified: jgo writes straight to the final name of its repository.
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".download-") as scratch:
            file = self._download(artifact, Path(scratch), lambda count: progress.advance(task, count))
            if not _verified(file, artifact):
                raise UserError(
                    f"the download of {artifact.coordinates} is corrupted (its SHA-256 is not the one in "
                    f"{LOCK_FILE.name}): try again, or check the proxy or stack.maven_repository"
                )
            file.replace(self.folder / artifact.filename)

    def _download(self, artifact: Artifact, scratch: Path, advance: Callable[[int], None]) -> Path:
        import requests  # here, because commands that need no download should not wait for these imports
        from jgo.maven import MavenContext, PythonResolver

        resolver = PythonResolver(progress_callback=_progress_callback(advance))
        remote = {"configured": self.repository} if self.repository else None
        group, name, version = artifact.coordinates.split(":")
        for attempt in range(ATTEMPTS):
            context = MavenContext(resolver, scratch / str(attempt), remote_repos=remote, timeout=TIMEOUT_SECONDS)
            wanted = context.project(group, name).at_version(version).artifact(packaging=artifact.packaging)
            try:
                return wanted.resolve()
            except RuntimeError:  # jgo's answer to any status but 200
                where = self.repository or "the public Maven repository"
                raise UserError(f"{where} does not have {artifact.coordinates}: check stack.maven_repository") from None
            except (requests.RequestException, OSError) as error:
                reason = type(error).__name__
                time.sleep(RETRY_SECONDS)
        raise UserError(
            f"cannot download {artifact.coordinates} ({reason}): check the network and the proxy variables, "
            "or set stack.maven_repository to a mirror"
        )


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip with one top folder, once, into `folder`; return that top folder. Atomic."""
    target = folder / archive.stem
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as scratch:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                file = Path(content.extract(member, scratch))
                if not member.is_dir():  # extract() drops the modes, and programs must stay executable
                    file.chmod(0o600 | member.external_attr >> 16 & stat.S_IXUSR)
        unpacked = Path(scratch) / archive.stem
        _open_to_all(unpacked)
        try:
            unpacked.replace(target)
        except OSError:  # another process was faster
            if not target.exists():
                raise
    return target


def copy_tree(source: Path, target: Path) -> Path:
    """Copy a folder, once and atomically, readable by every user."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".copy-") as scratch:
            copied = Path(shutil.copytree(source, Path(scratch) / target.name))
            _open_to_all(copied)
            try:
                copied.replace(target)
            except OSError:
                if not target.exists():
                    raise
    return target


def _open_to_all(root: Path) -> None:
    """Let every user read a tree, and run what its owner may run."""
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _verified(file: Path, artifact: Artifact) -> bool:
    try:
        return file.stat().st_size == artifact.size and sha256(file) == artifact.sha256
    except FileNotFoundError:
        return False


def sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        for block in iter(lambda: content.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _progress_callback(advance: Callable[[int], None]) -> Callable[[str, int], Any]:
    """jgo's protocol: a context manager for each file, which yields a function taking bytes."""

    @contextmanager
    def callback(filename: str, total_size: int) -> Iterator[Callable[[int], None]]:
        yield advance

    return callback
