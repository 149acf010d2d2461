"""Documents a second of the job `index`, beside a bare bulk loop of the Elasticsearch client: `python -m bench index`.

Needs the local stack (`dmp up`), with no jobs beside it. Both write the same profiles, of some 800 bytes, into a new
index of the same template, in turns. The job reads them from Kafka, with versions, and acknowledges them by
checkpoints; the loop has its requests ready in memory and sends one after the other, and once more as many at a time
as the job.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Optional

import orjson
from elasticsearch import Elasticsearch

from bench import report
from bench.engines.flink import DOCUMENTS, Flink
from bench.topics import delete
from bench.workload import RawTopic, produce
from connectors.elasticsearch import BULK_BYTES, REQUESTS_AT_ONCE, connect
from dmp.config import Config, load_config
from schemas.setup import template
from schemas.topics import PROFILES

LOOP, LOOPS, JOB = "bare bulk loop", "the same, as many requests at a time as the job", "job index"


class Rate(NamedTuple):
    """Documents a second: at the steady rate, None when there was none, and with start."""

    steady: Optional[float]
    with_start: float


def profile(number: int) -> dict[str, Any]:
    """The message of a person in dmp.profiles."""
    touch = {"at": "2026-01-31T08:00:00Z", "channel": "web", "campaign": "spring", "source": "mail", "medium": "email"}
    return {
        "profile_id": f"p{number:020x}",
        "identifiers": {"user_id": 1, "email": 1, "phone": 0, "device_id": 2, "anonymous_id": 3},
        "email": f"u{number % 10}***@e***.com",
        "first_seen": "2026-01-31T08:00:00Z",
        "last_seen": f"2026-02-{1 + number % 28:02}T12:00:00Z",
        "events": number % 100,
        "events_by_type": {"track": number % 50, "identify": 1, "page": 40, "screen": 0, "group": 0, "alias": 0},
        "sessions": number % 7,
        "orders": number % 3,
        "revenue": number % 1000 / 10,
        "channel": "web",
        "campaign": "spring",
        "first_touch": touch,
        "last_touch": touch,
        "device_kinds": {"desktop": number % 9, "mobile": 3, "tablet": 0, "tv": 0, "bot": 0, "other": 0},
        "traits": {"plan": "pro", "city": f"city {number % 300}", "size": number % 50},
        "consent": {"analytics": True, "marketing": number % 2 == 0},
    }


def message(number: int) -> tuple[bytes, bytes]:
    """Key and value in Kafka, where traits are JSON text."""
    row = profile(number)
    return orjson.dumps({"profile_id": row["profile_id"]}), orjson.dumps(
        {**row, "traits": orjson.dumps(row["traits"]).decode()}
    )


def new_index(client: Elasticsearch) -> None:
    client.options(ignore_status=404).indices.delete(index=f"{DOCUMENTS}-000001")
    body = template(PROFILES)["template"]
    settings = {**body["settings"], "number_of_replicas": 0}
    aliases = {DOCUMENTS: {"is_write_index": True}}
    client.indices.create(index=f"{DOCUMENTS}-000001", aliases=aliases, mappings=body["mappings"], settings=settings)


def refuse_missing(client: Elasticsearch, documents: int) -> None:
    """Ends the bench when the index does not hold each document once, as it was sent."""
    client.indices.refresh(index=DOCUMENTS)
    found = client.search(index=DOCUMENTS, size=0, track_total_hits=True, aggs={"events": {"sum": {"field": "events"}}})
    counted = found["hits"]["total"]["value"], found["aggregations"]["events"]["value"]
    if counted != (documents, sum(number % 100 for number in range(documents))):
        raise SystemExit(f"the index holds {counted[0]} documents with {counted[1]} events instead of {documents}")


def loop(client: Elasticsearch, requests: list[list[bytes]], at_once: int) -> float:
    """Seconds that it takes to send all requests."""
    begin = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda lines: client.bulk(operations=lines), requests))
    if any(answer["errors"] for answer in answers):
        raise SystemExit("Elasticsearch refused documents")
    return time.monotonic() - begin


def bulks(documents: int) -> Iterator[list[bytes]]:
    """Requests of the size that the job sends at most."""
    lines: list[bytes] = []
    size = 0
    for number in range(documents):
        row = profile(number)
        lines += [orjson.dumps({"index": {"_index": DOCUMENTS, "_id": row["profile_id"]}}), orjson.dumps(row)]
        size += len(lines[-2]) + len(lines[-1])
        if size > BULK_BYTES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def compare(config: Config, documents: int, rounds: int) -> tuple[dict[str, list[Rate]], dict[str, int]]:
    """The rates of each, and the peak memory of the processes of the job's runs."""
    flink, client = Flink(config), connect(config.elasticsearch)
    raw = RawTopic(f"bench.documents.{documents}", documents)
    produce(config.kafka, raw, ((number % 4, *message(number)) for number in range(documents)))
    requests = list(bulks(documents))
    rates: dict[str, list[Rate]] = {LOOP: [], LOOPS: [], JOB: []}
    peaks: Counter[str] = Counter()
    try:
        for _ in range(rounds):
            for name, at_once in ((LOOP, 1), (LOOPS, REQUESTS_AT_ONCE * config.flink.parallelism)):
                new_index(client)
                rate = documents / loop(client, requests, at_once)
                rates[name].append(Rate(rate, rate))
                refuse_missing(client, documents)
            new_index(client)
            run = flink.run("index", raw)
            rates[JOB].append(Rate(run.steady_rate, run.rate))
            peaks |= run.peak_mib
            refuse_missing(client, documents)
            print({name: found[-1] for name, found in rates.items()}, flush=True)
    finally:
        delete(config.kafka, [raw.name])
        client.options(ignore_status=404).indices.delete(index=f"{DOCUMENTS}-000001")
    return rates, dict(peaks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for index.json and index.md")
    args = parser.parse_args()
    config = load_config()
    before = report.machine()
    rates, peaks = compare(config, args.documents, args.rounds)
    size = sum(len(orjson.dumps(profile(number))) for number in range(1000)) / 1000
    bare = statistics.median(rate.with_start for rate in rates[LOOP])
    rows = []
    for name, measured in rates.items():
        steady = [rate.steady for rate in measured if rate.steady]
        middle = statistics.median(steady) if steady else 0.0
        rows.append([
            name, f"{middle:,.0f}" if steady else "too short to tell", f"{middle * size / 1e6:.1f}" if steady else "",
            f"{middle / bare:.2f}" if steady else "", f"{statistics.median(rate.with_start for rate in measured):,.0f}",
        ])  # fmt: skip
    about = {**before, "load_at_the_end": report.machine()["load"], "documents": args.documents,
             "document_bytes": round(size), "rounds": args.rounds, **config.flink.model_dump()}  # fmt: skip
    table = report.table(["", "steady, documents/s", "MB/s", "to loop", "with start, documents/s"], rows)
    found = {name: [rate._asdict() for rate in measured] for name, measured in rates.items()}
    text = "\n".join([table, report.memory({JOB: peaks}), report.facts(about)])
    report.write(args.out, "index", {"about": about, "peak_mib": peaks, "rates": found}, text)


if __name__ == "__main__":
    main()
