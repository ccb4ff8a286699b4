"""A second writer: seals records into a database as the ingester would, for tests of the verifier and the checker.

It works as a superuser, one record after the other, and is right rather than fast.
"""

import json

import chain
import ledger
import read_model_tables as tables
from decode import Decoded, decode
from tombstone import tombstone_row

PLACEHOLDERS = {"timestamp": "'epoch'::timestamptz + %s * interval '1 microsecond'", "decimal": "%s::numeric",
                "json": "%s::jsonb", "ip": "%s::inet"}
ROW_VALUES = ", ".join(PLACEHOLDERS.get(column_type, "%s") for _, column_type in ledger.ROW_COLUMNS)
MICROSECONDS = PLACEHOLDERS["timestamp"]


class SecondWriter:
    """Appends records to chains and books them. Not thread-safe. Commits nothing by itself."""

    def __init__(self, connection, keys):
        self._connection, self._keys = connection, keys
        self._heads, self._digests, self._leaves = {}, {}, set()

    def write(self, records):
        """Every record once, in the order given."""
        for record in records:
            decoded = decode(record)
            if isinstance(decoded, Decoded):
                self._write_event(record, decoded)
            else:
                self._write_tombstone(record, decoded.tenant, decoded.reason)

    def skip(self, topic, partition, offset, log_epoch=0):
        """Books one offset without a record."""
        self._book((topic, log_epoch, partition, offset), "skipped", None)

    def _write_event(self, record, decoded):
        entry = self._keys.at(record.timestamp_ms * 1000)
        digest = self._digest(entry, decoded.tenant, record)
        known = self._digests.get((decoded.tenant, decoded.row["event_id"]))
        if known == digest:
            self._book(record.position, "duplicate", record)
        elif known is not None:
            self._write_tombstone(record, decoded.tenant, "id_conflict")
        else:
            self._digests[decoded.tenant, decoded.row["event_id"]] = digest
            self._append(record, decoded.tenant, decoded.row, "events")
            self._book(record.position, "accepted", record)

    def _write_tombstone(self, record, tenant, reason):
        self._append(record, tenant, tombstone_row(record, reason), "quarantined")
        self._book(record.position, "quarantined", record)
        self._connection.execute(
            "INSERT INTO audit.quarantine (topic, log_epoch, partition, kafka_offset, kafka_timestamp, key, value,"
            " value_length, header_names, header_values, redacted, reason, message, tenant_id)"
            f" VALUES (%s, %s, %s, %s, {MICROSECONDS}, %s, %s, %s, %s::bytea[], %s::bytea[], false, %s, '', %s)",
            (*record.position, record.timestamp_ms * 1000, record.key, record.value,
             None if record.value is None else len(record.value), [name for name, _ in record.headers],
             [value for _, value in record.headers], reason, tenant))

    def _digest(self, entry, tenant, record):
        tenant_key = chain.tenant_key(entry.key, tenant)
        return chain.source_digest(tenant_key, record.key, record.value, record.headers)

    def append_row(self, tenant, timestamp_us, row, counted):
        """One row behind a tenant's last; books no offset. counted: events or quarantined."""
        entry = self._keys.at(timestamp_us)
        head = self._heads.get(tenant, {"seq": -1, "checksum": chain.ZERO_CHECKSUM, "recorded_at": 0, "events": 0,
                                        "quarantined": 0})
        row = dict(row, recorded_at=max(timestamp_us, head["recorded_at"]), personal_key_id=entry.id)
        row["personal_commitment"] = chain.commitment(chain.tenant_key(entry.key, tenant), row["event_id"],
                                                      chain.personal_record(row))
        checksum = chain.checksum(chain.row_record(tenant, head["seq"] + 1, head["checksum"], row))
        row.update(tenant_id=tenant, seq=head["seq"] + 1, prev_checksum=head["checksum"], checksum=checksum)
        self._heads[tenant] = {**head, "seq": row["seq"], "checksum": checksum, "recorded_at": row["recorded_at"],
                               counted: head[counted] + 1}
        self._insert(row)
        self._store_head(tenant, head)

    def _append(self, record, tenant, row, counted):
        timestamp_us = record.timestamp_ms * 1000
        digest = self._digest(self._keys.at(timestamp_us), tenant, record)
        self.append_row(tenant, timestamp_us, dict(row, source_digest=digest), counted)

    def _insert(self, row):
        self._connection.execute(f"SELECT audit.ensure_partition({MICROSECONDS})", (row["recorded_at"],))
        self._connection.execute(
            f"INSERT INTO audit.ledger ({', '.join(ledger.ROW_NAMES)}) VALUES ({ROW_VALUES})",
            [row.get(name) for name in ledger.ROW_NAMES])

    def _store_head(self, tenant, base):
        head = self._heads[tenant]
        self._connection.execute(
            "INSERT INTO audit.chain_heads AS h"
            " (tenant_id, seq, checksum, recorded_at, events, quarantined, base_seq, base_checksum)"
            f" VALUES (%s, %s, %s, {MICROSECONDS}, %s, %s, %s, %s) ON CONFLICT (tenant_id) DO UPDATE SET"
            " seq = excluded.seq, checksum = excluded.checksum, recorded_at = excluded.recorded_at,"
            " events = excluded.events, quarantined = excluded.quarantined, base_seq = excluded.base_seq,"
            " base_checksum = excluded.base_checksum",
            (tenant, head["seq"], head["checksum"], head["recorded_at"], head["events"], head["quarantined"],
             base["seq"], base["checksum"]))

    def _book(self, position, total, record):
        topic, log_epoch, partition, offset = position
        digest = record and chain.source_digest(chain.ZERO_KEY, record.key, record.value, record.headers)
        last_offset = offset if record else None
        self._connection.execute(
            "INSERT INTO audit.partitions AS p (topic, partition, log_epoch, first_offset, next_offset, owner_epoch,"
            f" owner, last_offset, last_digest, {total}) VALUES (%s, %s, %s, %s, %s, 1, 'test', %s, %s, 1)"
            " ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset,"
            " last_offset = coalesce(excluded.last_offset, p.last_offset),"
            f" last_digest = coalesce(excluded.last_digest, p.last_digest), {total} = p.{total} + 1",
            (topic, partition, log_epoch, offset, offset + 1, last_offset, digest))


def write_read_models(connection, derived):
    """The tables then hold what the reference derived (read_models.ReadModels), and nothing else."""
    connection.execute("TRUNCATE audit.usage_records, audit.api_keys, audit.api_key_anomalies")
    connection.execute("UPDATE audit.chain_heads SET late_events = 0")
    for (table, key, columns), rows in zip(tables.TABLES, (derived.usage, derived.keys, derived.anomalies)):
        written = key + [column for column in columns if column[0] not in tables.GENERATED]
        places = ", ".join(PLACEHOLDERS.get(column_type, "%s") for _, column_type in written)
        for names, row in rows.items():
            values = [*names, *(row[name] for name, _ in written[len(key):])]
            connection.execute(f"INSERT INTO audit.{table} ({', '.join(name for name, _ in written)}) VALUES ({places})",
                               [json.dumps(value) if isinstance(value, dict) else value for value in values])
    for tenant, count in derived.late_events.items():
        connection.execute("UPDATE audit.chain_heads SET late_events = %s WHERE tenant_id = %s", (count, tenant))
