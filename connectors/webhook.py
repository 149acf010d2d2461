"""Posting messages to somebody's HTTP address: signed, with a timeout, and told apart what is worth another try."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import NamedTuple, Optional

import urllib3

TIMEOUT_SECONDS = 10
LONGEST_PAUSE_SECONDS = 60
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


class Answer(NamedTuple):
    """What became of a post: whether the receiver took it; if not, why, and after how many seconds to try again (None:
    it is refused for good)."""

    taken: bool
    reason: str = ""
    again_after: Optional[float] = None


def signature(secret: bytes, body: bytes, now_seconds: int) -> str:
    """`t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 of `<seconds>.<body>`, so that an old post is known as such."""
    text = str(now_seconds).encode() + b"." + body
    return f"t={now_seconds},v1={hmac.new(secret, text, hashlib.sha256).hexdigest()}"


class Webhook:
    """An HTTP address that takes JSON by POST; any 2xx means that it has it. Redirects are not followed."""

    def __init__(self, url: str, secret: Optional[bytes], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._secret = secret
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=timeout_seconds))

    def post(self, body: bytes, delivery: str, attempt: int, now_seconds: int) -> Answer:
        """Post once. `delivery` is the same in every attempt; `attempt` counts from 0 and makes pauses longer."""
        headers = {"Content-Type": "application/json", "User-Agent": "dmp-flink", "X-DMP-Delivery": delivery}
        if self._secret is not None:
            headers["X-DMP-Signature"] = signature(self._secret, body, now_seconds)
        pause = min(2.0**attempt, LONGEST_PAUSE_SECONDS)
        try:
            response = self._pool.request("POST", self._url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            return Answer(False, _reason(error), pause)
        if 200 <= response.status < 300:
            return Answer(True)
        reason = f"it answers {response.status}"
        if response.status < 500 and response.status not in _WORTH_ANOTHER_TRY:
            return Answer(False, reason)
        asked = response.headers.get("Retry-After", "")
        return Answer(False, reason, max(pause, min(int(asked), 300)) if re.fullmatch(r"\d{1,6}", asked) else pause)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Without the address, which may hold a secret."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
