"""Goal: the quickstart's sample events are what the publishers' contract asks for, and the same on every machine.

Method: generate them in this process and look at the bytes.
"""

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

from sample_events import Samples, kFamilyWeights, line  # noqa: E402

kEnd = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def events():
    return list(Samples(1, kEnd).events(1200))


def family(event):
    return event["type"].split(".")[1]


def test_the_same_seed_and_end_give_the_same_bytes(events):
    assert [line(event) for event in Samples(1, kEnd).events(1200)] == [line(event) for event in events]


def test_another_seed_gives_other_events(events):
    ids = {event["id"] for event in Samples(2, kEnd).events(1200)}
    assert not ids & {event["id"] for event in events}


def test_all_six_families_are_there_and_the_first_six_show_one_each(events):
    assert {family(event) for event in events[:6]} == set(kFamilyWeights)
    counts = {name: sum(family(event) == name for event in events) for name in kFamilyWeights}
    assert len(counts) == 6 and min(counts.values()) >= 20


def test_ids_are_unique_and_rise_with_time(events):
    ids = [event["id"] for event in events]
    assert len(set(ids)) == len(ids)
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", i) for i in ids)


def test_times_lie_within_the_two_hours_before_the_end(events):
    times = [datetime.fromisoformat(event["time"]) for event in events]
    assert times == sorted(times)
    assert kEnd - timedelta(hours=2) <= times[0] and times[-1] < kEnd


def test_a_line_is_the_tenant_a_tab_and_the_event(events):
    for event in events:
        key, tab, value = line(event).partition("\t")
        assert key == event["tenantid"] and tab and json.loads(value) == event
        assert value.count("\n") == 1
