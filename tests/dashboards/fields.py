"""Which fields the index templates have: name with dots -> Elasticsearch's type. An alias has its target's type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.setup import template
from schemas.topics import Topic


def fields(topic: Topic) -> dict[str, str]:
    """The fields of a topic's documents that can be searched and aggregated."""
    found = dict(_walk("", template(topic)["template"]["mappings"]["properties"]))
    return {name: found[kind[6:]] if kind.startswith("alias ") else kind for name, kind in found.items()}


def _walk(prefix: str, properties: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, field in properties.items():
        if "properties" in field:
            yield from _walk(f"{prefix}{name}.", field["properties"])
        else:
            kind = field["type"]
            yield f"{prefix}{name}", f"alias {field['path']}" if kind == "alias" else kind
