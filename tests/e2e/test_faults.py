"""Goal: whatever dies around the ingester, everything acknowledged takes effect once, and it goes on by itself.

Method: the servers of the tier themselves are killed under a producer that never stops; a zombie is made with SIGSTOP at
the worst moment, in the middle of a COPY; the independent checker judges at the end.
"""

import signal

import psycopg
from deployment import wait_until
from observe import observe
from producers import ContinuousProducer, Producer

kTenants = [f"tenant-{number:03d}" for number in range(60)]
kRecover_s = 60


def wait_for_more(deployment, records, what):
    goal = deployment.sealed() + records
    wait_until(lambda: deployment.sealed() >= goal, kRecover_s, f"{records} more records sealed {what}")


def test_postgresql_killed_and_started_again(deployment, postgres):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for _ in range(3):
            wait_for_more(deployment, 300, "before PostgreSQL is killed")
            postgres.kill()
            wait_until(lambda: ingester.get("/readyz")[0] == 503, kRecover_s, "not ready while PostgreSQL is down")
            assert list(ingester.failing_checks()) == ["database"]
            assert ingester.get("/livez")[0] == 200, "a database that is away is no reason to kill the ingester"
            postgres.start()
            ingester.wait_ready()
            observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
    deployment.wait_sealed(producer.acknowledged)
    assert ingester.metric("sealstream_records_quarantined_total") == 0, "an outage is no fault of a record"
    deployment.check()
    deployment.sealstream("verify")


def test_postgresql_restarted_in_order_and_its_sessions_ended(deployment, postgres):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before PostgreSQL restarts")
        postgres.restart()
        wait_for_more(deployment, 300, "after it")
    deployment.wait_sealed(producer.acknowledged)
    assert ingester.running()
    deployment.check()


def test_the_broker_killed_and_started_again(deployment, kafka):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for _ in range(2):
            wait_for_more(deployment, 300, "before the broker is killed")
            kafka.kill()
            wait_until(lambda: ingester.metric("sealstream_kafka_errors_total") > 0, kRecover_s, "Kafka's absence counted")
            assert ingester.get("/livez")[0] == 200
            kafka.start()
            wait_for_more(deployment, 300, "after it")
    deployment.wait_sealed(producer.acknowledged)
    assert ingester.metric("sealstream_halted_partitions") == 0
    deployment.check()
    deployment.sealstream("verify")


def test_a_zombie_that_wakes_up_writes_nothing_under_its_old_epoch(deployment):
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
        deployment.wait_sealed(2_000, 120)
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
    deployment.check()
    deployment.sealstream("verify")


def test_members_that_come_and_go_never_stop_the_others(deployment):
    one, two = deployment.ingester("one"), deployment.ingester("two")
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for member in (two, one, two):
            wait_for_more(deployment, 300, "before a member leaves")
            member.signal(signal.SIGTERM)
            assert member.wait_end() == 0
            wait_for_more(deployment, 300, "while it is away")
            member.start().wait_ready()
    deployment.wait_sealed(producer.acknowledged)
    deployment.check()
