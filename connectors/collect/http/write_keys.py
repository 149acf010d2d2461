"""Write keys: the secrets that sources show, and the sources' names."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Optional

from dmp.errors import UserError
from dmp.secrets import read_secret

_HINT = "give one NAME=KEY a line or between commas, such as website=6cfb0c1e"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
MIN_KEY_LENGTH = 8


class WriteKeys:
    """The sources by their keys, {name: key}. Only hashes are kept, which are compared in constant time."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._digests = [(name, _digest(key)) for name, key in keys.items()]

    @property
    def sources(self) -> list[str]:
        """Names, in order."""
        return sorted({name for name, _ in self._digests})

    def source(self, key: str) -> Optional[str]:
        """The name of the source that has this key, None if there is none. Always looks at all of them."""
        digest, found = _digest(key), None
        for name, known in self._digests:
            if hmac.compare_digest(digest, known):
                found = name
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def load_write_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """{name: key} from DMP_WRITE_KEYS, or from the file that DMP_WRITE_KEYS_FILE names.

    They stand there as NAME=KEY, one a line or between commas; lines that begin with # are comments. UserError, without
    any key in it, when there are none or one is unusable.
    """
    secret = read_secret(environ, "DMP_WRITE_KEYS")
    if secret is None:
        raise UserError(f"no write keys: set DMP_WRITE_KEYS, or DMP_WRITE_KEYS_FILE to a file that holds them; {_HINT}")
    lines = (line.strip() for line in re.split(r"[\n,]", secret.decode("utf-8", "replace")))
    keys: dict[str, str] = {}
    for number, line in enumerate((line for line in lines if line and not line.startswith("#")), start=1):
        name, separator, key = (part.strip() for part in line.partition("="))
        if not separator or not _NAME.fullmatch(name):
            raise UserError(f"write key {number}: {_HINT}")
        if len(key) < MIN_KEY_LENGTH or ":" in key:
            raise UserError(f"the write key of {name} must have at least {MIN_KEY_LENGTH} characters and no colon")
        if name in keys or key in keys.values():
            raise UserError(f"write keys: the name {name} or its key is there twice; give each source its own")
        keys[name] = key
    if not keys:
        raise UserError(f"DMP_WRITE_KEYS has no write key: {_HINT}")
    return keys
