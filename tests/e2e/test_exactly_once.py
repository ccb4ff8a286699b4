"""Goal: every acknowledged record takes effect once, in order, whatever is killed.

Method: the built program against a real broker and a real PostgreSQL; the independent checker judges at the end.
"""

import random
import signal

import psycopg
from deployment import wait_until
from observe import observe
from producers import ContinuousProducer, Producer, event

kTenants = [f"tenant-{number:04d}" for number in range(1000)]


def test_events_of_a_few_tenants_are_sealed_in_order(deployment):
    deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(2_000, kTenants[:7]).flush()
    deployment.wait_sealed(2_000)
    assert deployment.ask("SELECT count(*), count(DISTINCT tenant_id) FROM audit.ledger") == [(2_000, 7)]
    deployment.check()
    deployment.sealstream("verify")


def test_a_record_sent_twice_becomes_one_row(deployment):
    deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(200, kTenants[:3]).flush()
        repeated = event("tenant-0000", 1)
        for _ in range(3):
            producer.send("tenant-0000", repeated)
            producer.flush()
    deployment.wait_sealed(203)
    assert deployment.ask("SELECT sum(accepted), sum(duplicate) FROM audit.partitions") == [(201, 2)]
    deployment.check()


def test_sigterm_commits_what_is_in_hand_and_exits_with_0(deployment):
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(5_000, kTenants[:50]).flush()
        ingester.signal(signal.SIGTERM)
        ingester.wait_end(30)
        producer.send_events(1_000, kTenants[:50]).flush()
    deployment.ingester("two")
    deployment.wait_sealed(6_000)
    deployment.check()


def test_killing_the_ingester_and_its_backends_at_random_moments_loses_and_doubles_nothing(deployment):
    """30 kills of the process and 10 of its PostgreSQL backends, under a producer that never stops. Static membership
    lets the next process go on at once, so that every kill hits work."""
    dice = random.Random(20261122)
    ingester = deployment.ingester(kafka={"group_instance_id": "one"})
    victims = ["process"] * 30 + ["backends"] * 10
    dice.shuffle(victims)
    with ContinuousProducer(deployment, kTenants[:100]) as producer:
        for victim in victims:
            goal = deployment.sealed() + dice.randint(1, 400)
            wait_until(lambda: deployment.sealed() >= goal, 60, f"{goal} records sealed before killing the {victim}")
            if victim == "process":
                ingester.signal(signal.SIGKILL)
                ingester.wait_end()
                ingester.start()
            else:
                kill_backends(deployment)
            observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
    deployment.wait_sealed(producer.acknowledged, 120)
    deployment.check()
    deployment.sealstream("verify")


def kill_backends(deployment):
    with psycopg.connect(deployment.uri_for_checker()) as session:
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'audit_writer'"
                        " AND datname = current_database()")


def test_two_instances_share_a_backlog_and_one_is_killed_and_restarted_midway(deployment):
    """300,000 events of 1,000 tenants over 12 partitions."""
    with Producer(deployment) as producer:
        producer.send_events(300_000, kTenants).flush()
    deployment.ingester("one")
    two = deployment.ingester("two")
    wait_until(lambda: deployment.sealed() >= 50_000, 120, "50,000 records sealed")
    two.signal(signal.SIGKILL)
    two.wait_end()
    wait_until(lambda: deployment.sealed() >= 100_000, 120, "100,000 records sealed")
    two.start()
    deployment.wait_sealed(300_000, 240)
    deployment.check()
    deployment.sealstream("verify")
