"""Spark's structured streaming: Arrow batches through one Python function (`mapInPandas`), then SQL.

One watermark for all partitions, which moves between micro-batches: what is further behind the newest event of the
batches before is dropped as late. Two stateful steps are possible in append mode only, which writes a window when the
watermark has passed it; so the last windows of a backlog are written when later events come, and not before.

JAVA_HOME must be a full Java 17 or 21: Spark 4 wants a module (jdk.incubator.vector) that the Java of our wheel lacks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path

import pandas as pd

from bench.engines.peer import Peer, cleaner, main
from bench.topics import Windows
from dmp.config import load_config
from dmp.core.cleaning import CleanEvent
from dmp.jobs import PROJECT

BATCH = 100_000
COLUMNS = {"message_id": "string", "at": "timestamp", "channel": "string", "event": "string", "campaign": "string",
           "subject": "string", "micros": "long"}  # fmt: skip


def cleaned(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    clean = cleaner().clean
    for batch in batches:
        events = [event for event in map(clean, batch["value"]) if type(event) is CleanEvent]
        rows = [
            (event.message_id, event.event_ms, event.channel or "", event.event, event.campaign or "",
             event.subject_id, event.revenue_micros or 0)
            for event in events
        ]  # fmt: skip
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame["at"] = pd.to_datetime(frame["at"], unit="ms", utc=True)
        yield frame


def run(peer: Peer) -> Windows:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import functions as f
    from pyspark.sql.streaming import StreamingQueryListener

    class Teller(StreamingQueryListener):
        def onQueryStarted(self, event: object) -> None:
            pass

        def onQueryIdle(self, event: object) -> None:
            pass

        def onQueryProgress(self, event: object) -> None:
            peer.tell(event.progress.numInputRows)  # type: ignore[attr-defined]

        def onQueryTerminated(self, event: object) -> None:
            pass

    config = load_config()
    os.environ.update(PYSPARK_PYTHON=sys.executable, PYTHONPATH=str(PROJECT))
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", ",".join(map(str, connector(config.stack.cache_dir / "spark"))))
        .config("spark.driver.memory", "3g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "5000")
        .config("spark.sql.streaming.stateStore.providerClass",
                "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider")
        .getOrCreate()
    )  # fmt: skip
    spark.sparkContext.setLogLevel("ERROR")
    spark.streams.addListener(Teller())
    found: Windows = {}

    def collect(rows: DataFrame, number: int) -> None:
        for row in rows.collect():
            start = round(row["window"]["start"].replace(tzinfo=timezone.utc).timestamp() * 1000)
            key = (start, row["channel"], row["event"], row["campaign"])
            found[key] = (row["events"], row["persons"], row["micros"])

    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", peer.kafka.bootstrap_servers)
        .option("subscribe", peer.raw.name)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", BATCH)
        .load()
    )
    events = messages.select("value").mapInPandas(cleaned, ", ".join(map(" ".join, COLUMNS.items())))
    windows = (
        events.withWatermark("at", "5 seconds")
        .dropDuplicatesWithinWatermark(["message_id"])
        .groupBy(f.window("at", f"{peer.window_ms} milliseconds"), "channel", "event", "campaign")
        .agg(
            f.count("*").alias("events"),
            f.size(f.collect_set("subject")).alias("persons"),
            f.sum("micros").alias("micros"),
        )
    )
    query = windows.writeStream.outputMode("append").foreachBatch(collect).trigger(availableNow=True).start()
    query.awaitTermination()
    spark.stop()
    return found


def connector(folder: Path) -> list[Path]:
    """The jars by which Spark reads Kafka, and what they need; fetched when they are not there."""
    from jgo.maven import MavenContext
    from pyspark import __version__

    context = MavenContext(repo_cache=folder)
    coordinates = f"org.apache.spark:spark-sql-kafka-0-10_2.13:{__version__}"
    _, dependencies = context.resolver.resolve([context.create_dependency(coordinates)])
    group, name, version = coordinates.split(":")
    artifacts = [context.project(group, name).at_version(version).artifact(packaging="jar")]
    return [artifact.resolve() for artifact in (*artifacts, *(found.artifact for found in dependencies))]


if __name__ == "__main__":
    main(run)
