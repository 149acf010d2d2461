"""A file that is still being written, like `tail -F`: new lines as they come, through rotation and truncation.

What was rotated away while nobody was reading is found beside the file by its name and read first, from its own
checkpoint; so a collector that is restarted after a night goes on as if it had been there, as long as the older files
are kept uncompressed.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import BinaryIO, Optional

from connectors.collect.files import (
    CHECKPOINTS_TOPIC,
    Checkpoint,
    FileSender,
    Format,
    Summary,
    Target,
    checkpoints,
    identity,
    open_text,
    resume_offset,
)
from connectors.kafka.producers import TakenOver
from connectors.kafka.topics import ensure_topics
from connectors.logs import log
from dmp.config import KafkaSection
from dmp.errors import UserError

LOGGER = logging.getLogger("dmp.collect.follow")
POLL_SECONDS = 0.2
QUIET_SECONDS = 2.0
"""A file that has been replaced is left once nothing has come into it for so long: its writer may not know yet."""
RETRY_SECONDS = 1.0


def follow(path: Path, form: Format, target: Target, restart: bool) -> Summary:
    """Until a stop is requested. Kafka may go away meanwhile and come back.

    UserError: the file is not there in the beginning or cannot be read, Kafka is away then, or another collector takes
    over.
    """
    follower = _Follower(path, form, target, restart)
    while not target.stop.signal:
        try:
            follower.follow()
        except TakenOver:
            raise
        except UserError as error:
            if not follower.began:
                raise
            log(LOGGER, "interrupted, trying again", logging.WARNING, reason=str(error))
            time.sleep(RETRY_SECONDS)
    return follower.total


class _Follower:
    """One path, whatever files stand there in the course of time. `began` once something could be sent."""

    def __init__(self, path: Path, form: Format, target: Target, restart: bool) -> None:
        self._path, self._form, self._target, self._restart = path, form, target, restart
        self.began = False
        self.total = Summary()
        open_text(path).close()  # so that one learns at once if it is not there

    def follow(self) -> None:
        """Read files that were rotated away, then the one that stands at the path until that is another one."""
        for older in [] if self._restart else unread(self._path, self._form, self._target.destination.kafka):
            log(LOGGER, "reading what was rotated away", path=str(older))
            with open_text(older) as file:
                self._send(FileSender(file, older, self._form, self._target), with_last=True)
            if self._target.stop.signal:
                return
        while not self._path.exists():  # between being moved away and being made anew
            if self._stopped_within(POLL_SECONDS):
                return
        with open_text(self._path) as file:
            self._follow_file(file)

    def _follow_file(self, file: BinaryIO) -> None:
        sender = FileSender(file, self._path, self._form, self._target, self._restart)
        self._restart = False
        log(LOGGER, "following", path=str(self._path), offset=sender.offset)
        quiet_since = time.monotonic()
        while True:
            if self._send(sender, with_last=False):
                quiet_since = time.monotonic()
            if self._replaced(file) and time.monotonic() - quiet_since > QUIET_SECONDS:
                self._send(sender, with_last=True)
                log(LOGGER, "replaced, going on with the new file", path=str(self._path))
                return
            if self._stopped_within(POLL_SECONDS):
                return

    def _send(self, sender: FileSender, with_last: bool) -> bool:
        """What has come into the file; whether there was something."""
        before, sender.summary = sender.offset, Summary()
        sender.send(with_last)
        self.began = True
        if sender.offset < before:
            log(LOGGER, "truncated, read from its beginning", path=str(self._path))
        self.total.sent += sender.summary.sent
        self.total.empty += sender.summary.empty
        self.total.cut += sender.summary.cut
        return sender.offset != before

    def _replaced(self, file: BinaryIO) -> bool:
        """Whether another file stands at the path by now."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return not os.path.samestat(there, os.fstat(file.fileno()))

    def _stopped_within(self, seconds: float) -> bool:
        time.sleep(seconds)
        return bool(self._target.stop.signal)


def unread(path: Path, form: Format, kafka: KafkaSection) -> list[Path]:
    """Files beside `path` that were rotated away and hold what has not been sent, the oldest first.

    They are among those whose name begins with the path's, from the first one on of which something was sent.
    """
    ensure_topics(kafka, [CHECKPOINTS_TOPIC])
    known = checkpoints(kafka)
    beside = (file for file in path.absolute().parent.iterdir() if file.name.startswith(path.name) and file.is_file())
    found: list[Path] = []
    for file in sorted((file for file in beside if file.name != path.name), key=lambda file: file.stat().st_mtime_ns):
        checkpoint = _checkpoint(file, form, known)
        if found or (checkpoint and checkpoint.path.startswith(str(path.absolute()))):
            found.append(file)
    return [file for file in found if not _was_sent(file, _checkpoint(file, form, known)) and _is_text(file)]


def _checkpoint(path: Path, form: Format, known: dict[str, Checkpoint]) -> Optional[Checkpoint]:
    with path.open("rb") as file:
        return known.get(identity(file, form))


def _was_sent(path: Path, checkpoint: Optional[Checkpoint]) -> bool:
    with path.open("rb") as file:
        return resume_offset(file, checkpoint) == path.stat().st_size


def _is_text(path: Path) -> bool:
    try:
        open_text(path).close()
    except UserError as error:
        log(LOGGER, "left out", logging.WARNING, reason=str(error))
        return False
    return True
