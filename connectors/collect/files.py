"""Lines of a file into Kafka, each exactly once however often the collector is interrupted and run again.

The events and the position up to which the file has been read are written in one Kafka transaction, so that neither is
ever there without the other. A file is known by device and inode; the hashes of its beginning and of what
comes just before the position tell when it is another file by now (inode reused, truncated, overwritten).
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple, Optional

import orjson

from connectors.kafka.consumers import read_committed
from connectors.kafka.messages import MAX_EVENT_BYTES, Destination, Message
from connectors.kafka.producers import Producer
from connectors.kafka.topics import Topic, ensure_topics
from connectors.stop import StopRequest
from dmp.config import KafkaSection
from dmp.errors import UserError

CHECKPOINTS = "dmp.collect.checkpoints"
CHECKPOINTS_TOPIC: Topic = {"name": CHECKPOINTS, "partitions": 1, "config": {"cleanup.policy": "compact"}}
TRANSACTION_LINES = 50_000
TRANSACTION_SECONDS = 1.0  # readers of committed events wait for so long
HASHED_BYTES = 1024
CUT_LINE_HEAD_BYTES = 48 * 1024

SIGNATURES = {
    b"\x1f\x8b": "gzip-compressed", b"BZh": "bzip2-compressed", b"\xfd7zXZ\x00": "xz-compressed",
    b"\x28\xb5\x2f\xfd": "zstd-compressed", b"PK\x03\x04": "a zip archive", b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text", b"\x7fELF": "a program", b"PAR1": "a Parquet file",
}  # fmt: skip


class Line(NamedTuple):
    """A line of the file: where it begins, its bytes without the line end (at most MAX_EVENT_BYTES + 1), and its length
    with the line end."""

    offset: int
    data: bytes
    length: int


Convert = Callable[[Line], Optional[Message]]
"""What makes a message of a line; None for a line that is no event, such as a header."""

Read = Callable[[BinaryIO, int, bool], Iterator[Line]]


@dataclass(frozen=True)
class Checkpoint:
    """Up to where a file has been sent. `head` and `tail` are SHA-256 of its first `head_bytes` bytes and of up to
    HASHED_BYTES bytes before `offset`."""

    offset: int
    head_bytes: int
    head: str
    tail: str
    path: str


@dataclass
class Summary:
    """What one run did; `resumed_at` is the byte at which it began, 0 for the beginning of the file."""

    resumed_at: int = 0
    sent: int = 0
    empty: int = 0
    cut: int = 0
    finished: bool = True


@dataclass(frozen=True)
class Format:
    """How the lines of a file become events. `name` tells collectors of the same file apart; `convert` gets the file's
    first line; `read` splits a file into what is one event, from a position on, and with False leaves out a last line
    that has no end yet."""

    name: str
    convert: Callable[[bytes], Convert]
    read: Read


@dataclass(frozen=True)
class Target:
    """Where events go, and what else a collector of files is given."""

    destination: Destination
    stop: StopRequest
    progress: Callable[[int], None]


def collect(path: Path, form: Format, target: Target, restart: bool) -> Summary:
    """Send every line of the file that has not been sent before.

    With `restart` the file is read from its beginning again. The target's `progress` is called with numbers of bytes,
    the part sent by earlier runs first. Ends early, but leaving nothing half-done, when asked to stop.
    UserError: the file cannot be read or is no text, Kafka is away, or another collector is reading the same file.
    """
    with open_text(path) as file:
        sender = FileSender(file, path, form, target, restart)
        target.progress(sender.offset)
        sender.send()
        sender.summary.finished = not target.stop.signal
        return sender.summary


class FileSender:
    """One open file on its way to Kafka: `offset` is the position up to which it has been sent."""

    def __init__(self, file: BinaryIO, path: Path, form: Format, target: Target, restart: bool = False) -> None:
        self._file, self._path, self._form, self._target = file, path, form, target
        self._identity = identity(file, form)
        self._convert: Optional[Convert] = None
        kafka, topic, partitioner = target.destination
        ensure_topics(kafka, [CHECKPOINTS_TOPIC])
        # The order matters: this ends a transaction of a killed predecessor, whose position is known only then.
        ids = f"dmp.collect.{self._identity}"
        self._producer = Producer(kafka, [topic, CHECKPOINTS], ids, {topic: partitioner})
        self._checkpoint = None if restart else checkpoints(kafka).get(self._identity)
        self.offset = resume_offset(file, self._checkpoint)
        self.summary = Summary(resumed_at=self.offset)

    def send(self, with_last: bool = True) -> None:
        """Everything up to the end of the file, or until a stop is requested; a file that has become another one from
        its beginning. Without `with_last`, a last line that has no end yet waits for it."""
        self.offset = resume_offset(self._file, self._checkpoint)
        if self.offset == 0:
            self._file.seek(0)
            self._convert = None
        self._file.seek(self.offset)
        lines = self._form.read(self._file, self.offset, with_last)
        while not self._target.stop.signal and self._send_some(lines):
            pass

    def _send_some(self, lines: Iterator[Line]) -> bool:
        """One transaction; False when there was nothing to send."""
        first = next(lines, None)
        if first is None:
            return False
        until = time.monotonic() + TRANSACTION_SECONDS
        with self._producer.transaction():
            for count, line in enumerate(chain([first], lines), start=1):
                self._send_line(line)
                if count >= TRANSACTION_LINES or self._target.stop.signal or time.monotonic() > until:
                    break
            end = line.offset + line.length
            checkpoint = take_checkpoint(self._file, self._path, end)
            self._producer.send(CHECKPOINTS, orjson.dumps(asdict(checkpoint)), self._identity.encode())
        self.offset, self._checkpoint = end, checkpoint
        return True

    def _send_line(self, line: Line) -> None:
        if not line.data:
            self.summary.empty += 1
        elif message := self._message(line):
            self.summary.sent += 1
            self._producer.send(self._target.destination.topic, message.value, message.key)
        self._target.progress(line.length)

    def _message(self, line: Line) -> Optional[Message]:
        if len(line.data) > MAX_EVENT_BYTES:
            self.summary.cut += 1
            return Message(cut_line(line))
        if self._convert is None:
            self._convert = self._form.convert(_first_line(self._file))
        return self._convert(line)


def _first_line(file: BinaryIO) -> bytes:
    return os.pread(file.fileno(), MAX_EVENT_BYTES, 0).partition(b"\n")[0]


def identity(file: BinaryIO, form: Format) -> str:
    """By which the collectors of a format know a file again, whatever its name."""
    status = os.fstat(file.fileno())
    return f"{form.name}:{platform.node()}:{status.st_dev}:{status.st_ino}"


class LineIds:
    """Ids of lines by the file's first line, the line's position and the line: the same whenever and from whatever copy
    of the file the line is read, different for equal lines."""

    def __init__(self, first_line: bytes) -> None:
        self._file = hashlib.sha256(without_line_end(first_line))

    def of(self, line: Line) -> str:
        """32 hex digits."""
        position = self._file.copy()
        position.update(b"%d\n%b" % (line.offset, line.data))
        return position.hexdigest()[:32]


def open_text(path: Path) -> BinaryIO:
    """The file, opened for reading bytes. UserError if that is impossible or it obviously does not consist of lines."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path} is no regular file: give a file that can be read again from any position")
        file = path.open("rb", buffering=1024 * 1024)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check the path and its permissions") from error
    head = file.read(8)
    file.seek(0)
    for signature, what in SIGNATURES.items():
        if head.startswith(signature):
            file.close()
            raise UserError(f"{path} is {what}: unpack or convert it to UTF-8 text first")
    return file


def read_lines(file: BinaryIO, offset: int, with_last: bool = True) -> Iterator[Line]:
    """The lines from the file's position on, which is `offset`. Only the beginning of too long a line is kept.

    Without `with_last`, a last line that has no line end is left out.
    """
    while True:
        data = piece = file.readline(MAX_EVENT_BYTES + 2)
        length = len(data)
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(MAX_EVENT_BYTES)
            length += len(piece)
        if not length or not (with_last or piece.endswith(b"\n")):
            return
        yield Line(offset, without_line_end(data)[: MAX_EVENT_BYTES + 1], length)
        offset += length


def without_line_end(data: bytes) -> bytes:
    """A line without its LF or CR LF."""
    if data.endswith(b"\n"):
        data = data[:-1]
    return data[:-1] if data.endswith(b"\r") else data


def cut_line(line: Line) -> bytes:
    """The stand-in for a line that no message can carry: an object large enough to be rejected as too large, as the
    line would have been, with its length and its beginning."""
    head = line.data[:CUT_LINE_HEAD_BYTES].decode("utf-8", "replace")
    return orjson.dumps({"cutLine": {"bytes": line.length, "offset": line.offset, "head": head}})


def take_checkpoint(file: BinaryIO, path: Path, offset: int) -> Checkpoint:
    """What is to be remembered when the file has been sent up to `offset`."""
    head_bytes = min(HASHED_BYTES, offset)
    return Checkpoint(offset, head_bytes, _hash(file, 0, head_bytes), _hash_before(file, offset), str(path.absolute()))


def resume_offset(file: BinaryIO, checkpoint: Optional[Checkpoint]) -> int:
    """Where to go on: behind what was sent, or at the beginning of a file that has no checkpoint or is another one now.

    A last line that had no line end and has grown since is sent again as a whole.
    """
    if checkpoint is None:
        return 0
    offset = checkpoint.offset
    if os.fstat(file.fileno()).st_size < offset:
        return 0
    if _hash(file, 0, checkpoint.head_bytes) != checkpoint.head or _hash_before(file, offset) != checkpoint.tail:
        return 0
    around = os.pread(file.fileno(), 2, offset - 1)
    if around[:1] == b"\n" or around[1:] in (b"", b"\r", b"\n"):
        return offset
    return _begin_of_line(file, offset)


def _begin_of_line(file: BinaryIO, offset: int) -> int:
    """Where the line begins that the byte before `offset` belongs to."""
    while offset > 0:
        start = max(offset - HASHED_BYTES, 0)
        found = os.pread(file.fileno(), offset - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        offset = start
    return 0


def _hash_before(file: BinaryIO, offset: int) -> str:
    start = max(offset - HASHED_BYTES, 0)
    return _hash(file, start, offset - start)


def _hash(file: BinaryIO, start: int, length: int) -> str:
    return hashlib.sha256(os.pread(file.fileno(), length, start)).hexdigest()


def checkpoints(kafka: KafkaSection) -> dict[str, Checkpoint]:
    """The last checkpoint of every file by its identity."""
    # Another collector's open transaction could hide our own last checkpoint.
    records = read_committed(kafka, CHECKPOINTS, wait_for_open=True)
    last = {record.key.decode(): record.value for record in records if record.value}
    return {name: Checkpoint(**orjson.loads(value)) for name, value in last.items()}
