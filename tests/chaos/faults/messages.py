"""What senders do wrong: messages that are damaged or too large, and clocks that are off."""

from __future__ import annotations

from tests.chaos.faults.fault import Fault

LINES = 40


class BadMessages(Fault):
    name = "corrupt and oversized messages"

    def inject(self) -> None:
        self.site.inflow.write(self.site.traffic.hostile(self.chance.getrandbits(32), LINES))

    def heal(self) -> None:
        """Nobody does anything: they are rejects."""


class WrongClocks(Fault):
    name = "wrong clocks"

    def inject(self) -> None:
        self.site.inflow.write(self.site.traffic.skewed(self.chance.getrandbits(32), LINES))

    def heal(self) -> None:
        """Nobody does anything: clocks are corrected, or the time is what it is."""
