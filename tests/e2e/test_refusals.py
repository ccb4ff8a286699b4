"""Goal: every record that cannot be an event is kept with its reason and member path, leaves a tombstone at its place, and
harms no neighbour; hostile ones in bounded time.

Method: each sent through the real broker between two good events of its tenant, then looked up in quarantine and ledger.
"""

import json
import time

import pytest
from producers import Producer, event, now

kOpenAiKey = "sk-proj-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn" * 2


def binary(attributes=(), data=None, content_type="application/json"):
    """(value, headers) of an event in binary mode; `attributes` override, None removes."""
    good = event("acme")
    headers = {f"ce_{name}": value for name, value in (good | dict(attributes)).items() if name != "data" and value is not None}
    if content_type is not None:
        headers["content-type"] = content_type
    return json.dumps(good["data"] if data is None else data), [(name, str(value).encode()) for name, value in headers.items()]


def with_data(**members):
    good = event("acme")
    return good | {"data": {name: value for name, value in (good["data"] | members).items() if value is not None}}


def text(document):
    return json.dumps(document)


def llm_call(**members):
    data = {"actor": {"type": "user", "id": "u-1"}, "status": "success", "operation": "chat", "provider": "openai",
            "model": "gpt-4o", "latency_ms": 10, "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}}
    return event("acme", family="llm_call", action="completed", data=data | members)


def duplicated_member():
    return text(event("acme")).replace('"status": "success"', '"status": "success", "status": "denied"')


def deep(depth):
    return '{"a":' * depth + "1" + "}" * depth


kTooLong = "x" * 257

# name -> (reason, member path or None where any will do, key, value, headers)
kRefusals = {
    "null value": ("empty_value", "", "acme", None, []),
    "empty value": ("empty_value", "", "acme", b"", []),
    "broken json": ("invalid_json", None, "acme", b'{"specversion":', []),
    "text after the document": ("invalid_json", None, "acme", text(event("acme")) + " x", []),
    "invalid utf-8 in the value": ("invalid_utf8", None, "acme", text(event("acme")).encode().replace(b"e2e", b"e\xff\xfe"), []),
    "lone surrogate": ("invalid_utf8", None, "acme", text(event("acme")).replace("u-0", "\\ud800"), []),
    "invalid utf-8 in a header": ("invalid_utf8", None, "acme", *[binary()[0], [*binary()[1], ("ce_subject", b"\xff\xfe")]]),
    "nul in a string": ("nul_character", None, "acme", text(event("acme")).replace("u-0", "u\\u0000"), []),
    "duplicate member": ("duplicate_member", "data.status", "acme", duplicated_member(), []),
    "over 256 KiB": ("too_large", "", "acme", text(with_data(extra="x" * 270_000)), []),
    "256 KiB of brackets": ("too_deep", None, "acme", b"[" * 262_144, []),
    "33 levels": ("too_deep", None, "acme", text(event("acme")).replace('"login"', deep(33)).replace('"success"', deep(33)), []),
    "too many members": ("too_large", None, "acme", text(with_data(**{f"m{i}": 1 for i in range(2_100)})), []),
    "content type of another kind": ("unsupported_content_type", None, "acme", *binary(content_type="text/plain")),
    "a doubled ce_ header": ("not_cloudevents", None, "acme", binary()[0], [*binary()[1], ("ce_id", b"another-id")]),
    "data_base64": ("not_cloudevents", None, "acme", text(event("acme", data=None, data_base64="e30=")), []),
    "no cloudevent at all": ("not_cloudevents", None, "acme", b'{"hello": "world"}', []),
    "specversion 0.3": ("not_cloudevents", "specversion", "acme", text(event("acme", specversion="0.3")), []),
    "unknown family": ("unknown_type", "type", "acme", text(event("acme", type="audit.weather.rained.v1")), []),
    "unknown action": ("unknown_type", "type", "acme", text(event("acme", action="teleport")), []),
    "a type of somebody else": ("unknown_type", "type", "acme", text(event("acme", type="com.example.thing")), []),
    "required member absent": ("schema", "data.method", "acme", text(with_data(method=None)), []),
    "id too short": ("schema", "id", "acme", text(event("acme", id="short")), []),
    "source too long": ("schema", "source", "acme", text(event("acme", source=kTooLong)), []),
    "tokens below 0": ("schema", "data.usage.input_tokens", "acme",
                       text(llm_call(usage={"input_tokens": -1, "output_tokens": 1, "total_tokens": 1})), []),
    "a number of no finite size": ("schema", "data.latency_ms", "acme",
                                   text(llm_call()).replace('"latency_ms": 10', '"latency_ms": 1e999999999'), []),
    "wrong kind inside an array": ("schema", "data.policies_hit[1].policy_id", "acme",
                                   text(llm_call(policies_hit=[{"policy_id": "a"}, {"policy_id": 7}])), []),
    "no key": ("tenant_missing", None, None, text(event("acme")), []),
    "key of invalid utf-8": ("tenant_invalid", None, b"ac\xffme", text(event("acme")), []),
    "key with a blank": ("tenant_invalid", None, "ac me", text(event("acme")), []),
    "reserved tenant": ("tenant_reserved", None, "_secret", text(event("_secret")), []),
    "a tenant that lies": ("tenant_mismatch", "tenantid", "acme", text(event("globex")), []),
    "a secret as the id": ("secret_in_identifier", "id", "acme", text(event("acme", id=kOpenAiKey[:60])), []),
    "time of tomorrow's tomorrow": ("time_out_of_range", "time", "acme", text(event("acme", time="2199-01-01T00:00:00Z")), []),
    "time of long ago": ("time_out_of_range", "time", "acme", text(event("acme", time="2014-12-31T23:59:59Z")), []),
    "framing of a registry around no json": ("registry_framing", None, "acme", b"\x00\x00\x00\x00\x07\x02avro", []),
}


@pytest.fixture(scope="module")
def quarantined(refusing):
    """name -> the quarantine row of that refusal."""
    deployment, offsets = refusing
    rows = deployment.ask("SELECT partition, kafka_offset, reason, member_path, message, tenant_id FROM audit.quarantine",
                          role="operator")
    found = {(partition, offset): rest for partition, offset, *rest in rows}
    return {name: found.get(position) for name, position in offsets.items()}


@pytest.fixture(scope="module")
def refusing(module_deployment):
    """All of them in one run, each between two good neighbours."""
    deployment = module_deployment
    deployment.ingester()
    offsets = {}
    with Producer(deployment) as producer:
        for name, (_, _, key, value, headers) in kRefusals.items():
            producer.send("acme", event("acme"))
            producer.send(key, value, headers, partition=3, note=lambda position, name=name: offsets.update({name: position}))
            producer.send("acme", event("acme"))
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    return deployment, offsets


@pytest.mark.parametrize("name", kRefusals)
def test_refused_record_is_kept_with_its_reason_and_member_path(quarantined, name):
    reason, path = kRefusals[name][:2]
    row = quarantined[name]
    assert row is not None, "it is not in quarantine"
    assert row[0] == reason, row
    if path is not None:
        assert (row[1] or "") == path
    assert row[2].endswith("."), "the message is a sentence for the publisher"


def test_each_leaves_a_tombstone_at_its_place_in_the_chain_that_its_key_names(refusing):
    deployment, offsets = refusing
    rows = deployment.ask("SELECT kafka_partition, kafka_offset, tenant_id, action, event_id, event_time = recorded_at"
                          " FROM audit.ledger WHERE family = 'quarantined'")
    found = {(partition, offset): rest for partition, offset, *rest in rows}
    assert len(found) == len(kRefusals)
    for name, (partition, offset) in offsets.items():
        reason, _, key = kRefusals[name][:3]
        tenant, action, event_id, _ = found[partition, offset]
        assert action == reason, name
        assert event_id == f"!{deployment.topic}/0/{partition}/{offset}"
        assert tenant == (key if key == "acme" else f"_unattributed.{partition}"), name


def test_their_neighbours_land(refusing):
    deployment, _ = refusing
    assert deployment.ask("SELECT count(*) FROM audit.ledger WHERE family = 'auth'") == [(2 * len(kRefusals),)]


def test_metrics_count_each_reason(refusing):
    deployment, _ = refusing
    ingester = deployment.ingesters[0]
    for reason in {refusal[0] for refusal in kRefusals.values()}:
        expected = sum(refusal[0] == reason for refusal in kRefusals.values())
        assert ingester.metric("sealstream_records_quarantined_total", reason=reason) == expected, reason


def test_quarantine_commands_show_them(refusing):
    deployment, offsets = refusing
    listed = json.loads(deployment.sealstream("quarantine", "list", "--json", "--limit", "1000"))
    assert len(listed) == len(kRefusals)


def test_everything_adds_up(refusing):
    refusing[0].check()


def test_id_used_again_with_other_content_is_a_conflict_now_and_in_a_later_batch(deployment):
    deployment.ingester()
    first = event("acme")
    other = first | {"source": "another"}
    with Producer(deployment) as producer:
        producer.send("acme", first)
        producer.send("acme", other)
        producer.flush()
        deployment.wait_sealed(2)
        producer.send("acme", other | {"source": "a third"})
        producer.flush()
    deployment.wait_sealed(3)
    assert deployment.ask("SELECT reason, member_path FROM audit.quarantine", role="operator") == [("id_conflict", "id")] * 2
    deployment.check()


def test_hostile_records_take_bounded_time(deployment):
    hostile = [b"[" * 262_144, b'{"a":' * 50_000, text({f"m{i}": i for i in range(15_000)}).encode(),
               b'{"a":"' + b"\\u0000" * 40_000 + b'"}', b'"' + b"\xff" * 200_000, b"1e999999999", b"-" * 100_000,
               text(event("acme", id="x" * 200_000)).encode(), b"\x00" * 200_000,
               (b'{"k":"' + b"sk-" * 80_000 + b'"}'), b'{"' + b"a" * 200_000 + b'":1}',
               text(with_data(**{"\x1b[31m" * 2_000: "\x1b]0;own\x07"})).encode()]
    deployment.ingester()
    with Producer(deployment) as producer:
        for _ in range(10):
            for value in hostile:
                producer.send("acme", value)
                producer.send("acme", value, [("ce_subject", b"s" * 65_536)])
        producer.flush()
        begin = time.monotonic()
        deployment.wait_sealed(producer.acknowledged)
        producer.send("acme", event("acme", time=now()))
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    assert time.monotonic() - begin < 20
    deployment.check()
