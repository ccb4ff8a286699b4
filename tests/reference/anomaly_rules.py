"""The six rules over the events of API keys, in the order and the words of schemas/read-models.md.

A window's events are known when the watermark has reached its end, because what comes later for it is late. So all windows
can be judged at once, behind the tenant's last row.
"""

import hashlib
import json
import uuid
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_interface, ip_network

MINUTE_US = 60_000_000
LATENESS_US = 5 * MINUTE_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
MOST_DISTINCT = 4096
NEVER = 2**63 - 1
EXPORT_SEGMENTS = {"export", "exports", "download", "downloads"}
SEVERITIES = ("low", "medium", "high", "critical")
SUBJECTS = ("key", "prefix", "user", "address")

EQUAL_FOR_ALL_TYPES = {
    "baseline_minutes": 60, "baseline_factor": 5, "baseline_requests": 60, "error_requests": 20, "error_permille": 500,
    "error_day_requests": 200, "error_day_permille": 250, "unusual_weeks": 3, "unusual_history_days": 14,
    "unusual_history_requests": 100, "failures": 10, "spray_failures": 15, "spray_principals": 5, "success_failures": 5,
    "hour_bytes": 100 * 2**20, "hour_factor": 5, "hour_baseline_hours": 24, "exports": 10, "resources": 100,
    "burst_resources": 25}
BY_TYPE = {  # requests_per_minute, addresses_per_half_hour, unusual_requests
    "user": (300, 5, 3), "integration": (300, 20, NEVER), "service": (1200, 50, NEVER), "system": (1200, 50, NEVER),
    "other": (1200, 50, NEVER), "emergency": (60, 5, 3)}


@dataclass(frozen=True)
class Version:
    """Thresholds in force for windows that start at in_force_from or later."""

    number: int
    in_force_from: int
    by_type: dict  # key type → column of api_key_thresholds → number


VERSION_1 = Version(1, 0, {
    key_type: dict(EQUAL_FOR_ALL_TYPES, requests_per_minute=requests, addresses_per_half_hour=addresses, unusual_requests=unusual)
    for key_type, (requests, addresses, unusual) in BY_TYPE.items()})


def version_at(versions, time):
    return max((version for version in versions if version.in_force_from <= time), key=lambda version: version.in_force_from)


# --- events and time ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=65_536)
def host(text):
    return ip_interface(text).ip


@lru_cache(maxsize=65_536)
def address_of(text):
    """What counts as one address: IPv4 whole, IPv6 by /64, mapped IPv4 as IPv4."""
    ip = host(text)
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else str(ip_network((ip, 64), strict=False))
    return str(ip)


class KeyEvent:
    """One row of family api_key that is not late."""

    def __init__(self, row):
        code = row.get("response_code")
        self.time, self.seq = row["event_time"], row["seq"]
        self.key_id, self.key_prefix, self.user_id = row.get("key_id"), row.get("key_prefix"), row.get("user_id")
        self.key_type = row.get("key_type")
        self.rpm_limit = json.loads(row["detail"]).get("rpm_limit") if row.get("detail") else None
        self.client_ip = row.get("client_ip")
        self.address = address_of(self.client_ip) if self.client_ip else None
        self.agent, self.resource = row.get("user_agent"), row.get("request_path")
        self.is_request, self.is_failure = row["action"] == "used", row["action"] == "auth_failed"
        self.is_error = self.is_request and code is not None and 400 <= code <= 599 and code != 429
        self.is_success = self.is_request and (code is None or code < 400)
        self.is_export = self.is_request and not EXPORT_SEGMENTS.isdisjoint((self.resource or "").split("/"))
        self.bytes = (row.get("response_bytes") or 0) if self.is_request else 0

    @property
    def stamp(self):
        return self.time, self.seq

    def subject(self, kind):
        return {"key": self.key_id, "prefix": self.key_prefix, "user": self.user_id, "address": self.address}[kind]

    def principal(self):
        return next(((kind, self.subject(kind)) for kind in ("key", "prefix", "user") if self.subject(kind) is not None), None)


class Watermark:
    """A tenant's, and which row raised it how far."""

    def __init__(self):
        self.value = None
        self._steps, self._seqs = [], []

    def add(self, row):
        reached = min(row["event_time"], row["recorded_at"]) - LATENESS_US
        if self.value is None or reached > self.value:
            self.value = reached
            self._steps.append(reached)
            self._seqs.append(row["seq"])

    def has_closed(self, end):
        return self.value is not None and self.value >= end

    def closing_seq(self, end):
        """seq of the row that closed what ends there."""
        return self._seqs[bisect_left(self._steps, end)]


def distinct(values):
    return min(len({value for value in values if value is not None}), MOST_DISTINCT)


def permille(part, whole):
    return 1000 * part // whole if whole else 0


class Window:
    """Some events of a window, by (time, seq)."""

    def __init__(self, minutes, start, events):
        self.minutes, self.start, self.end, self.events = minutes, start, start + minutes * MINUTE_US, events
        self.requests = [event for event in events if event.is_request]
        self.errors = sum(event.is_error for event in events)
        self.error_rate = permille(self.errors, len(self.requests))

    def distinct(self, name):
        return distinct(getattr(event, name) for event in self.requests)


def windows(events, minutes):
    found = defaultdict(list)
    length = minutes * MINUTE_US
    for event in events:
        found[event.time // length * length].append(event)
    return [Window(minutes, start, members) for start, members in found.items()]


# --- conditions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    name: str
    severity: str
    value: int
    threshold: int


def by_factor(condition, value, threshold, lowest, *factors):
    """A condition whose severity is the lowest, and one higher for each factor × threshold that the value reaches."""
    rank = SEVERITIES.index(lowest) + sum(value >= factor * threshold for factor in factors)
    return Condition(condition, SEVERITIES[rank], value, threshold)


def latest(said, end):
    """The last value that was said before the end; None where none was."""
    behind = bisect_left(said, end, key=lambda pair: pair[0])
    return said[behind - 1][1] if behind else None


class Key:
    """All events of one key, by (time, seq), and what the rules ask about the time before a window."""

    def __init__(self, events):
        self.events = sorted(events, key=lambda event: event.stamp)
        self.times = [event.time for event in self.events]
        self._types = [(event.time, event.key_type) for event in self.events if event.key_type is not None]
        self._rpm_limits = [(event.time, event.rpm_limit) for event in self.events if event.rpm_limit is not None]
        self.requests = [event for event in self.events if event.is_request]
        self.request_times = [event.time for event in self.requests]
        self.minutes = sorted((window.start, len(window.requests)) for window in windows(self.requests, 1))
        self.hours = {window.start: sum(event.bytes for event in window.requests) for window in windows(self.requests, 60)}
        self.first_from = {}  # address → time of its first request
        for event in self.requests:
            self.first_from.setdefault(event.address, event.time)

    def type_at(self, end):
        return latest(self._types, end) or "other"

    def rpm_limit_at(self, end):
        return latest(self._rpm_limits, end)

    def requests_before(self, time):
        return bisect_left(self.request_times, time)

    def last_minutes(self, count, before):
        """Requests of the last minutes with requests, fewer than count where there are not so many."""
        behind = bisect_left(self.minutes, (before, 0))
        return [requests for _, requests in self.minutes[max(0, behind - count):behind]]


def high_request_rate(key, window, thresholds):
    requests = len(window.requests)
    limit = thresholds["requests_per_minute"]
    if requests >= limit:
        yield by_factor("requests", requests, limit, "medium", 3, 10)
    rpm_limit = key.rpm_limit_at(window.end)
    if rpm_limit is not None and requests > rpm_limit:
        yield by_factor("rpm_limit", requests, rpm_limit + 1, "medium", 3, 10)
    if requests < thresholds["baseline_requests"]:
        return
    before = sorted(key.last_minutes(thresholds["baseline_minutes"], window.start))
    if len(before) >= thresholds["baseline_minutes"]:
        two_medians = before[(len(before) - 1) // 2] + before[len(before) // 2]
        limit = max(thresholds["baseline_requests"], -(-thresholds["baseline_factor"] * two_medians // 2))
        if requests >= limit:
            yield by_factor("baseline", requests, limit, "medium", 3, 10)


def error_rate_condition(name, window, least_requests, limit):
    if len(window.requests) >= least_requests and window.error_rate >= limit:
        yield Condition(name, "high" if window.error_rate >= 800 else "medium", window.error_rate, limit)


def high_error_rate(key, window, thresholds):
    return error_rate_condition("errors", window, thresholds["error_requests"], thresholds["error_permille"])


def high_error_rate_of_a_day(key, window, thresholds):
    return error_rate_condition("errors_day", window, thresholds["error_day_requests"], thresholds["error_day_permille"])


def multiple_ips(key, window, thresholds):
    addresses = window.distinct("address")
    limit = thresholds["addresses_per_half_hour"]
    if addresses >= limit:
        yield by_factor("addresses", addresses, limit, "medium", 2)
    if key.type_at(window.end) == "emergency" and addresses >= 2 and window.distinct("agent") >= 2:
        yield Condition("emergency", "high", addresses, 2)


def unusual_time(key, window, thresholds):
    requests, limit = len(window.requests), thresholds["unusual_requests"]
    if key.type_at(window.end) not in ("user", "emergency") or requests < limit:
        return
    if key.times[0] > window.start - thresholds["unusual_history_days"] * DAY_US:
        return
    if key.requests_before(window.start) < thresholds["unusual_history_requests"]:
        return
    if sum(window.start - week * WEEK_US in key.hours for week in range(1, 13)) < thresholds["unusual_weeks"]:
        new = any(event.address is not None and key.first_from[event.address] >= window.start for event in window.requests)
        yield Condition("unusual", "medium" if new else "low", requests, limit)


def data_exfiltration(key, window, thresholds):
    volume = sum(event.bytes for event in window.requests)
    if volume >= thresholds["hour_bytes"]:
        before = [key.hours.get(window.start - hour * HOUR_US, 0) for hour in range(1, 169)]
        limit = max(thresholds["hour_bytes"], thresholds["hour_factor"] * max(before))
        if sum(content > 0 for content in before) >= thresholds["hour_baseline_hours"] and volume >= limit:
            yield by_factor("bytes", volume, limit, "high", 3)
    exports = sum(event.is_export for event in window.requests)
    if exports >= thresholds["exports"]:
        yield by_factor("exports", exports, thresholds["exports"], "high", 3)
    yield from resources_condition("resources", window, thresholds["resources"])


def burst_of_resources(key, window, thresholds):
    return resources_condition("burst", window, thresholds["burst_resources"])


def resources_condition(name, window, limit):
    resources = window.distinct("resource")
    if resources >= limit:
        yield by_factor(name, resources, limit, "high", 3)


KEY_RULES = (
    ("high_request_rate", 1, high_request_rate),
    ("high_error_rate", 5, high_error_rate),
    ("high_error_rate", 24 * 60, high_error_rate_of_a_day),
    ("multiple_ips", 30, multiple_ips),
    ("unusual_time", 60, unusual_time),
    ("data_exfiltration", 60, data_exfiltration),
    ("data_exfiltration", 3, burst_of_resources),
)


def many_failures(kind, failures, successes, thresholds):
    if len(failures) >= thresholds["failures"]:
        yield Condition("failures", "high" if len(failures) >= 30 else "medium", len(failures), thresholds["failures"])


def spray(kind, failures, successes, thresholds):
    if kind != "address" or len(failures) < thresholds["spray_failures"]:
        return
    if distinct(event.principal() for event in failures) >= thresholds["spray_principals"]:
        yield Condition("spray", "high" if len(failures) >= 30 else "medium", len(failures), thresholds["spray_failures"])


def success_after_failures(kind, failures, successes, thresholds):
    needed = thresholds["success_failures"]
    if len(failures) >= needed and any(event.stamp > failures[needed - 1].stamp for event in successes):
        yield Condition("success", "critical", len(failures), needed)


FAILURE_RULES = ((10, many_failures), (60, spray), (30, success_after_failures))


# --- judging -----------------------------------------------------------------------------------------------------


def judge_tenant(rows, versions=(VERSION_1,)):
    """(rows of api_key_anomalies, number of late events) of one tenant, whose rows come by rising seq."""
    watermark, events, late = Watermark(), [], 0
    for row in rows:
        if row["family"] == "api_key":
            minute_end = (row["event_time"] // MINUTE_US + 1) * MINUTE_US
            if watermark.has_closed(minute_end):
                late += 1
            else:
                events.append(KeyEvent(row))
        watermark.add(row)
    if not events:
        return [], late
    tenant = rows[0]["tenant_id"]
    found = [*judge_keys(tenant, events, watermark, versions), *judge_failures(tenant, events, watermark, versions)]
    resolve(found, rows)
    return found, late


def judge_keys(tenant, events, watermark, versions):
    by_key = defaultdict(list)
    for event in events:
        if event.key_id is not None:
            by_key[event.key_id].append(event)
    for key_id, members in by_key.items():
        key = Key(members)
        for anomaly_type, minutes, rule in KEY_RULES:
            for window in windows(key.events, minutes):
                if not window.requests or not watermark.has_closed(window.end):
                    continue
                version = version_at(versions, window.start)
                thresholds = version.by_type.get(key.type_at(window.end), version.by_type["other"])
                conditions = list(rule(key, window, thresholds))
                if conditions:
                    yield anomaly(tenant, anomaly_type, "key", key_id, window, watermark, version, conditions) | {
                        "request_count": len(window.requests), "error_count": window.errors,
                        "error_rate": window.error_rate, "unique_ips": window.distinct("address")}


def judge_failures(tenant, events, watermark, versions):
    for kind in SUBJECTS:
        failures, successes = defaultdict(list), defaultdict(list)
        for event in sorted(events, key=lambda event: event.stamp):
            if event.subject(kind) is not None:
                if event.is_failure:
                    failures[event.subject(kind)].append(event)
                elif event.is_success:
                    successes[event.subject(kind)].append(event)
        for subject, members in failures.items():
            for minutes, rule in FAILURE_RULES:
                for window in windows(members, minutes):
                    if not watermark.has_closed(window.end):
                        continue
                    version = version_at(versions, window.start)
                    later = [event for event in successes[subject] if window.start <= event.time < window.end]
                    conditions = list(rule(kind, window.events, later, version.by_type["other"]))
                    if conditions:
                        yield anomaly(tenant, "brute_force", kind, subject, window, watermark, version, conditions) | {
                            "request_count": 0, "error_count": len(window.events), "error_rate": 0,
                            "unique_ips": distinct(event.address for event in window.events)}


def anomaly(tenant, anomaly_type, kind, subject, window, watermark, version, conditions):
    """A row of api_key_anomalies without its counts. conditions: in the order of the rules."""
    worst = max(conditions, key=lambda condition: SEVERITIES.index(condition.severity))  # the first of equals
    first_seq, last_seq = min(event.seq for event in window.events), max(event.seq for event in window.events)
    named = subject if kind == "key" else first_seq
    lowest = min((host(event.client_ip) for event in window.events), key=lambda ip: (ip.version, ip)) if kind == "address" else None
    return {
        "tenant_id": tenant, "anomaly_type": anomaly_type, "severity": worst.severity, "subject": kind,
        "anomaly_id": identity(tenant, anomaly_type, window.minutes * 60, window.start // 1_000_000, version.number, kind, named),
        "key_id": subject if kind == "key" else None, "key_prefix": subject if kind == "prefix" else None,
        "user_id": subject if kind == "user" else None, "ip_address": lowest, "window_start": window.start,
        "window_end": window.end, "created_at": window.end, "judged_seq": watermark.closing_seq(window.end),
        "resolved": False, "resolved_at": None, "resolved_by": None,
        "details": {"condition": worst.name, "value": worst.value, "threshold": worst.threshold,
                    "thresholds_version": version.number, "window_seconds": window.minutes * 60, "first_seq": first_seq,
                    "last_seq": last_seq}}


def identity(*texts):
    """The UUID of an anomaly: tenant, type, window's length and start in seconds, thresholds version, kind, key or seq."""
    lines = "".join(f"{text}\n" for text in ("sealstream/anomaly/v1", *texts))
    return str(uuid.UUID(bytes=hashlib.sha256(lines.encode("utf-8")).digest()[:16]))


def resolve(found, rows):
    """Sets what the first resolve event behind the row that closed the window says."""
    said = defaultdict(list)
    for row in rows:
        if (row["family"], row["action"], row.get("resource_type")) == ("admin", "resolve", "api_key_anomaly"):
            said[row.get("resource_id")].append(row)
    for row in found:
        for event in said[row["anomaly_id"]]:
            if event["seq"] > row["judged_seq"]:
                row.update(resolved=True, resolved_at=event["event_time"], resolved_by=event.get("user_id"))
                break
