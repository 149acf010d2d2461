"""Who visits the shop: people, their contacts, devices and cookies.

Everything about a person is a pure function of the seed and the person's number, so that any part of the traffic can be
made by itself, in any process, and still shows the same people. Names, e-mail domains (RFC 2606) and IP addresses
(RFC 5737) are fictional.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]

ZIPF_EXPONENT = 1.05
SHARE_REGISTERED = 0.6
SHARE_HOUSEHOLDS_WITH_TABLET = 0.2
DEVICES_EACH = 3

GIVEN = ("wei", "fang", "na", "min", "jing", "lei", "jun", "jie", "juan", "tao", "ming", "anna", "ben", "clara", "eva")
FAMILY = ("wang", "li", "zhang", "liu", "chen", "zhao", "huang", "wu", "sun", "ma", "guo", "lin", "smith", "rossi")
DOMAINS = ("example.com", "example.net", "example.org", "mail.example.com")


@dataclass(frozen=True)
class Contact:
    """What a person reveals when logging in or ordering, in its plain form."""

    name: str
    email: str
    phone: str


class People:
    """The people of one seed, numbered from 0; person 0 comes most often (Zipf's law)."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._seed = seed

    @cached_property
    def _cumulative_share(self) -> NDArray[np.float64]:
        weights = np.arange(1, self.size + 1, dtype=np.float64) ** -ZIPF_EXPONENT
        shares: NDArray[np.float64] = np.cumsum(weights) / weights.sum()
        return shares

    def draw(self, uniform: NDArray[np.float64]) -> Numbers:
        """Person numbers for uniform draws from [0, 1)."""
        return np.searchsorted(self._cumulative_share, uniform, side="right").astype(np.uint64)

    def registered(self, people: Numbers) -> NDArray[np.bool_]:
        """Who has an account."""
        return self._share(people, "registered") < SHARE_REGISTERED

    def consents(self, people: Numbers) -> NDArray[np.float64]:
        """Uniform numbers from [0, 1) by which a person's privacy choice is decided."""
        return self._share(people, "consent")

    def device_ids(self, people: Numbers, devices: Numbers) -> list[str]:
        """Identifiers of the people's devices, 32 hex digits; device 2 is a tablet that two neighbours may share."""
        household = people // np.uint64(2)
        shares = self._share(household, "tablet") < SHARE_HOUSEHOLDS_WITH_TABLET
        shared = (devices == DEVICES_EACH - 1) & shares
        owner = np.where(shared, household + np.uint64(self.size), people)  # numbers beyond the people's own
        return self._hex(owner * np.uint64(DEVICES_EACH) + devices, "device")

    def cookies(self, people: Numbers, devices: Numbers) -> list[str]:
        """Anonymous ids, 32 hex digits: one for each person and device."""
        return self._hex(people * np.uint64(DEVICES_EACH) + devices, "cookie")

    def user_ids(self, people: Numbers) -> list[str]:
        """The login that each person has, or would have with an account."""
        return [f"u{person:06d}" for person in people.tolist()]

    def contacts(self, people: Numbers) -> list[Contact]:
        """The contact data of each person."""
        given, family = self._hash(people, "given") % len(GIVEN), self._hash(people, "family") % len(FAMILY)
        phone = self._hash(people, "phone") % 10**9
        domain = self._hash(people, "domain") % len(DOMAINS)
        return [
            Contact(
                name=f"{GIVEN[first].capitalize()} {FAMILY[last].capitalize()}",
                email=f"{GIVEN[first]}.{FAMILY[last]}{person}@{DOMAINS[at]}",
                phone=f"1{3 + 5 * (number % 2)}{number:09d}",  # 13x and 18x are mobile numbers in China
            )
            for person, first, last, number, at in zip(
                people.tolist(), given.tolist(), family.tolist(), phone.tolist(), domain.tolist()
            )
        ]

    def ip_addresses(self, people: Numbers) -> list[str]:
        """IPv4 addresses from the blocks reserved for documentation, a few IPv6 ones among them."""
        number = self._hash(people, "ip")
        blocks = ("203.0.113.", "198.51.100.", "192.0.2.")
        return [
            f"2001:db8:{n >> 16 & 0xFFFF:x}::{n & 0xFF:x}" if n % 20 == 0 else f"{blocks[n % 3]}{1 + (n >> 8) % 254}"
            for n in number.tolist()
        ]

    def _hash(self, numbers: Numbers, purpose: str) -> Numbers:
        """Independent 64-bit numbers for each purpose: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
        salt = int.from_bytes(f"{purpose:8.8}".encode(), "big") + 0x9E3779B97F4A7C15 * (self._seed + 1)
        mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))

    def _share(self, numbers: Numbers, purpose: str) -> NDArray[np.float64]:
        return self._hash(numbers, purpose) / 2.0**64

    def _hex(self, numbers: Numbers, purpose: str) -> list[str]:
        halves = np.stack([self._hash(numbers, purpose), self._hash(numbers, purpose + "2")], axis=1)
        text = halves.astype(">u8").tobytes().hex()
        return [text[start : start + 32] for start in range(0, len(text), 32)]
