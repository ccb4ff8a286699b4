"""Goal: whatever happens to PostgreSQL, no offset moves without its rows, and the ingester goes on by itself within 5 s.

Method: the server itself is killed, restarted, locked or cut off under a producer; the independent checker judges at the end.
"""

import socket
from itertools import cycle

import pytest
from deployment import wait_until
from full_disk import FillableCluster
from observe import observe
from pooler import TransactionPooler
from producers import ContinuousProducer, Producer, event
from recovery import judge, wait_for_more
from trouble import deadlocked, disk_full, heads_locked, postgres_killed

pytestmark = pytest.mark.fault("I1 I5 I8", bound_s=5)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60


def test_postgresql_killed_and_started_again(deployment, postgres, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        for _ in range(3):
            wait_for_more(deployment, 300, "before PostgreSQL is killed")
            postgres_killed(postgres, ingester)
            recovery.measure(deployment, producer)
            ingester.wait_ready()
            observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
    judge(deployment, producer)
    assert ingester.metric("sealstream_records_quarantined_total") == 0, "an outage is no fault of a record"


def test_postgresql_restarted_in_order_and_its_sessions_ended(deployment, postgres, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before PostgreSQL restarts")
        postgres.restart()
        recovery.measure(deployment, producer)
    judge(deployment, producer)
    assert ingester.running()


def test_connection_lost_while_a_commit_goes_through(deployment, recovery):
    """The server waits for a standby that does not exist: the commit is durable, and its answer never comes."""
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(300, kTenants).flush()
        deployment.wait_sealed(300)
        deployment.as_superuser("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try:
            deployment.as_superuser("SELECT pg_reload_conf()")
            producer.send_events(300, kTenants).flush()
            wait_until(lambda: deployment.writers("wait_event = 'SyncRep'") > 0, kSoon_s, "a commit without its answer")
            deployment.end_writers("wait_event = 'SyncRep'")
            ingester.wait(lambda: ingester.metric("sealstream_batches_total", result="in_doubt") > 0, kSoon_s, "to notice")
        finally:
            deployment.as_superuser("ALTER SYSTEM RESET synchronous_standby_names")
            deployment.as_superuser("SELECT pg_reload_conf()")
        recovery.measure_all(deployment, 600)
    ingester.wait(lambda: ingester.metric("sealstream_db_in_doubt_total", resolution="committed") > 0, kSoon_s,
                  "to learn that its commit went through")
    assert deployment.ask("SELECT sum(accepted), sum(duplicate) FROM audit.partitions") == [(600, 0)]
    judge(deployment, producer)


def test_connection_lost_before_a_commit_goes_through(deployment, recovery):
    """A deferred trigger sleeps inside the COMMIT."""
    ingester = deployment.ingester()
    deployment.as_superuser("""
        CREATE TABLE public.asleep AS SELECT 1; GRANT SELECT ON public.asleep TO PUBLIC;
        CREATE FUNCTION public.sleep_in_commit() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN IF EXISTS (SELECT 1 FROM public.asleep) THEN PERFORM pg_sleep(600); END IF; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER sleep_in_commit AFTER UPDATE ON audit.partitions DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW WHEN (new.accepted > old.accepted) EXECUTE FUNCTION public.sleep_in_commit()""")
    with Producer(deployment) as producer:
        producer.send_events(300, kTenants).flush()
        wait_until(lambda: deployment.writers("wait_event = 'PgSleep'") > 0, kSoon_s, "a commit that sleeps")
        deployment.as_superuser("DELETE FROM public.asleep")
        deployment.end_writers("wait_event = 'PgSleep'")
        recovery.measure_all(deployment, 300)
    assert ingester.metric("sealstream_db_in_doubt_total", resolution="not_committed") > 0
    assert deployment.ask("SELECT sum(accepted), sum(duplicate) FROM audit.partitions") == [(300, 0)]
    judge(deployment, producer)


def test_a_lock_that_somebody_holds_only_delays(deployment, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        heads_locked(deployment)
        recovery.measure(deployment, producer)
    assert ingester.metric("sealstream_records_quarantined_total") == 0
    judge(deployment, producer)


def test_a_host_that_is_silent_is_passed_over(deployment, postgres, recovery):
    """It takes the connection and says nothing, as a machine that hangs."""
    with Producer(deployment) as producer, socket.create_server(("127.0.0.2", postgres.port)):
        producer.send_events(300, kTenants).flush()
        ingester = deployment.start_ingester(postgres={"host": "127.0.0.2,127.0.0.1", "connect_timeout_ms": 500})
        recovery.measure_all(deployment, 300)
        assert ingester.wait_ready()
    judge(deployment, producer)


def test_a_transaction_pooler_in_between_that_dies(deployment, postgres, server_directory, recovery):
    """Fewer sessions than lanes: each transaction gets another one."""
    passwords = {"audit_writer": "password-of-writer"}
    with TransactionPooler(server_directory / "pooler", postgres, passwords, pool_size=2) as pooler:
        ingester = deployment.ingester(postgres={"port": pooler.port}, ingest={"lanes": 4})
        with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
            wait_for_more(deployment, 2_000, "through the pooler")
            assert deployment.writers("true") == 2
            pooler.kill()
            pooler.start()
            recovery.measure(deployment, producer)
        judge(deployment, producer)
        assert ingester.metric("sealstream_records_quarantined_total") == 0


@pytest.fixture
def fillable(server_directory):
    with FillableCluster(server_directory / "fillable", {"fsync": "off"}) as cluster:
        yield cluster


def test_a_full_disk(fillable, deploy, recovery):
    """No file of the server can grow."""
    deployment = deploy(postgres=fillable)
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the disk is full")
        disk_full(fillable, ingester)
        recovery.measure(deployment, producer)
    judge(deployment, producer)
    assert ingester.metric("sealstream_records_quarantined_total") == 0


def test_a_deadlock(deployment, recovery):
    ingester = deployment.ingester()
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        wait_for_more(deployment, 300, "before the deadlock")
        deadlocked(deployment, ingester)
        recovery.measure(deployment, producer)
    judge(deployment, producer)


def test_a_leaf_that_cannot_be_made(deployment, recovery):
    """Something else has its name."""
    ingester = deployment.ingester()
    wait_until(lambda: len(deployment.leaves()) == 3, kSoon_s, "three leaves")
    leaf = min(deployment.leaves())
    deployment.as_superuser(f"DROP TABLE {leaf}; CREATE VIEW {leaf} AS SELECT 1 AS nothing")
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as producer:
        ingester.wait(lambda: leaf.removeprefix("audit.") in ingester.failing_checks().get("database", ""), kSoon_s,
                      "to name what is in the way")
        assert deployment.sealed() == 0
        deployment.as_superuser(f"DROP VIEW {leaf}")
        recovery.measure(deployment, producer)
    judge(deployment, producer)


@pytest.mark.parametrize("again, every", [(3, 1_000), (1_500, 2), (3_000, 1)], ids=["one_in_1000", "half", "all"])
def test_duplicates(deployment, recovery, again, every):
    """Of 3,000 records so many are events that were sealed before."""
    deployment.ingester()
    with Producer(deployment) as producer:
        before = [(tenant, event(tenant, number)) for number, tenant in zip(range(3_000), cycle(kTenants))]
        for tenant, sent in before:
            producer.send(tenant, sent)
        producer.flush()
        deployment.wait_sealed(3_000)
        for number, (tenant, sent) in enumerate(before):
            producer.send(tenant, sent if number % every == 0 else event(tenant, number))
        producer.flush()
        recovery.measure_all(deployment, 6_000)
    assert deployment.ask("SELECT sum(accepted), sum(duplicate) FROM audit.partitions") == [(6_000 - again, again)]
    judge(deployment, producer)
