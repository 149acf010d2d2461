"""What every fault is, and what it is done to."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from tests.chaos.inflow import Inflow
from tests.chaos.traffic import Traffic
from tests.pipeline.platform import Platform


@dataclass(frozen=True)
class Site:
    """The platform with all its jobs, and the collector that events come through."""

    platform: Platform
    inflow: Inflow
    traffic: Traffic


class Fault(ABC):
    """Something that goes wrong once. Events come in before `inject`, after it, and after `heal`."""

    name: ClassVar[str]

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.chance = random.Random(seed)

    @abstractmethod
    def inject(self) -> None:
        """Make it go wrong; returns when it does."""

    def endure(self) -> None:  # noqa: B027, most faults are felt at once
        """Until it has been felt, for faults that need time for it."""

    @abstractmethod
    def heal(self) -> None:
        """What people do about it; harmless when `inject` had failed."""

    def missing(self) -> str:
        """Why it cannot be injected here; "" when it can."""
        return ""
