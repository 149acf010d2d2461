"""Edits of profiles by people, in documents of their own: one for each identifier, written by compare-and-swap.

The index job writes a profile's document whole, at versions that come from Kafka's offsets. A second writer of the same
document would lose updates either way: what it wrote goes with the next offset, and its own write raises the version,
so that Elasticsearch takes the job's next one for outdated. So edits never touch that document. They stay with the
identifier that they were made for, follow it from person to person, and are joined when a profile is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Optional

import orjson
from elasticsearch import ApiError, ConflictError, Elasticsearch, NotFoundError

from connectors.elasticsearch import AWAY, document_id, pauses
from dmp.core.edits import Fields, Identifier
from dmp.errors import UserError
from schemas.topics import PROFILE_EDITS

PATIENCE_SECONDS = 60
FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.2
"""Whoever waited longer would come less often than those who have just written, and lose again."""

BUSY = 429


def edit(
    client: Elasticsearch, identifier: Identifier, change: Callable[[Fields], Fields], index: str = PROFILE_EDITS
) -> Fields:
    """Replace an identifier's fields by what `change` makes of them; returns them.

    Read and written in one step as far as others can see: when the document has changed in between, Elasticsearch
    refuses the write (`if_seq_no`, `if_primary_term`), and it is tried again on what is there then. UserError when
    Elasticsearch is away, when it does not answer so that nobody knows whether the edit is in, or when others keep
    changing the document for PATIENCE_SECONDS.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for pause in pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
        fields = _try(client, identifier, change, index)
        if fields is not None:
            return fields
        if time.monotonic() + pause > deadline:
            raise UserError(f"others kept changing the same edits for {PATIENCE_SECONDS} s: try again later")
        time.sleep(pause)
    raise AssertionError("the pauses never end")


def _try(
    client: Elasticsearch, identifier: Identifier, change: Callable[[Fields], Fields], index: str
) -> Optional[Fields]:
    """The fields written; None when another writer was faster, or Elasticsearch had too much to do."""
    name = _document_id(identifier)
    try:
        fields, expected = _read(client, index, name)
        changed = change(fields)
        document = {"type": identifier[0], "id": identifier[1], "fields": changed}
        client.index(index=index, id=name, document=document, require_alias=True, **expected)
    except ConflictError:
        return None
    except ApiError as error:
        if error.meta.status == BUSY:
            return None
        raise UserError(f"Elasticsearch did not take the edit ({error.message}): is it set up? see `dmp up`") from error
    except AWAY as error:
        raise UserError(
            "Elasticsearch did not answer: see that it is up, and look with `dmp profile show` whether the edit is in"
        ) from error
    return changed


def _read(client: Elasticsearch, index: str, name: str) -> tuple[Fields, dict[str, Any]]:
    """The fields of a document, and the condition for a write on top of them: that nobody wrote since."""
    try:
        found = client.get(index=index, id=name)
    except NotFoundError as error:
        if "found" not in error.body:  # not the document is missing, but the index
            raise
        return {}, {"op_type": "create"}
    return found["_source"]["fields"], {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}


def edits_of(
    client: Elasticsearch, identifiers: Iterable[Identifier], index: str = PROFILE_EDITS
) -> dict[Identifier, Fields]:
    """The fields of those identifiers that have any, as of now."""
    names = {_document_id(identifier): identifier for identifier in identifiers}
    if not names:
        return {}
    try:
        documents = client.mget(index=index, ids=list(names))["docs"]
    except (ApiError, *AWAY) as error:
        raise UserError(
            f"Elasticsearch does not show the edits ({error}): is it up and set up? see `dmp up`"
        ) from error
    return {names[one["_id"]]: one["_source"]["fields"] for one in documents if one.get("found")}


def forget(client: Elasticsearch, identifiers: Iterable[Identifier], index: str = PROFILE_EDITS) -> None:
    """Delete the edits of identifiers, of which there is at least one. UserError when Elasticsearch does not."""
    lines = [
        {"delete": {"_index": index, "_id": _document_id(identifier), "require_alias": True}}
        for identifier in identifiers
    ]
    try:
        answer = client.bulk(operations=lines, refresh=True)
        problem = next((item["delete"]["error"]["reason"] for item in answer["items"] if "error" in item["delete"]), "")
    except (ApiError, *AWAY) as error:
        problem = str(error)
    if problem:
        raise UserError(f"Elasticsearch did not delete the edits ({problem}): mend it and run this again")


def _document_id(identifier: Identifier) -> str:
    return document_id(orjson.dumps({"type": identifier[0], "id": identifier[1]}))
