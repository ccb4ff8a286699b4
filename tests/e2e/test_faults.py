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


def test_connection_lost_while_a_commit_goes_through(deployment):
    """The server waits for a standby that does not exist: the commit is durable, and its answer never comes."""
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(300, kTenants).flush()
        deployment.wait_sealed(300)
        deployment.as_superuser("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try:
            deployment.as_superuser("SELECT pg_reload_conf()")
            producer.send_events(300, kTenants).flush()
            wait_until(lambda: deployment.writers("wait_event = 'SyncRep'") > 0, kRecover_s, "a commit without its answer")
            deployment.end_writers("wait_event = 'SyncRep'")
            ingester.wait(lambda: ingester.metric("sealstream_batches_total", result="in_doubt") > 0, kRecover_s, "to notice")
        finally:
            deployment.as_superuser("ALTER SYSTEM RESET synchronous_standby_names")
            deployment.as_superuser("SELECT pg_reload_conf()")
        deployment.wait_sealed(600)
    ingester.wait(lambda: ingester.metric("sealstream_db_in_doubt_total", resolution="committed") > 0, kRecover_s,
                  "to learn that its commit went through")
    assert deployment.ask("SELECT sum(accepted), sum(duplicate) FROM audit.partitions") == [(600, 0)]
    deployment.check()
    deployment.sealstream("verify")


def test_connection_lost_before_a_commit_goes_through(deployment):
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
        wait_until(lambda: deployment.writers("wait_event = 'PgSleep'") > 0, kRecover_s, "a commit that sleeps")
        deployment.as_superuser("DELETE FROM public.asleep")
        deployment.end_writers("wait_event = 'PgSleep'")
        deployment.wait_sealed(300)
    assert ingester.metric("sealstream_db_in_doubt_total", resolution="not_committed") > 0
    assert deployment.ask("SELECT sum(accepted), sum(duplicate) FROM audit.partitions") == [(300, 0)]
    deployment.check()


def test_a_lock_that_somebody_holds_only_delays(deployment):
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        with psycopg.connect(deployment.uri_for_checker()) as holder:
            holder.execute("LOCK TABLE audit.chain_heads IN ACCESS EXCLUSIVE MODE")
            producer.send_events(300, kTenants).flush()
            wait_until(lambda: deployment.writers("wait_event_type = 'Lock'") > 0, kRecover_s, "a batch that waits")
        deployment.wait_sealed(300)
    assert ingester.metric("sealstream_records_quarantined_total") == 0
    deployment.check()


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
