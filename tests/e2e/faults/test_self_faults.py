"""Goal: whatever happens to the process or its machine short of a crash, nothing is lost or doubled, it stays within its limits,
and it goes on or ends in time.

Method: the built program under signals, jumping clocks, without descriptors, with a backlog and too many scrapers; the
independent checker judges at the end.
"""

import json
import resource
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import preload
import pytest
from deployment import wait_until
from producers import ContinuousProducer, Producer
from recovery import judge, wait_for_more

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
            ingester.config.write_text(text)
            ingester.signal(signal.SIGHUP)
            ingester.wait(lambda: any(line["event"] == event and words in line["msg"] for line in ingester.log_events()),
                          kSoon_s, f"to say: {words}")
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
    """So that PostgreSQL's connections cannot be opened again, and nobody can ask how it is."""
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before descriptors are scarce")
        soft, hard = resource.prlimit(ingester.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(ingester.pid, resource.RLIMIT_NOFILE, (3, hard))
        deployment.end_writers()
        wait_until(lambda: "Too many open files" in ingester.log.read_text(), kSoon_s, "it to say so")
        resource.prlimit(ingester.pid, resource.RLIMIT_NOFILE, (soft, hard))
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
    """Sixteen scrapers that ask again at once, for as long as 3,000 records take."""
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer, ThreadPoolExecutor(16) as scrapers:
        wait_for_more(deployment, 300, "before the storm")
        goal = deployment.sealed() + 3_000
        storm = [scrapers.submit(scrape_until, ingester, lambda: deployment.sealed() >= goal) for _ in range(16)]
        answers = [answer for scraper in storm for answer in scraper.result(kSoon_s)]
        recovery.measure(deployment, producer.sent + 1)
    assert len(answers) > 500 and set(answers) == {200}
    judge(deployment, producer)


def scrape_until(ingester, done):
    answers = []
    while not done():
        answers += [ingester.get("/metrics")[0] for _ in range(10)]
    return answers
