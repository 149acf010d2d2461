"""YAML that people write, read with one kind of error."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

import yaml
from yaml.composer import ComposerError

MAX_BRACKETS = 100  # open at once; PyYAML's time grows with more than the square of them


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, as YAML 1.2 does (3.2.1.1); PyYAML would forget the first."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        given: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in given:
                    raise ComposerError(None, None, f"{key.value} is given twice", key.start_mark)
                given.add(key.value)
        return node


def parse_yaml(text: str) -> Any:
    """What a YAML text holds. ValueError, one line, when it cannot be read.

    PyYAML has an error of its own for what is no YAML, but lets through what goes wrong in making values: of dates and
    numbers that there are not, of tags, and of deep nesting.
    """
    opened = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    if max(opened, default=0) > MAX_BRACKETS:
        raise ValueError(f"more than {MAX_BRACKETS} brackets are open at once")
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None
