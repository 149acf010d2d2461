"""Many random graphs as one input, and what the model makes of them."""

from __future__ import annotations

from random import Random

from tests.identity import graphs, model
from tests.identity.sql_run import Results


def many_graphs(random: Random, count: int) -> list[graphs.Graph]:
    return [graphs.graph(random, f"{number}.") for number in range(count)]


def as_one_input(random: Random, some: list[graphs.Graph]) -> graphs.Graph:
    """All events and all commands, mixed, some of them twice."""
    events = graphs.shuffled(random, [event for events, _ in some for event in events])
    return events, graphs.shuffled(random, [command for _, commands in some for command in commands])


def expected(some: list[graphs.Graph], limits: model.Limits) -> Results:
    persons, refused = [], []
    for events, commands in some:
        result = model.identities(events, commands, limits)
        persons += [(*identifier, profile) for identifier, profile in result.profiles.items()]
        refused += [(*a, *b, reason) for (a, b), reason in result.refused.items()]
    return Results(sorted(persons), sorted(refused))


def compare(results: Results, wanted: Results) -> None:
    """Fail with some of the rows that differ."""
    for view, rows, rows_wanted in zip(Results._fields, results, wanted):
        missing, unexpected = sorted({*rows_wanted} - {*rows}), sorted({*rows} - {*rows_wanted})
        assert not missing and not unexpected, f"{view}: missing {missing[:3]}, unexpected {unexpected[:3]}"
        assert rows == rows_wanted
