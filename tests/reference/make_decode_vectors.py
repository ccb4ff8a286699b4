"""Writes tests/data/decode_vectors.jsonl: records and what the second decoder makes of them, one a line.

A C++ test decodes each and compares the tenant and every column, or the reason. Run without an argument to write the
file, with --check to compare instead (exit 1 when it differs). No record holds a secret: redaction has its own tests.

    {"partition", "offset", "timestamp_ms", "key", "value", "headers": [[name, value], …],
     "tenant": …, "columns": {name: hex of its hashed bytes}}     or      {…, "tenant": …, "reason": …}

Bytes are {"hex": …} where they are not UTF-8, else a string; null is null.
"""

import copy
import json
import sys
from dataclasses import replace
from pathlib import Path

import chain
from decode import Decoded, decode
from families import COMMON, FAMILIES
from make_vectors import Stream
from samples import DATA, MemoryLog

VECTORS_FILE = Path(__file__).resolve().parents[1] / "data" / "decode_vectors.jsonl"
TYPES = {column.name: column.type for column in chain.REGISTRY}
VALUES_A_MEMBER = 3

# JSON texts, tried in the place of members.
VALUES = """
null true false 0 1 -1 1.0 1.5 1e3 -0 -0.0 0.10 1.50e1 1E-5 100e-2 1e63 1e64 1e400 0e-62 1e-70 123456.7890123456789
9007199254740991 9007199254740992 2147483647 2147483648 -2147483648 -2147483649 1000000 1000000.0000000000001
999999.99999999999949999 0.00022500000000000002 0.0000000000005 0.0000000000015 1e-400 1e999999999
"" "x" "12" "007" "-1" "+1" "1.5" "0.1e-3" "1000000.1" "success" "tool" "9007199254740991" "9007199254740992"
"2026-10-02T00:00:00Z" "2026-10-02t00:00:00.1234567z" "2026-10-02T24:00:00Z" "2026-10-02T00:00:00+0100"
"1.2.3.4" "1.2.3.4:99999" "1.2.3.4:999999" "[::1]:80" "::1%e" "1.2.3.4%e" "1.2.3.4,5.6.7.8" "x,\\t1.2.3.4" "::ffff:1.2.3.4"
"1.2.3.4/32" "01.2.3.4" "1::2::3" "[1.2.3.4]" "/a?b" "/a#b?c" "?" "h/x?y" "http://h:1/x?y" "://a/b" "http://"
"\\u0000" "\\ud800" "\\ud83d\\ude00" "a\\u0001\\u007f\\u2028" "\\/" {"a":1,"a":2} {"b":1.0,"a":{"c":1e2},"":[]} {} {"a":{}} {"a":null}
[] [null] [1] ["a"] ["",{}] [{}] [{"name":"n","x":{"y":1.50}},{"call_id":null}] [{"name":1}] [[1,2]] [[2,1]] [[1,2,3]] [["1",2]]
{"alg":"sha","new":[1.50]} nul 01 .5 'a' "\\x" [1,] {"a":1,}
""".split() + ['"' + "é" * count + '"' for count in (4, 16, 24, 32, 64, 127, 128, 250, 256, 512)] + [
    '"' + "a" + "字" * 170 + '"', '"' + "0123456789abcdef" * 4 + '"', "[" * 30 + "]" * 30, "[" * 31 + "]" * 31]

ATTRIBUTES = ["id", "source", "type", "time", "tenantid", "specversion", "subject", "sequence", "traceparent", "dataschema",
              "unknown", "data", "datacontenttype", "data_base64"]
ATTRIBUTE_VALUES = VALUES + [json.dumps(text) for text in (
    "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01", "00-" + "0" * 32 + "-" + "b" * 16 + "-01",
    "application/json; charset=utf-8", "text/plain", "APPLICATION/JSON", "application/vnd.x+json", "2014-12-31T23:59:59.999999Z",
    "2015-01-01T00:00:00Z", "2026-10-03T00:00:00.000Z", "2026-10-03T00:00:00.999999Z", "2026-10-02T00:00:60Z",
    "2026-02-29T00:00:00Z", "2026-10-02T00:00:00+14:00", "1" * 64, "1" * 65, "_x", "_unattributed", "_sealstream", "acme", "a b",
    "audit.auth.login.v1", "audit.admin.zzz_9.v1", "audit.admin..v1", "audit.admin." + "a" * 50 + ".v1",
    "audit.admin." + "a" * 51 + ".v1", "audit.auth.login.v01", "audit.auth.v1", "12345678", "1234567", ":" * 64, ":" * 65)]
VALUES_AN_ATTRIBUTE = 10

CONTENT_TYPES = [None, b"", b"application/json", b"application/cloudevents+json", b"application/cloudevents",
                 b"application/cloudevents-batch+json", b"text/plain", b" Application/JSON ;x", b"\xff", b"a\0", b"text/json", b"+json"]
KEYS = [None, b"", b"acme", b"other", b"_x", b"_unattributed", b"_sealstream", b"a b", b"\xff", b"a\0", b"x" * 64, b"x" * 65, b"acme\n"]
LOGIN = json.dumps(DATA["auth.login"]).encode()
BODIES = [None, b"", b"{", b"{}", b"[]", b"null", LOGIN, b"\0\0\0\0\1{}", b"\0", b"\0\0\0\0\1", b"\0\0\0\0\1 " + LOGIN,
          b"\xef\xbb\xbf{}", b"\xff", LOGIN + b" ", LOGIN + b"1"]
EXTRA_HEADERS = [(("ce_id", b"x"),), (("ce_", b"x"),), (("ce_new", b"\xff"),), (("ce_new", b"a\0"),), (("other", b"\xff"),),
                 (("ce_Subject", b"x"),), (("CE_id", b"1"),), (("content-type", b"application/json"),),
                 (("Content-Type", b"text/plain"),), (("ce_new", None), ("ce_new", b"1")), (("ce_new", "é".encode()),)]


def with_value(kind, path, text):
    """The sample's data with the JSON text in the place of one member, as JSON text."""
    data = copy.deepcopy(DATA[kind])
    *parents, name = path.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
    place[name] = "@here@"
    return json.dumps(data, ensure_ascii=False).replace('"@here@"', text)


def structured(kind, data, changed=None, text=None):
    """A whole CloudEvent around data's JSON text, with a JSON text in the place of one attribute."""
    event = {"specversion": "1.0", "id": "01JB0000000", "source": "g", "type": f"audit.{kind}.v1",
             "time": "2026-10-02T00:00:00Z", "tenantid": "acme"}
    members = {name: json.dumps(value) for name, value in event.items()} | {"data": data}
    if changed is not None:
        members[changed] = text
    return "{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}"


def member_records(stream):
    for kind in DATA:
        members = [*COMMON, *FAMILIES[kind.split(".")[0]][1], "actor", "client", "error", "unknown", "detail.unknown"]
        for path in members:
            for _ in range(VALUES_A_MEMBER):
                data = with_value(kind, path, stream.pick(VALUES))
                if stream.below(3):
                    yield {"kind": kind, "value": data.encode()}
                else:
                    yield {"kind": kind, "value": structured(kind, data).encode(), "headers": ()}


def attribute_records(stream):
    headers = MemoryLog().publish().headers
    for name in ATTRIBUTES:
        for _ in range(VALUES_AN_ATTRIBUTE):
            text = stream.pick(ATTRIBUTE_VALUES)
            yield {"value": structured("auth.login", LOGIN.decode(), name, text).encode(), "headers": ()}
            others = tuple(pair for pair in headers if pair[0] != b"ce_" + name.encode())
            yield {"headers": others + ((b"ce_" + name.encode(), text.strip('"').encode()),)}


def transport_records():
    headers = MemoryLog().publish().headers
    whole = structured("auth.login", LOGIN.decode()).encode()
    for content_type in CONTENT_TYPES:
        only = ((b"content-type", content_type),)
        yield {"headers": headers[:-1] + only}
        yield {"headers": only}
        yield {"headers": only, "value": whole}
        yield {"headers": only + ((b"ce_tenantid", b"other"),), "value": whole}
    for extra in EXTRA_HEADERS:
        yield {"headers": headers + tuple((name.encode(), value) for name, value in extra)}
    for key in KEYS:
        for body in BODIES:
            yield {"key": key, "value": body}
    for depth in (29, 30, 31, 32, 33):
        nested = '{"a":' * depth + "1" + "}" * depth
        yield {"value": (f'{{"new":{nested},' + LOGIN.decode()[1:]).encode()}
        yield {"value": structured("auth.login", f'{{"new":{nested},' + LOGIN.decode()[1:]).encode(), "headers": ()}


def as_json(data):
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def line(record):
    result = decode(record)
    entry = {"partition": record.partition, "offset": record.offset, "timestamp_ms": record.timestamp_ms,
             "key": as_json(record.key), "value": as_json(record.value),
             "headers": [[as_json(name), as_json(value)] for name, value in record.headers], "tenant": result.tenant}
    if isinstance(result, Decoded):
        entry["columns"] = {name: chain.encode_value(TYPES[name], value).hex() for name, value in result.row.items()}
    else:
        entry["reason"] = result.reason
    return json.dumps(entry) + "\n"


def rendered():
    stream = Stream("decode")
    changes = [*member_records(stream), *attribute_records(stream), *transport_records()]
    records = [MemoryLog().publish(**change) for change in changes]
    return "".join(line(replace(record, offset=number)) for number, record in enumerate(records))


def main(arguments):
    text = rendered()
    if arguments == ["--check"]:
        return 0 if VECTORS_FILE.read_text(encoding="utf-8") == text else 1
    VECTORS_FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
