"""chain-v1: the bytes that are hashed, in Python with nothing but hashlib.

Goal: an implementation of schemas/chain-v1.md that shares no code with the ingester, so that known answers and
verdicts come from somewhere else. The column registry is read from schemas/chain-v1.columns.json.

A row is a dict from column name to a Python value by the column's type: text str, int64 int, timestamp int
(microseconds since 1970 UTC), bool bool, bytes bytes, decimal str, json str (any JSON text of the value), ip str
(an address, or PostgreSQL's address/bits). None and absence both mean NULL.
"""

import hashlib
import ipaddress
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import jsontext

ROW_DOMAIN = b"sealstream/row/v1\n"
TENANT_KEY_DOMAIN = b"sealstream/tenant-key/v1\n"
SALT_DOMAIN = b"sealstream/salt/v1\n"
PERSONAL_DOMAIN = b"sealstream/personal/v1\n"
SOURCE_DOMAIN = b"sealstream/source/v1\n"

CHECKSUM_BYTES = 64
ZERO_CHECKSUM = bytes(CHECKSUM_BYTES)
ZERO_KEY = bytes(32)
NULL_LENGTH = 0xFFFFFFFF

TYPE_CODES = {"text": 1, "int64": 2, "timestamp": 3, "bool": 4, "bytes": 5, "decimal": 6, "json": 7, "ip": 8}
HEADER_COLUMNS = ("tenant_id", "seq", "prev_checksum", "checksum")

REGISTRY_FILE = Path(__file__).resolve().parents[2] / "schemas" / "chain-v1.columns.json"

_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]*))?\Z")


@dataclass(frozen=True)
class Column:
    id: int
    name: str
    type: str
    personal: bool


def load_registry(path=REGISTRY_FILE):
    """The column registry, by rising id."""
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    return tuple(sorted((Column(**entry) for entry in document["columns"]), key=lambda column: column.id))


REGISTRY = load_registry()


def blake2b(data):
    return hashlib.blake2b(data).digest()


def print_decimal(text):
    """trim_scale(x)::text for a plain decimal: no trailing zeros after the point, no negative zero."""
    match = _DECIMAL.match(text)
    if match is None:
        raise ValueError("not a plain decimal")
    sign, whole, fraction = match.groups()
    fraction = (fraction or "").rstrip("0")
    whole = whole.lstrip("0") or "0"
    printed = whole + ("." + fraction if fraction else "")
    return printed if printed == "0" else sign + printed


def encode_ip(text):
    """What inet_send gives: family (2 or 3), bits, 0, length, address."""
    interface = ipaddress.ip_interface(text)
    address = interface.ip.packed
    family = 2 if interface.version == 4 else 3
    return bytes((family, interface.network.prefixlen, 0, len(address))) + address


def encode_value(column_type, value):
    """The bytes of one value, without its entry's head."""
    if column_type == "text":
        return value.encode("utf-8")
    if column_type in ("int64", "timestamp"):
        return struct.pack(">q", value)
    if column_type == "bool":
        return b"\x01" if value else b"\x00"
    if column_type == "bytes":
        return bytes(value)
    if column_type == "decimal":
        return print_decimal(value).encode("ascii")
    if column_type == "json":
        return jsontext.canonical(value).encode("utf-8")
    if column_type == "ip":
        return encode_ip(value)
    raise ValueError(f"unknown column type {column_type}")


def encode_entry(column, value):
    """u16 column id, u8 type, u32 length, bytes."""
    data = encode_value(column.type, value)
    return struct.pack(">HBI", column.id, TYPE_CODES[column.type], len(data)) + data


def encode_entries(row, personal):
    """The entries of the columns of one kind that are not NULL, by rising id."""
    return [encode_entry(column, row[column.name]) for column in REGISTRY
            if column.personal == personal and row.get(column.name) is not None]


def row_record(tenant_id, seq, prev_checksum, row):
    """R: the bytes that a row's checksum covers."""
    if len(prev_checksum) != CHECKSUM_BYTES:
        raise ValueError("prev_checksum has 64 bytes")
    tenant = tenant_id.encode("utf-8")
    entries = encode_entries(row, personal=False)
    head = ROW_DOMAIN + struct.pack(">H", len(tenant)) + tenant + struct.pack(">Q", seq) + prev_checksum
    return head + struct.pack(">H", len(entries)) + b"".join(entries)


def checksum(record):
    return blake2b(record)


def personal_record(row):
    """P: empty where every personal column is NULL."""
    return b"".join(encode_entries(row, personal=True))


def tenant_key(key, tenant_id):
    if len(key) != 32:
        raise ValueError("a key has 32 bytes")
    return blake2b(TENANT_KEY_DOMAIN + key + tenant_id.encode("utf-8"))[:32]


def salt(tenant_key_bytes, event_id):
    return blake2b(SALT_DOMAIN + tenant_key_bytes + event_id.encode("utf-8"))[:32]


def commitment(tenant_key_bytes, event_id, personal):
    """The personal_commitment of P, or None where P is empty."""
    if not personal:
        return None
    return blake2b(PERSONAL_DOMAIN + salt(tenant_key_bytes, event_id) + personal)[:32]


def _field(data):
    if data is None:
        return struct.pack(">I", NULL_LENGTH)
    return struct.pack(">I", len(data)) + data


def source_digest(tenant_key_bytes, key, value, headers):
    """16 bytes over a Kafka record. headers: pairs of name (bytes) and value (bytes or None), in wire order.

    Headers named ce_* or content-type count, byte for byte as they are spelled, sorted by the bytes of the name;
    equal names keep their wire order. With ZERO_KEY it is the form that the partitions table keeps.
    """
    covered = sorted((pair for pair in headers if pair[0].startswith(b"ce_") or pair[0] == b"content-type"),
                     key=lambda pair: pair[0])
    data = SOURCE_DOMAIN + tenant_key_bytes + _field(key) + _field(value)
    data += b"".join(_field(name) + _field(content) for name, content in covered)
    return blake2b(data)[:16]


def tombstone_event_id(topic, log_epoch, partition, offset):
    return f"!{topic}/{log_epoch}/{partition}/{offset}"
