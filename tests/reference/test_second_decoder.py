"""Goal: the second decoder maps records to columns as schemas/rules.md says, and refuses with the reason that it names.

Method: one event of each family with the row expected of it, spelled out; then one record for each refusal; then
comparing with redaction markers.
"""

import json

import pytest

import jsontext
import make_decode_vectors
from decode import Decoded, Refused, decode
from faithful import differing_columns
from members import first_address, microseconds
from samples import DATA, MemoryLog


def decoded(kind, **changes):
    return decode(MemoryLog().publish(kind, **changes))


def columns(kind, **changes):
    result = decoded(kind, **changes)
    assert isinstance(result, Decoded), result
    return result.row


def with_member(kind, **members):
    return {**DATA[kind], **members}


def test_an_llm_call_becomes_its_columns():
    row = columns("llm_call.completed")
    assert row == {
        "event_id": "01JB" + "0" * 22, "family": "llm_call", "action": "completed", "schema_version": 1,
        "source": "gateway", "event_time": 1_790_899_200_123_456, "kafka_topic": "audit.events.v1", "kafka_log_epoch": 0,
        "kafka_partition": 0, "kafka_offset": 0, "rules_version": 1, "actor_type": "user", "user_id": "u-1001",
        "user_email": "ada@example.org", "user_name": "Ada", "status": "success", "operation": "chat",
        "provider": "anthropic", "model": "claude-sonnet-4", "input_tokens": 120, "output_tokens": 40, "total_tokens": 160,
        "usage_basis": "exclusive", "cost_usd": "0.00096", "latency_ms": 812, "client_ip": "192.0.2.7",
        "digest": '{"alg": "sha256", "request": "ab", "response": "cd"}', "input_summary": "hello",
        "policies_hit": '[{"verdict": "allow", "policy_id": "p1"}]', "detail": '{"stream": true, "ttft_ms": 95}',
        "personal_detail": '{"data": {"tags": ["a", "b"], "new_member": {"a": 1.5}, "policies_hit": {"0": {"extra": 1}}}}'}


@pytest.mark.parametrize("kind, expected", [
    ("tool_invocation.failed", {
        "tool_name": "search", "tool_server": "https://mcp.example.org", "tool_call_id": "c1", "tool_error": True,
        "input_summary": "q", "detail": '{"outcome": {"rpc_error_code": -32602, "transport_status": "ok"}}'}),
    ("escalation.created", {
        "detail": '{"kind": "human_handoff", "reason_code": "low_confidence"}',
        "personal_detail": '{"data": {"to": "desk-2", "reason": "asked for a person"}}'}),
    ("api_key.used", {
        "key_id": "k-1", "key_prefix": "msys_ab", "key_type": "service", "request_path": "/v1/chat", "response_code": 200,
        "response_bytes": 5120, "detail": '{"method": "POST"}', "personal_detail": '{"data": {"key": {"name": "build"}}}'}),
    ("admin.role_change", {
        "resource_type": "role", "resource_id": "r-9", "detail": '{"rows": 1}',
        "personal_detail": '{"data": {"after": {"role": "b"}, "before": {"role": "a"}}}'}),
    ("auth.login", {
        "actor_type": "anonymous", "client_ip": "2001:db8::1", "user_agent": "curl/8",
        "detail": '{"method": "password", "failure_code": "bad_password"}'})])
def test_an_event_of_each_other_family_becomes_its_columns(kind, expected):
    row = columns(kind)
    assert {name: row.get(name) for name in expected} == expected


def test_structured_and_binary_mode_give_the_same_row():
    log = MemoryLog()
    binary = log.publish("auth.login")
    attributes = {name.removeprefix(b"ce_").decode(): value.decode() for name, value in binary.headers
                  if name.startswith(b"ce_")}
    value = json.dumps({**attributes, "data": DATA["auth.login"]}).encode()
    for headers in ((), ((b"content-type", b"application/cloudevents+json; charset=utf-8"),),
                    ((b"content-type", b"application/json"), (b"traceid", b"x"))):
        structured = MemoryLog().publish("auth.login", value=value, headers=headers)
        assert decode(structured) == decode(binary)


def test_attributes_go_to_detail_and_personal_detail():
    log = MemoryLog()
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    record = log.publish("auth.login")
    extra = ((b"ce_subject", b"ada"), (b"ce_sequence", b"7"), (b"ce_traceparent", trace.encode()), (b"ce_new", b"x"))
    row = columns("auth.login", headers=record.headers + extra)
    assert jsontext.parse(row["detail"])["attributes"] == {"sequence": "7", "traceparent": trace}
    assert row["personal_detail"] == '{"attributes": {"new": "x", "subject": "ada"}}'
    assert (row["trace_id"], row["span_id"]) == ("a" * 32, "b" * 16)


@pytest.mark.parametrize("amount, stored", [
    ("0.00022500000000000002", "0.000225"), (0, "0"), ("1000000", "1000000"), ("0.0000000000005", "0"),
    ("0.0000000000015", "0.000000000002"), ("1e-3", "0.001"), ("1e-999999999", "0"), ("-0.0", "0")])
def test_money_is_rounded_half_even_to_twelve_places(amount, stored):
    assert columns("llm_call.completed", data=with_member("llm_call.completed", cost_usd=amount))["cost_usd"] == stored


@pytest.mark.parametrize("text, address", [
    ("192.0.2.7", "192.0.2.7"), ("192.0.2.7:80", "192.0.2.7"), ("[2001:db8::1]:443", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"),
    ("[fe80::1%eth0]:1", "fe80::1"), ("1.2.3.4%eth0", None), ("[::1]x", None), ("unknown, 192.0.2.7, 10.0.0.1", "192.0.2.7"), ("10.0.0.0/8", None),
    ("192.0.2.7:http", None), ("", None), ("host", None), ("1.2.3", None)])
def test_an_address_loses_port_and_zone(text, address):
    assert first_address(text) == address
    row = columns("auth.login", data=with_member("auth.login", client={"ip": text}))
    assert row.get("client_ip") == address
    assert (row.get("personal_detail") is None) == (address is not None)


@pytest.mark.parametrize("text, moment", [
    ("1970-01-01T00:00:00Z", 0), ("1970-01-01T01:00:00.9999999+01:00", 999_999), ("2026-02-29T00:00:00Z", None),
    ("2026-01-01T24:00:00Z", None), ("2026-06-30T23:59:60Z", None), ("2026-01-01T00:00:00", None), ("2026-01-01", None),
    ("0000-02-29T00:00:00Z", -62_162_121_600_000_000), ("0000-01-01T00:00:00.000001+00:00", -62_167_219_199_999_999)])
def test_a_time_is_rfc_3339_truncated_to_microseconds(text, moment):
    assert microseconds(text) == moment


def test_cut_members_are_cut_at_a_code_point_and_others_refused():
    data = with_member("llm_call.completed", input_summary="é" * 501)
    assert columns("llm_call.completed", data=data)["input_summary"] == "é" * 500
    data = with_member("llm_call.completed", input_summary="a" + "é" * 500)
    assert columns("llm_call.completed", data=data)["input_summary"] == "a" + "é" * 499
    assert decoded("llm_call.completed", data=with_member("llm_call.completed", route="é" * 65)).reason == "schema"


def test_an_empty_object_and_null_are_absent_and_the_empty_string_stays():
    data = with_member("auth.login", detail={}, error=None, department_id=None, idp="", session_id="")
    row = columns("auth.login", data=data)
    assert "personal_detail" not in row and "department_id" not in row
    assert row["session_id"] == "" and jsontext.parse(row["detail"])["idp"] == ""


def ce(headers, **changes):
    """The binary mode's headers with some replaced; None takes one away."""
    kept = [(name, value) for name, value in headers if name.decode() not in changes]
    return tuple(kept) + tuple((name.encode(), value.encode()) for name, value in changes.items() if value is not None)


HEADERS = MemoryLog().publish().headers
LOGIN = json.dumps(DATA["auth.login"])


@pytest.mark.parametrize("reason, changes", [
    ("empty_value", {"value": None}), ("empty_value", {"value": b""}), ("invalid_json", {"value": b"{"}),
    ("invalid_utf8", {"value": b'{"a":"\xff"}'}), ("nul_character", {"value": b'{"a":"\\u0000"}'}),
    ("invalid_utf8", {"value": b'{"a":"\\ud800"}'}), ("duplicate_member", {"value": b'{"a":{"b":1,"b":2}}'}),
    ("too_large", {"value": b'{"a":"' + b"x" * 256 * 1024 + b'"}'}),
    ("too_large", {"value": json.dumps({str(n): 1 for n in range(2001)}).encode()}),
    ("too_deep", {"value": b'{"a":' * 33 + b"1" + b"}" * 33}), ("registry_framing", {"value": b"\0\0\0\0\1\x0a\x02"}),
    ("unsupported_content_type", {"headers": ce(HEADERS, **{"content-type": "application/avro"})}),
    ("not_cloudevents", {"value": b"{}", "headers": ()}), ("duplicate_member", {"headers": HEADERS + ((b"ce_id", b"x"),)}),
    ("unknown_type", {"headers": ce(HEADERS, ce_type="audit.unknown.login.v1")}),
    ("unknown_type", {"headers": ce(HEADERS, ce_type="audit.auth.login.v2")}),
    ("schema", {"headers": ce(HEADERS, ce_id="short")}), ("invalid_json", {"value": b"[]"}),
    ("schema", {"value": LOGIN.replace("password", "smoke signal").encode()}),
    ("schema", {"value": LOGIN.replace('"method": "password", ', "").encode()}),
    ("schema", {"value": LOGIN.replace("anonymous", "user").encode()}),
    ("schema", {"value": LOGIN.replace('"method"', '"n": 1e400, "method"').encode()}),
    ("tenant_missing", {"key": None}), ("tenant_missing", {"key": b""}), ("tenant_invalid", {"key": b"a b"}),
    ("invalid_utf8", {"key": b"\xff"}), ("tenant_reserved", {"key": b"_mine"}), ("tenant_mismatch", {"key": b"other"}),
    ("time_out_of_range", {"headers": ce(HEADERS, ce_time="2014-12-31T23:59:59Z")}),
    ("time_out_of_range", {"headers": ce(HEADERS, ce_time="2026-10-03T00:00:00.001Z")})])
def test_a_record_is_refused_with_its_reason(reason, changes):
    result = decoded("auth.login", **changes)
    assert isinstance(result, Refused), result
    assert result.reason == reason
    named = changes.get("key", b"acme") in (b"acme", b"other")
    assert result.tenant == (changes.get("key", b"acme").decode() if named else "_unattributed.0")


@pytest.mark.parametrize("changes", [
    {"key": b"msys_0123456789abcdef"}, {"headers": ce(HEADERS, ce_id="sk-0123456789abcdef")},
    {"headers": ce(HEADERS, ce_source="https://u:p@host/")}])
def test_a_secret_in_an_identifier_refuses_the_record(changes):
    result = decoded("auth.login", **changes)
    assert result.reason == "secret_in_identifier"
    assert result.tenant == ("_unattributed.0" if "key" in changes else "acme")


def test_framing_of_a_schema_registry_before_json_is_stripped():
    assert columns("auth.login", value=b"\0\0\0\0\7" + LOGIN.encode()) == columns("auth.login")


def test_differing_columns_names_exactly_what_differs():
    row = columns("llm_call.completed")
    assert differing_columns(row, dict(row)) == []
    assert differing_columns(row, dict(row, model="other", client_ip=None)) == ["model", "client_ip"]
    assert differing_columns(row, dict(row, detail=row["detail"].replace("95", "95.0"))) == ["detail"]


def test_a_redaction_marker_stands_for_any_text_and_the_rest_must_be_the_records():
    key = "sk-" + "0123456789abcdef"
    data = with_member("auth.login", error={"message": f"key {key} is bad", "type": f"a {key} b", "code": f"a {key}"}, sk="1")
    row = columns("auth.login", data=data)
    redacted = dict(row, error_message="key [REDACTED:openai] is bad", error_type="a [REDACTED:x] b",
                    personal_detail='{"data": {"[REDACTED:x]": "1"}}')
    assert differing_columns(row, redacted) == []
    assert differing_columns(row, dict(redacted, error_code="a ")) == [], "no room for a marker in 32 bytes"
    assert differing_columns(row, dict(redacted, status="[REDACTED:x]")) == ["status"], "there is no secret in it"
    assert differing_columns(row, dict(redacted, error_type="b [REDACTED:x] b")) == ["error_type"]
    assert differing_columns(row, dict(redacted, error_type="a [REDACTED:x] c")) == ["error_type"]
    assert differing_columns(row, dict(redacted, personal_detail='{"data": {"[REDACTED:x]": "2"}}')) == ["personal_detail"]


def test_the_committed_decode_vectors_are_what_the_second_decoder_says():
    assert make_decode_vectors.VECTORS_FILE.read_text(encoding="utf-8") == make_decode_vectors.rendered()
