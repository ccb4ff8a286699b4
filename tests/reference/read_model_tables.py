"""The tables of the read models against what the reference derives (read_models.py).

What an erasure made unknowable is not compared: of keys that erased rows name the personal columns and rotation_required,
which a personal value says; of the anomalies of a tenant with erased rows the personal columns, and the severity of
unusual_time, which depends on addresses seen before; of anomalies whose window holds an erased row, nothing.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_interface

import verify
from anomaly_rules import VERSION_1, Version
from read_models import ReadModels, add_tenant

USAGE_KEY = [(name, "text") for name in ("tenant_id", "department_id", "user_id", "provider", "model", "route")] + [
    ("time_bucket", "timestamp")]
USAGE_SUMS = [("requests", "int64"), ("errors", "int64")] + [(name, "decimal") for name in (
    "input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
    "cost_usd")]
KEYS_KEY = [("tenant_id", "text"), ("key_id", "text")]
KEYS_COLUMNS = [
    ("key_hash", "text"), ("key_prefix", "text"), ("key_name", "text"), ("key_type", "text"), ("user_id", "text"),
    ("service", "text"), ("permissions", "texts"), ("rpm_limit", "int64"), ("created_at", "timestamp"),
    ("expires_given", "timestamp"), ("expires_at", "timestamp"), ("last_used_at", "timestamp"), ("last_used_ip", "ip"),
    ("usage_count", "int64"), ("status", "text"), ("rotation_required", "bool"), ("rotation_reason", "text"),
    ("rotated_at", "timestamp"), ("grace_given", "timestamp"), ("grace_period_end", "timestamp")]
GENERATED = {"expires_at", "grace_period_end"}
KEYS_PERSONAL = {"key_name", "user_id", "service", "rotation_reason", "last_used_ip"}
WHEN_IT_WAS_SAID = {"key_hash_at", "key_prefix_at", "key_name_at", "key_type_at", "permissions_at", "rpm_limit_at",
                    "expires_given_at", "status_at", "rotation_at"}  # how the ingester gets there
ANOMALIES_KEY = [("tenant_id", "text"), ("anomaly_id", "uuid")]
ANOMALIES_COLUMNS = [
    ("anomaly_type", "text"), ("severity", "text"), ("subject", "text"), ("key_id", "text"), ("key_prefix", "text"),
    ("user_id", "text"), ("ip_address", "ip"), ("window_start", "timestamp"), ("window_end", "timestamp"),
    ("request_count", "int64"), ("error_count", "int64"), ("error_rate", "int64"), ("unique_ips", "int64"),
    ("details", "json"), ("judged_seq", "int64"), ("resolved", "bool"), ("resolved_at", "timestamp"),
    ("resolved_by", "text"), ("created_at", "timestamp")]
ANOMALIES_PERSONAL = {"user_id", "ip_address", "resolved_by"}

TABLES = (("usage_records", USAGE_KEY, USAGE_SUMS), ("api_keys", KEYS_KEY, KEYS_COLUMNS),
          ("api_key_anomalies", ANOMALIES_KEY, ANOMALIES_COLUMNS))

READ = {"decimal": Decimal, "ip": lambda text: ip_interface(text).ip, "json": json.loads}
NEEDED_OF_EVERY_ROW = ("tenant_id", "seq", "family", "action", "event_time", "recorded_at")
DERIVED_FROM = {"llm_call", "api_key", "admin"}


@dataclass
class Erased:
    """What erased rows make unknowable."""

    keys: set = field(default_factory=set)  # (tenant, key_id) that they name
    times: dict = field(default_factory=lambda: defaultdict(list))  # tenant → event_time of those of family api_key

    def add(self, row):
        if row.get("personal_commitment") is None or any(row.get(name) is not None for name in verify.PERSONAL_NAMES):
            return
        if row["family"] == "api_key":
            self.times[row["tenant_id"]].append(row["event_time"])
            if row.get("key_id") is not None:
                self.keys.add((row["tenant_id"], row["key_id"]))

    def unknowable(self, tenant, anomaly):
        """Columns of one of the tenant's anomalies."""
        if not self.times.get(tenant):
            return set()
        return ANOMALIES_PERSONAL | ({"severity"} if anomaly and anomaly["anomaly_type"] == "unusual_time" else set())

    def left_of(self, anomalies):
        """Without those whose window holds an erased row."""
        return {key: row for key, row in anomalies.items()
                if not any(row["window_start"] <= time < row["window_end"] for time in self.times.get(key[0], ()))}


class Derivation:
    """Derives the read models of a ledger's rows, which come tenant by tenant; holds one tenant's at a time."""

    def __init__(self, versions=(VERSION_1,)):
        self._versions, self._rows = versions, []
        self._derived, self._erased = ReadModels({}, {}, {}, {}), Erased()

    def add(self, row):
        if self._rows and self._rows[0]["tenant_id"] != row["tenant_id"]:
            self._close_tenant()
        self._erased.add(row)
        self._rows.append(slim(row))

    def finished(self):
        """(ReadModels, Erased)"""
        self._close_tenant()
        return self._derived, self._erased

    def _close_tenant(self):
        if self._rows:
            add_tenant(self._derived, self._rows, self._versions)
        self._rows = []


def derive(rows, versions=(VERSION_1,)):
    derivation = Derivation(versions)
    for row in rows:
        derivation.add(row)
    return derivation.finished()


def slim(row):
    if row["family"] in DERIVED_FROM:
        return {name: value for name, value in row.items() if value is not None}
    return {name: row[name] for name in NEEDED_OF_EVERY_ROW}


def thresholds(database):
    """The versions that are in force, as a reference takes them."""
    versions = defaultdict(dict)
    started = {}
    names = [name for name in database.columns("api_key_thresholds") if name not in ("version", "key_type", "in_force_from")]
    read = [("version", "int64"), ("key_type", "text"), ("in_force_from", "beginning")] + [(name, "int64") for name in names]
    for number, key_type, in_force_from, *values in database.table("api_key_thresholds", read):
        versions[number][key_type], started[number] = dict(zip(names, values)), in_force_from
    return [Version(number, started[number], by_type) for number, by_type in sorted(versions.items())]


def compare_read_models(database, expected, erased=None):
    """Every difference between the tables and what is expected, as a text each. database: ledger.Ledger of a superuser."""
    erased = erased or Erased()
    stored = {table: stored_rows(database, table, key, columns) for table, key, columns in TABLES}
    differences = row_differences("usage_records", expected.usage, stored["usage_records"])
    differences += row_differences("api_keys", expected.keys, stored["api_keys"],
                                   lambda key: KEYS_PERSONAL | {"rotation_required"} if key in erased.keys else ())
    differences += row_differences("api_key_anomalies", erased.left_of(expected.anomalies),
                                   erased.left_of(stored["api_key_anomalies"]),
                                   lambda key: erased.unknowable(key[0], expected.anomalies.get(key)))
    late = {(tenant,): {"late_events": count} for tenant, count in expected.late_events.items()}
    counted = stored_rows(database, "chain_heads", [("tenant_id", "text")], [("late_events", "int64")])
    differences += row_differences("chain_heads", late, {key: row for key, row in counted.items() if row["late_events"]})
    for table, key, columns in TABLES:
        unknown = set(database.columns(table)) - {name for name, _ in key + columns} - WHEN_IT_WAS_SAID
        differences += [f"{table}: a column {name} that the reference does not know" for name in sorted(unknown)]
    return differences


def stored_rows(database, table, key, columns):
    """A table's rows as dicts by their key, in the reference's types."""
    found = {}
    for values in database.table(table, key + columns):
        row = {name: READ[kind](value) if kind in READ and value is not None else value
               for (name, kind), value in zip(columns, values[len(key):])}
        found[tuple(values[:len(key)])] = row
    return found


def row_differences(table, expected, stored, unknowable=lambda key: ()):
    """Of rows by their key. unknowable: a key's columns that are not compared."""
    texts = []
    for key in sorted(expected.keys() | stored.keys(), key=str):
        difference = row_difference(expected.get(key), stored.get(key), unknowable(key))
        if difference:
            texts.append(f"{table} {key}: {difference}")
    return texts


def row_difference(expected, stored, skipped):
    if expected is None:
        return f"is stored, and should not be: {shown(stored)}"
    if stored is None:
        return f"is missing: {shown(expected)}"
    return ", ".join(f"{name} should be {expected[name]!s}, is {value!s}" for name, value in stored.items()
                     if name not in skipped and expected[name] != value)


def shown(row):
    return {name: str(value) for name, value in row.items() if value is not None}
