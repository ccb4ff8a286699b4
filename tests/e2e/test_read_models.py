"""Goal: whatever happens to the ingester, usage_records, api_keys and api_key_anomalies hold what the independent reference
derives from what was produced (tests/reference/read_models.py).

Method: random histories (histories.py), whose seeds the tests' names show. The same log is ingested in several ways, each
into a database of its own: the reference finds no difference in any row, and the databases are equal to the byte.
"""

import json
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from deployment import wait_until
from histories import History
from kafka_log import read_log
from ledger import open_ledger
from producers import ContinuousProducer, Producer
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


class HistoryProducer(ContinuousProducer):
    """Publishes a history on a thread of its own, and at the end what is left of it."""

    def __init__(self, deployment, history, rate_per_s):
        super().__init__(deployment, (), rate_per_s)
        self._records = iter(history.records)

    def send_events(self, count, _):
        for record in islice(self._records, count):
            self.send(record.key, record.value, record.headers)

    def __exit__(self, *failure):
        self._stop.set()
        self._thread.join()
        self.send_events(None, ())
        super().__exit__(*failure)


# Whoever writes a read model holds the tenant's head, as the ingester's batches do.
kSpoil = """
BEGIN;
SELECT FROM audit.chain_heads WHERE tenant_id = '{0}' FOR UPDATE;
DELETE FROM audit.usage_records AS t WHERE tenant_id = '{0}' AND hashtext(t::text) % 3 = 0;
UPDATE audit.usage_records AS t SET requests = requests + 1, cost_usd = 0 WHERE tenant_id = '{0}' AND hashtext(t::text) % 3 = 1;
DELETE FROM audit.api_keys WHERE tenant_id = '{0}' AND key_id = 'k-0';
UPDATE audit.api_keys SET usage_count = 7, status = 'revoked' WHERE tenant_id = '{0}' AND key_id = 'k-1';
DELETE FROM audit.api_key_activity AS t WHERE tenant_id = '{0}' AND hashtext(t::text) % 5 = 0;
UPDATE audit.api_key_activity SET requests = requests + 500 WHERE tenant_id = '{0}' AND key_id = 'k-1';
DELETE FROM audit.api_key_seen AS t WHERE tenant_id = '{0}' AND hashtext(t::text) % 5 = 1;
DELETE FROM audit.api_key_attempts AS t WHERE tenant_id = '{0}' AND hashtext(t::text) % 5 = 2;
DELETE FROM audit.api_key_anomalies AS t WHERE tenant_id = '{0}' AND hashtext(t::text) % 3 = 0;
UPDATE audit.api_key_anomalies AS t SET severity = 'low', resolved = NOT resolved
WHERE tenant_id = '{0}' AND hashtext(t::text) % 3 = 1;
COMMIT"""


def test_what_is_spoiled_while_ingestion_goes_on_is_rebuilt_while_it_goes_on(deployment):
    history = History(11, 20_000, 5).resolving()
    tenants = sorted({record.key.decode() for record in history.records})
    with ThreadPoolExecutor(1) as beside, HistoryProducer(deployment, history, 400):
        instances = [deployment.ingester(name, ingest={"lanes": 2}) for name in "ab"]
        for goal in (2_000, 4_000, 6_000):
            wait_until(lambda: deployment.sealed() >= goal, 120, f"{goal} records sealed")
            for tenant in tenants:
                deployment.as_superuser(kSpoil.format(tenant))
            before = deployment.sealed()
            rebuild = beside.submit(deployment.sealstream, "rebuild", "read-models", "--execute", "--json")
            wait_until(lambda: deployment.sealed() > before or rebuild.done(), 120, "a batch beside the rebuild")
            tables = {table["table"]: table for table in json.loads(rebuild.result(120))["tables"]}
            assert deployment.sealed() > before, "nothing was ingested beside the rebuild"
            assert all(table["added"] + table["changed"] > 0 for table in tables.values()), tables
        assert deployment.sealed() < len(history.records), "the history ended before the last rebuild"
    deployment.wait_sealed(len(history.records), 120)
    stop(*instances)
    deployment.check()
    deployment.sealstream("verify", "--read-models")
