"""Kibana's import of saved objects over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3

from dmp.errors import UserError
from dmp.secrets import read_secret

TIMEOUT_SECONDS = 60
SHOWN_ERRORS = 3


def import_objects(url: str, ndjson: str) -> int:
    """Bring saved objects into Kibana at `url`, in place of those of the same ids; returns how many.

    Who asks: DMP_KIBANA_API_KEY, or DMP_KIBANA_USER and DMP_KIBANA_PASSWORD, when they are set. UserError when Kibana
    is away, refuses whoever asks, or takes not all of them: it says so in an answer with status 200.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise UserError(f"{url} is no address of Kibana: give one such as http://127.0.0.1:5601")
    target = f"{url.rstrip('/')}/api/saved_objects/_import?overwrite=true"
    file = ("dmp-flink.ndjson", ndjson.encode(), "application/ndjson")  # Kibana refuses other names than *.ndjson
    headers = {"kbn-xsrf": "true", **_credentials(os.environ)}
    try:
        with urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False) as http:
            response = http.request("POST", target, fields={"file": file}, headers=headers)
    except urllib3.exceptions.HTTPError as error:
        reason = type(error).__name__
        raise UserError(f"Kibana does not answer at {url} ({reason}): start it, or mend --kibana") from None
    if response.status in (401, 403):
        raise UserError(
            f"Kibana at {url} refuses the import (status {response.status}): set DMP_KIBANA_API_KEY, or "
            "DMP_KIBANA_USER and DMP_KIBANA_PASSWORD, of someone who may write saved objects"
        )
    answer = _json(response.data, url, response.status)
    if response.status != 200 or not answer.get("success"):
        raise UserError(f"Kibana at {url} did not take everything: {_reasons(answer, response.status)}")
    count: int = answer["successCount"]
    return count


def _credentials(environ: Mapping[str, str]) -> dict[str, str]:
    api_key = read_secret(environ, "DMP_KIBANA_API_KEY")
    user, password = environ.get("DMP_KIBANA_USER"), read_secret(environ, "DMP_KIBANA_PASSWORD")
    if api_key:
        return {"authorization": f"ApiKey {api_key.decode()}"}
    if bool(user) != bool(password):
        raise UserError("DMP_KIBANA_USER and DMP_KIBANA_PASSWORD belong together: set both or neither")
    if user and password:
        return dict(urllib3.make_headers(basic_auth=f"{user}:{password.decode()}"))
    return {}


def _json(body: bytes, url: str, status: int) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(body)
        return answer
    except ValueError:
        raise UserError(
            f"what answers at {url} is no Kibana (status {status}): give the address of its start page, "
            "with its base path if it has one"
        ) from None


def _reasons(answer: Mapping[str, Any], status: int) -> str:
    errors = answer.get("errors", [])
    if not errors:
        return f"{answer.get('message') or answer.get('error') or 'no reason given'} (status {status})"
    shown = "; ".join(f"{each['type']} {each['id']}: {_reason(each['error'])}" for each in errors[:SHOWN_ERRORS])
    more = len(errors) - SHOWN_ERRORS
    return f"{shown}; and {more} more" if more > 0 else shown


def _reason(error: Mapping[str, Any]) -> str:
    missing = ", ".join(f"{each['type']} {each['id']}" for each in error.get("references", []))
    return f"{error['type']} {missing}".strip() if missing else error.get("message") or str(error["type"])
