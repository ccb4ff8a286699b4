"""Goal: a database or broker that is down, wrong or incomplete makes the ingester not ready, with one clear sentence, and it
comes back by itself; a record is never to blame.

Method: each is taken away from the built program at its start or under it, and given back. The words are those of /readyz
and of the log.
"""

import pytest
from deployment import Deployment, wait_until
from producers import Producer
from trouble import database_read_only, too_many_connections, wait_not_ready

pytestmark = pytest.mark.fault("I8 I11", bound_s=5)
kTenants = ["acme", "globex", "initech"]
kSoon_s = 60


def send(deployment, count=100):
    with Producer(deployment) as producer:
        producer.send_events(count, kTenants).flush()


def assert_logged(ingester, event, words):
    assert any(line["event"] == event and words in line["msg"] for line in ingester.log_events()), ingester.log.read_text()


def assert_recovers(deployment, ingester, recovery, records):
    recovery.measure_all(deployment, records)
    ingester.wait_ready()
    assert ingester.metric("sealstream_ready") == 1
    assert ingester.metric("sealstream_records_quarantined_total") == 0
    deployment.check()


def test_database_that_is_down_at_the_start(deployment, postgres, recovery):
    send(deployment)
    postgres.stop()
    try:
        ingester = deployment.start_ingester()
        wait_not_ready(ingester, "database", "127.0.0.1")
    finally:
        postgres.start()
    assert_recovers(deployment, ingester, recovery, 100)
    assert_logged(ingester, "database_failed", "refused")
    assert_logged(ingester, "database_ok", "again")


def test_database_that_is_not_migrated(postgres, kafka, tmp_path, recovery):
    deployment = Deployment(postgres, kafka, tmp_path)
    try:
        send(deployment)
        ingester = deployment.start_ingester()
        wait_not_ready(ingester, "database", "run `sealstream migrate up`")
        deployment.migrate()
        assert_recovers(deployment, ingester, recovery, 100)
        assert_logged(ingester, "database_failed", "run `sealstream migrate up`")
    finally:
        deployment.close()


@pytest.mark.parametrize("at_start", [True, False], ids=["at_start", "later"])
@pytest.mark.parametrize("right, words", [
    ("INSERT ON audit.chain_heads", "INSERT on audit.chain_heads"),
    ("UPDATE ON audit.partitions", "UPDATE on audit.partitions"),
    ("EXECUTE ON FUNCTION audit.expect(boolean, text)", "EXECUTE on audit.expect(boolean,text)"),
], ids=["insert", "update", "execute"])
def test_right_that_was_revoked(deployment, right, words, at_start, recovery):
    ingester = None if at_start else deployment.ingester()
    deployment.as_superuser(f"REVOKE {right} FROM audit_writer")
    ingester = ingester or deployment.start_ingester()
    why = wait_not_ready(ingester, "database", words)
    assert "grant" in why
    send(deployment)
    deployment.as_superuser(f"GRANT {right} TO audit_writer")
    assert_recovers(deployment, ingester, recovery, 100)


def wait_for_leaves(deployment):
    """This month's and two ahead of time."""
    wait_until(lambda: len(deployment.leaves()) == 3, kSoon_s, "three leaves")
    return deployment.leaves()


def test_right_on_a_leaf_that_was_revoked(deployment, recovery):
    """Found by the first COPY. The batch waits."""
    ingester = deployment.ingester()
    leaf = min(wait_for_leaves(deployment))
    deployment.as_superuser(f"REVOKE INSERT ON {leaf} FROM audit_writer")
    send(deployment)
    wait_not_ready(ingester, "database", "permission denied")
    assert deployment.sealed() == 0
    deployment.as_superuser(f"GRANT INSERT ON {leaf} TO audit_writer")
    assert_recovers(deployment, ingester, recovery, 100)


def test_leaf_that_is_missing_is_made(deployment, recovery):
    """Somebody dropped those that were made ahead of time."""
    ingester = deployment.ingester()
    for leaf in wait_for_leaves(deployment):
        deployment.as_superuser(f"DROP TABLE {leaf}")
    send(deployment)
    assert_recovers(deployment, ingester, recovery, 100)


def test_wrong_password(deployment, recovery):
    send(deployment)
    deployment.as_superuser("ALTER ROLE audit_writer PASSWORD 'another'")
    try:
        ingester = deployment.start_ingester()
        wait_not_ready(ingester, "database", "password authentication failed")
    finally:
        deployment.as_superuser("ALTER ROLE audit_writer PASSWORD 'password-of-writer'")
    assert_recovers(deployment, ingester, recovery, 100)


def test_database_that_does_not_exist(deployment):
    ingester = deployment.start_ingester(postgres={"database": "nowhere"})
    wait_not_ready(ingester, "database", 'database "nowhere" does not exist')


def test_read_only_database(deployment, recovery):
    ingester = deployment.ingester()
    send(deployment)
    database_read_only(deployment, ingester)
    assert_recovers(deployment, ingester, recovery, 100)


def test_too_many_connections(deployment, recovery):
    ingester = deployment.ingester()
    send(deployment)
    too_many_connections(deployment, ingester)
    assert_recovers(deployment, ingester, recovery, 100)


@pytest.mark.fault("I8 I11", bound_s=15)
def test_broker_that_is_down_at_the_start(deployment, kafka, recovery):
    send(deployment)
    kafka.kill()
    try:
        ingester = deployment.start_ingester()
        wait_not_ready(ingester, "group", "the consumer group has not answered yet")
        ingester.wait(lambda: ingester.metric("sealstream_kafka_errors_total") > 0, kSoon_s, "to count Kafka's absence")
    finally:
        kafka.start()
    assert_recovers(deployment, ingester, recovery, 100)
    assert_logged(ingester, "kafka_error", "127.0.0.1")


@pytest.mark.fault("I8 I11", bound_s=15)
def test_topic_that_is_missing_and_made_later(deployment, recovery):
    later = f"{deployment.topic}.later"
    ingester = deployment.start_ingester(kafka={"topics": [later], "group_id": later})
    ingester.wait(lambda: any(line["event"] == "kafka_error" and later in line["msg"] for line in ingester.log_events()),
                  kSoon_s, "to say that the topic is missing")
    deployment.kafka.create_topic(later, 3)
    deployment.topic = later
    send(deployment)
    assert_recovers(deployment, ingester, recovery, 100)
