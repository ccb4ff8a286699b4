"""Goal: every record that cannot be an event is kept with its reason and member path, leaves a tombstone at its place, and
harms no neighbour; hostile ones in bounded time and memory.

Method: each sent through the real broker between two good events of its tenant, then looked up in quarantine and ledger.
"""

import json
import re
import time

import pytest
from producers import Producer, event, llm_call
from refusals import kOpenAiKey, kRefusals, kTenant, with_data

kNeedADatabase = {"id_conflict", "db_rejected"}  # the record alone does not tell; tests of their own below
kPartition = 3


@pytest.fixture(scope="module")
def refusing(module_deployment):
    """All of them in one run, each between two good neighbours; with name -> (partition, offset)."""
    deployment = module_deployment
    deployment.ingester()
    offsets = {}
    with Producer(deployment) as producer:
        for name, (_, _, key, value, headers) in kRefusals.items():
            producer.send(kTenant, event(kTenant), partition=kPartition)
            producer.send(key, value, headers, partition=kPartition,
                          note=lambda position, name=name: offsets.update({name: position}))
            producer.send(kTenant, event(kTenant), partition=kPartition)
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    return deployment, offsets


@pytest.fixture(scope="module")
def quarantined(refusing):
    """name -> (reason, member path, message, tenant, redacted) of that refusal."""
    deployment, offsets = refusing
    rows = deployment.ask("SELECT partition, kafka_offset, reason, coalesce(member_path, ''), message, tenant_id, redacted"
                          " FROM audit.quarantine", role="operator")
    found = {(partition, offset): rest for partition, offset, *rest in rows}
    return {name: found.get(position) for name, position in offsets.items()}


@pytest.mark.parametrize("name", kRefusals)
def test_refused_record_is_kept_with_its_reason_and_member_path(quarantined, name):
    row = quarantined[name]
    assert row is not None, "it is not in quarantine"
    assert tuple(row[:2]) == kRefusals[name][:2], row[2]
    assert re.fullmatch(r"(Send|Nest) [^\x00-\x1f]+\.", row[2]), "the message tells the publisher what to send"
    assert row[4] == (kRefusals[name][0] == "secret_in_identifier"), "only secrets are redacted"


def test_every_reason_of_the_closed_list_is_tried(refusing):
    ingester = refusing[0].ingesters[0]
    counted = set(re.findall(r'^sealstream_records_quarantined_total\{.*reason="(\w+)"', ingester.get("/metrics")[1], re.M))
    assert counted == {refusal[0] for refusal in kRefusals.values()} | kNeedADatabase


def test_each_leaves_a_tombstone_at_its_place_in_the_chain_that_its_key_names(refusing):
    deployment, offsets = refusing
    rows = deployment.ask("SELECT kafka_partition, kafka_offset, tenant_id, action, event_id, event_time, schema_version, source"
                          " FROM audit.ledger WHERE family = 'quarantined'")
    times = {offset: sent for offset, sent in deployment.ask("SELECT kafka_offset, kafka_timestamp FROM audit.quarantine",
                                                              role="operator")}
    found = {(partition, offset): rest for partition, offset, *rest in rows}
    assert len(found) == len(kRefusals)
    for name, (partition, offset) in offsets.items():
        reason, _, key = kRefusals[name][:3]
        tenant = kTenant if key == kTenant else f"_unattributed.{partition}"
        assert found[partition, offset] == [tenant, reason, f"!{deployment.topic}/0/{partition}/{offset}", times[offset], 0, ""]


def test_their_neighbours_land(refusing):
    deployment, _ = refusing
    assert deployment.ask("SELECT count(*) FROM audit.ledger WHERE family = 'auth'") == [(2 * len(kRefusals),)]


def test_metrics_count_each_reason(refusing):
    deployment, _ = refusing
    ingester = deployment.ingesters[0]
    for reason in {refusal[0] for refusal in kRefusals.values()}:
        expected = sum(refusal[0] == reason for refusal in kRefusals.values())
        assert ingester.metric("sealstream_records_quarantined_total", reason=reason) == expected, reason
    assert ingester.metric("sealstream_events_persisted_total", family="auth") == 2 * len(kRefusals)


def test_everything_adds_up(refusing):
    refusing[0].check(planted=[kOpenAiKey])


def test_id_used_again_with_other_content_is_a_conflict_now_and_in_a_later_batch(deployment):
    ingester = deployment.ingester()
    first = event(kTenant)
    with Producer(deployment) as producer:
        producer.send(kTenant, first)
        producer.send(kTenant, first | {"source": "another"})
        producer.flush()
        deployment.wait_sealed(2)
        producer.send(kTenant, first | {"source": "a third"})
        producer.flush()
    deployment.wait_sealed(3)
    assert deployment.ask("SELECT reason, member_path FROM audit.quarantine", role="operator") == [("id_conflict", "id")] * 2
    assert ingester.metric("sealstream_records_quarantined_total", reason="id_conflict") == 2
    deployment.check()


def test_what_the_database_cannot_store_is_refused_alone(deployment):
    """The database gets a rule that no validation knows: some model names are taken for impossible."""
    ingester = deployment.ingester()
    deployment.as_superuser("ALTER TABLE audit.ledger ADD CONSTRAINT ledger_model_check CHECK (model <> 'unstorable')")
    with Producer(deployment) as producer:
        for number in range(50):
            producer.send(kTenant, llm_call(kTenant, model="unstorable" if number % 20 == 7 else "gpt-4o"))
        producer.flush()
    deployment.wait_sealed(50)
    rows = deployment.ask("SELECT reason, sqlstate, constraint_name, tenant_id FROM audit.quarantine", role="operator")
    assert rows == [("db_rejected", "23514", "ledger_model_check", kTenant)] * 3
    families = deployment.ask("SELECT family, count(*) FROM audit.ledger GROUP BY 1 ORDER BY 1")
    assert families == [("llm_call", 47), ("quarantined", 3)]
    assert ingester.metric("sealstream_records_quarantined_total", reason="db_rejected") == 3
    deployment.sealstream("verify")


def test_what_only_a_read_model_cannot_store_is_refused_alone_and_counts_nowhere(deployment):
    """No event that is valid can do that, so a trigger does."""
    deployment.ingester()
    deployment.as_superuser(
        """CREATE FUNCTION public.overflow() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE numeric_value_out_of_range USING MESSAGE = 'too much of it'; END $$;
           CREATE TRIGGER overflow BEFORE INSERT ON audit.usage_records FOR EACH ROW WHEN (NEW.model = 'unstorable')
             EXECUTE FUNCTION public.overflow()""")
    with Producer(deployment) as producer:
        for number in range(50):
            producer.send(kTenant, llm_call(kTenant, model="unstorable" if number % 20 == 7 else "gpt-4o"))
        producer.flush()
    deployment.wait_sealed(50)
    rows = deployment.ask("SELECT reason, sqlstate, constraint_name, tenant_id FROM audit.quarantine", role="operator")
    assert rows == [("db_rejected", "22003", None, kTenant)] * 3
    assert deployment.ask("SELECT model, sum(requests)::int FROM audit.usage_records GROUP BY 1") == [("gpt-4o", 47)]
    deployment.check()


def test_hostile_records_take_bounded_time_and_memory(deploy):
    """In a topic that lets 20 MB through: none of them is worth an event, all of them are answered."""
    deployment = deploy(topic_settings={"max.message.bytes": "20000000"})
    ingester = deployment.ingester()
    with Producer(deployment, **{"message.max.bytes": 20_000_000, "compression.type": "none"}) as producer:
        for value in hostile_values():
            producer.send(kTenant, value)
            producer.send(kTenant, value, [("ce_subject", b"s" * 65_536), ("content-type", b"\x1b[2J" * 1_000)])
        producer.flush()
        begin = time.monotonic()
        deployment.wait_sealed(producer.acknowledged)
        assert time.monotonic() - begin < 30
        assert deployment.ask("SELECT count(*) FROM audit.ledger WHERE family <> 'quarantined'") == [(0,)]
        producer.send(kTenant, event(kTenant))
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    assert ingester.peak_memory_mib() < 600
    control_characters = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
    assert not control_characters.search(ingester.log.read_bytes())
    assert not control_characters.search(deployment.sealstream("quarantine", "list").encode())
    kept = deployment.ask("SELECT DISTINCT octet_length(value), value_length FROM audit.quarantine WHERE value_length > 1048576"
                          " ORDER BY 2", role="operator")
    assert kept == [(1_048_576, 10_000_000), (1_048_576, 11_888_891)]
    deployment.check()


def hostile_values():
    return [b"[" * 10_000_000, b"{" + b",".join(b'"m%d":0' % number for number in range(1_000_000)) + b"}",
            b"[" * 262_144, b'{"a":' * 50_000, b"[" * 130_000 + b"]" * 130_000, json.dumps({f"m{i}": i for i in range(15_000)}),
            b'{"a":"' + b"\\u0000" * 40_000 + b'"}', b'"' + b"\xff" * 200_000, b"1e999999999", b"-" * 100_000,
            json.dumps(event(kTenant, id="x" * 200_000)), b"\x00" * 200_000, b'{"k":"' + b"sk-" * 80_000 + b'"}',
            b'{"' + b"a" * 200_000 + b'":1}', b'{"a":1,' * 30_000, b"\\" * 200_000, b'{"a":"' + b"eyJ" * 60_000 + b'"}',
            json.dumps(with_data(**{"\x1b[31m" * 2_000: "\x1b]0;own\x07", "status": "\x1b[31m"}))]
