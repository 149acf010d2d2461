"""Posts to a real HTTP server on this machine: signed, tried again, refused, too slow."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from connectors.webhook import LONGEST_PAUSE_SECONDS, Webhook, signature
from tests.connectors.receiver import Receiver, receiving

BODY = b'{"rule": "some"}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def test_a_post_arrives_signed_with_its_time(receiver: Receiver) -> None:
    assert Webhook(receiver.url, b"key").post(BODY, "2-17", 0, 1_772_323_200).taken
    ((headers, body),) = receiver.came
    digest = hmac.new(b"key", b"1772323200." + BODY, hashlib.sha256).hexdigest()
    assert body == BODY
    assert headers["X-DMP-Signature"] == f"t=1772323200,v1={digest}" == signature(b"key", BODY, 1_772_323_200)
    assert (headers["X-DMP-Delivery"], headers["Content-Type"]) == ("2-17", "application/json")


def test_without_a_secret_there_is_no_signature(receiver: Receiver) -> None:
    assert Webhook(receiver.url, None).post(BODY, "0-0", 0, 0).taken
    assert "X-DMP-Signature" not in receiver.came[0][0]


@pytest.mark.parametrize(("status", "again"), [(503, True), (429, True), (408, True), (400, False), (302, False)])
def test_what_is_worth_another_try(receiver: Receiver, status: int, again: bool) -> None:
    receiver.answers = [(status, {"Location": "http://127.0.0.1:1/"})]
    answer = Webhook(receiver.url, None).post(BODY, "0-0", 0, 0)
    assert not answer.taken
    assert str(status) in answer.reason
    assert (answer.again_after is not None) == again


def test_pauses_grow_to_a_limit_and_obey_the_receiver(receiver: Receiver) -> None:
    receiver.answers = [(503, {}), (503, {}), (503, {}), (429, {"Retry-After": "90"})]
    hook = Webhook(receiver.url, None)
    pauses = [hook.post(BODY, "0-0", attempt, 0).again_after for attempt in (0, 3, 1000, 0)]
    assert pauses == [1, 8, LONGEST_PAUSE_SECONDS, 90]


def test_a_receiver_that_does_not_answer_or_is_not_there_is_tried_again(receiver: Receiver) -> None:
    receiver.answers = [(None, {})]
    slow = Webhook(receiver.url, None, timeout_seconds=0.3).post(BODY, "0-0", 0, 0)
    away = Webhook("http://127.0.0.1:1/hook?token=s3cret", None, timeout_seconds=2).post(BODY, "0-0", 0, 0)
    for answer in (slow, away):
        assert not answer.taken and answer.again_after == 1
        assert answer.reason and "s3cret" not in answer.reason
