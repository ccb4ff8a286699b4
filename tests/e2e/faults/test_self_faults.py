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
from producers import ContinuousProducer, Producer
from recovery import judge, wait_for_more
from trouble import no_descriptor_left, scraped_without_a_pause, told_to_reload

kTenants = [f"tenant-{number:03d}" for number in range(60)]
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
        recovery.measure(deployment, producer.sent + 1)
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
            recovery.measure(deployment, producer.sent + 1)
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
            recovery.measure(deployment, producer.sent + 1)
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
        recovery.measure(deployment, producer.sent + 1)
        ingester.wait_ready()
    judge(deployment, producer)


@pytest.mark.fault("I1 I8 I9", bound_s=60)
def test_a_backlog_in_256_mib_of_memory(deployment, recovery):
    with Producer(deployment) as producer:
        producer.send_events(100_000, kTenants).flush()
    ingester = deployment.ingester()
    recovery.measure(deployment, 100_000)
    assert ingester.peak_memory_mib() <= 256
    judge(deployment, producer)


@pytest.mark.fault("I8 I9", bound_s=5)
def test_a_storm_of_scrapes(deployment, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the storm")
        answers = scraped_without_a_pause(deployment, ingester)
        recovery.measure(deployment, producer.sent + 1)
    assert len(answers) > 500 and set(answers) == {200}
    judge(deployment, producer)
