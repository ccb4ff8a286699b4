"""Goal: after a failover the ingester finds the new primary by itself, and everything acknowledged is in it once: also what the
old primary had committed and the new one lacks, which is read from Kafka again and said aloud.

Method: a primary and a streaming standby of the test's own, the primary killed under a producer that never stops, the standby
promoted; the independent checker judges the new primary.
"""

import pytest
from observe import observe
from producers import ContinuousProducer, Producer
from recovery import judge, wait_for_more
from servers import PostgresCluster
from standby import Standby

pytestmark = pytest.mark.fault("I1 I2 I4 I6 I8", bound_s=5)
kTenants = [f"tenant-{number:03d}" for number in range(60)]


@pytest.fixture
def postgres(server_directory, request):
    """The primary."""
    with PostgresCluster(server_directory / f"primary-{request.node.name}", {"fsync": "off"}) as cluster:
        yield cluster


@pytest.fixture
def standby(server_directory, postgres, request):
    with Standby(server_directory / f"standby-{request.node.name}", postgres) as cluster:
        yield cluster


@pytest.fixture
def deployment(standby, deploy):
    return deploy(postgres_host=f"{standby.host},{standby.primary.host}")  # the one that takes no writes yet is asked first


def fail_over(deployment, standby):
    deployment.postgres.kill()
    standby.promote()
    deployment.postgres = standby


def test_failover_to_a_standby_that_lost_commits(deployment, standby, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 600, "before the standby falls behind")
        standby.falls_behind()
        wait_for_more(deployment, 600, "that the standby does not have")
        fail_over(deployment, standby)
        recovery.measure(deployment, producer)
    ingester.wait(lambda: ingester.metric("sealstream_commits_lost_total") > 0, 10, "to say that commits were lost")
    assert any(line["event"] == "commits_lost" and line["level"] == "error" for line in ingester.log_events())
    judge(deployment, producer)


def test_failover_to_a_synchronous_standby_loses_nothing(deployment, standby, recovery):
    deployment.postgres.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    deployment.postgres.psql("SELECT pg_reload_conf()")
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 600, "before the primary dies")
        observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
        fail_over(deployment, standby)
        recovery.measure(deployment, producer)
    assert ingester.metric("sealstream_commits_lost_total") == 0
    judge(deployment, producer)


def test_a_quiet_partition_notices_lost_commits_too(deployment, standby, recovery):
    """Nothing comes after the failover that would make a lane look."""
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(600, kTenants).flush()
        deployment.wait_sealed(600)
        standby.falls_behind()
        producer.send_events(600, kTenants).flush()
        deployment.wait_sealed(1_200)
        fail_over(deployment, standby)
        recovery.measure_all(deployment, 1_200)
    assert ingester.metric("sealstream_commits_lost_total") > 0
    judge(deployment, producer)
