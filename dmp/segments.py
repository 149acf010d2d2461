"""The rules of segments that a configuration means."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Optional

from dmp.config import Config
from dmp.core.segments import Rules, RulesError, read_rules
from dmp.errors import UserError

SHIPPED = "segments.yaml"


def load_rules(config: Config) -> Rules:
    """The checked rules of `segments.rules`, or those shipped; UserError tells all that is wrong with them."""
    path = config.segments.rules
    try:
        return read_rules(read_text(path))
    except RulesError as error:
        raise UserError(f"{path or SHIPPED}: {error}; try changes with 'dmp segments check FILE'") from None


def read_text(path: Optional[Path]) -> str:
    """The text of a file of rules, None: the one shipped; UserError if it cannot be read."""
    if path is None:
        return files("dmp").joinpath(SHIPPED).read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UserError(f"cannot read the rules of segments {path}: {reason}") from None
