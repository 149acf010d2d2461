"""The declarative mapping from the columns of a CSV file to the fields of an event, read from YAML."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Optional, Union
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from pydantic import Field as Setting
from pydantic import ValidationError, field_validator, model_validator

from dmp.config import Section
from dmp.core.timestamps import parse_timestamp
from dmp.core.yaml_text import parse_yaml
from dmp.errors import UserError

EPOCH = "epoch"


class Csv(Section):
    """How the file is written. Without `columns` its first line names them."""

    delimiter: str = Setting(default=",", min_length=1, max_length=1)
    quote: str = Setting(default='"', min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    columns: Optional[list[str]] = None

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            b" ".decode(value, "replace")  # a codec that is known may still be none of text
        except (LookupError, UnicodeError):
            raise ValueError("is no encoding that Python knows, such as utf-8, gb18030 or latin-1") from None
        return value


class Field(Section):
    """Where one field of the event comes from: `column` or `constant`, and what is made of the cell, in this order.

    `values` replaces cells by others, all that are not in it by `otherwise` if that is given. `time` is "epoch"
    (seconds or milliseconds) or a format of strptime, in `zone` unless the format has an offset. `number` makes it a
    number.
    `prefix` stands in front. With `hash` it becomes HMAC-SHA256 under DMP_PII_KEY, 32 hex digits.
    """

    column: Optional[str] = None
    constant: Union[bool, int, float, str, None] = None
    values: Optional[dict[str, str]] = None
    otherwise: Optional[str] = None
    time: Optional[str] = None
    zone: str = "UTC"
    number: bool = False
    prefix: str = ""
    hash: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Field:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either column or constant")
        return self

    @field_validator("constant")
    @classmethod
    def _json(cls, value: Union[bool, int, float, str, None]) -> Union[bool, int, float, str, None]:
        try:
            if value is None or orjson.dumps(value) != b"null":
                return value
        except orjson.JSONEncodeError:
            pass
        raise ValueError("is no text and no finite number of 64 bits")

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is no time zone such as UTC or Asia/Shanghai") from None
        return value

    def time_ms(self, cell: str) -> Optional[int]:
        """Milliseconds since 1970; None when the cell does not have the format."""
        if self.time == EPOCH:
            return parse_timestamp(cell)
        try:
            moment = datetime.strptime(cell, str(self.time))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=ZoneInfo(self.zone))
            return round(moment.astimezone(timezone.utc).timestamp() * 1000)
        except (ValueError, OverflowError):  # the latter in the first and last hours of the calendar
            return None


class Mapping(Section):
    """`event` has a field for each member, with dots for members of members, such as context.device.id."""

    csv: Csv = Csv()
    event: dict[str, Field]

    @model_validator(mode="after")
    def _complete(self) -> Mapping:
        for name in ("type", "timestamp"):
            if name not in self.event:
                raise ValueError(f"event must have the field {name}")
        for name in self.event:
            inside = [other for other in self.event if other.startswith(f"{name}.")]
            if inside:
                raise ValueError(f"event has both {name} and {inside[0]}: one is within the other")
        return self

    @property
    def hashes(self) -> bool:
        """Whether any field needs the key."""
        return any(field.hash for field in self.event.values())


def load_mapping(name: str) -> Mapping:
    """The mapping in a YAML file, or the one of that name that is shipped. UserError tells what is wrong where."""
    shipped = {
        file.name.removesuffix(".yaml"): file for file in files("connectors.collect").joinpath("mappings").iterdir()
    }
    source = shipped.get(name) or Path(name)
    try:
        values = parse_yaml(source.read_text(encoding="utf-8"))
        return Mapping.model_validate(values if isinstance(values, dict) else {})
    except OSError as error:
        known = ", ".join(sorted(shipped))
        raise UserError(f"cannot read the mapping {name}: {error.strerror}; give a file or one of {known}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "mapping"
        raise UserError(f"the mapping {name}: {place}: {first['msg'].replace('Value error, ', '')}") from None
    except ValueError as error:
        raise UserError(f"the mapping {name} is no YAML: {error}") from None
