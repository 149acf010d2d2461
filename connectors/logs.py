"""Logs of the programs that run for long: one JSON object a line on standard error.

`time` (RFC 3339, UTC), `level`, `logger`, `message`, and what a call gives as `extra={"fields": {...}}`.
"""

from __future__ import annotations

import logging
import logging.config
from typing import Any

import orjson

from dmp.core.timestamps import rfc3339

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "connectors.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; an exception's trace is in `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": rfc3339(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_as_json() -> None:
    """From now on everything that this process logs has this form."""
    logging.config.dictConfig(LOGGING)


def log(logger: logging.Logger, message: str, level: int = logging.INFO, **fields: Any) -> None:
    """One line with fields."""
    logger.log(level, message, extra={"fields": fields})
