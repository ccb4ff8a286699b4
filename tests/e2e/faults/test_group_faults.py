"""Goal: whatever members of the group do, a zombie among them, nothing is written under an old epoch, and progress never stops
for 30 s.

Method: instances are frozen, woken, killed and cut off at the worst moment; the independent checker judges at the end.
"""

import signal
import time

import psycopg
import pytest
from deployment import wait_until
from observe import observe
from producers import ContinuousProducer, Producer
from proxy import Proxy
from recovery import Progress, judge, wait_for_more
from trouble import lane_hangs

pytestmark = pytest.mark.fault("I1 I2 I6 I8", bound_s=30)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60
kRhythm_s = 5


@pytest.fixture
def proxy(postgres):
    with Proxy(postgres.host, postgres.port) as between:
        yield between


@pytest.mark.parametrize("host", ["alive", "cut_off"])
def test_a_zombie_that_wakes_up_writes_nothing_under_its_old_epoch(deployment, proxy, recovery, host):
    """It is frozen in the middle of a COPY, its transaction open and holding partitions, until another has taken over. What it
    sends when it wakes reaches the server, or nobody any more."""
    one = deployment.ingester("one", postgres={"port": proxy.port})
    with Producer(deployment) as producer:
        producer.send_events(1_000, kTenants).flush()
        deployment.wait_sealed(1_000)
        with psycopg.connect(deployment.uri_for_checker()) as holder:
            holder.execute("SELECT 1 FROM audit.partitions FOR UPDATE")  # every batch now waits in audit.hold
            producer.send_events(1_000, kTenants).flush()
            wait_until(lambda: deployment.writers("wait_event_type = 'Lock'") > 0, kSoon_s, "a batch that waits")
            one.signal(signal.SIGSTOP)
        wait_until(lambda: deployment.writers("query LIKE '%COPY%' AND state = 'active' AND wait_event = 'ClientRead'") > 0,
                   kSoon_s, "a frozen COPY")
        proxy.swallows = host == "cut_off"
        epochs = deployment.epochs()
        two = deployment.ingester("two")
        recovery.measure_all(deployment, 2_000)
        producer.send_events(1_000, kTenants).flush()
        deployment.wait_sealed(3_000)
        assert all(after > before for before, after in zip(epochs, deployment.epochs())), "every partition was claimed anew"
        observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
        assert one.frozen()
        one.signal(signal.SIGCONT)
        wait_until(lambda: one.metric("sealstream_fenced_commits_total")
                   + one.metric("sealstream_rebalances_total", event="lost") > 0, kSoon_s, "the zombie to learn what happened")
        proxy.swallows = False
        proxy.cut()
        one.wait_ready()
        producer.send_events(1_000, kTenants).flush()
        recovery.measure_all(deployment, 4_000)
    assert deployment.ask("SELECT count(*) FROM audit.ledger") == [(4_000,)]
    assert two.running() and one.running()
    judge(deployment, producer)


def test_a_member_that_joins_or_leaves_every_five_seconds(deployment, recovery):
    """It leaves in order and by kill -9 in turn; the other one stays."""
    deployment.ingester("stays")
    comes_and_goes = deployment.start_ingester("comes_and_goes")
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer, Progress(deployment) as progress:
        due = time.monotonic()
        for number in signal.SIGTERM, signal.SIGKILL, signal.SIGTERM:
            for change in lambda: comes_and_goes.signal(number), comes_and_goes.start:
                due += kRhythm_s
                wait_until(lambda: time.monotonic() >= due, kSoon_s, "the next change")
                comes_and_goes.running() or comes_and_goes.wait_end()
                change()
        recovery.measure(deployment, producer)
    recovery.note(progress.longest_pause_s)
    judge(deployment, producer)


def test_two_instances_that_claim_the_same_partitions_in_turn(deployment, recovery):
    """Each is alone in a group of its own, so that both are given everything, and each claim fences the other."""
    one, two = deployment.ingester("one"), deployment.ingester("two", kafka={"group_id": "another"})
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer, Progress(deployment) as progress:
        wait_until(lambda: one.metric("sealstream_fenced_commits_total") > 10
                   and two.metric("sealstream_fenced_commits_total") > 10, kSoon_s, "both to be fenced again and again")
        wait_for_more(deployment, 3_000, "while they fence each other")
        two.signal(signal.SIGTERM)
        recovery.measure(deployment, producer)
    recovery.note(progress.longest_pause_s)
    judge(deployment, producer)


def test_a_lane_that_hangs_does_not_hold_up_the_others(deployment, proxy, recovery):
    ingester = deployment.ingester(postgres={"port": proxy.port}, ingest={"lanes": 4})
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer, Progress(deployment) as progress:
        wait_for_more(deployment, 300, "before a lane hangs")
        lane_hangs(proxy, deployment, ingester)
        recovery.measure(deployment, producer)
    recovery.note(progress.longest_pause_s)
    judge(deployment, producer)


def test_database_that_is_down_at_the_moment_of_an_assignment(deployment, postgres, recovery):
    one = deployment.ingester("one")
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before PostgreSQL is killed")
        postgres.kill()
        try:
            two = deployment.start_ingester("two")
            for member, times in (two, 1), (one, 2):
                member.wait(lambda: member.metric("sealstream_rebalances_total", event="assigned") >= times, kSoon_s,
                            "to be assigned its share")
        finally:
            postgres.start()
        recovery.measure(deployment, producer)
        one.wait_ready(), two.wait_ready()
    judge(deployment, producer)
