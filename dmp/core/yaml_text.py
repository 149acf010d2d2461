"""YAML that people write, read with one kind of error."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

import yaml

MAX_BRACKETS = 100  # open at once; PyYAML's time grows with more than the square of them


def parse_yaml(text: str) -> Any:
    """What a YAML text holds. ValueError, one line, when it cannot be read.

    PyYAML has an error of its own for what is no YAML, but lets through what goes wrong in making values: of dates and
    numbers that there are not, of tags, and of deep nesting.
    """
    opened = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    if max(opened, default=0) > MAX_BRACKETS:
        raise ValueError(f"more than {MAX_BRACKETS} brackets are open at once")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None
