"""Goal: the benchmarks say what they measured: spreads, verdicts, and backlogs with the shares that a case names.

Method: the pure parts of bench/, with small inputs.
"""

import json
import sys
from itertools import islice
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "bench")]

from events import lines, poisoned, repeated, tenants  # noqa: E402
from figures import cell, spread, table, verdict  # noqa: E402


def backlog(count, seed=1, size=800):
    return list(lines(count, tenants(100, seed=seed), seed, size))


def event(line):
    return json.loads(line.partition("\t")[2])


def test_a_spread_is_the_median_between_the_extremes():
    assert spread([3, 1, 2.004]) == {"median": 2.0, "min": 1, "max": 3}
    assert cell(spread([1_000, 3_000, 2_000], 0)) == "2,000 (1,000 to 3,000)"
    assert cell(spread([7.25])) == "7.25"


def test_a_table_is_aligned():
    assert table(["what", "n"], [["a", 1_000], ["long name", 2]]) == [
        "| what      |     n |", "| --------- | ----: |", "| a         | 1,000 |", "| long name |     2 |"]


@pytest.mark.parametrize(("relation", "measured", "said"), [
    ("≥", 100, "met"), ("≥", 50, "missed: 0.50 of it"), ("≤", 100, "met"), ("≤", 150, "missed: 1.50 times it")])
def test_a_verdict_says_by_how_much_a_target_is_missed(relation, measured, said):
    assert verdict(relation, 100, measured) == said


def test_all_but_the_time_follows_from_the_seed():
    first, again = ([event(line) | {"time": None} for line in backlog(50)] for _ in range(2))
    assert first == again
    assert {event(line)["id"] for line in backlog(50)}.isdisjoint(event(line)["id"] for line in backlog(50, seed=2))


@pytest.mark.parametrize("size", [800, 8_000, 128_000])
def test_events_have_about_the_size_that_is_asked_for(size):
    sizes = [len(line.partition("\t")[2]) for line in backlog(30, size=size)]
    assert 0.9 < sum(sizes) / len(sizes) / size < 1.1


def test_repeated_records_are_those_sent_byte_by_byte_and_in_their_order():
    sent = backlog(1_000)
    mixed = list(repeated(sent, backlog(1_000, seed=2), 0.5))
    places = [sent.index(line) for line in mixed if line in set(sent)]
    assert places == sorted(places)
    assert 400 < len(places) < 600
    assert list(repeated(sent, backlog(1_000, seed=2), 1)) == sent


def test_poisoned_records_lack_their_source_and_nothing_else():
    sent = backlog(100)
    for before, after in zip(sent, poisoned(sent, 1)):
        assert event(after) == {name: value for name, value in event(before).items() if name != "source"}
    assert list(poisoned(sent, 0)) == sent


def test_tenants_of_zipf_are_unequal_and_uniform_ones_are_not():
    def share_of_first(exponent):
        names = list(islice(tenants(100, exponent), 10_000))
        return names.count("tenant-0000000") / len(names)

    assert 0.15 < share_of_first(1.0) < 0.25
    assert share_of_first(0.0) < 0.02
