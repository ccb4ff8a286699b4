"""Every record of Kafka against the ledger: completeness by offset (I1) and faithfulness by column (I10)."""

from collections import Counter

import chain
import verify
from decode import Decoded, decode
from faithful import differing_columns
from scan import position_text
from tombstone import tombstone_row


class LogCheck:
    """Every record of Kafka against the ledger: I1 and I10."""

    def __init__(self, logs, keys, findings):
        self._logs, self._keys, self._findings = logs, keys, findings

    def visit(self, row, position, recorded_before):
        """A row of the ledger against its record (I10)."""
        topic, _, partition, offset = position
        log = self._logs.get((topic, partition))
        record = log.records.get(offset) if log else None
        if record is None or record.position != position:
            if log and log.start <= offset < log.end and position[1] == self._epoch(log):
                self._findings.add("I10", f"{position_text(position)}: a row without a record in Kafka")
            return
        decoded = decode(record)
        expected = self._expected_row(row, record, decoded)
        if expected is None:
            return
        entry = self._keys.at(record.timestamp_ms * 1000)
        digest = chain.source_digest(chain.tenant_key(entry.key, row["tenant_id"]), record.key, record.value, record.headers)
        wrong = differing_columns(expected, self._unerased(row, expected))
        wrong += [name for name, value in (("personal_key_id", entry.id), ("source_digest", digest),
                                           ("recorded_at", max(record.timestamp_ms * 1000, recorded_before or 0)),
                                           ("tenant_id", decoded.tenant))
                  if row[name] != value]
        if wrong:
            name = wrong[0]
            self._findings.add("I10", f"{position_text(position)} (tenant {row['tenant_id']}, seq {row['seq']}): "
                                      f"{', '.join(wrong)}; {name} should be {expected.get(name)!r}, is {row[name]!r}")

    @staticmethod
    def _epoch(log):
        return next(iter(log.records.values())).log_epoch if log.records else 0

    @staticmethod
    def _unerased(row, expected):
        """An erased row is compared in its other columns; that the erasure is proven is I4's."""
        erased = row["personal_commitment"] is not None and all(row[name] is None for name in verify.PERSONAL_NAMES)
        return {**row, **{name: expected.get(name) for name in verify.PERSONAL_NAMES}} if erased else row

    def _expected_row(self, row, record, decoded):
        where = position_text(record.position)
        stored_reason = row["action"] if row["family"] == "quarantined" else None
        if isinstance(decoded, Decoded):
            if stored_reason is None:
                return decoded.row
            if stored_reason in ("id_conflict", "db_rejected"):
                return tombstone_row(record, stored_reason)
            self._findings.add("I10", f"{where}: refused as {stored_reason}, and nothing is wrong with it")
            return None
        if stored_reason is None:
            self._findings.add("I10", f"{where}: stored as an event, and should be refused as {decoded.reason}")
            return None
        if stored_reason not in decoded.reasons:
            self._findings.add("I10", f"{where}: refused as {stored_reason}, and should be as {decoded.reason}")
            return None
        return tombstone_row(record, stored_reason)

    def check_offsets(self, scan, partitions, epochs):
        """Every offset of the log: stored, a duplicate, or skipped, and as often as the totals say (I1)."""
        for (topic, partition), log in self._logs.items():
            key = (topic, epochs.get((topic, partition)), partition)
            totals = partitions.get(key)
            if totals is None:
                if log.records:
                    self._findings.add("I1", f"{topic}/{partition}: {len(log.records)} records, and no row in partitions")
                continue
            if totals["next_offset"] != log.end:
                self._findings.add("I1", f"{topic}/{partition}: next_offset is {totals['next_offset']}, the log ends at"
                                         f" {log.end}")
            found = Counter(self._fate(log, key, offset, scan)
                            for offset in range(max(totals["first_offset"], log.start), totals["next_offset"]))
            if log.start <= totals["first_offset"]:
                for name in ("duplicate", "skipped"):
                    if totals[name] != found[name]:
                        self._findings.add("I1", f"{topic}/{partition}: {name} says {totals[name]}, Kafka shows {found[name]}")
            self._check_last(log, totals, topic, partition)

    def _check_last(self, log, totals, topic, partition):
        record = log.records.get(totals["last_offset"])
        if record is None:
            return
        digest = chain.source_digest(chain.ZERO_KEY, record.key, record.value, record.headers)
        if totals["last_digest"] != digest:
            self._findings.add("I10", f"{topic}/{partition}: last_digest is not that of offset {record.offset}")
        later = [offset for offset in range(record.offset + 1, totals["next_offset"]) if offset in log.records]
        if later:
            self._findings.add("I1", f"{topic}/{partition}: last_offset is {record.offset}, offset {later[0]} is committed too")

    def _fate(self, log, key, offset, scan):
        position = (*key, offset)
        if position in scan.by_position:
            return "stored"
        record = log.records.get(offset)
        if record is None:
            return "skipped"
        decoded = decode(record)
        if not isinstance(decoded, Decoded):
            self._findings.add("I1", f"{position_text(position)} is neither an event nor a tombstone")
            return "missing"
        first = scan.events.get((decoded.tenant, decoded.row["event_id"]))
        if first is None:
            self._findings.add("I1", f"{position_text(position)} is missing: tenant {decoded.tenant}, event"
                                     f" {decoded.row['event_id']}")
            return "missing"
        self._check_duplicate(record, decoded, position, first, scan.by_position[first])
        return "duplicate"

    def _check_duplicate(self, record, decoded, position, first, stored):
        entry = self._keys.find(stored.personal_key_id)
        tenant_key = entry and chain.tenant_key(entry.key, decoded.tenant)
        if entry and chain.source_digest(tenant_key, record.key, record.value, record.headers) != stored.source_digest:
            self._findings.add("I1", f"{position_text(position)} counts as a duplicate of {position_text(first)}, and its"
                                     " content differs")
        elif first[:3] == position[:3] and first[3] > position[3]:
            self._findings.add("I1", f"{position_text(position)} counts as a duplicate of the later {position_text(first)}")
