"""Goal: whatever happens to Kafka, nothing is skipped or reset, and the ingester goes on by itself within 15 s.

Method: the broker itself is taken away under a producer that never stops; the independent checker judges at the end.
"""

import time

import pytest
from deployment import wait_until
from producers import ContinuousProducer, Producer, Transactions, event
from recovery import judge, wait_for_more
from topics import Topic
from trouble import broker_killed, broker_paused

pytestmark = pytest.mark.fault("I1 I7 I8", bound_s=15)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60


def test_the_broker_killed_and_started_again(deployment, kafka, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for _ in range(2):
            wait_for_more(deployment, 300, "before the broker is killed")
            broker_killed(kafka, ingester)
            recovery.measure(deployment, producer)
    judge(deployment, producer)
    assert ingester.metric("sealstream_halted_partitions") == 0


def test_the_broker_paused(deployment, kafka, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the broker is paused")
        broker_paused(kafka, ingester)
        recovery.measure(deployment, producer)
    judge(deployment, producer)


def test_partitions_added(deployment, recovery):
    """Tenants then move to other partitions, and stay one chain each."""
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before partitions are added")
        Topic(deployment).add_partitions(18)
        with Producer(deployment) as late:
            for partition in range(12, 18):
                late.send("late", event("late"), partition=partition)
            late.flush()
        begin = time.monotonic()
        wait_until(lambda: deployment.ask("SELECT count(*) FROM audit.ledger WHERE tenant_id = 'late'") == [(6,)], kSoon_s,
                   "the new partitions sealed")
        recovery.note(time.monotonic() - begin)
    wait_until(lambda: ingester.metric("sealstream_partition_assigned") == 18, kSoon_s, "all partitions assigned")
    judge(deployment, producer)


def test_aborted_transactions_and_control_records_are_skipped_and_leave_no_lag(deployment, recovery):
    """Also at the end of partitions where nothing follows."""
    ingester = deployment.ingester()
    tenants = [f"tenant-{number}" for number in range(40)]
    transactions = Transactions(deployment)
    for commit in (True, False, False, True, False):
        transactions.run(tenants, commit)

    def ends_with_markers():
        ends = Topic(deployment).ends()
        return ends if sum(ends) == 200 + 5 * sum(end > 0 for end in ends) else None

    ends = wait_until(ends_with_markers, kSoon_s,
                      "a marker of each transaction in each partition, which are written after the coordinator's answer")
    recovery.measure_all(deployment, sum(ends))
    assert deployment.ask("SELECT sum(accepted), sum(skipped) FROM audit.partitions") == [(80, sum(ends) - 80)]
    wait_until(lambda: ingester.metric("sealstream_partition_end_offset") == sum(ends), kSoon_s, "the ends asked of the broker")
    assert ingester.metric("sealstream_consumer_lag_records") == 0
    assert ingester.metric("sealstream_consumer_lag_seconds") == 0
    assert ingester.metric("sealstream_halted_partitions") == 0
    deployment.check()
