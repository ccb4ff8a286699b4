"""Goal: the admin endpoints tell the truth about the running program: ready or why not, alive, and numbers that equal rows.

Method: the built program as a process; its answers are compared with the database.
"""

import json
import signal
import subprocess
import time

import psycopg
import pytest
from deployment import Deployment, Ingester, wait_until
from producers import Producer, event


def metrics_lines(ingester):
    return [line for line in ingester.get("/metrics")[1].splitlines() if not line.startswith("#")]


def assigned(ingester):
    return ingester.metric("sealstream_partition_assigned")


@pytest.fixture
def unmigrated(postgres, kafka, tmp_path):
    deployed = Deployment(postgres, kafka, tmp_path, partitions=2)
    yield deployed
    deployed.close()


def started(deployment, name="one", **changes):
    """A running instance that need not be ready."""
    ingester = Ingester(deployment, name, **changes)
    deployment.ingesters.append(ingester)
    ingester.start()
    wait_until(lambda: ingester.get("/livez")[0] is not None, 30, "the endpoints to answer")
    return ingester


def test_a_database_that_is_not_migrated_is_said_so_and_mends_itself(unmigrated):
    ingester = started(unmigrated)
    wait_until(lambda: "sealstream migrate up" in ingester.get("/readyz")[1], 30, "/readyz to say what to do")
    code, body = ingester.get("/readyz")
    assert code == 503 and not json.loads(body)["checks"]["database"]["ok"]
    assert ingester.get("/livez")[0] == 200
    assert ingester.metric("sealstream_ready") == 0
    unmigrated.migrate()
    ingester.wait_ready(30)
    assert ingester.metric("sealstream_ready") == 1


def test_a_right_that_is_missing_is_said_so_and_mends_itself(deployment):
    deployment.as_superuser("REVOKE INSERT ON audit.quarantine FROM audit_writer")
    ingester = started(deployment)
    wait_until(lambda: "INSERT on audit.quarantine" in ingester.get("/readyz")[1], 30, "/readyz to name the right")
    deployment.as_superuser("GRANT INSERT ON audit.quarantine TO audit_writer")
    ingester.wait_ready(30)


def test_metrics_equal_rows_and_promtool_is_silent(deployment):
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(500, ["acme", "globex"])
        repeated = event("acme")
        for value in (repeated, repeated, b"{", b""):
            producer.send("acme", value)
        producer.flush()
    deployment.wait_sealed(504)
    topic = deployment.topic
    wait_until(lambda: ingester.metric("sealstream_records_consumed_total", topic=topic) == 504, 10,
               "the last batch to count")
    assert ingester.metric("sealstream_events_persisted_total", topic=topic, family="auth") == 501
    assert ingester.metric("sealstream_events_duplicate_total") == 1
    assert ingester.metric("sealstream_records_quarantined_total", reason="invalid_json") == 1
    assert ingester.metric("sealstream_records_quarantined_total", reason="empty_value") == 1
    assert ingester.metric("sealstream_chain_appends_total") == deployment.ask("SELECT count(*) FROM audit.ledger")[0][0]
    assert ingester.metric("sealstream_end_to_end_latency_seconds_count") == 501
    assert ingester.metric("sealstream_claims_total", result="ok") == 12
    wait_until(lambda: ingester.metric("sealstream_partition_end_offset", topic=topic) == 504, 15, "the ends to be asked")
    assert ingester.metric("sealstream_partition_next_offset", topic=topic) == 504
    assert ingester.metric("sealstream_consumer_lag_records") == 0
    assert ingester.metric("sealstream_consumer_lag_seconds") == 0
    assert ingester.metric("sealstream_kafka_brokers_up") >= 1
    checked = subprocess.run(["promtool", "check", "metrics"], input=ingester.get("/metrics")[1], capture_output=True,
                             text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_partitions_are_those_of_the_database(deployment):
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(100, [f"tenant-{number}" for number in range(20)]).flush()
    deployment.wait_sealed(100)
    rows = deployment.ask("SELECT topic, partition, log_epoch, owner_epoch, next_offset FROM audit.partitions ORDER BY partition")

    def told():
        partitions = json.loads(ingester.get("/v1/partitions")[1])["partitions"]
        return [(p["topic"], p["partition"], p["log_epoch"], p["owner_epoch"], p["next_offset"]) for p in partitions
                if p["state"] == "reading"]

    wait_until(lambda: told() == rows, 10, "the endpoint to tell what the database holds")
    status = json.loads(ingester.get("/v1/status")[1])
    assert status["live"] and status["ready"] and status["partitions"]["reading"] == 12


def test_series_of_a_partition_go_when_it_is_revoked(deployment):
    first = deployment.ingester("first")
    wait_until(lambda: assigned(first) == 12, 30, "the first to have every partition")
    second = deployment.ingester("second")
    wait_until(lambda: assigned(second) > 0, 30, "the second to get partitions")
    wait_until(lambda: assigned(first) + assigned(second) == 12, 30, "every partition to be in one instance")

    def held(ingester):
        return {line.split("{")[1].split("}")[0] for line in metrics_lines(ingester)
                if line.startswith("sealstream_partition_next_offset{")}

    assert held(first) and held(second) and not held(first) & held(second)


def test_a_drain_that_waits_is_not_ready_and_a_second_signal_ends_it_at_once(deployment):
    ingester = deployment.ingester()
    wait_until(lambda: assigned(ingester) == 12, 30, "every partition to be claimed")
    with psycopg.connect(deployment.uri_for_checker()) as holder:
        holder.execute("LOCK TABLE audit.partitions IN ACCESS EXCLUSIVE MODE")
        with Producer(deployment) as producer:
            producer.send_events(10, ["acme"]).flush()
        wait_until(lambda: ingester.metric("sealstream_records_in_flight") > 0, 30, "a batch to wait for the database")
        ingester.signal(signal.SIGTERM)
        wait_until(lambda: json.loads(ingester.get("/readyz")[1])["checks"]["accepting"]["ok"] is False, 10, "a drain")
        assert ingester.get("/livez")[0] == 200
        begin = time.monotonic()
        ingester.signal(signal.SIGTERM)
        assert ingester.wait_end(10) == 128 + signal.SIGTERM
        assert time.monotonic() - begin < 5
    deployment.ingester("next")
    deployment.wait_sealed(10)
    deployment.check()
