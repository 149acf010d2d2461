"""The way in: lines are appended to a file, and `dmp collect jsonl FILE --follow` sends them, as users run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from connectors.kafka.consumers import read_committed
from schemas.topics import EVENTS_RAW
from tests.input.running import Running
from tests.stacks import StackUnderTest


class Inflow(Running):
    """A file, and its collector from entering to leaving."""

    def __init__(self, stack: StackUnderTest, folder: Path) -> None:
        self._file = folder / "events.jsonl"
        self._file.touch()
        super().__init__(stack.env, "collect", "jsonl", str(self._file), "--follow", log=folder / "collector.log")
        self._kafka = stack.config.kafka
        self._sent: Counter[bytes] = Counter()

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines; the collector, when it runs, sends them soon."""
        self._sent.update(lines)
        with self._file.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    @property
    def lines(self) -> int:
        """How many have been written."""
        return sum(self._sent.values())

    def wait_until_sent(self) -> None:
        """Until each line is in the raw topic as often as it was written: none lost, none doubled."""
        self.wait_for("all lines in the raw topic", lambda: not self._sent - self._arrived())
        assert self._arrived() == self._sent, "a line was sent twice"

    def _arrived(self) -> Counter[bytes]:
        values = (message.value for message in read_committed(self._kafka, EVENTS_RAW.name))
        return Counter(value for value in values if value in self._sent)
