"""Goal: where Kafka's leaders move from broker to broker, nothing is lost, doubled or reset, and the ingester goes on by itself
within 15 s.

Method: three real nodes, each taken away under a producer that never stops; the independent checker judges at the end.
"""

import pytest
from deployment import wait_until
from kafka_cluster import KafkaCluster
from producers import ContinuousProducer
from recovery import judge, wait_for_more

pytestmark = pytest.mark.fault("I1 I2 I3 I8", bound_s=15)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60


@pytest.fixture(scope="module")
def kafka(server_directory):
    with KafkaCluster(server_directory / "kafka-cluster") as cluster:
        yield cluster


def test_every_node_killed_in_turn(deployment, kafka, recovery):
    """Each leads partitions; one coordinates the group, and one is the cluster's controller."""
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for node in kafka.brokers:
            wait_for_more(deployment, 300, "before the node is killed")
            node.kill()
            recovery.measure(deployment, producer)
            node.start()
            recovery.measure(deployment, producer)
    assert ingester.metric("sealstream_halted_partitions") == 0
    judge(deployment, producer)


def test_leader_paused_and_its_partitions_led_elsewhere(deployment, kafka, recovery):
    """No producer at the moment when the leader goes on, and believes for a while that it leads: librdkafka's idempotent one may
    give up for good on what it answers."""
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the leader is paused")
        paused = kafka.coordinator(f"group-{deployment.topic}")  # the group waits for it too
        moves = next(number for number in range(12) if kafka.leader(deployment.topic, number) is paused)
        paused.pause()
        try:
            wait_until(lambda: kafka.leader(deployment.topic, moves) not in (paused, None), kSoon_s, "another leader")
            recovery.measure(deployment, producer)
            producer.end()
        finally:
            paused.resume()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as later:
        recovery.measure(deployment, later)
        wait_until(lambda: kafka.elect_preferred(deployment.topic, moves), kSoon_s, "the first replica leads again")
        recovery.measure(deployment, later)
    deployment.wait_sealed(producer.acknowledged + later.acknowledged, kSoon_s)
    assert ingester.metric("sealstream_halted_partitions") == 0
    judge(deployment, later)
