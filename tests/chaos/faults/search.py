"""An Elasticsearch that is there and takes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

from elasticsearch import ApiError

from connectors.elasticsearch import connect
from schemas.topics import METRICS
from tests.chaos.faults.fault import Fault
from tests.pipeline.platform import wait_for

INDEX = "chaos-ballast"
BLOCKS = ("index.blocks.write", "index.blocks.read_only_allow_delete")
HELD_SECONDS = 300
LARGEST = 8 * 1024 * 1024  # bytes of one of the writes that fill the memory
LEFT = 1024  # bytes that stay free: less than any bulk of the index job


class ReadOnly(Fault):
    """What a full disk does (`read_only_allow_delete`), or an administrator (`write`)."""

    name = "Elasticsearch read-only"

    def inject(self) -> None:
        self._block = self.chance.choice(BLOCKS)
        self._written = self.site.platform.written(METRICS.name)
        self._set(True)

    def endure(self) -> None:
        platform = self.site.platform
        wait_for("results that cannot be written", lambda: platform.written(METRICS.name) > self._written)
        platform.wait_for_checkpoint("pipeline")  # commits them, and the index job reads what is committed

    def heal(self) -> None:
        self._set(None)

    def _set(self, value: Any) -> None:
        self.site.platform.search.indices.put_settings(index="dmp-*", settings={self._block: value})


class TooManyRequests(Fault):
    """The memory for writes that Elasticsearch has accepted and not done is full, and it answers 429.

    Filled for real: writes into an index whose second copy is nowhere wait for it, and the server keeps what they hold.
    """

    name = "Elasticsearch answers 429"

    def inject(self) -> None:
        self._pool = ThreadPoolExecutor(64)
        self.site.platform.search.indices.create(index=INDEX, settings={"number_of_replicas": 1})
        while (free := self._free()) > 2 * LEFT:
            self._hold(min(LARGEST, free - LEFT))
        self._refused = self._refusals()

    def endure(self) -> None:
        wait_for("refusals of the index job", lambda: self._refusals() > self._refused)

    def heal(self) -> None:
        self.site.platform.search.indices.delete(index=INDEX, ignore_unavailable=True)
        self._pool.shutdown()

    def _hold(self, size: int) -> None:
        """A write of so many bytes, and what the server adds to them; returns when it waits there."""
        before = self._free()
        write = self._pool.submit(self._write, "x" * size)
        wait_for("a write that waits", lambda: self._free() < before or write.done())

    def _write(self, ballast: str) -> None:
        server, document = self.site.platform.stack.config.elasticsearch, {"ballast": ballast}
        with closing(connect(server, HELD_SECONDS)) as client, suppress(ApiError):
            client.index(index=INDEX, document=document, wait_for_active_shards=2, timeout=f"{HELD_SECONDS}s")

    def _free(self) -> int:
        pressure = self._pressure()
        return int(pressure["limit_in_bytes"] - pressure["current"]["combined_coordinating_and_primary_in_bytes"])

    def _refusals(self) -> int:
        total = self._pressure()["total"]
        return int(total["coordinating_rejections"] + total["primary_rejections"])

    def _pressure(self) -> dict[str, Any]:
        (node,) = self.site.platform.search.nodes.stats(metric="indexing_pressure")["nodes"].values()
        memory: dict[str, Any] = node["indexing_pressure"]["memory"]
        return memory
