"""Writes tests/data/chain_vectors.json: known answers of chain-v1 that every other implementation must reproduce.

Run `python tests/reference/make_vectors.py` to write the file, with --check to compare instead (exit 1 when it
differs). The output depends on nothing but this folder and the column registry.

Columns are typed JSON: text and decimal a string, int64 a number, timestamp microseconds since 1970 as a number,
bool a boolean, bytes lower hex, json a string that holds any JSON text of the value, ip a string. A column that is
not named is NULL. "record" is R, "personal" is P, both in hex.
"""

import hashlib
import json
import sys
from pathlib import Path

import chain
import jsontext

VECTORS_FILE = Path(__file__).resolve().parents[1] / "data" / "chain_vectors.json"

KEY_1 = bytes(range(32))
KEY_2 = bytes(range(255, 223, -1))
KEYRING = [
    {"id": "2026q3", "from": "2026-07-01T00:00:00Z", "key": KEY_1.hex()},
    {"id": "2026q4", "from": "2026-10-01T00:00:00Z", "key": KEY_2.hex()},
]
KEYS = {entry["id"]: bytes.fromhex(entry["key"]) for entry in KEYRING}

OCTOBER_2 = 1_790_899_200_000_000  # 2026-10-02T00:00:00Z in microseconds

NUMBERS = """
0 -0 0.0 -0.0 0.00 -0.00 0e0 0e5 -0e5 0e-5 0.0e-5 0.0e5 1 -1 1.0 1.00 1e5 1E5 1e+5 1.50e1 1.5e1 1.50e2 1.50e3
1E-5 1e-5 -1e-5 100e-2 100e-1 100e-3 12.340e1 12.340e-1 0.5 -0.5 0.05 -3.250 1e0 1E+0 10 1000000 123456789012345678901234567890
9007199254740993 9223372036854775807 9223372036854775808 0.1e1 0.1e-1 0.00022500000000000002 1e63 -1e62 1e62
0.12345678901234567890123456789012345678901234567890123456789012 1e-62 -1e-61 1e00005 1e-00005 0e62 0e999999999
""".split()
NUMBERS_REFUSED = """
5e-324 00e0 1e64 -1e63 1e-63 -1e-62 0e-63 1e400 1e999999999 1e-999999999 1e99999999999999999999 -1e99999999999999999999
0.123456789012345678901234567890123456789012345678901234567890123 01 1. .5 +1 1e 1e+ -- 0x1 NaN Infinity -Infinity
""".split()
DOCUMENTS = [
    "{}", "[]", "null", "true", "false", '""', " [ ] ", "[[]]", "[{}]", '{"a":{}}', '[1,2,3]', '[1 , [2,[3]]]',
    '{"b":1,"a":2}', '{"bb":1,"a":2,"":3,"ab":4,"é":5,"z":6}', '{"a":1,"a":2}', '{"a":1,"b":2,"a":{"c":[]}}',
    '{"aaa":1,"b":2,"cc":3}', '{"\\u0061":1,"a":2}', '"\\u0041\\u00e9\\ud83d\\ude00"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\u0001\\u000b\\u001f\\u0020\\u007f\\u0080\\u2028\\u2029\\uffff"', '"/"', '"</script>"', '"a\u007fb"',
    '{"é":1,"zz":2,"a":3}', '{"\\ud83d\\ude00":1,"abcd":2,"abc":3}', '{"A":1,"a":2,"_":3}',
    '{"attributes":{"subject":"s"},"data":{"x":1.50e1,"y":[true,null,"1"]}}', '"1.0"', '[1.0,1.00,1]',
]
DOCUMENTS_REFUSED = ["", "{", "[1,]", '{"a":}', "{'a':1}", '"\\u0000"', '{"\\u0000":1}', '"\\ud800"', '"\\ude00\\ud83d"',
                     '"\\x41"', '"a\nb"', "nul", "[1 2]", '{"a" 1}', '[] []', "[1e400]", '"\t"']
DECIMALS = ["0", "0.0", "0.000000000000", "-0", "-0.00", "12", "12.0", "12.000000000000", "0.5", "0.500", "-3.25",
            "-3.250", "1000", "1000.10", "0.000000000001", "1000000", "999999.999999999999", "0.000225", "100"]
ADDRESSES = ["0.0.0.0", "127.0.0.1", "192.0.2.7", "255.255.255.255", "::", "::1", "::0.1.0.2", "::1:2",
             "2001:db8::1", "::ffff:192.0.2.7", "fe80::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]


class Stream:
    """Deterministic bytes from a name, so that the vectors do not depend on a random generator's version."""

    def __init__(self, name):
        self._name, self._count, self._bytes = name.encode(), 0, b""

    def take(self, count):
        while len(self._bytes) < count:
            self._bytes += hashlib.blake2b(self._name + self._count.to_bytes(8, "big")).digest()
            self._count += 1
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken

    def below(self, bound):
        return int.from_bytes(self.take(8), "big") % bound

    def pick(self, items):
        return items[self.below(len(items))]


TEXTS = ["", "a", "gpt-4o", "Ünïcødé 字", "😀", "line\nbreak", "tab\there", '"quoted"', "\\", "x" * 300, "\u007f\u2028", " "]


def generated_value(stream, column_type):
    """One value of a type; json and ip come from the lists above."""
    makers = {
        "text": lambda: stream.pick(TEXTS),
        "int64": lambda: stream.pick([0, 1, 255, 256, 2**31, 2**53 - 1, stream.below(2**53)]),
        "timestamp": lambda: OCTOBER_2 + stream.below(86_400_000_000),
        "bool": lambda: stream.below(2) == 1,
        "bytes": lambda: stream.take(16),
        "decimal": lambda: stream.pick(DECIMALS),
        "json": lambda: stream.pick(DOCUMENTS),
        "ip": lambda: stream.pick(ADDRESSES),
    }
    return makers[column_type]()


def minimal_row(topic, partition, offset, event_id):
    return {"event_id": event_id, "family": "admin", "action": "config_change", "schema_version": 1,
            "source": "console", "event_time": OCTOBER_2, "recorded_at": OCTOBER_2 + 250_000, "kafka_topic": topic,
            "kafka_log_epoch": 0, "kafka_partition": partition, "kafka_offset": offset, "source_digest": bytes(16),
            "status": "success", "actor_type": "system", "rules_version": 1, "resource_type": "setting",
            "personal_key_id": "2026q4"}


def llm_call_row():
    row = minimal_row("audit.events.v1", 3, 41, "01JB0000000000000000000041")
    row.update({
        "family": "llm_call", "action": "completed", "source": "gateway", "actor_type": "user", "department_id": "r&d",
        "latency_ms": 812, "http_status": 200, "operation": "chat", "provider": "anthropic", "model": "claude-sonnet-4",
        "input_tokens": 120, "output_tokens": 40, "total_tokens": 160, "usage_basis": "exclusive",
        "cost_usd": "0.000960000000", "detail": '{"ttft_ms":95,"stream":true}', "user_id": "u-1001",
        "client_ip": "192.0.2.7", "recorded_at": OCTOBER_2 + 1_250_000})
    del row["resource_type"]
    return row


def tombstone_row():
    topic, epoch, partition, offset = "audit.events.v1", 0, 3, 42
    return {"event_id": chain.tombstone_event_id(topic, epoch, partition, offset), "family": "quarantined",
            "action": "duplicate_member", "schema_version": 0, "source": "", "event_time": OCTOBER_2 + 2_000_000,
            "recorded_at": OCTOBER_2 + 2_000_000, "kafka_topic": topic, "kafka_log_epoch": epoch,
            "kafka_partition": partition, "kafka_offset": offset,
            "source_digest": bytes(range(16)), "rules_version": 1, "personal_key_id": "2026q4"}


def every_type_row():
    row = minimal_row("audit.events.v1", 3, 43, "every-type")
    row.update({"tool_error": True, "cost_usd": "12.50", "digest": '{"alg":"sha256","request":"ab"}',
                "client_ip": "2001:db8::1", "user_agent": "", "personal_detail": '{"data":{"x":1.50e1}}',
                "recorded_at": OCTOBER_2 + 3_000_000})
    return row


def generated_row(stream, number):
    row = minimal_row("audit.events.v1", stream.below(12), number, f"event-{number:04d}")
    for column in chain.REGISTRY:
        if column.name not in row and column.name != "personal_commitment" and stream.below(2):
            row[column.name] = generated_value(stream, column.type)
    row["source_digest"] = stream.take(16)
    row["personal_key_id"] = stream.pick(sorted(KEYS))
    row["recorded_at"] = OCTOBER_2 + 4_000_000 + number * 1000
    return row


def full_row(number):
    row = minimal_row("audit.events.v1", 0, number, f"full-{number}")
    stream = Stream("full")
    for column in chain.REGISTRY:
        if column.name not in row and column.name != "personal_commitment":
            row[column.name] = generated_value(stream, column.type)
    return row


def typed_json(row):
    types = {column.name: column.type for column in chain.REGISTRY}
    return {name: value.hex() if types[name] == "bytes" else value for name, value in row.items()}


def sealed_rows(tenant, rows):
    """The rows as a chain from seq 0, each with its bytes and digests."""
    prev, sealed = chain.ZERO_CHECKSUM, []
    for seq, row in enumerate(rows):
        personal = chain.personal_record(row)
        key = chain.tenant_key(KEYS[row["personal_key_id"]], tenant)
        commitment = chain.commitment(key, row["event_id"], personal)
        if commitment is not None:
            row["personal_commitment"] = commitment
        record = chain.row_record(tenant, seq, prev, row)
        checksum = chain.checksum(record)
        sealed.append({"seq": seq, "columns": typed_json(row), "prev_checksum": prev.hex(), "record": record.hex(),
                       "checksum": checksum.hex(), "personal": personal.hex(),
                       "commitment": commitment.hex() if commitment else None})
        prev = checksum
    return sealed


def chains():
    stream = Stream("rows")
    worked = [minimal_row("audit.events.v1", 3, 40, "01JB0000000000000000000040"), llm_call_row(), tombstone_row(),
              every_type_row()]
    everything = [generated_row(stream, number) for number in range(40)] + [full_row(40)]
    unattributed = tombstone_row()
    return [{"tenant": tenant, "rows": sealed_rows(tenant, rows)} for tenant, rows in (
        ("acme", worked), ("a", everything), ("_unattributed.3", [unattributed]), ("T" * 64, [minimal_row("t", 0, 0, "12345678")]))]


def source_digests():
    ce = [("ce_id", b"01JB"), ("ce_type", b"audit.auth.login.v1"), ("content-type", b"application/json")]
    cases = [
        ("acme", b"acme", b"{}", []),
        ("acme", b"acme", b'{"a":1}', ce),
        ("acme", b"acme", b'{"a":1}', list(reversed(ce))),
        ("acme", b"acme", b'{"a":1}', ce + [("traceid", b"x"), ("CE_id", b"x"), ("Content-Type", b"x"), ("ce", b"x")]),
        ("_unattributed.3", None, None, []),
        ("_unattributed.3", b"", b"", [("ce_id", None), ("ce_", b"")]),
        ("acme", b"acme", b"{}", [("ce_id", b"2"), ("ce_id", b"1")]),
        ("acme", b"acme", b"{}", [("ce_id", b"1"), ("ce_id", b"2")]),
        ("Z", b"\xff\xfe", b"\x00\x01", [("ce_x", b"\xff")]),
    ]
    answers = []
    for tenant, key, value, headers in cases:
        wire = [(name.encode(), content) for name, content in headers]
        digest = lambda tenant_key: chain.source_digest(tenant_key, key, value, wire).hex()
        answers.append({
            "tenant": tenant, "personal_key_id": "2026q4",
            "key": None if key is None else key.hex(), "value": None if value is None else value.hex(),
            "headers": [{"name": name, "value": None if content is None else content.hex()} for name, content in headers],
            "source_digest": digest(chain.tenant_key(KEYS["2026q4"], tenant)), "last_digest": digest(chain.ZERO_KEY)})
    return answers


def json_texts():
    accepted = NUMBERS + DOCUMENTS
    refused = NUMBERS_REFUSED + DOCUMENTS_REFUSED
    answers = [{"in": text, "out": jsontext.canonical(text)} for text in accepted]
    for text in refused:
        try:
            printed = jsontext.canonical(text)
        except jsontext.JsonTextError:
            answers.append({"in": text, "out": None})
        else:
            raise AssertionError(f"{text!r} should be refused and prints {printed}")
    return answers


def keys():
    answers = []
    for entry in KEYRING:
        for tenant in ("acme", "a", "_unattributed.3", "T" * 64):
            tenant_key = chain.tenant_key(KEYS[entry["id"]], tenant)
            answers.append({"personal_key_id": entry["id"], "tenant": tenant, "tenant_key": tenant_key.hex(),
                            "event_id": "01JB0000000000000000000041",
                            "salt": chain.salt(tenant_key, "01JB0000000000000000000041").hex()})
    return answers


def vectors():
    messages = [b"", b"abc", b"a" * 127, b"a" * 128, b"a" * 129, bytes(range(256)) * 4]
    return {
        "about": "Known answers of chain-v1, written by tests/reference/make_vectors.py. Do not edit.",
        "keyring": KEYRING,
        "blake2b": [{"in": message.hex(), "out": chain.blake2b(message).hex()} for message in messages],
        "json_text": json_texts(),
        "decimal": [{"in": text, "out": chain.print_decimal(text)} for text in DECIMALS],
        "ip": [{"in": text, "out": chain.encode_ip(text).hex()} for text in ADDRESSES],
        "keys": keys(),
        "source_digests": source_digests(),
        "chains": chains(),
    }


def rendered():
    return json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n"


def main(arguments):
    text = rendered()
    if arguments == ["--check"]:
        return 0 if VECTORS_FILE.read_text(encoding="utf-8") == text else 1
    VECTORS_FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
