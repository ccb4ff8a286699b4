"""Goal: what the admin endpoints say of a real run is true: counters equal rows, positions equal Kafka's, and the checks of
/livez and /readyz are the ones that hold.

Method: one run with events of all families, duplicates, refusals and secrets; every answer is compared with PostgreSQL.
"""

import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from deployment import wait_until
from full_events import full_events
from producers import Producer, event

kTenants = [f"tenant-{number}" for number in range(8)]

# Those that the operating guide promises, by group.
kPromised = {
    "flow": "records_consumed_total consumed_bytes_total events_persisted_total records_quarantined_total"
            " events_duplicate_total records_in_flight batches_total batch_rows batch_bytes secrets_redacted_total",
    "position": "partition_next_offset partition_end_offset consumer_lag_records consumer_lag_seconds"
                " retention_headroom_seconds topic_partitions partition_assigned rebalances_total tenant_split_total",
    "integrity": "missed_records_total offset_gaps_total chain_appends_total head_conflicts_total fenced_commits_total"
                 " claims_total log_unverified_total commits_lost_total queue_forward_lost_total",
    "latency": "end_to_end_latency_seconds stage_duration_seconds commit_duration_seconds",
    "dependencies": "kafka_errors_total kafka_brokers_up db_errors_total db_up db_in_doubt_total buffer_bytes"
                    " buffer_limit_bytes backpressure_seconds_total halted_partitions ready build_info",
}
kLabels = {"topic", "family", "reason", "flush_reason", "result", "rule", "partition", "event", "cause", "kind", "stage",
           "type", "severity", "code", "sqlstate_class", "resolution", "version", "le", "quantile"}


@pytest.fixture(scope="module")
def counted(module_deployment):
    """(deployment, its ingester) after a run in which everything that is counted happened."""
    deployment = module_deployment
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        for tenant in kTenants:
            for sent in full_events(tenant) * 2:  # the second time a duplicate
                producer.send(tenant, sent)
            producer.send(tenant, event(tenant, action="teleport"))
            producer.send(tenant, b"{")
            producer.send(None, event(tenant))
            producer.send(tenant, event(tenant, subject="sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6Mn"))
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
        ingester.wait(lambda: ingester.metric("sealstream_partition_end_offset") == producer.acknowledged, 60,
                      "to ask the broker for the ends")
    return deployment, ingester


def samples(ingester):
    """[(name, labels, value)]"""
    found = []
    for line in ingester.get("/metrics")[1].splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            found.append((name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))
    return found


def by_label(ingester, name, label):
    """label's value -> the series' value, where it is not 0."""
    return {labels[label]: value for found, labels, value in samples(ingester) if found == name and value}


def test_livez_and_readyz_name_their_checks(counted):
    _, ingester = counted
    ready = ingester.json("/readyz")
    assert ready == {"ok": True, "checks": {name: {"ok": True} for name in ("group", "database", "accepting")}}
    live = ingester.json("/livez")
    assert live["ok"]
    assert set(live["checks"]) == {"group", *(f"lane_{lane['lane']}" for lane in ingester.json("/v1/status")["lanes"])}


def test_promtool_finds_nothing_to_say(counted):
    _, ingester = counted
    done = subprocess.run(["promtool", "check", "metrics"], input=ingester.get("/metrics")[1], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_promised_metric_is_there_from_the_start(deployment):
    ingester = deployment.start_ingester()
    text = ingester.get("/metrics")[1]
    for group, names in kPromised.items():
        missing = [name for name in names.split() if f"# TYPE sealstream_{name} " not in text]
        if group == "position":  # series of a partition come with its assignment
            missing = [name for name in missing if not re.match("partition_|consumer_lag|retention_headroom", name)]
        assert missing == [], group
    for counter in ("records_consumed_total", "events_persisted_total", "records_quarantined_total", "chain_appends_total",
                    "fenced_commits_total", "missed_records_total", "db_errors_total", "kafka_errors_total"):
        assert f"\nsealstream_{counter}" in text, f"{counter} has no series at 0"


def test_labels_are_a_closed_set(counted):
    deployment, ingester = counted
    found = samples(ingester)
    assert {label for name, labels, _ in found if name.startswith("sealstream_") for label in labels} <= kLabels
    values = {value for _, labels, _ in found for value in labels.values()}
    assert not [value for value in values if any(tenant in value for tenant in kTenants)]


def test_counters_equal_rows(counted):
    deployment, ingester = counted
    totals = deployment.ask("SELECT sum(accepted), sum(duplicate), sum(quarantined), sum(next_offset) FROM audit.partitions")[0]
    accepted, duplicate, quarantined, offsets = map(int, totals)
    assert (accepted, duplicate, quarantined) == (7 * len(kTenants), 6 * len(kTenants), 3 * len(kTenants))
    assert ingester.metric("sealstream_records_consumed_total") == offsets
    assert ingester.metric("sealstream_events_duplicate_total") == duplicate
    assert ingester.metric("sealstream_chain_appends_total") == accepted + quarantined
    assert ingester.metric("sealstream_batch_rows_sum") == accepted + quarantined
    assert ingester.metric("sealstream_end_to_end_latency_seconds_count") == accepted
    assert by_label(ingester, "sealstream_events_persisted_total", "family") == dict(
        deployment.ask("SELECT family, count(*)::float FROM audit.ledger WHERE family <> 'quarantined' GROUP BY 1"))
    assert by_label(ingester, "sealstream_records_quarantined_total", "reason") == dict(
        deployment.ask("SELECT reason, count(*)::float FROM audit.quarantine GROUP BY 1", role="operator"))
    assert by_label(ingester, "sealstream_secrets_redacted_total", "rule") == {"openai-key": len(kTenants)}
    committed = ingester.metric("sealstream_batches_total", result="committed")
    assert committed == ingester.metric("sealstream_batch_rows_count") > 0


def test_positions_equal_those_of_kafka_and_postgresql(counted):
    deployment, ingester = counted
    rows = {str(partition): offset for partition, offset in
            deployment.ask("SELECT partition, next_offset FROM audit.partitions WHERE next_offset > 0")}
    assert by_label(ingester, "sealstream_partition_next_offset", "partition") == rows
    assert by_label(ingester, "sealstream_partition_end_offset", "partition") == rows
    assert by_label(ingester, "sealstream_consumer_lag_records", "partition") == {}
    assert by_label(ingester, "sealstream_consumer_lag_seconds", "partition") == {}
    assert ingester.metric("sealstream_partition_assigned") == 12
    assert ingester.metric("sealstream_topic_partitions") == 12
    headroom = by_label(ingester, "sealstream_retention_headroom_seconds", "partition")
    assert headroom and all(6.9 * 86_400 < seconds <= 7 * 86_400 for seconds in headroom.values())


def test_status_and_partitions_say_the_same(counted):
    deployment, ingester = counted
    status = ingester.json("/v1/status")
    assert (status["live"], status["ready"], status["draining"], status["joined"], status["database_ok"]) == (
        True, True, False, True, True)
    assert status["partitions"]["reading"] + status["partitions"].get("verifying", 0) == 12
    listed = {partition["partition"]: partition for partition in ingester.json("/v1/partitions")["partitions"]}
    stored = deployment.ask("SELECT partition, log_epoch, owner_epoch, next_offset, owner FROM audit.partitions ORDER BY 1")
    assert sorted(listed) == list(range(12))
    for partition, log_epoch, owner_epoch, offset, owner in stored:
        shown = listed[partition]
        assert (shown["topic"], shown["log_epoch"], shown["owner_epoch"], shown["next_offset"]) == (
            deployment.topic, log_epoch, owner_epoch, offset)
        assert owner == status["owner"]


def test_all_of_it_adds_up(counted):
    counted[0].check()


def test_other_paths_and_methods_are_refused(counted):
    _, ingester = counted
    assert ingester.get("/nothing")[0] == 404
    assert ingester.get("/metrics/../etc/passwd")[0] == 404
    assert answer_to(ingester, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").startswith(b"HTTP/1.1 405")
    assert answer_to(ingester, b"\x00\xff\x00\xff" * 100 + b"\r\n\r\n")[:12] in (b"HTTP/1.1 400", b"")
    assert answer_to(ingester, b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n")[:9] in (b"HTTP/1.1 ", b"")
    assert ingester.ready()


def answer_to(ingester, request):
    """All bytes that come back; none where the server hangs up at once."""
    with socket.create_connection(("127.0.0.1", ingester.port), timeout=20) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65_536)
        except OSError:
            return b""


def test_a_storm_of_scrapes_beside_idle_connections_is_answered(counted):
    _, ingester = counted
    idle = [socket.create_connection(("127.0.0.1", ingester.port)) for _ in range(20)]
    try:
        with ThreadPoolExecutor(8) as pool:
            paths = ["/metrics", "/readyz", "/v1/partitions", "/livez"] * 50
            assert {code for code, _ in pool.map(ingester.get, paths)} == {200}
    finally:
        for connection in idle:
            connection.close()


def test_series_of_a_partition_go_with_it(deployment):
    one = deployment.ingester("one")
    one.wait(lambda: one.metric("sealstream_partition_assigned") == 12, 60, "to read all partitions")
    two = deployment.ingester("two")
    wait_until(lambda: one.metric("sealstream_partition_assigned") == 6 == two.metric("sealstream_partition_assigned"), 60,
               "the partitions shared")
    assert not (set(by_partition(one)) & set(by_partition(two)))
    assert sorted({*by_partition(one), *by_partition(two)}, key=int) == [str(partition) for partition in range(12)]


def by_partition(ingester):
    return [labels["partition"] for name, labels, _ in samples(ingester) if name == "sealstream_partition_next_offset"]


def test_a_drain_shows_in_readyz_and_a_second_signal_ends_it_at_once(deployment):
    static = {"group_instance_id": "one"}  # so that the next one is given the partitions at once
    ingester = deployment.ingester(kafka=static)
    with Producer(deployment) as producer:
        producer.send_events(500, kTenants).flush()
        deployment.wait_sealed(500)
        with psycopg.connect(deployment.uri_for_checker()) as holder:
            holder.execute("SELECT 1 FROM audit.partitions FOR UPDATE")  # no commit gets through
            producer.send_events(500, kTenants).flush()
            wait_until(lambda: deployment.writers("wait_event_type = 'Lock'") > 0, 60, "a batch that cannot be committed")
            ingester.signal(signal.SIGTERM)
            ingester.wait(lambda: "accepting" in ingester.failing_checks(), 20, "to say that it drains")
            assert ingester.get("/livez")[0] == 200
            ingester.signal(signal.SIGTERM)
            assert ingester.wait_end(5) == 128 + signal.SIGTERM
        deployment.ingester("two", kafka=static)
        deployment.wait_sealed(1_000)
    deployment.check()
