"""The local stack: real servers on this machine, from Python's and Maven's registries alone."""

from __future__ import annotations

from dmp.stack.stack import Stack

__all__ = ["Stack"]
