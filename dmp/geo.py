"""Country and city of an address, from a database file in MaxMind's format (optional group `geo`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

from dmp.errors import UserError

Geo = Callable[[str], tuple[Optional[str], Optional[str]]]
CACHED_ADDRESSES = 65536


def open_database(path: Path) -> Geo:
    """A function from an IP address to (ISO country code, English city name), None for what the file does not know.

    Raises UserError when the file or the library to read it is missing or unfit.
    """
    try:
        import maxminddb
    except ImportError:
        raise UserError("cleaning.geo_database needs the package maxminddb: pip install 'dmp-flink[geo]'") from None
    try:
        reader = maxminddb.open_database(str(path))
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise UserError(f"cleaning.geo_database: {path} is no database in MaxMind's format ({error})") from None

    @lru_cache(maxsize=CACHED_ADDRESSES)
    def look_up(address: str) -> tuple[Optional[str], Optional[str]]:
        try:
            record: Any = reader.get(address) or {}
        except ValueError:  # an IPv6 address, and a file of IPv4 alone
            return None, None
        return record.get("country", {}).get("iso_code"), record.get("city", {}).get("names", {}).get("en")

    return look_up
