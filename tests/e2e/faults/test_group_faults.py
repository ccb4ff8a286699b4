"""Goal: whatever members of the group do, a zombie among them, nothing is written under an old epoch, and progress never stops
for 30 s.

Method: instances are frozen, woken, killed and cut off at the worst moment; the independent checker judges at the end.
"""

import signal

import psycopg
import pytest
from deployment import wait_until
from observe import observe
from producers import ContinuousProducer, Producer
from recovery import judge, wait_for_more

pytestmark = pytest.mark.fault("I1 I2 I6 I8", bound_s=30)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60


def test_a_zombie_that_wakes_up_writes_nothing_under_its_old_epoch(deployment, recovery):
    """It is frozen in the middle of a COPY, its transaction open and holding partitions, until another has taken over."""
    one = deployment.ingester("one")
    with Producer(deployment) as producer:
        producer.send_events(1_000, kTenants).flush()
        deployment.wait_sealed(1_000)
        with psycopg.connect(deployment.uri_for_checker()) as holder:
            holder.execute("SELECT 1 FROM audit.partitions FOR UPDATE")  # every batch now waits in audit.hold
            producer.send_events(1_000, kTenants).flush()
            wait_until(lambda: deployment.writers("wait_event_type = 'Lock'") > 0, 60, "a batch that waits for its partitions")
            one.signal(signal.SIGSTOP)
        wait_until(lambda: deployment.writers("query LIKE '%COPY%' AND state = 'active' AND wait_event = 'ClientRead'") > 0, 60,
                   "a frozen COPY")
        epochs = deployment.epochs()
        two = deployment.ingester("two")
        recovery.measure(deployment, 2_000)
        producer.send_events(1_000, kTenants).flush()
        deployment.wait_sealed(3_000)
        assert all(after > before for before, after in zip(epochs, deployment.epochs())), "every partition was claimed anew"
        observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
        one.signal(signal.SIGCONT)
        wait_until(lambda: one.metric("sealstream_fenced_commits_total") + one.metric("sealstream_rebalances_total",
                                                                                       event="lost") > 0,
                   60, "the zombie to learn that it was replaced")
        one.wait_ready()
        producer.send_events(1_000, kTenants).flush()
        deployment.wait_sealed(4_000)
    assert deployment.ask("SELECT count(*) FROM audit.ledger") == [(4_000,)]
    assert two.running() and one.running()
    judge(deployment, producer)


def test_members_that_come_and_go_never_stop_the_others(deployment, recovery):
    one, two = deployment.ingester("one"), deployment.ingester("two")
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for member in (two, one, two):
            wait_for_more(deployment, 300, "before a member leaves")
            member.signal(signal.SIGTERM)
            assert member.wait_end() == 0
            recovery.measure(deployment, producer.sent + 1)
            member.start().wait_ready()
    judge(deployment, producer)
