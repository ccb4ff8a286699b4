"""Goal: a broker that stood still, was replaced as the leader of partitions and has not learned it halts none of them: nothing is
lost, doubled or reset, and the ingester goes on by itself within 15 s.

Method: two brokers and a controller of their own. One broker is paused until the other leads all; then the controller is, so that
the broker goes on as it was, and for a moment it is the only one that the ingester can ask. The independent checker judges at
the end.
"""

import time

import pytest
from deployment import wait_until
from kafka_cluster import ApartCluster
from producers import ContinuousProducer
from recovery import judge, wait_for_more

pytestmark = pytest.mark.fault("I1 I2 I3 I7 I8", bound_s=15)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60


@pytest.fixture(scope="module")
def kafka(server_directory):
    with ApartCluster(server_directory / "kafka-apart") as cluster:
        yield cluster


def test_an_old_leader_that_does_not_know_it(deployment, kafka, recovery):
    """No producer meanwhile: librdkafka's idempotent one may give up for good on what such a broker answers."""
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the leader is paused")
        new = kafka.coordinator(f"group-{deployment.topic}")  # else the group waits for the other one too
        old = next(broker for broker in kafka.brokers if broker is not new)
        moves = next(number for number, next_offset in deployment.positions().items()
                     if next_offset > 0 and kafka.leader(deployment.topic, number) is old)
        old.pause()
        try:
            wait_until(lambda: kafka.leader(deployment.topic, moves) is new, kSoon_s, "another leader")
            before = deployment.positions()[moves]
            wait_until(lambda: deployment.positions()[moves] > before + 100, kSoon_s, "records of the new leader sealed")
            producer.end()
            kafka.controller.pause()
        finally:
            old.resume()
    new.proxy.refuse(True)
    try:
        wait_until(lambda: ingester.metric("sealstream_kafka_errors_total", code="log_seems_cut"), kSoon_s,
                   "the old leader to be asked")
    finally:
        new.proxy.refuse(False)
        kafka.controller.resume()
    begin = time.monotonic()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as later:
        wait_for_more(deployment, 300, "when the old leader has learned it")
        recovery.note(time.monotonic() - begin)
        recovery.measure(deployment, later)
    deployment.wait_sealed(producer.acknowledged + later.acknowledged, kSoon_s)
    assert ingester.metric("sealstream_halted_partitions") == 0
    judge(deployment, later)
