"""The jobs' Python functions as the SQL client registers them, by the rules of its configuration."""

from __future__ import annotations

from dmp.config import load_config
from udfs import cleaning, commands

_config = load_config()
_rules = _config.cleaning_rules()

clean_event = cleaning.clean_event(_rules, _config.windows.seconds * 1000, _config.cleaning.geo_database)
parse_command = commands.parse_command(_rules)
