"""Goal: whatever happens to the ingester, usage_records, api_keys and api_key_anomalies hold what the independent reference
derives from what was produced (tests/reference/read_models.py).

Method: random histories (histories.py), whose seeds the tests' names show. The same log is ingested in several ways, each
into a database of its own: the reference finds no difference in any row, and the databases are equal to the byte.
"""

import random
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployment import wait_until
from histories import History
from kafka_log import read_log
from ledger import open_ledger
from producers import Producer
from read_model_tables import compare_read_models
from read_models import read_models, rows_of_log

kTables = ("usage_records", "api_keys", "api_key_anomalies")


def publish(deployment, history, partition=lambda: -1):
    with Producer(deployment) as producer:
        for record in history.records:
            producer.send(record.key, record.value, record.headers, partition())
        producer.flush()
    return len(history.records)


def ingest(deployment, records, lanes, batch_rows, interruptions=()):
    """Seals all records. interruptions, on the way: signals that end the process, which is started again; None ends its
    connections to the database."""
    ingester = deployment.ingester(kafka={"group_instance_id": "one"}, ingest={
        "lanes": lanes, "batch_rows": batch_rows, "batch_rows_backlog": batch_rows})
    for number, interruption in enumerate(interruptions, 1):
        goal = records * number // (len(interruptions) + 1)
        ingester.wait(lambda: deployment.sealed() >= goal, 120, f"to seal {goal} records")
        if interruption is None:
            deployment.end_writers()
            continue
        ingester.signal(interruption)
        assert ingester.wait_end() == (0 if interruption == signal.SIGTERM else -interruption)
        ingester.start().wait_ready()
    deployment.wait_sealed(records, 120)
    stop(ingester)


def stop(*ingesters):
    for ingester in ingesters:
        ingester.signal(signal.SIGTERM)
        assert ingester.wait_end() == 0


def fingerprint(deployment):
    """Chains and read models to the last byte."""
    heads = deployment.as_superuser("SELECT tenant_id, seq, encode(checksum, 'hex'), late_events FROM audit.chain_heads ORDER BY 1")
    return [heads] + [deployment.as_superuser(f"SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"))"
                                              f" FROM audit.{table} t") for table in kTables]


@pytest.mark.parametrize("seed", range(4))
def test_any_batches_lanes_restarts_and_kills_give_the_rows_of_the_reference(deploy, seed):
    history = History(seed, 3_000, 6).resolving()
    first = deploy()
    records = publish(first, history)
    ingest(first, records, lanes=1, batch_rows=5_000)
    first.check()
    for lanes, batch_rows, interruptions in ((2, 97, [signal.SIGTERM] * 2), (4, 13, [signal.SIGKILL, None] * 2)):
        again = deploy(log_of=first)
        ingest(again, records, lanes, batch_rows, interruptions)
        again.check()
        assert fingerprint(again) == fingerprint(first)


def test_tenants_in_several_partitions_are_judged_in_the_order_of_their_chains(deployment):
    """Lanes and instances seal onto the same heads, and take each other's watermarks."""
    dice = random.Random(7)
    records = publish(deployment, History(7, 2_000, 4), lambda: dice.randrange(12))
    instances = [deployment.ingester(name, ingest={"lanes": 3, "batch_rows": 50, "batch_rows_backlog": 50}) for name in "ab"]
    deployment.wait_sealed(records, 120)
    stop(*instances)
    deployment.check()


def expected_of(deployment):
    """What the reference derives from Kafka's records alone."""
    return read_models(rows_of_log(read_log(deployment.kafka.address, [deployment.topic])))


def test_200_000_events_of_50_tenants_by_two_instances_of_which_one_is_killed_and_from_a_backup(deploy):
    first = deploy()
    records = publish(first, History(3, 200_000, 50))
    with ThreadPoolExecutor(1) as beside:
        expected = beside.submit(expected_of, first)
        one = first.ingester("one", kafka={"group_instance_id": "one"})
        two = first.ingester("two", kafka={"group_instance_id": "two"})
        for goal in (20_000, 60_000, 120_000):
            wait_until(lambda: first.sealed() >= goal, 300, f"{goal} records sealed")
            two.signal(signal.SIGKILL)
            assert two.wait_end() == -signal.SIGKILL
            if goal == 60_000:
                backup = first.backup("middle.dump")
            two.start()
        first.wait_sealed(records, 300)
        stop(one, two)
        with open_ledger(first.uri_for_checker()) as database:
            assert compare_read_models(database, expected.result(300)) == []
    first.check()
    first.sealstream("verify", "--read-models")

    restored = deploy(log_of=first, backup=backup)
    assert 0 < restored.sealed() < records
    ingest(restored, records, lanes=2, batch_rows=5_000)
    assert fingerprint(restored) == fingerprint(first)
