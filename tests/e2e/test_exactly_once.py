"""Goal: every acknowledged record takes effect once, in order, whatever is killed.

Method: the built program against a real broker and a real PostgreSQL; the independent checker judges at the end. Kills come
at moments drawn from a seed: so many records after the last one, or so many lines into the log of a start.
"""

import random
import signal

from deployment import wait_until
from observe import observe
from producers import ContinuousProducer, Producer, event

kTenants = [f"tenant-{number:04d}" for number in range(1000)]
kStatic = {"group_instance_id": "one"}  # a killed process is followed at once, and not after the session timeout


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


def test_what_was_published_before_the_first_start_is_sealed_too(deployment):
    with Producer(deployment) as producer:
        producer.send_events(500, kTenants[:20]).flush()
    deployment.ingester()
    deployment.wait_sealed(500)
    deployment.check()


def test_killing_the_ingester_and_its_backends_at_random_moments_loses_and_doubles_nothing(deployment):
    """32 kills of the process, 8 of them while it starts, and 12 of its PostgreSQL backends, under a producer that never
    stops."""
    dice = random.Random(20261122)
    ingester = deployment.ingester(kafka=kStatic)
    victims = ["process"] * 16 + ["process, twice"] * 8 + ["backends"] * 12
    dice.shuffle(victims)
    with ContinuousProducer(deployment, kTenants[:100], rate_per_s=600) as producer:
        for number, victim in enumerate(victims):
            goal = deployment.sealed() + dice.randint(1, 400)
            wait_until(lambda: deployment.sealed() >= goal, 60, f"{goal} records sealed before killing the {victim}")
            if victim == "backends":
                deployment.end_writers()
                continue
            kill_and_start(ingester)
            if victim == "process, twice":
                lines = ingester.lines() + dice.randint(1, 12)
                wait_until(lambda: ingester.lines() >= lines, 60, f"{lines} lines logged before the second kill")
                kill_and_start(ingester)
            if number % 8 == 0:
                observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
    deployment.wait_sealed(producer.acknowledged, 120)
    deployment.check()
    deployment.sealstream("verify")


def kill_and_start(ingester):
    ingester.signal(signal.SIGKILL)
    assert ingester.wait_end() == -signal.SIGKILL
    ingester.start()


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
