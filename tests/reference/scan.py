"""One pass over a snapshot of the ledger: what of I1 to I4 the database alone can tell."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import groupby

import verify

CHECKED = ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I10", "I10 derived", "I12")


@dataclass(frozen=True)
class Finding:
    """One invariant that does not hold, with the first counter-example and how often it was found."""

    invariant: str
    counter_example: str
    count: int


class Findings:
    def __init__(self):
        self._first, self._counts = {}, Counter()

    def add(self, invariant, counter_example):
        self._first.setdefault(invariant, counter_example)
        self._counts[invariant] += 1

    def result(self):
        return [Finding(name, self._first[name], self._counts[name]) for name in CHECKED if name in self._first]


@dataclass(frozen=True)
class Stored:
    """What the checker remembers of a row."""

    tenant: str
    seq: int
    event_id: str
    reason: str | None  # of a tombstone
    source_digest: bytes
    personal_key_id: str


def position_text(position):
    return "{}/{}/{}/{}".format(*position)


class LedgerScan:
    """One pass over all rows: I2, I3 and I4, an index by position, and a visitor for what else looks at each row."""

    def __init__(self, database, keys, findings, visit=None):
        self._database, self._keys, self._findings, self._visit = database, keys, findings, visit
        self.by_position, self.events, self.counts = {}, {}, defaultdict(Counter)
        self._tenant_counts = defaultdict(Counter)

    def run(self):
        for fault in verify.column_faults(self._database.columns()):
            self._findings.add("I4", fault.detail)
        heads = self._database.heads()
        erasures = defaultdict(list)
        for row in self._database.rows(erasures_only=True):
            erasures[row["tenant_id"]] += verify.erased_ranges([row])
        for tenant, rows in groupby(self._database.rows(), key=lambda row: row["tenant_id"]):
            self._chain(tenant, rows, heads.pop(tenant, None), erasures[tenant])
        for tenant in heads:
            self._findings.add("I4", f"tenant {tenant}: a head without rows")

    def _chain(self, tenant, rows, head, erasures):
        looked_at = self._look_at_each(rows)
        report = verify.verify_chain(tenant, looked_at, head, self._keys, erasures)
        for _ in looked_at:
            pass
        if report.fault:
            self._findings.add("I4", f"tenant {tenant}, seq {report.fault.seq}: {report.fault.wrong}: {report.fault.detail}")
        elif report.personal["unchecked"]:
            self._findings.add("I4", f"tenant {tenant}: the keyring lacks the key of {report.personal['unchecked']} rows")
        found = self._tenant_counts[tenant]
        if head and (head["events"], head["quarantined"]) != (found["events"], found["tombstones"]):
            self._findings.add("I1", f"tenant {tenant}: the head counts {head['events']} events and {head['quarantined']}"
                                     f" tombstones, there are {found['events']} and {found['tombstones']}")

    def _look_at_each(self, rows):
        last_offsets, recorded_before = {}, None
        for row in rows:
            position = (row["kafka_topic"], row["kafka_log_epoch"], row["kafka_partition"], row["kafka_offset"])
            self._index(row, position)
            if last_offsets.get(position[:3], -1) >= position[3]:
                self._findings.add("I3", f"tenant {row['tenant_id']}, seq {row['seq']}: {position_text(position)} comes after"
                                         f" offset {last_offsets[position[:3]]}")
            last_offsets[position[:3]] = position[3]
            if self._visit:
                self._visit(row, position, recorded_before)
            recorded_before = row["recorded_at"]
            yield row

    def _index(self, row, position):
        tombstone = row["family"] == "quarantined"
        stored = Stored(row["tenant_id"], row["seq"], row["event_id"], row["action"] if tombstone else None,
                        row["source_digest"], row["personal_key_id"])
        if position in self.by_position:
            self._findings.add("I2", f"{position_text(position)} is stored twice")
        if (stored.tenant, stored.event_id) in self.events:
            self._findings.add("I2", f"tenant {stored.tenant}: event id {stored.event_id} is stored twice")
        self.by_position[position] = stored
        self.events[stored.tenant, stored.event_id] = position
        kind = "tombstones" if tombstone else "events"
        self.counts[position[:3]][kind] += 1
        self._tenant_counts[stored.tenant][kind] += 1


def check_counters(database, scan, findings):
    """I1 as far as the database alone can tell."""
    for fault in verify.counter_faults(database.partitions(), scan.counts):
        findings.add("I1", fault.detail)
    quarantine = database.quarantine()
    tombstones = {position: stored for position, stored in scan.by_position.items() if stored.reason is not None}
    for position in quarantine.keys() ^ tombstones.keys():
        findings.add("I1", f"{position_text(position)} is "
                           + ("quarantined without a tombstone" if position in quarantine else "a tombstone only"))
    for position in quarantine.keys() & tombstones.keys():
        kept, stored = quarantine[position], tombstones[position]
        if (kept["reason"], kept["tenant"]) != (stored.reason, stored.tenant):
            findings.add("I1", f"{position_text(position)}: quarantine and tombstone name different reasons or tenants")
