"""Rows of the ledger for the tests, and the registry of columns that they follow."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

kRegistry = json.loads((Path(__file__).resolve().parents[3] / "schemas" / "chain-v1.columns.json").read_text())
kColumns = kRegistry["columns"]
kPersonal = [column["name"] for column in kColumns if column["personal"]]
kNotPersonal = [column["name"] for column in kColumns if not column["personal"]]
kLedgerColumns = ["tenant_id", "seq", *(column["name"] for column in kColumns), "prev_checksum", "checksum"]

kNovember = datetime.datetime(2026, 11, 22, 12, 0, 0, 123456, datetime.timezone.utc)
kNovemberLeaf = "ledger_y2026m11"

# A value of each type, as PostgreSQL reads it.
kSample = {"text": "sample", "int64": "7", "timestamp": "2026-11-22 12:00:00.123456+00", "bool": "true",
           "bytes": "\\x" + "ab" * 16, "decimal": "0.50", "json": '{"n": 1.0}', "ip": "192.0.2.1"}


def event(tenant: str = "acme", seq: int = 0, **changes) -> dict[str, str]:
    """A row with a value in every column, as texts."""
    row = {column["name"]: kSample[column["type"]] for column in kColumns}
    row |= {"tenant_id": tenant, "seq": str(seq), "event_id": f"event-{seq:08}", "kafka_offset": str(seq),
            "personal_commitment": "\\x" + "cd" * 32, "prev_checksum": "\\x" + "00" * 64,
            "checksum": "\\x" + "ef" * 64}
    return row | changes


def tombstone(tenant: str = "acme", seq: int = 0) -> dict[str, str]:
    """A row with nothing but what a tombstone has."""
    kept = {"tenant_id", "seq", "event_time", "recorded_at", "kafka_topic", "kafka_log_epoch", "kafka_partition",
            "kafka_offset", "source_digest", "rules_version", "personal_key_id", "prev_checksum", "checksum"}
    row = {name: value for name, value in event(tenant, seq).items() if name in kept}
    return row | {"event_id": f"!audit.events.v1/0/7/{seq}", "family": "quarantined", "action": "schema",
                  "schema_version": "0", "source": ""}


def insert(session, row: dict[str, str], leaf: str = kNovemberLeaf) -> None:
    names = ", ".join(row)
    values = ", ".join(["%s"] * len(row))
    session.execute(f"INSERT INTO audit.{leaf} ({names}) VALUES ({values})", list(row.values()))


def fill(database, *rows: dict[str, str]) -> None:
    """Makes November's leaf and puts these rows into it, as the writer."""
    writer = database.connect("audit_writer")
    writer.execute("SELECT audit.ensure_partition(%s)", [kNovember])
    for row in rows:
        insert(writer, row)
    writer.close()
