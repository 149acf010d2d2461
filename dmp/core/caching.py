"""A cache for the hot path whose memory has a bound."""

from __future__ import annotations

from functools import lru_cache
from typing import Callable, TypeVar

Value = TypeVar("Value")

# A raw event may hold 32 KiB of text in any field; what is longer than this passes by the caches.
_LONGEST_CACHED = 512


def cached_by_text(entries: int) -> Callable[[Callable[[str], Value]], Callable[[str], Value]]:
    """Decorator: an LRU cache of so many results of a pure function of one text, short texts only."""

    def decorate(compute: Callable[[str], Value]) -> Callable[[str], Value]:
        remembered = lru_cache(entries)(compute)

        def look_up(text: str) -> Value:
            return remembered(text) if len(text) <= _LONGEST_CACHED else compute(text)

        return look_up

    return decorate
