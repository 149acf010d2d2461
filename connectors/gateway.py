"""Client of Flink's SQL gateway (its REST interface): a session, statements one after the other, results as rows."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from dmp.errors import UserError

POLL_SECONDS = 0.1
REQUEST_SECONDS = 60

# The gateway is on this machine or in this network: a proxy from the environment must not be asked for it.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Result:
    """The answer of one statement. Values are as JSON has them: times are text, absent ones None."""

    columns: list[str]
    rows: list[list[Any]]


class Session:
    """One session of a gateway; a context manager that closes it. Raises UserError when no gateway answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._handle: Optional[str] = None

    def __enter__(self) -> Session:
        self._handle = self._call("POST", "/v1/sessions", {})["sessionHandle"]
        return self

    def __exit__(self, *_: object) -> None:
        self._call("DELETE", f"/v1/sessions/{self._handle}")

    def run(self, statements: Iterable[str]) -> None:
        """Execute statements whose results do not matter."""
        for statement in statements:
            self.query(statement)

    def query(self, statement: str) -> Result:
        """Execute one statement and wait for all of its rows; UserError with Flink's reason if it fails."""
        session = f"/v1/sessions/{self._handle}"
        operation = self._call("POST", f"{session}/statements", {"statement": statement})["operationHandle"]
        page: Optional[str] = f"{session}/operations/{operation}/result/0?rowFormat=JSON"
        columns: list[str] = []
        rows: list[list[Any]] = []
        while page:
            answer = self._call("GET", page)
            if answer["resultType"] == "NOT_READY":
                time.sleep(POLL_SECONDS)
                continue
            columns = [column["name"] for column in answer["results"]["columns"]]
            rows += [row["fields"] for row in answer["results"]["data"]]
            page = answer.get("nextResultUri")
        self._call("DELETE", f"{session}/operations/{operation}/close")
        return Result(columns, rows)

    def _call(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with _opener.open(request, timeout=REQUEST_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise UserError(f"Flink refused the statement: {_reason(error.read())}") from None
        except OSError as error:
            advice = "'dmp sql --gateway' starts one"
            raise UserError(f"no SQL gateway answers at {self._url} ({error}): {advice}") from None


def _reason(body: bytes) -> str:
    """The innermost cause in the gateway's answer, which is a Java stack trace."""
    try:
        text = "\n".join(json.loads(body)["errors"])
    except (ValueError, KeyError, TypeError):
        text = body.decode(errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    return (causes or lines or ["no reason given"])[-1].replace("Caused by: ", "")[:500]
