"""Every record that is refused: what was sent, and the reason and member path that it must get."""

import json

from producers import binary, event, llm_call

kOpenAiKey = "sk-proj-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn" * 2
kTenant = "acme"


def with_data(**members):
    """A structured login whose data has these members; None removes one."""
    good = event(kTenant)
    return good | {"data": {name: value for name, value in (good["data"] | members).items() if value is not None}}


def replaced(document, old, new):
    text = json.dumps(document)
    assert old in text
    return text.replace(old, new)


def nested(depth):
    return '{"a":' * depth + "1" + "}" * depth


def refused(reason, path, value, headers=(), key=kTenant):
    return reason, path, key, value, list(headers)


def header(name, value, **changes):
    """A binary event with one header more."""
    content, headers = binary(event(kTenant), **changes)
    return content, [*headers, (name, value)]


def usage(**members):
    return {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3} | members


# name -> (reason, member path, key, value, headers)
kRefusals = {
    "null value": refused("empty_value", "", None),
    "empty value": refused("empty_value", "", b""),
    "broken json": refused("invalid_json", "", b'{"specversion":'),
    "broken json as data": refused("invalid_json", "data", b'{"actor":', binary(event(kTenant))[1]),
    "an array": refused("invalid_json", "", b"[1, 2]"),
    "text behind the document": refused("invalid_json", "", json.dumps(event(kTenant)) + " x"),
    "256 KiB of brackets that never close": refused("invalid_json", "", b"[" * 262_144),
    "invalid utf-8 in the value": refused("invalid_utf8", "", json.dumps(event(kTenant)).encode().replace(b"e2e", b"\xff\xfe")),
    "lone surrogate": refused("invalid_utf8", "data.actor.id", replaced(event(kTenant), "u-0", "\\ud800")),
    "invalid utf-8 in a header": refused("invalid_utf8", "ce_subject", *header("ce_subject", b"\xff\xfe")),
    "invalid utf-8 in the key": refused("invalid_utf8", "key", json.dumps(event(kTenant)), key=b"ac\xffme"),
    "nul in a string": refused("nul_character", "data.actor.id", replaced(event(kTenant), "u-0", "u\\u0000")),
    "nul in a header": refused("nul_character", "ce_subject", *header("ce_subject", b"a\x00b")),
    "nul in the key": refused("nul_character", "key", json.dumps(event(kTenant)), key=b"ac\x00me"),
    "doubled member": refused("duplicate_member", "data.status",
                              replaced(event(kTenant), '"status": "success"', '"status": "success", "status": "denied"')),
    "doubled header": refused("duplicate_member", "ce_id", *header("ce_id", b"another-id")),
    "over 256 KiB": refused("too_large", "", json.dumps(with_data(extra="x" * 270_000))),
    "over 2,000 members": refused("too_large", "data.m1988", json.dumps(with_data(**{f"m{i}": 1 for i in range(2_000)}))),
    "headers of 300 KiB": refused("too_large", "ce_note", *header("ce_note", b"x" * 300_000)),
    "43,000 levels": refused("too_deep", ".".join("a" * 32), nested(43_000)),
    "33 levels": refused("too_deep", "data.status" + ".a" * 30, replaced(event(kTenant), '"success"', nested(31))),
    "content type of another kind": refused("unsupported_content_type", "content-type",
                                            *binary(event(kTenant), content_type="text/plain")),
    "a batch of cloudevents": refused("unsupported_content_type", "content-type", json.dumps([event(kTenant)]),
                                      [("content-type", b"application/cloudevents-batch+json")]),
    "data that says it is xml": refused("unsupported_content_type", "datacontenttype",
                                        json.dumps(event(kTenant, datacontenttype="text/xml"))),
    "data as base64": refused("unsupported_content_type", "data_base64",
                              json.dumps(event(kTenant, data=None, data_base64="e30="))),
    "no cloudevent": refused("not_cloudevents", "specversion", b'{"hello": "world"}'),
    "specversion 0.3": refused("not_cloudevents", "specversion", json.dumps(event(kTenant, specversion="0.3"))),
    "unknown family": refused("unknown_type", "type", json.dumps(event(kTenant, type="audit.weather.rained.v1"))),
    "unknown action": refused("unknown_type", "type", json.dumps(event(kTenant, action="teleport"))),
    "unknown version": refused("unknown_type", "type", json.dumps(event(kTenant, type="audit.auth.login.v2"))),
    "type of somebody else": refused("unknown_type", "type", json.dumps(event(kTenant, type="com.example.thing"))),
    "required attribute absent": refused("schema", "time", json.dumps(event(kTenant, time=None))),
    "required member absent": refused("schema", "data.method", json.dumps(with_data(method=None))),
    "required member absent in binary mode": refused("schema", "data.method", *binary(with_data(method=None))),
    "no data": refused("schema", "data", json.dumps(event(kTenant, data=None))),
    "id too short": refused("schema", "id", json.dumps(event(kTenant, id="short"))),
    "source too long": refused("schema", "source", json.dumps(event(kTenant, source="x" * 257))),
    "time without a zone": refused("schema", "time", json.dumps(event(kTenant, time="2026-11-22T10:00:00"))),
    "tokens below 0": refused("schema", "data.usage.input_tokens", json.dumps(llm_call(kTenant, usage=usage(input_tokens=-1)))),
    "successful call without tokens": refused("schema", "data.usage.total_tokens",
                                              json.dumps(llm_call(kTenant, usage={"input_tokens": 1, "output_tokens": 2}))),
    "a number without end": refused("schema", "data.latency_ms",
                                    replaced(llm_call(kTenant), '"latency_ms": 10', '"latency_ms": 1e999999999')),
    "a wrong kind inside an array": refused("schema", "data.policies_hit[1].policy_id",
                                            json.dumps(llm_call(kTenant, policies_hit=[{"policy_id": "a"}, {"policy_id": 7}]))),
    "no key": refused("tenant_missing", "key", json.dumps(event(kTenant)), key=None),
    "no tenantid": refused("tenant_missing", "tenantid", json.dumps(event(kTenant, tenantid=None))),
    "key with a blank": refused("tenant_invalid", "key", json.dumps(event("ac me")), key="ac me"),
    "reserved tenant": refused("tenant_reserved", "key", json.dumps(event("_secret")), key="_secret"),
    "a tenant that lies": refused("tenant_mismatch", "tenantid", json.dumps(event("globex"))),
    "a header that lies": refused("tenant_mismatch", "ce_tenantid", json.dumps(event(kTenant)),
                                 [("content-type", b"application/cloudevents+json"), ("ce_tenantid", b"globex")]),
    "a secret as id": refused("secret_in_identifier", "id", json.dumps(event(kTenant, id=kOpenAiKey))),
    "a secret as source": refused("secret_in_identifier", "source", json.dumps(event(kTenant, source=kOpenAiKey))),
    "a secret as key": refused("secret_in_identifier", "key", json.dumps(event(kOpenAiKey)), key=kOpenAiKey),
    "time beyond tomorrow": refused("time_out_of_range", "time", json.dumps(event(kTenant, time="2199-01-01T00:00:00Z"))),
    "time before 2015": refused("time_out_of_range", "time", json.dumps(event(kTenant, time="2014-12-31T23:59:59Z"))),
    "a registry's frame around no json": refused("registry_framing", "", b"\x00\x00\x00\x00\x07\x02avro"),
}
