"""Telling a webhook of alerts: each time that one opens, resolves or is withdrawn, at least once.

It follows dmp.alerts on its own, so that a receiver that is slow or away holds up nothing else. How far it has come is
kept in Kafka; what it has told follows from the messages before.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Optional

import orjson

from connectors.kafka.consumers import Follower
from connectors.stop import StopRequest
from connectors.webhook import Webhook
from dmp.config import KafkaSection

GROUP = "dmp.alerts.deliver"
Say = Callable[[str], None]


class Notifier:
    """Posts the alerts of a topic, those that change their status alone unless `updates`."""

    def __init__(self, webhook: Webhook, updates: bool, say: Say, stop: StopRequest) -> None:
        self._webhook = webhook
        self._updates = updates
        self._say = say
        self._stop = stop
        self._told: dict[bytes, str] = {}
        self.delivered = 0
        self.refused = 0

    def run(self, kafka: KafkaSection, topic: str, until_end: bool = False) -> None:
        """Until asked to stop, or with `until_end` until everything that is there now was told."""
        with closing(Follower(kafka, topic, GROUP)) as follower:
            if follower.is_new:
                self._tell_open_ones(follower)
            else:
                for record in follower.before():
                    self._learn(record)
            for record in follower.records(until_end):
                if record is not None and not self._tell(record):
                    return  # not told: the next run does
                if record is not None:
                    follower.commit(record)
                if self._stop.signal:
                    return

    def _tell_open_ones(self, follower: Follower) -> None:
        """At the very first start what is over is no news; what is open is."""
        latest: dict[bytes, Any] = {}
        for record in follower.before():
            latest[record.key] = record
        for record in latest.values():
            if _status(record) != "open":
                self._learn(record)
            elif not self._tell(record):
                return
        follower.commit_start()

    def _learn(self, record: Any) -> None:
        status = _status(record)
        if status is None:
            self._told.pop(record.key, None)
        else:
            self._told[record.key] = status

    def _tell(self, record: Any) -> bool:
        """Post one alert if that is due; False when asked to stop before it arrived."""
        status = _status(record)
        if status is not None and (self._updates or status != self._told.get(record.key)) and not self._post(record):
            return False
        self._learn(record)
        return True

    def _post(self, record: Any) -> bool:
        delivery = f"{record.partition}-{record.offset}"
        for attempt in itertools.count():
            answer = self._webhook.post(record.value, delivery, attempt, int(time.time()))
            if answer.taken:
                self.delivered += 1
                return True
            if answer.again_after is None:
                self.refused += 1
                self._say(f"the receiver refuses {_name(record)} for good: {answer.reason}")
                return True
            if attempt == 0:
                self._say(f"{_name(record)} waits for the receiver: {answer.reason}; trying again")
            if self._stop.wait(answer.again_after):
                return False
        raise AssertionError("counting does not end")


def _status(record: Any) -> Optional[str]:
    return None if record.value is None else str(orjson.loads(record.value)["status"])


def _name(record: Any) -> str:
    alert = orjson.loads(record.value)
    return f"alert {alert['alert_id']} ({alert['rule']}, {alert['status']})"
