"""Goal: the reference computes chain-v1's bytes right, and the committed known answers are its own.

Method: BLAKE2's published vectors, entries taken apart by hand, and the worked bytes of schemas/chain-v1.md parsed from
the document and compared with the code.
"""

import hashlib
import json
import re
import struct

import chain
import make_vectors
from conftest import ROOT

DOCUMENT = ROOT / "schemas" / "chain-v1.md"
TOMBSTONE_POSITION = ("audit.events.v1", 0, 3, 42)


def test_blake2b_gives_the_digest_of_rfc_7693_appendix_a():
    assert chain.blake2b(b"abc").hex() == (
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923")


def test_column_ids_are_dense_and_names_unique():
    assert [column.id for column in chain.REGISTRY] == list(range(1, 69))
    assert len({column.name for column in chain.REGISTRY}) == 68
    assert {column.type for column in chain.REGISTRY} == set(chain.TYPE_CODES)
    assert [column.id for column in chain.REGISTRY if column.personal] == list(range(55, 67))


def test_a_row_record_is_header_count_and_entries():
    record = chain.row_record("acme", 7, b"\x11" * 64, {"event_id": "12345678", "latency_ms": -1, "user_id": "left out"})
    assert record == (b"sealstream/row/v1\n" + b"\x00\x04acme" + b"\x00\x00\x00\x00\x00\x00\x00\x07" + b"\x11" * 64
                      + b"\x00\x02"
                      + b"\x00\x01\x01\x00\x00\x00\x0812345678"
                      + b"\x00\x16\x02\x00\x00\x00\x08\xff\xff\xff\xff\xff\xff\xff\xff")
    assert chain.checksum(record) == hashlib.blake2b(record).digest()


def test_null_and_the_empty_string_are_different_rows():
    assert chain.row_record("a", 0, chain.ZERO_CHECKSUM, {"source": ""}) != chain.row_record(
        "a", 0, chain.ZERO_CHECKSUM, {"source": None})


def test_personal_columns_change_the_commitment_and_not_the_record():
    with_email, without = {"event_id": "12345678", "user_email": "a@b.c"}, {"event_id": "12345678"}
    assert chain.row_record("a", 0, chain.ZERO_CHECKSUM, with_email) == chain.row_record(
        "a", 0, chain.ZERO_CHECKSUM, without)
    key = chain.tenant_key(bytes(32), "a")
    assert chain.commitment(key, "12345678", chain.personal_record(without)) is None
    assert chain.commitment(key, "12345678", chain.personal_record(with_email)) == hashlib.blake2b(
        b"sealstream/personal/v1\n" + chain.salt(key, "12345678") + b"\x00\x38\x01\x00\x00\x00\x05a@b.c").digest()[:32]


def test_a_source_digest_covers_ce_headers_and_content_type_by_name_and_nothing_else():
    def field(data):
        return b"\xff\xff\xff\xff" if data is None else struct.pack(">I", len(data)) + data

    headers = [(b"content-type", b"j"), (b"traceid", b"t"), (b"ce_id", None), (b"Ce_id", b"x")]
    expected = (b"sealstream/source/v1\n" + bytes(32) + field(b"k") + field(None) + field(b"ce_id") + field(None)
                + field(b"content-type") + field(b"j"))
    assert chain.source_digest(chain.ZERO_KEY, b"k", None, headers) == hashlib.blake2b(expected).digest()[:16]


def test_the_committed_known_answers_are_what_the_reference_computes():
    assert make_vectors.VECTORS_FILE.read_text(encoding="utf-8") == make_vectors.rendered()


def worked_bytes():
    """name → bytes of every block of the document that is fenced as ```hex <name>."""
    blocks = re.findall(r"^```hex (\S+)\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(dict(blocks)), "a worked block is named twice"
    return {name: bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines())) for name, text in blocks}


def test_the_worked_bytes_of_the_document_are_what_the_reference_computes():
    rows = json.loads(make_vectors.rendered())["chains"][0]["rows"]
    worked = worked_bytes()
    for row, name in zip(rows, ("first", "llm_call", "tombstone", "every_type"), strict=True):
        assert worked[f"{name}/record"].hex() == row["record"], name
        assert worked[f"{name}/checksum"].hex() == row["checksum"], name
    for row, name in ((rows[1], "llm_call"), (rows[3], "every_type")):
        assert worked[f"{name}/personal"].hex() == row["personal"], name
        assert worked[f"{name}/commitment"].hex() == row["commitment"], name
    assert rows[2]["columns"]["event_id"] == chain.tombstone_event_id(*TOMBSTONE_POSITION)


def test_the_worked_keys_and_digests_of_the_document_are_what_the_reference_computes():
    worked = worked_bytes()
    key = bytes.fromhex(make_vectors.KEYRING[1]["key"])
    assert worked["key"] == key
    assert worked["tenant_key"] == chain.tenant_key(key, "acme")
    assert worked["salt"] == chain.salt(worked["tenant_key"], make_vectors.llm_call_row()["event_id"])
    message = (b"acme", b'{"a":1}', [(b"traceid", b"x"), (b"content-type", b"application/json"), (b"ce_id", b"01JB")])
    assert worked["source_digest"] == chain.source_digest(worked["tenant_key"], *message)
    assert worked["last_digest"] == chain.source_digest(chain.ZERO_KEY, *message)


def test_the_document_names_every_column_with_its_id_and_type():
    listed = re.findall(r"^\| (\d+) \| `(\w+)` \| (\w+) \|( P)?", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert [(int(number), name, column_type, bool(personal)) for number, name, column_type, personal in listed] == [
        (column.id, column.name, column.type, column.personal) for column in chain.REGISTRY]
