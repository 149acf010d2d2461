"""`seal_contacts`: the Python hop of the vault, from the bytes of an event to its e-mail and phone, sealed."""

from __future__ import annotations

import os
from typing import Optional

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.types import RowType
from pyflink.table.udf import FunctionContext, ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from dmp.core.cleaning import Cleaner
from dmp.core.identifiers import CleaningRules
from dmp.core.vault import CONTACT_TYPES, Vault, VaultKeys
from dmp.secrets import load_keys, require_vault_keys
from udfs.frames import to_frame


def result_type() -> RowType:
    """ROW of pseudonym and entry (JSON) for each of CONTACT_TYPES: `email`, `email_entry`, ...; null where absent."""
    names = [name for kind in CONTACT_TYPES for name in (kind, f"{kind}_entry")]
    return DataTypes.ROW([DataTypes.FIELD(name, DataTypes.STRING()) for name in names])


class SealContactsFunction(ScalarFunction):
    """Vectorised: (value BYTES) -> `result_type()`."""

    def __init__(self, rules: CleaningRules) -> None:
        self._rules = rules

    def open(self, function_context: FunctionContext) -> None:
        self._cleaner = Cleaner(self._rules, load_keys(os.environ))
        self._keys: Optional[VaultKeys] = None

    def is_deterministic(self) -> bool:
        # It reads the key.
        return False

    def eval(self, value: pd.Series) -> pd.DataFrame:
        self._follow_key()
        return to_frame(result_type().field_names(), [self._row(raw or b"") for raw in value])

    def _follow_key(self) -> None:
        """Read the key for each batch: it is replaced while the job runs, and `dmp vault rotate` counts on that."""
        keys = require_vault_keys(os.environ)
        if keys != self._keys:
            self._keys, self._vault = keys, Vault(keys)

    def _row(self, raw: bytes) -> list[Optional[str]]:
        found = self._cleaner.originals(raw)
        row: list[Optional[str]] = []
        for kind in CONTACT_TYPES:
            if kind in found:
                row += [found[kind][0], self._vault.seal(kind, *found[kind]).decode()]
            else:
                row += [None, None]
        return row


def seal_contacts(rules: CleaningRules) -> UserDefinedScalarFunctionWrapper:
    """The function to register as `seal_contacts`."""
    return udf(SealContactsFunction(rules), result_type=result_type(), func_type="pandas")
