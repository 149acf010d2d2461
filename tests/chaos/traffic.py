"""What comes in between the faults: a pure function of the seed, with people who merge, part and are erased, and with
late, repeated and bad events."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

EVENTS = ("Page Read", "Product Added", "Order Completed")
CHANNELS = ("web", "app")
PEOPLE = 40  # who can appear at a time; with each batch two of them go and two come
SPAN_SECONDS = 300  # windows are few, so that each is corrected again and again
BAD = (b"no json %d %b", b'["no", "object", %d, "%b"]', b'{"type":"buy","messageId":"%d-%b"}', b"\xff\xfe %d %b")
TOO_LARGE = 33_000  # bytes; 32 KiB are allowed


@dataclass(frozen=True)
class Order:
    """A command: `op` is link, unlink or erase, `ends` are identifiers as type:value."""

    op: str
    ends: tuple[str, ...]


@dataclass(frozen=True)
class Traffic:
    """The events and commands of a run. `name` stands in all identifiers, so that two runs on a stack do not meet."""

    seed: int
    name: str
    start: datetime

    def events(self, batch: int, count: int) -> list[bytes]:
        """Lines of JSON, and such as are none; about one of twelve is late by days, repeated or bad."""
        chance = random.Random(f"{self.seed} {batch}")
        lines: list[bytes] = []
        for number in range(count):
            fate = chance.random()
            if fate < 0.03 and lines:
                lines.append(chance.choice(lines))
            elif fate < 0.05 and lines:  # a file that begins so is refused as no text
                lines.append(chance.choice(BAD) % (number, f"{batch}-{self.name}".encode()))
            else:
                days = chance.choice((1, 8, 40, 100)) if fate < 0.09 else 0
                lines.append(_line(self._event(chance, batch, number, timedelta(days=days))))
        return lines

    def skewed(self, batch: int, count: int) -> list[bytes]:
        """Events of senders whose clocks are wrong, and of times that are."""
        chance = random.Random(f"skew {self.seed} {batch}")
        return [_line(self._skew(chance, self._event(chance, batch, f"skew{number}"))) for number in range(count)]

    def hostile(self, batch: int, count: int) -> list[bytes]:
        """Lines that are cut off, too large, or no text at all, and a few events between them."""
        chance = random.Random(f"hostile {self.seed} {batch}")
        lines = []
        for number in range(count):
            line = _line(self._event(chance, batch, f"hostile{number}"))
            large = _line({**json.loads(line), "properties": {"text": "x" * TOO_LARGE}})
            noise = chance.randbytes(40).replace(b"\n", b"").replace(b"\r", b"") + line
            lines.append(chance.choice((line, line[: chance.randrange(1, len(line))], large, noise)))
        return lines

    def orders(self, batch: int) -> list[Order]:
        """A link of two logins or its end; now and then somebody is erased."""
        chance = random.Random(f"orders {self.seed} {batch}")
        person = self._person(chance, batch)
        if batch % 3 == 2:
            return [Order("erase", (f"user_id:{person}",))]
        device = f"anonymous_id:{person}-{chance.randrange(3)}"
        other = f"user_id:{self._person(chance, batch)}" if batch % 3 else device
        return [Order(chance.choice(("link", "unlink")), (f"user_id:{person}", other))]

    def _person(self, chance: random.Random, batch: int) -> str:
        return f"u{2 * batch + chance.randrange(PEOPLE)}-{self.name}"

    def _event(self, chance: random.Random, batch: int, number: object, ago: timedelta = timedelta()) -> dict[str, Any]:
        person = self._person(chance, batch)
        when = self.start - ago - timedelta(seconds=chance.uniform(0, SPAN_SECONDS))
        event: dict[str, Any] = {
            "type": "track", "event": chance.choice(EVENTS), "messageId": f"{batch}-{number}-{self.name}",
            "timestamp": _text(when), "anonymousId": f"{person}-{chance.randrange(3)}",
            "context": {"channel": chance.choice(CHANNELS)},
        }  # fmt: skip
        if chance.random() < 0.3:
            event["userId"] = person
        if chance.random() < 0.1:
            event["context"]["device"] = {"id": f"d{chance.randrange(PEOPLE)}-{batch // 10}-{self.name}"}
        if event["event"] == "Order Completed":
            event["properties"] = {"revenue": chance.randrange(1, 20_000) / 100}
        if chance.random() < 0.1:
            event.update(type="identify", userId=person, traits={"email": f"{person}@example.com"})
        return event

    def _skew(self, chance: random.Random, event: dict[str, Any]) -> dict[str, Any]:
        """The event with a clock that is off by up to two days; some end in the future, some before the year 2000."""
        off = timedelta(seconds=chance.uniform(-2, 2) * 86_400)
        kind = chance.choice(("corrected", "future", "past"))
        if kind == "corrected":
            at = datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
            sent = at + timedelta(seconds=chance.uniform(0, 60))
            times = {"originalTimestamp": at + off, "sentAt": sent + chance.choice((off, 2 * off)), "receivedAt": sent}
        else:
            shift = abs(off) / 4 if kind == "future" else timedelta(days=365 * chance.choice((1, 50)))
            times = {"timestamp": self.start + (shift if kind == "future" else -shift)}
        return {**event, **{name: _text(time) for name, time in times.items()}}


def halves(lines: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The first and the second half."""
    middle = len(lines) // 2
    return lines[:middle], lines[middle:]


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def _text(time: datetime) -> str:
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
