"""Histories of API keys for the tests of the anomaly rules: rows of the ledger, the steps of the watermark, the calls.

Times are seconds from kNoon, a Sunday noon; a number may have a fraction. Every row was recorded at the end of November, so
that the watermark follows event_time, unless a test says otherwise.
"""

from __future__ import annotations

import datetime
from collections import defaultdict

from ledger_rows import event, kNovemberLeaf

kNoon = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.timezone.utc)
kRecordedAt = datetime.datetime(2026, 11, 30, 23, 59, tzinfo=datetime.timezone.utc)
kMinute, kHour, kDay, kWeek = 60, 3600, 86400, 7 * 86400
kLateness = datetime.timedelta(minutes=5)
kState = ("api_key_activity", "api_key_seen", "api_key_attempts", "api_key_anomalies")
kSources = (f"audit.{kNovemberLeaf}",)
kEveryRow = {name: value for name, value in event().items() if name in (
    "schema_version", "source", "kafka_topic", "kafka_log_epoch", "kafka_partition", "source_digest", "rules_version",
    "personal_key_id", "prev_checksum", "checksum")}


def at(seconds: float) -> datetime.datetime:
    return kNoon + datetime.timedelta(seconds=seconds)


class History:
    """Rows in the order in which they come."""

    def __init__(self):
        self.rows: list[dict] = []
        self._seqs: dict[str, int] = defaultdict(int)

    def add(self, action: str, seconds: float, *, tenant: str = "acme", family: str = "api_key", **columns) -> "History":
        seq = self._seqs[tenant]
        self._seqs[tenant] += 1
        self.rows.append({"tenant_id": tenant, "seq": seq, "event_id": f"event-{seq:08}", "family": family, "action": action,
                          "event_time": at(seconds), "recorded_at": kRecordedAt, "kafka_offset": len(self.rows)} | columns)
        return self

    def use(self, seconds: float, times: int = 1, step: float = 0, **columns) -> "History":
        """Requests of the key k-1. A list among the columns is gone through, over and over."""
        return self._repeat("used", seconds, times, step, {"key_id": "k-1"} | columns)

    def fail(self, seconds: float, times: int = 1, step: float = 0, **columns) -> "History":
        return self._repeat("auth_failed", seconds, times, step, columns)

    def pass_time(self, seconds: float, tenant: str = "acme") -> "History":
        """A row of another family that brings the watermark there."""
        return self.add("login", seconds + kLateness.total_seconds(), tenant=tenant, family="auth")

    def reordered(self, arrival) -> "History":
        """The same events in another order."""
        history = History()
        for row in sorted(self.rows, key=arrival):
            seq = history._seqs[row["tenant_id"]]
            history._seqs[row["tenant_id"]] += 1
            history.rows.append(row | {"seq": seq, "event_id": f"event-{seq:08}", "kafka_offset": len(history.rows)})
        return history

    def _repeat(self, action, seconds, times, step, columns):
        for number in range(times):
            one = {name: value[number % len(value)] if isinstance(value, list) else value for name, value in columns.items()}
            self.add(action, seconds + number * step, **one)
        return self


def write(session, rows, leaf: str = kNovemberLeaf) -> None:
    """Into a leaf, as the ingester does it."""
    session.execute("SELECT audit.ensure_partition(%s)", [kRecordedAt])
    names = sorted({name for row in rows for name in row} | kEveryRow.keys())
    with session.cursor().copy(f"COPY audit.{leaf} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row.get(name, kEveryRow.get(name)) for name in names])


def steps(rows) -> list[tuple]:
    """(tenant, from, to, seq) of each row that brings a tenant's watermark to another minute, in the order of the rows."""
    marks, minutes, found = {}, {}, []
    for row in rows:
        tenant = row["tenant_id"]
        mark = min(row["event_time"], row["recorded_at"]) - kLateness
        marks[tenant] = max(mark, marks.get(tenant, mark))
        minute = marks[tenant].replace(second=0, microsecond=0)
        if minute != minutes.get(tenant):
            found.append((tenant, minutes.get(tenant, "-infinity"), minute, row["seq"]))
            minutes[tenant] = minute
    return found


def judge(session, some_steps, sources=kSources, schema: str = "audit") -> list[tuple]:
    """(type, severity, how many) of one call."""
    if not some_steps:
        return []
    tenants, begins, ends, seqs = (list(column) for column in zip(*some_steps))
    return session.execute(f"SELECT * FROM {schema}.judge_key_windows(%s, %s, %s::text[]::timestamptz[], %s::timestamptz[], %s)",
                           [list(sources), tenants, [str(begin) for begin in begins], ends, seqs]).fetchall()


def clear(session) -> None:
    """Takes back what was written, for the next history in the same database."""
    session.execute("SET session_replication_role = replica")
    session.execute(f"TRUNCATE audit.{kNovemberLeaf}, " + ", ".join(f"audit.{table}" for table in kState))


def state(session, schema: str = "audit") -> dict[str, list]:
    """Every row of every table of the rules."""
    return {table: sorted(session.execute(f"SELECT {table}::text FROM {schema}.{table}").fetchall()) for table in kState}


def anomalies(session, columns: str = "anomaly_type, details ->> 'condition', severity, (details ->> 'value')::numeric,"
                                      " (details ->> 'threshold')::numeric") -> list[tuple]:
    return session.execute(f"SELECT {columns} FROM audit.api_key_anomalies"
                           " ORDER BY tenant_id, window_start, anomaly_type, window_end, subject, key_id, anomaly_id").fetchall()
