"""Elasticsearch: the client, and bulk writes that may be repeated and reordered without harm."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, Optional

import orjson
from elastic_transport import ConnectionError, ConnectionTimeout, TlsError
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from dmp.config import ElasticsearchSection
from dmp.errors import UserError
from dmp.secrets import read_secret

BULK_BYTES = 1024 * 1024  # small enough that the next request is made ready while Elasticsearch is busy with this one
REQUESTS_AT_ONCE = 2
TOLD = ["items.*.status", "items.*.error"]  # the rest of an answer repeats the request
MAX_ID_BYTES = 512
RETRIED_STATUS = frozenset({403, 408, 429, 500, 502, 503, 504})  # 403: an index that a full disk made read-only
AWAY = (ConnectionError, ConnectionTimeout)
DENIED = "security_exception"  # the error of whoever has no right; other 403 pass
UNPARSABLE = "not_x_content_exception"  # answered with status 500 for a value that is no JSON object
# What follows in Elasticsearch's reasons is content of the document.
CONTENT = re.compile(r"Preview of field's value:|Unrecognized token|\[Source: ")


def connect(server: ElasticsearchSection, timeout_seconds: float = 30) -> Elasticsearch:
    """A client, with DMP_ELASTICSEARCH_API_KEY or DMP_ELASTICSEARCH_USER and _PASSWORD when they are set.

    The key and the password may stand in files named by the variable with `_FILE` behind it.
    """
    # Retries are ours: the client's own ones know nothing of a document that was refused within a bulk.
    options: dict[str, Any] = {"request_timeout": timeout_seconds, "max_retries": 0, **credentials()}
    if server.ca_file and server.url.startswith("https:"):
        options["ca_certs"] = str(server.ca_file)
    return Elasticsearch(server.url, **options)


def credentials() -> dict[str, Any]:
    """Those of the environment, as the client takes them; none for a server that does not ask."""
    api_key = read_secret(os.environ, "DMP_ELASTICSEARCH_API_KEY")
    user, password = os.environ.get("DMP_ELASTICSEARCH_USER"), read_secret(os.environ, "DMP_ELASTICSEARCH_PASSWORD")
    if api_key:
        return {"api_key": api_key.decode()}
    if bool(user) != bool(password):
        raise UserError("DMP_ELASTICSEARCH_USER and DMP_ELASTICSEARCH_PASSWORD belong together: set both or neither")
    return {"basic_auth": (user, password.decode())} if user and password else {}


@contextmanager
def session(server: ElasticsearchSection, timeout_seconds: float = 30) -> Iterator[Elasticsearch]:
    """A client for one command: what Elasticsearch answers to its end, or not at all, is a UserError."""
    with connect(server, timeout_seconds) as client:
        try:
            yield client
        except (ApiError, *AWAY) as error:
            raise UserError(trouble(error, server)) from error


def refuse_denied(client: Elasticsearch, server: ElasticsearchSection, index: str) -> None:
    """UserError when Elasticsearch is there, but does not let us read `index`. One that is away may still come."""
    try:
        client.count(index=index)
    except (ApiError, *AWAY) as error:
        if isinstance(error, TlsError) or (isinstance(error, ApiError) and error.meta.status in (401, 403)):
            raise UserError(trouble(error, server)) from error


def refuse_unwritable(client: Elasticsearch, server: ElasticsearchSection, indices: Sequence[str]) -> None:
    """UserError when Elasticsearch asks for users, and ours may not write and delete documents of all indices."""
    if not credentials():
        client.count(index=list(indices))  # it is there, and asks for nobody
        return
    wanted = {"names": list(indices), "privileges": ["index", "delete"]}
    rights = client.security.has_privileges(index=[wanted])["index"]
    lacking = [index for index in indices if not all(rights[index].values())]
    if lacking:
        raise UserError(
            f"Elasticsearch at {server.url} does not let this user write into {', '.join(lacking)}: give it the role "
            "dmp_index of docs/security.md"
        )


def trouble(error: Exception, server: ElasticsearchSection) -> str:
    """One line of what an error of the client means, and how to mend it."""
    url = server.url
    if isinstance(error, TlsError):
        by = server.ca_file or "package certifi"
        return f"Elasticsearch at {url} shows no certificate that {by} vouches for: mend elasticsearch.ca_file or .url"
    if not isinstance(error, ApiError):
        return f"Elasticsearch does not answer at {url}: start the stack with `dmp up`, or set elasticsearch.url"
    if error.meta.status == 401:
        return (
            f"Elasticsearch at {url} refuses the user, the password or the key: mend DMP_ELASTICSEARCH_USER and "
            "DMP_ELASTICSEARCH_PASSWORD, or DMP_ELASTICSEARCH_API_KEY, or their _FILE"
        )
    if error.meta.status == 403 and error.message == DENIED:
        return (
            f"Elasticsearch at {url} does not let this user do that ({_cause(error)}): give it the role that "
            "docs/security.md names"
        )
    if isinstance(error, NotFoundError):
        return f"Elasticsearch at {url} lacks an index of the platform: create them with `dmp up`"
    return f"Elasticsearch at {url} answers with status {error.meta.status} ({error.message}): mend it first"


def _cause(error: ApiError) -> str:
    """Elasticsearch's own words; of a missing right those that come before the list of what would do."""
    return str(error.body["error"]["reason"]).split(", this action is granted")[0]


class Write(NamedTuple):
    """One document to index, or to delete when `source` is None, at an external version."""

    index: str
    document_id: str
    version: int
    source: Optional[bytes]

    def lines(self) -> bytes:
        """The newline-delimited JSON of the bulk API."""
        meta = {"_index": self.index, "_id": self.document_id, "version": self.version, "version_type": "external_gte"}
        if self.source is None:
            return orjson.dumps({"delete": meta}) + b"\n"
        # A line end within would break the whole request.
        return orjson.dumps({"index": meta}) + b"\n" + self.source.replace(b"\n", b" ") + b"\n"


@dataclass(frozen=True)
class Refusal:
    """Why Elasticsearch refused a document for good."""

    status: int
    reason: str
    detail: str


def document_id(key: bytes) -> str:
    """The `_id` of a message key: the values of its JSON object joined by `|`.

    It is a SHA-256 of the key when that is too long, or would not be unique because a value has a `|` itself, and for
    a key that is no JSON object, whose document is then refused and not the whole batch.
    """
    try:
        values = ["" if value is None else str(value) for value in orjson.loads(key).values()]
    except (orjson.JSONDecodeError, AttributeError):
        return hashlib.sha256(key).hexdigest()
    text = "|".join(values)
    if len(text.encode()) > MAX_ID_BYTES or text.count("|") >= len(values):
        return hashlib.sha256(key).hexdigest()
    return text


class BulkWriter:
    """Writes batches, waiting out an Elasticsearch that is busy or away for at most `patience_seconds` a batch.

    An error is raised after that: whoever calls it has not acknowledged the batch and will bring it again.
    """

    def __init__(self, client: Elasticsearch, patience_seconds: float = 300) -> None:
        self._client = client
        self._patience_seconds = patience_seconds

    def write(self, writes: Iterable[Write]) -> list[Optional[Refusal]]:
        """What became of each write, in order: None when the index holds it, or something newer.

        Requests overtake each other, which versions make harmless within the minute for which Elasticsearch remembers
        that of a deletion; so a document should come once. `writes` is read on while requests are under way.
        """
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            return list(chain.from_iterable(pool.map(self._write_chunk, _chunks(writes))))

    def _write_chunk(self, writes: Sequence[Write]) -> list[Optional[Refusal]]:
        results: dict[int, Optional[Refusal]] = {}
        pending = list(range(len(writes)))
        deadline = time.monotonic() + self._patience_seconds
        for pause in pauses():
            answers, problem = self._send([writes[i] for i in pending])
            retry = []
            for i, answer in zip(pending, answers):
                error_type = answer.get("error", {}).get("type", "")
                if error_type == DENIED:
                    raise RuntimeError(f"Elasticsearch does not let this user write: {answer['error']['reason']}")
                if answer["status"] in RETRIED_STATUS and error_type != UNPARSABLE:
                    problem = f"status {answer['status']} {error_type}"
                    retry.append(i)
                else:
                    results[i] = _refusal(answer)
            pending = pending if not answers else retry
            if not pending:
                return [results[i] for i in range(len(writes))]
            if time.monotonic() + pause > deadline:
                raise RuntimeError(f"Elasticsearch took no writes for {self._patience_seconds:.0f} s: {problem}")
            time.sleep(pause)
        raise AssertionError("the pauses never end")

    def _send(self, writes: Sequence[Write]) -> tuple[list[dict[str, Any]], str]:
        """The answer to each write; or none and the problem, when the whole request has to be repeated."""
        try:
            body = b"".join(write.lines() for write in writes)
            response = self._client.bulk(operations=[body], require_alias=True, filter_path=TOLD)
        except ApiError as error:
            if error.meta.status in RETRIED_STATUS and error.message != DENIED:
                return [], _reason(error)
            raise
        except AWAY as error:
            return [], _reason(error)
        return [next(iter(item.values())) for item in response["items"]], ""


def _chunks(writes: Iterable[Write]) -> Iterator[list[Write]]:
    chunk: list[Write] = []
    size = 0
    for write in writes:
        length = len(write.source or b"") + 200
        if chunk and size + length > BULK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(write)
        size += length
    if chunk:
        yield chunk


def pauses(first: float = 0.1, longest: float = 10.0) -> Iterator[float]:
    """Exponential back-off from `first` to `longest` seconds, with jitter so that writers do not return together."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, longest)


def _refusal(answer: dict[str, Any]) -> Optional[Refusal]:
    status = answer["status"]
    # 409: the index holds a newer version already. 404 of a delete: it is gone already.
    if status < 300 or status == 409 or (status == 404 and "error" not in answer):
        return None
    error = answer["error"]
    if status == 404:
        raise RuntimeError(f"Elasticsearch has no alias for the document ({error.get('reason')}): run 'dmp up' again")
    # The causes below it say little more, and quote the document.
    return Refusal(status, error["type"], CONTENT.split(error["reason"])[0].strip())


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
