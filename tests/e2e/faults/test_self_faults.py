"""Goal: whatever happens to the process or its machine short of a crash, nothing is lost or doubled, it stays within its limits,
and it goes on or ends in time.

Method: the built program under signals, jumping clocks, without descriptors, with a backlog and too many scrapers; the
independent checker judges at the end.
"""

import json
import signal
import time
from datetime import datetime, timedelta, timezone

import preload
import pytest
from producers import ContinuousProducer, Producer, event, now, publish_lines
from recovery import judge, wait_for_more
from trouble import no_descriptor_left, scraped_without_a_pause, told_to_reload

kTenants = [f"tenant-{number:03d}" for number in range(60)]
kMillions, kManyTenants = 2_000_000, 10_000
kSoon_s = 60
kFaketime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def drain(ingester):
    """How long it takes from SIGTERM to its end."""
    begin = time.monotonic()
    ingester.signal(signal.SIGTERM)
    assert ingester.wait_end() == 0
    assert "Everything in hand was committed" in ingester.log.read_text()
    return time.monotonic() - begin


@pytest.mark.fault("I1 I8", bound_s=5)
def test_sigterm_without_a_backlog(deployment, recovery):
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(2_000, kTenants).flush()
    deployment.wait_sealed(2_000)
    recovery.note(drain(ingester))
    judge(deployment, producer)


@pytest.mark.fault("I1 I8", bound_s=30)
def test_sigterm_under_load(deployment, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=2_000) as producer:
        wait_for_more(deployment, 2_000, "before SIGTERM")
        recovery.note(drain(ingester))
        deployment.ingester("two")
        recovery.measure(deployment, producer)
    judge(deployment, producer)


@pytest.mark.fault("I1 I8", bound_s=5)
def test_sighup_with_a_bad_file_and_with_a_good_one(deployment, recovery):
    ingester = deployment.ingester()
    good = json.loads(ingester.config.read_text())
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before SIGHUP")
        for text, event, words in (
                ("ingest: [", "reload_failed", "what was in force stays"),
                (json.dumps(good | {"ingest": {"batch_rows": 0}}), "reload_failed", "ingest.batch_rows"),
                (json.dumps(good | {"ingest": {"batch_rows": 3, "lanes": 7}}), "reloaded", "a restart takes ingest.lanes")):
            told_to_reload(ingester, text, event, words)
            recovery.measure(deployment, producer)
        full = ingester.metric("sealstream_batches_total", flush_reason="rows")
        ingester.wait(lambda: ingester.metric("sealstream_batches_total", flush_reason="rows") > full, kSoon_s,
                      "to close a batch that holds three rows")
    judge(deployment, producer)


@pytest.mark.fault("I1 I8 I11", bound_s=5)
@pytest.mark.parametrize("jump", ["+40d", "-400d"])
def test_the_clock_jumps(deployment, tmp_path, recovery, jump):
    """The wall clock of the process alone; a monotonic clock does not jump."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    libraries = f"{preload.build('cnd_timedwait', tmp_path)}:{kFaketime}"
    launcher = ["env", f"LD_PRELOAD={libraries}", f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1"]
    ingester = deployment.ingester(launcher=launcher)
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the clock jumps")
        for there in jump, "+0", jump:
            clock.write_text(there)
            recovery.measure(deployment, producer)
            wait_for_more(deployment, 600, "under that clock")
    assert ingester.ready() and ingester.metric("sealstream_records_quarantined_total") == 0
    judge(deployment, producer)
    drain(ingester)
    logged = datetime.fromisoformat(ingester.log_events()[-1]["ts"])
    assert abs(logged - datetime.now(timezone.utc)) > timedelta(days=30)


@pytest.mark.fault("I1 I8 I9", bound_s=5)
def test_no_descriptor_is_left(deployment, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before descriptors are scarce")
        no_descriptor_left(deployment, ingester)
        recovery.measure(deployment, producer)
        ingester.wait_ready()
    judge(deployment, producer)


def million_lines(count):
    """Events with ids of their own, number by number in one form, so that what is sealed can be told from what was sent."""
    text = json.dumps(event("TENANT", id="ID", time=now()))
    for number in range(count):
        tenant = f"tenant-{number * 7919 % kManyTenants:05d}"
        yield f"{tenant}\t{text.replace('TENANT', tenant).replace('ID', f'{number:010d}')}\n"


def expect_each_once_in_order(deployment, count):
    """In SQL, since the checker judges some thousand records a second: each sent event is one row of one offset, the offsets are
    without a gap, and a tenant's rows lie as its records do."""
    rows = deployment.ask("SELECT count(*), count(DISTINCT event_id), min(event_id), max(event_id) FROM audit.ledger")
    assert rows == [(count, count, f"{0:010d}", f"{count - 1:010d}")]
    offsets = deployment.ask("SELECT kafka_partition, count(DISTINCT kafka_offset), min(kafka_offset), max(kafka_offset) + 1"
                             " FROM audit.ledger GROUP BY 1 ORDER BY 1")
    assert offsets == deployment.ask("SELECT partition, next_offset, 0::bigint, next_offset FROM audit.partitions ORDER BY 1")
    assert deployment.ask("SELECT count(*) FROM (SELECT kafka_offset <= lag(kafka_offset) OVER tenant OR kafka_partition <>"
                          " lag(kafka_partition) OVER tenant AS astray FROM audit.ledger"
                          " WINDOW tenant AS (PARTITION BY tenant_id ORDER BY seq)) AS rows WHERE astray") == [(0,)]


@pytest.mark.fault("I1 I2 I3 I8 I9", bound_s=180)
def test_a_backlog_of_millions_in_256_mib_of_memory(deployment, recovery):
    """The kernel refuses what the process asks for beyond that, its threads' stacks included."""
    publish_lines(deployment.kafka, deployment.topic, million_lines(kMillions))
    begin = time.monotonic()
    ingester = deployment.ingester(launcher=["prlimit", f"--data={256 * 2**20}", f"--stack={2**20}"])
    ingester.wait(lambda: deployment.sealed() == kMillions, 300, "to seal all")
    recovery.note(time.monotonic() - begin)
    assert ingester.peak_memory_mib() <= 256
    expect_each_once_in_order(deployment, kMillions)
    deployment.sealstream("verify")


@pytest.mark.fault("I8 I9", bound_s=5)
def test_a_storm_of_scrapes(deployment, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the storm")
        answers = scraped_without_a_pause(deployment, ingester)
        recovery.measure(deployment, producer)
    assert len(answers) > 500 and set(answers) == {200}
    judge(deployment, producer)
