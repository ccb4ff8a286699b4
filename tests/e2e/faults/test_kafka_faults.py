"""Goal: whatever happens to Kafka, nothing is skipped or reset, and the ingester goes on by itself within 15 s.

Method: the broker itself is taken away under a producer that never stops; the independent checker judges at the end.
"""

import pytest
from deployment import wait_until
from producers import ContinuousProducer
from recovery import judge, wait_for_more

pytestmark = pytest.mark.fault("I1 I7 I8", bound_s=15)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60


def test_the_broker_killed_and_started_again(deployment, kafka, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for _ in range(2):
            wait_for_more(deployment, 300, "before the broker is killed")
            kafka.kill()
            wait_until(lambda: ingester.metric("sealstream_kafka_errors_total") > 0, kSoon_s, "Kafka's absence counted")
            assert ingester.get("/livez")[0] == 200
            kafka.start()
            recovery.measure(deployment, producer.sent + 1)
    judge(deployment, producer)
    assert ingester.metric("sealstream_halted_partitions") == 0
