"""What the tests of collectors and the generator share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.input.rabbitmq_node import Node
from tests.input.written import Raw
from tests.stacks import StackUnderTest


@pytest.fixture
def raw(stack: StackUnderTest) -> Iterator[Raw]:
    with closing(Raw(stack.config.kafka)) as topic:
        yield topic


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A running RabbitMQ. A test that kills it starts it again."""
    with closing(Node(tmp_path_factory.mktemp("rabbitmq"))) as node:
        node.start()
        yield node
