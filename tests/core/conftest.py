"""What the tests of cleaning share."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest

from dmp.core.cleaning import Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys

PII_KEY = b"a key of the tests"

Clean = Callable[..., CleanEvent]


@pytest.fixture(scope="session")
def keys() -> PrivacyKeys:
    return PrivacyKeys(PII_KEY)


@pytest.fixture(scope="session")
def cleaner(keys: PrivacyKeys) -> Cleaner:
    return Cleaner(CleaningRules(), keys)


@pytest.fixture
def run(cleaner: Cleaner) -> Callable[..., CleanEvent | Reject]:
    """Clean a page event, or the type given, at a fixed time, with these fields; a field given as None is left out."""

    def run_(**fields: Any) -> CleanEvent | Reject:
        event = {"type": "page", "messageId": "m1", "timestamp": "2025-03-01T10:00:00Z", **fields}
        return cleaner.clean(json.dumps({name: value for name, value in event.items() if value is not None}).encode())

    return run_


@pytest.fixture
def clean(run: Callable[..., CleanEvent | Reject]) -> Clean:
    """Like `run`, for events that must be accepted."""

    def clean_(**fields: Any) -> CleanEvent:
        result = run(**fields)
        assert isinstance(result, CleanEvent), result
        return result

    return clean_
