"""What the report on a topic's partitions says, and that its figures are those of the real Kafka."""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from random import Random
from typing import Optional

import click
import pytest

from connectors.kafka.consumers import Sample, read_committed, sample_keys
from connectors.kafka.producers import Producer
from connectors.kafka.topics import ensure_topics
from connectors.partition_report import hot_keys, keys_of, what_if
from connectors.partitioning import DEFAULT, PARTITIONERS, murmur2
from dmp.cli.events import generate
from dmp.errors import UserError
from tests.stacks import StackUnderTest

PARTITIONS = 4
OPTIONS = {"range": "range:b,c,d", "weighted-random": "weighted-random:4,3,2,1"}


def sample(found: dict[tuple[int, Optional[bytes]], int], partitions: int = 2) -> Sample:
    sizes = [sum(count for (place, _), count in found.items() if place == number) for number in range(partitions)]
    return Sample(sizes, Counter(found), complete=True)


def test_keys_are_counted_with_where_they_lie() -> None:
    mixed = sample({(0, b"a"): 6, (1, b"a"): 2, (1, b"b"): 1, (0, None): 1})
    assert keys_of(mixed) == (10, 1, 2, 1, 0.8)
    assert hot_keys(mixed, 5) == [(b"a", 8, 0.8, [0, 1]), (b"b", 1, 0.1, [1])]
    assert hot_keys(mixed, 1) == [(b"a", 8, 0.8, [0, 1])]


def test_an_empty_topic_has_nothing_to_say() -> None:
    empty = sample({})
    assert keys_of(empty) == (0, 0, 0, 0, 0.0)
    assert hot_keys(empty, 5) == []
    for name in PARTITIONERS:
        assert what_if(empty, OPTIONS.get(name, name), 4).balance == (1.0, 0.0, 4)


def test_the_strategy_in_use_moves_nothing_and_shows_the_balance_there_is() -> None:
    keys = [b"user-%d" % number for number in range(1000)]
    now = sample(Counter((murmur2(key, 4), key) for key in keys), partitions=4)
    assert what_if(now, "murmur2", 4).moved == 0
    assert sum(what_if(now, "murmur2", 4).balance) == pytest.approx(
        max(now.sizes) / 250 + what_if(now, "murmur2", 4).balance.gini
    )
    assert what_if(now, "murmur2", 5).moved == pytest.approx(0.8, abs=0.05)


def test_a_hot_key_goes_where_order_allows() -> None:
    hot = sample({(0, b"robot"): 700, **{(1, b"user-%d" % number): 1 for number in range(300)}})
    for name, kind in PARTITIONERS.items():
        tried = what_if(hot, OPTIONS.get(name, name), 4)
        assert tried.keeps_order == kind.keyed
        if kind.keyed:
            assert tried.balance.max_to_mean >= 0.7 * 4
        else:
            assert tried.moved is None
    assert what_if(hot, "round-robin", 4).balance.max_to_mean == 1
    assert what_if(hot, "random", 4).balance.max_to_mean < 1.2


def test_a_range_without_bounds_takes_those_of_the_sample() -> None:
    ordered = sample({(0, b"%03d" % number): 1 for number in range(400)})
    assert what_if(ordered, "range", 4).balance == (1.0, 0.0, 0)
    with pytest.raises(UserError, match="does not fit"):
        what_if(ordered, "range:a", 4)


@pytest.fixture
def topic(stack: StackUnderTest) -> str:
    name = f"test-{uuid.uuid4().hex}"
    ensure_topics(stack.config.kafka, [{"name": name, "partitions": PARTITIONS, "config": {}}])
    return name


def send(stack: StackUnderTest, topic: str, named: str, keys: list[Optional[bytes]]) -> None:
    """A message for each key, its value the place in the list."""
    producer = Producer(stack.config.kafka, [topic], partitioners={topic: named})
    for number, key in enumerate(keys):
        producer.send(topic, b"%d" % number, key)
    producer.flush()


@pytest.mark.stack
@pytest.mark.parametrize("name", PARTITIONERS)
def test_messages_lie_where_the_strategy_says_and_in_the_promised_order(
    stack: StackUnderTest, topic: str, name: str
) -> None:
    random = Random(name)
    keys: list[Optional[bytes]] = [random.choice([b"", None, *(b"key-%d" % n for n in range(50))]) for _ in range(5000)]
    send(stack, topic, OPTIONS.get(name, name), keys)
    places, orders = defaultdict(set), defaultdict(list)
    found = list(read_committed(stack.config.kafka, topic))
    assert len(found) == len(keys)
    for record in found:
        places[record.key].add(record.partition)
        orders[record.partition if record.key is None else record.key].append(int(record.value))
    if name != "murmur2":  # librdkafka stays with one partition for the time of a batch
        assert len(places[None]) == PARTITIONS
    for key in filter(None, keys):
        assert (len(places[key]) == 1) == PARTITIONERS[name].keyed
    if PARTITIONERS[name].keyed:
        assert all(order == sorted(order) for order in orders.values())
    if name == "murmur2":  # chosen by librdkafka
        assert all(where == {murmur2(key, PARTITIONS)} for key, where in places.items() if key)


@pytest.mark.stack
def test_a_sample_has_the_shares_of_the_whole(stack: StackUnderTest, topic: str) -> None:
    kafka = stack.config.kafka
    random = Random(2)
    keys: list[Optional[bytes]] = [b"robot" if random.random() < 0.3 else b"user-%d" % n for n in range(30_000)]
    send(stack, topic, "murmur2", keys)
    whole, part = sample_keys(kafka, topic, None), sample_keys(kafka, topic, 6_000)
    assert whole.complete and sum(whole.found.values()) == sum(whole.sizes) == len(keys)
    assert not part.complete and sum(part.found.values()) == pytest.approx(6_000, abs=PARTITIONS)
    assert part.sizes == whole.sizes
    assert {place: (place, key) for place, key in part.found if key == b"robot"} == {
        place: (place, key) for place, key in whole.found if key == b"robot"
    }
    assert keys_of(part).hottest == pytest.approx(keys_of(whole).hottest, abs=0.03)
    in_part = Counter(place for place, _ in part.found.elements())
    for place, size in enumerate(whole.sizes):
        assert in_part[place] == pytest.approx(size / 5, abs=1)


@pytest.mark.stack
def test_the_command_reports_a_real_topic(stack: StackUnderTest, topic: str) -> None:
    send(stack, topic, "murmur2", [b"secret@example.com"] * 500 + [b"user-%d" % n for n in range(500)] + [None] * 10)
    done = stack.dmp("partitions", "report", topic, "--json", "--partitions", "8", "--strategy", "consistent-hash")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["messages"], facts["complete"]) == (1010, True)
    assert facts["keys"] == {"read": 1010, "without_key": 10, "distinct": 501, "scattered": 0, "hottest": 500 / 1010}
    assert facts["hot_keys"][0]["partitions"] == [murmur2(b"secret@example.com", PARTITIONS)]
    (tried,) = facts["what_if"]
    assert (tried["strategy"], tried["partitions"], tried["keeps_order"]) == ("consistent-hash", 8, True)
    table = stack.dmp("partitions", "report", topic).stdout
    assert "1,010 messages" in table and "secret" not in table and "49.50%" in table
    assert "secret@example.com" in stack.dmp("partitions", "report", topic, "--keys").stdout
    sampled = stack.dmp("partitions", "report", topic, "--sample", "100").stdout
    assert "are estimates" in sampled


@pytest.mark.stack
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no.such.topic"], "has no topic no.such.topic"),
        (["dmp.events.raw", "--strategy", "modulo"], "'modulo' is no partitioner"),
        (["dmp.events.raw", "--strategy", "weighted-random:1,2", "--partitions", "3"], "2 weights are given"),
    ],
)
def test_mistakes_are_told_in_one_line(stack: StackUnderTest, arguments: list[str], problem: str) -> None:
    done = stack.dmp("partitions", "report", *arguments)
    assert done.returncode == 2
    assert problem in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.stack
def test_generate_and_collect_take_a_strategy(stack: StackUnderTest, tmp_path_factory: pytest.TempPathFactory) -> None:
    for arguments in (["generate", "--events", "10"], ["collect", "jsonl", __file__]):
        done = stack.dmp(*arguments, "--partitioner", "range:a,b")
        assert done.returncode == 2
        assert "3 ranges, but there are 4 partitions" in done.stderr
    assert stack.dmp("generate", "--events", "10", "--partitioner", "sha1").returncode == 0


def test_the_help_of_the_option_names_every_strategy() -> None:
    (option,) = (option for option in generate.params if option.name == "partitioner")
    assert isinstance(option, click.Option) and option.help
    assert all(name in option.help for name in PARTITIONERS) and option.default == DEFAULT
