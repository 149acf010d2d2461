"""YAML that people write, read with one kind of error."""

from __future__ import annotations

from typing import Any

import yaml


def parse_yaml(text: str) -> Any:
    """What a YAML text holds. ValueError, one line, when it cannot be read.

    PyYAML has an error of its own for what is no YAML, but lets through what goes wrong in making values: of dates and
    numbers that there are not, of tags, and of deep nesting.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None
