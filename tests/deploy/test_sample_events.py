"""Goal: the quickstart's sample events are what the publishers' contract asks for, and the same on every machine.

Method: generate them in this process and look at the bytes.
"""

import json
import re
import sys
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

from sample_companies import kCompanies  # noqa: E402
from sample_events import Samples, kFamilyWeights, kOrdinaryEvents, line  # noqa: E402
from sample_stories import tell  # noqa: E402

kDay = date(2026, 3, 1)


@pytest.fixture(scope="module")
def events():
    return Samples(1, kDay).events()


def family(event):
    return event["type"].split(".")[1]


def test_the_same_seed_and_day_give_the_same_bytes(events):
    assert [line(event) for event in Samples(1, kDay).events()] == [line(event) for event in events]


def test_another_seed_gives_other_events(events):
    ids = {event["id"] for event in Samples(2, kDay).events()}
    assert not ids & {event["id"] for event in events}


def test_another_day_gives_as_many_events_at_the_same_times_of_the_day(events):
    def clock(event):
        return event["time"].partition("T")[2]

    other = Samples(1, kDay + timedelta(days=100)).events()
    assert sorted(map(clock, other)) == sorted(map(clock, events))


def test_every_company_sends_all_six_families(events):
    counts = Counter((event["tenantid"], family(event)) for event in events)
    for company in kCompanies:
        assert {name for tenant, name in counts if tenant == company.tenant} == set(kFamilyWeights)
    assert len(events) == kOrdinaryEvents + len(list(tell()))


def test_ids_are_unique_and_rise_with_time(events):
    ids = [event["id"] for event in events]
    assert len(set(ids)) == len(ids)
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", i) for i in ids)


def test_only_the_life_of_keys_lies_before_the_day_and_nothing_behind_it(events):
    midnight = datetime(kDay.year, kDay.month, kDay.day, tzinfo=timezone.utc)
    times = [datetime.fromisoformat(event["time"]) for event in events]
    assert times == sorted(times) and times[-1] < midnight + timedelta(days=1)
    assert {family(event) for event, time in zip(events, times) if time < midnight} == {"api_key"}


def test_a_line_is_the_tenant_a_tab_and_the_event(events):
    for event in events:
        key, tab, value = line(event).partition("\t")
        assert key == event["tenantid"] and tab and json.loads(value) == event
        assert value.count("\n") == 1
