"""A second implementation of the read models, written from schemas/read-models.md alone.

Goal: say which rows usage_records, api_keys and api_key_anomalies must hold, sharing no code with the ingester. The rules
of the anomalies stand in anomaly_rules.py.

A row of the ledger is a dict as in chain.py, with tenant_id, seq and recorded_at; a tenant's rows come by rising seq. So
come the results: times are microseconds since 1970 UTC, addresses ipaddress objects, NULL is None.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Context, Decimal
from ipaddress import ip_interface

from anomaly_rules import VERSION_1, judge_tenant
from decode import Decoded, decode
from members import microseconds
from tombstone import tombstone_row

HOUR_US = 3_600_000_000
YEAR_1_US, YEAR_10000_US = -62_135_596_800_000_000, 253_402_300_800_000_000
REPEATS_ITS_CHILDREN = {"create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "retrieval"}
KEY_LIFE_HOURS = {"system": 365 * 24, "user": 90 * 24, "service": 180 * 24, "integration": 30 * 24, "emergency": 24}
KEY_GRACE_HOURS = {"system": 72, "user": 24, "service": 48, "integration": 24, "emergency": 0}
OTHER_GRACE_HOURS = 24
STATUS_BY_ACTION = {"created": "active", "enabled": "active", "rotated": "grace", "disabled": "disabled",
                    "revoked": "revoked", "expired": "expired"}
EXACT = Context(prec=100)


@dataclass
class ReadModels:
    """Every row that the tables must hold: usage by its seven key columns, keys by (tenant, key_id), anomalies by
    (tenant, anomaly_id), late events by tenant where there are any."""

    usage: dict
    keys: dict
    anomalies: dict
    late_events: dict


def read_models(rows, versions=(VERSION_1,)):
    """The read models of these rows, which may belong to several tenants. Lists them once."""
    by_tenant = defaultdict(list)
    for row in rows:
        by_tenant[row["tenant_id"]].append(row)
    derived = ReadModels({}, {}, {}, {})
    for tenant_rows in by_tenant.values():
        add_tenant(derived, tenant_rows, versions)
    return derived


def add_tenant(derived, rows, versions=(VERSION_1,)):
    """Adds those of one tenant, whose rows are all there."""
    derived.usage.update(usage(rows))
    derived.keys.update(keys(rows))
    found, late = judge_tenant(rows, versions)
    derived.anomalies.update({(row["tenant_id"], row["anomaly_id"]): row for row in found})
    if late:
        derived.late_events[rows[0]["tenant_id"]] = late


def anomalies(rows, versions=(VERSION_1,)):
    """The rows of api_key_anomalies by (tenant, anomaly_id)."""
    return read_models(rows, versions).anomalies


# --- from Kafka's records ----------------------------------------------------------------------------------------


def rows_of_log(logs):
    """The rows that a faithful ingester writes for these records (kafka_log.read_log), without what only a keyring can
    say. A tenant's records must stand in one partition: else nothing but the ledger knows their order."""
    last = {}  # tenant → (topic, partition), seq, recorded_at
    for place, log in sorted(logs.items()):
        contents = {}
        for _, record in sorted(log.records.items()):
            tenant, row = _row_of_record(record, contents)
            if row is None:
                continue
            before, seq, recorded_at = last.get(tenant, (place, -1, 0))
            if before != place:
                raise ValueError(f"tenant {tenant} stands in several partitions: {before} and {place}")
            recorded_at = max(record.timestamp_ms * 1000, recorded_at)
            last[tenant] = place, seq + 1, recorded_at
            yield dict(row, tenant_id=tenant, seq=seq + 1, recorded_at=recorded_at)


def _row_of_record(record, contents):
    """(tenant, its row), or None for a row where the record is a duplicate. contents: of the events before, by tenant
    and id."""
    decoded = decode(record)
    if not isinstance(decoded, Decoded):
        return decoded.tenant, tombstone_row(record, decoded.reason)
    content = record.key, record.value, record.headers
    first = contents.setdefault((decoded.tenant, decoded.row["event_id"]), (record.offset, content))
    if first[0] == record.offset:
        return decoded.tenant, decoded.row
    return decoded.tenant, None if first[1] == content else tombstone_row(record, "id_conflict")


# --- usage_records -----------------------------------------------------------------------------------------------


def usage(rows):
    """The rows of usage_records by their key: tenant, department, user, provider, model, route, hour."""
    sums = defaultdict(Counter)
    costs = defaultdict(Decimal)
    for row in rows:
        if row["family"] != "llm_call" or row.get("operation") in REPEATS_ITS_CHILDREN:
            continue
        names = (row.get(name) or "" for name in ("department_id", "user_id", "provider", "model", "route"))
        key = (row["tenant_id"], *names, row["event_time"] // HOUR_US * HOUR_US)
        sums[key].update(_counts(row))
        costs[key] = EXACT.add(costs[key], Decimal(row.get("cost_usd") or 0))
    return {key: {**counts, "cost_usd": costs[key]} for key, counts in sums.items()}


def _counts(row):
    def number(name):
        return row.get(name) or 0

    counts = {name: number(name) for name in ("input_tokens", "output_tokens", "total_tokens", "cache_read_tokens",
                                              "cache_write_tokens", "reasoning_tokens")}
    if row.get("usage_basis") == "exclusive":
        counts["input_tokens"] += counts["cache_read_tokens"] + counts["cache_write_tokens"]
        counts["total_tokens"] = counts["input_tokens"] + counts["output_tokens"]
    return {"requests": 1, "errors": int(row["status"] == "failure"), **counts}


# --- api_keys ----------------------------------------------------------------------------------------------------


def keys(rows):
    """The rows of api_keys by (tenant, key_id), without the times at which each column was said."""
    lives = {}
    for row in rows:
        if row["family"] == "api_key" and row["action"] != "auth_failed" and row.get("key_id") is not None:
            life = lives.setdefault((row["tenant_id"], row["key_id"]), KeyLife())
            if row["action"] == "used":
                life.use(row)
            else:
                life.change(row)
    return {key: life.columns() for key, life in lives.items()}


class KeyLife:
    """What the events of one key said so far."""

    def __init__(self):
        self._said = {}  # column → (event_time, seq), value
        self._first_used = {}  # column → what the first used event that has it says
        self._uses = 0

    def _say(self, row, **columns):
        """The latest event wins. None is said only where the caller means it."""
        stamp = row["event_time"], row["seq"]
        for name, value in columns.items():
            if name not in self._said or self._said[name][0] < stamp:
                self._said[name] = stamp, value

    def use(self, row):
        self._uses += 1
        address = row.get("client_ip")
        self._say(row, last_used_at=row["event_time"], last_used_ip=ip_interface(address).ip if address else None)
        for name in ("key_hash", "key_prefix", "key_type"):
            if row.get(name) is not None:
                self._first_used.setdefault(name, row[name])

    def change(self, row):
        action = row["action"]
        detail = json.loads(row.get("detail") or "{}")
        personal = json.loads(row.get("personal_detail") or "{}").get("data", {})
        self._say_what_is_there(row, key_hash=row.get("key_hash"), key_prefix=row.get("key_prefix"),
                                key_type=row.get("key_type"), key_name=personal.get("key", {}).get("name"),
                                permissions=detail.get("permissions_after"), rpm_limit=detail.get("rpm_limit"))
        if action != "rotated":
            self._say_what_is_there(row, expires_given=moment(detail.get("expires_at")))
        if action in STATUS_BY_ACTION:
            self._say(row, status=STATUS_BY_ACTION[action])
        if action == "created":
            self._say(row, created_at=row["event_time"], **owner(row))
        if action == "rotated":
            self._say(row, rotated_at=row["event_time"], grace_given=moment(detail.get("grace_period_end")))
        reason = personal.get("rotation_reason")
        if action in ("created", "rotated") or (action == "updated" and reason is not None):
            self._say(row, rotation_required=action == "updated", rotation_reason=reason)

    def _say_what_is_there(self, row, **columns):
        self._say(row, **{name: value for name, value in columns.items() if value is not None})

    def columns(self):
        said = {**self._first_used, **{name: value for name, (_, value) in self._said.items()}}
        names = ("key_hash", "key_prefix", "key_type", "key_name", "user_id", "service", "permissions", "rpm_limit",
                 "created_at", "expires_given", "rotation_reason", "rotated_at", "grace_given", "last_used_at", "last_used_ip")
        row = {name: said.get(name) for name in names}
        row.update(status=said.get("status", "active"), rotation_required=said.get("rotation_required", False),
                   usage_count=self._uses)
        life = KEY_LIFE_HOURS.get(row["key_type"])
        grace = KEY_GRACE_HOURS.get(row["key_type"], OTHER_GRACE_HOURS)
        row["expires_at"] = first_of(row["expires_given"], hours_after(row["created_at"], life))
        row["grace_period_end"] = first_of(row["grace_given"], hours_after(row["rotated_at"], grace))
        return row


def owner(row):
    """What a created event says of the key's owner."""
    actor = row.get("user_id")
    user = first_of(row.get("on_behalf_of"), actor if row["actor_type"] == "user" else None)
    return {"user_id": user, "service": actor if row["actor_type"] == "service" else None}


def moment(text):
    """The time that an event's detail holds, if it lies in the years 1 to 9999."""
    time = None if text is None else microseconds(text)
    return time if time is not None and YEAR_1_US <= time < YEAR_10000_US else None


def first_of(*values):
    return next((value for value in values if value is not None), None)


def hours_after(time, hours):
    return None if time is None or hours is None else time + hours * HOUR_US
