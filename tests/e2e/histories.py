"""Random histories of all six families: what gateways and key services of many tenants publish in some weeks.

A history is drawn from its seed alone, and lies in the weeks before kEnd_us. Keys are created, used, changed, rotated and revoked;
attacks on them lie at the thresholds of the rules, one below, and far above. Times progress, out of order within minutes
and sometimes later; many are equal or lie on a boundary. Some events are published twice, some ids name two events, and some
records are refused. Kafka's clock is now: so a refused record brings a tenant's watermark to now, which a few tenants
must bear in the middle, and the others at the end.
"""

import json
import random
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from anomaly_rules import BY_TYPE, EQUAL_FOR_ALL_TYPES
from decode import KafkaRecord
from kafka_log import PartitionLog
from producers import binary
from read_models import read_models, rows_of_log

kSecond, kMinute, kHour, kDay = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
kEpoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
kEnd_us = 1_793_491_200_000_000  # 2026-11-01T00:00:00Z
kNames = ["ada", "bob", "eve", "ünïcode", 'quo"te', "back\\slash", "{brace,comma}", "NULL", "tab\there", "", " "]
kKeyTypes = ["user", "user", "user", "service", "integration", "emergency", "emergency", "system", "other", None]
kOperations = ["chat"] * 6 + ["embeddings", "create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "retrieval"]
kCosts = ["0", "0.000000000001", "0.00022500000000000002", 0.125, "1e-7", "999999.999999999999", 1000000, "12.5"]
kExpiries = ["2026-12-31T00:00:00Z", "2030-01-01t00:00:00.123456789z", "2027-02-03T04:05:06.9999999+05:45",
             "2026-10-01T00:00:00-23:59", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00",
             "0000-02-29T00:00:00Z"]


@dataclass
class Record:
    key: bytes | None
    value: bytes
    headers: list = field(default_factory=list)
    time: int = 0  # its event's


def timestamp(time_us):
    moment = kEpoch + timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if time_us % kSecond else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Key:
    """What a tenant's key service knows of one key."""

    def __init__(self, dice, number):
        self.id = f"k-{number}"
        self.type = dice.choice(kKeyTypes)
        self.prefix = dice.choice([None, "msys_ab", f"muser_{number}"[:8], ""])
        self.hash = f"{dice.getrandbits(256):064x}"
        self.owner = dice.choice(kNames)
        self.addresses = [f"198.51.100.{dice.randrange(256)}", f"2001:db8::{number}:1", f"::ffff:203.0.113.{number}"]
        self.hours = dice.sample(range(6, 20), 5)

    def members(self, dice, whole=False):
        """The object `key` of an event; seldom all of it."""
        found = {"key_id": self.id}
        if self.type and (whole or dice.random() < 0.3):
            found["key_type"] = self.type
        if self.prefix is not None and (whole or dice.random() < 0.5):
            found["key_prefix"] = self.prefix
        if whole:
            found |= {"key_hash": self.hash, "name": dice.choice(kNames)}
        return found


class Tenant:
    """All events of one tenant between two times, as (time, family, action, data), in no order."""

    def __init__(self, dice, events, begin, end):
        self.dice, self.begin, self.end = dice, begin, end
        self.events = []
        self.keys = [Key(dice, number) for number in range(dice.randint(2, 4))]
        for key in self.keys:
            self.live(key)
        attacks = [self.rate, self.errors, self.errors_of_a_day, self.addresses, self.at_night, self.brute_force, self.spray,
                   self.success, self.volume, self.exports, self.resources]
        while len(self.events) < events * 0.55:
            dice.choice(attacks)(dice.choice(self.keys), self.moment(aligned=True))
        while len(self.events) < events:
            dice.choice([self.use, self.use, self.use, self.use, self.call, self.call, self.call, self.other])()

    def moment(self, aligned=False):
        time = self.dice.randrange(self.begin, self.end)
        grain = self.dice.choice([1, kSecond, kMinute, kHour] if aligned else [1, 1, 1, kSecond, kSecond, kMinute])
        return time // grain * grain

    def add(self, time, family, action, actor=None, **data):
        actor = actor or {"type": "user", "id": self.dice.choice(kNames)}
        self.events.append((time, family, action, {"actor": actor, "status": "success", **data}))

    def about(self, key, time, action, whole=False, **data):
        self.add(time, "api_key", action, key=key.members(self.dice, whole), **data)

    def request(self, key, time, ip=None, path="/v1/chat", agent=None, **data):
        usual = self.dice.random() < 0.97
        client = {"ip": ip or (key.addresses[0] if usual else self.dice.choice(key.addresses)),
                  "user_agent": agent or ("sdk/1" if usual else "curl/8")}
        if self.dice.random() < 0.03:
            del client[self.dice.choice(["ip", "user_agent"])]
        self.add(time, "api_key", "used", {"type": "api_key", "id": key.id}, key=key.members(self.dice), client=client,
                 request_path=path, **data)

    def failure(self, time, key_id=None, prefix=None, user=None, ip=None):
        actor = {"type": "anonymous"} if user is None else {"type": "user", "id": user}
        named = {name: value for name, value in (("key_id", key_id), ("key_prefix", prefix)) if value is not None}
        self.add(time, "api_key", "auth_failed", actor, status="denied", **({"key": named} if named else {}),
                 **({"client": {"ip": ip}} if ip else {}))

    # --- the life of a key -----------------------------------------------------------------------------------------

    def live(self, key):
        dice = self.dice
        born = self.begin + dice.randrange(kHour)
        if dice.random() < 0.85:
            actor = dice.choice([{"type": "user", "id": key.owner}, {"type": "service", "id": "billing"},
                                 {"type": "system", "id": "portal"}])
            given = {"rpm_limit": dice.choice([1, 7, 30, 2**53 - 1])} if dice.random() < 0.3 else {}
            if dice.random() < 0.3:
                given["on_behalf_of"] = dice.choice(kNames)
            if dice.random() < 0.3:
                given["expires_at"] = dice.choice(kExpiries)
            self.add(born, "api_key", "created", actor, key=key.members(dice, whole=True), **given,
                     permissions_after=dice.sample(["read", "write", 'a"b', "c,d", "NULL", ""], dice.randint(0, 3)))
        for _ in range(dice.randint(2, 8)):
            self.change(key, dice.randrange(born, self.end))

    def change(self, key, time):
        dice = self.dice
        action = dice.choice(["updated", "updated", "rotated", "revoked", "disabled", "enabled", "expired", "permission_changed"])
        data = {}
        if action in ("updated", "rotated") and dice.random() < 0.6:
            data["rotation_reason"] = dice.choice(kNames)
        if action == "rotated" and dice.random() < 0.5:
            data["grace_period_end"] = dice.choice(kExpiries)
        if action == "updated" and dice.random() < 0.3:
            data |= {"expires_at": dice.choice(kExpiries), "rpm_limit": dice.choice([2, 5, 20, 20, "90"])}
        if action == "permission_changed":
            data |= {"permissions_before": ["read"], "permissions_after": dice.sample(["read", "write", "{}"], dice.randint(0, 2))}
        self.about(key, time, action, whole=dice.random() < 0.2, **data)

    def use(self):
        key = self.dice.choice(self.keys)
        day = self.dice.randrange(self.begin, self.end) // kDay * kDay
        time = day + self.dice.choice(key.hours) * kHour + self.moment() % kHour
        if self.begin <= time < self.end:
            self.request(key, time, response_code=self.dice.choice([200] * 8 + [429, 500]),
                         response_bytes=self.dice.choice([0, 512, 2**20, 4 * 2**20]), path=f"/v1/{self.dice.choice('abcde')}")

    # --- attacks: at a threshold, below it, or far above -----------------------------------------------------------

    def near(self, threshold):
        return self.dice.choice([threshold - 1, threshold, threshold, threshold + 1, 2 * threshold, 3 * threshold])

    def times(self, count, start, span):
        """count times in a span: evenly, all at once, or at the two ends."""
        kind = self.dice.randrange(4)
        if kind == 0:
            return [start] * count
        if kind == 1:
            return [start if self.dice.random() < 0.5 else start + span - 1 for _ in range(count)]
        return [start + number * span // count for number in range(count)]

    def rate(self, key, time):
        limit = BY_TYPE[key.type or "other"][0]
        count = self.near(self.dice.choice([21, 60, 60]) if limit > 300 or self.dice.random() < 0.7 else limit)
        for moment in self.times(min(count, 400), time, kMinute):
            self.request(key, moment)

    def errors(self, key, time):
        count = self.near(20)
        wrong = count * self.dice.choice([500, 480, 520, 800, 1000]) // 1000
        for number, moment in enumerate(self.times(count, time, 5 * kMinute)):
            self.request(key, moment, response_code=self.dice.choice([400, 404, 500, 599]) if number < wrong else
                         self.dice.choice([200, 429, 399, 600]))

    def errors_of_a_day(self, key, time):
        count, day = self.dice.choice([199, 200, 210]), time // kDay * kDay
        for number in range(count):
            self.request(key, day + number * kDay // count, response_code=503 if number % 4 == 0 else 200)

    def addresses(self, key, time):
        count = self.dice.choice([2, self.near(BY_TYPE[key.type or "other"][1])])
        subnet = self.dice.choice(["192.0.2.%d", "2001:db8:0:%d::7", "2001:db8:0:1::%d", "::ffff:192.0.2.%d"])
        for number, moment in enumerate(self.times(count, time, 30 * kMinute)):
            self.request(key, moment, ip=subnet % (number % 250), agent=f"agent/{number % 2}")

    def at_night(self, key, time):
        night = time // kDay * kDay + self.dice.choice([0, 3, 23]) * kHour
        for week in range(self.dice.choice([1, 1, 1, 2, 4])):
            for moment in self.times(self.near(3), max(self.begin, night - week * 7 * kDay), kHour):
                self.request(key, moment, ip=self.dice.choice([None, "203.0.113.200"]))

    def brute_force(self, key, time):
        named = {name: value for name, value in (("key_id", key.id), ("prefix", "muser_x"), ("user", self.dice.choice(kNames)),
                                                 ("ip", self.dice.choice(["192.0.2.9", "2001:db8:1:2::9"])))
                 if self.dice.random() < 0.5}
        for moment in self.times(self.near(EQUAL_FOR_ALL_TYPES["failures"]), time, 10 * kMinute):
            self.failure(moment, **named)

    def spray(self, key, time):
        principals = self.dice.randint(4, 7)
        for number, moment in enumerate(self.times(self.near(15), time, kHour)):
            name = f"victim-{number % principals}"
            self.failure(moment, ip=f"2001:db8:9:9::{number % 3 + 1}", **{self.dice.choice(["key_id", "prefix", "user"]): name[-8:]})

    def success(self, key, time):
        count = self.dice.choice([4, 5, 5, 6])
        kind = self.dice.choice([{"key_id": key.id}, {"prefix": key.prefix}, {"user": key.id}, {"ip": "192.0.2.77"}])
        for number in range(count):
            self.failure(time + number * kSecond, **kind)
        behind = self.dice.choice([count - 2, count - 1, count, 29 * 60, 31 * 60])
        self.request(key, time + behind * kSecond, ip="192.0.2.77", response_code=self.dice.choice([200, 399, 400, 500]))

    def volume(self, key, time):
        parts = self.dice.randint(1, 5)
        total = self.near(EQUAL_FOR_ALL_TYPES["hour_bytes"])
        for number, moment in enumerate(self.times(parts, time, kHour)):
            self.request(key, moment, response_bytes=total // parts + (total % parts if number == 0 else 0))

    def exports(self, key, time):
        path = self.dice.choice(["/export", "/v1/exports/7", "/downloads/a", "/v1/exported", "/x/download/?q=1"])
        for moment in self.times(self.near(10), time, kHour):
            self.request(key, moment, path=path)

    def resources(self, key, time):
        threshold, span = self.dice.choice([(100, kHour), (25, 3 * kMinute), (25, 3 * kMinute)])
        for number, moment in enumerate(self.times(min(self.near(threshold), 200), time, span)):
            self.request(key, moment, path=f"/v1/documents/{number}")

    # --- the other families ----------------------------------------------------------------------------------------

    def call(self):
        dice = self.dice
        tokens = {name: dice.choice([0, 1, 17, 4096, dice.randrange(10**6)]) for name in (
            "input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")}
        if dice.random() < 0.01:
            tokens["input_tokens"] = 2**53 - 1
        for name in dice.sample(sorted(tokens), dice.randint(0, 3)):
            tokens[name] = str(tokens[name]) if name in ("input_tokens", "output_tokens", "total_tokens") else None
        if dice.random() < 0.7:
            tokens["basis"] = dice.choice(["inclusive", "exclusive"])
        more = {"route": dice.choice(["eu-1", "us-1", ""]), "department_id": dice.choice(["d-1", "d,2"]),
                "cost_usd": dice.choice(kCosts)}
        for name in dice.sample(sorted(more), dice.randint(0, 2)):
            del more[name]
        action, status = dice.choice([("completed", "success"), ("completed", "success"), ("failed", "failure"),
                                      ("blocked", "denied")])
        self.add(self.moment(), "llm_call", action, **more, status=status, operation=dice.choice(kOperations),
                 provider=dice.choice(["openai", "anthropic"]), model=dice.choice(["gpt-4o", "claude"]), latency_ms=12, usage=tokens)

    def other(self):
        dice, time = self.dice, self.moment()
        kind = dice.randrange(4)
        if kind == 0:
            self.add(time, "tool_invocation", "completed", {"type": "agent", "id": "agent-1"}, tool={"name": "search"},
                     outcome={"tool_error": False}, latency_ms=3, cost_usd="0.5")
        elif kind == 1:
            self.add(time, "escalation", "created", kind="approval", reason_code="amount")
        elif kind == 2:
            self.add(time, "admin", dice.choice(["role_change", "resolve"]), resource={
                "type": dice.choice(["user", "api_key_anomaly"]), "id": dice.choice(["u-3", "no uuid", "0" * 32])})
        else:
            self.add(time, "auth", "login", method="sso")


class History:
    """records: in the order in which they are published; each tenant's in one partition (they have its name as key)."""

    def __init__(self, seed, events, tenants, days=21):
        self._dice = random.Random(seed)
        queues = []
        for number in range(tenants):
            dice = random.Random(f"{seed}/{number}")
            life = Tenant(dice, events // tenants, kEnd_us - days * kDay, kEnd_us)
            queues.append(published(dice, f"tenant-{number}", life.events, refused_in_the_middle=number % 10 == 3))
        self.records = list(interleaved(self._dice, queues))

    def resolving(self):
        """Adds events that resolve anomalies of keys, at any place: before they are found and behind it, some twice."""
        found = read_models(rows_of_log({("", 0): self._log()})).anomalies
        known = sorted(names for names, row in found.items() if row["subject"] == "key")
        for tenant, anomaly_id in self._dice.choices(known, k=len(known) // 2):
            place = self._dice.randrange(len(self.records))
            tenant = self._dice.choice([tenant] * 9 + ["tenant-0"])
            beside = next((record for record in self.records[place:] if record.key == tenant.encode()), None)
            if beside:
                self.records.insert(place, as_record(self._dice, tenant, beside.time, "admin", "resolve", {
                    "actor": {"type": "user", "id": self._dice.choice(kNames)}, "status": "success",
                    "resource": {"type": "api_key_anomaly", "id": anomaly_id}}))
        return self

    def _log(self):
        """All records in one partition, as if they were published a day after the end."""
        log = PartitionLog(0, len(self.records))
        for offset, record in enumerate(self.records):
            headers = tuple((name.encode(), value) for name, value in record.headers)
            log.records[offset] = KafkaRecord("", 0, 0, offset, (kEnd_us + kDay) // 1000 + offset, record.key, record.value, headers)
        return log


def interleaved(dice, queues):
    """One after the other at random, each queue in its own order."""
    turns = [number for number, queue in enumerate(queues) for _ in queue]
    dice.shuffle(turns)
    places = [iter(queue) for queue in queues]
    return (next(places[number]) for number in turns)


def published(dice, tenant, events, refused_in_the_middle):
    """A tenant's records in the order of publishing: by time, but for delays; with duplicates, conflicts and refusals."""
    def delay():
        return dice.choices([dice.randrange(2 * kSecond), dice.randrange(4 * kMinute), dice.randrange(12 * kMinute),
                             dice.randrange(3 * kHour)], [80, 15, 4, 1])[0]

    ordered = sorted(events, key=lambda event: event[0] + delay())
    tomorrow = time.time_ns() // 1000 + 20 * kHour
    ordered += [(moment, "auth", "login", {"actor": {"type": "user", "id": "u-1"}, "status": "success", "method": "sso"})
                for moment in (kEnd_us, *dice.choice([(), (), (tomorrow,)]))]
    records = []
    for place, (moment, family, action, data) in enumerate(ordered):
        record = as_record(dice, tenant, moment, family, action, data)
        records.append(record)
        if dice.random() < 0.02 and len(records) > 200:
            records.append(records[-dice.randint(1, 200)])
        if dice.random() < 0.02 and (refused_in_the_middle and place > len(ordered) // 3 or place > len(ordered) - 30):
            conflicting = record.value.replace(b'"success"', b'"partial"')
            records.append(replace(record, value=dice.choice([conflicting, record.value[:-1]])))
    return records


def as_record(dice, tenant, time, family, action, data):
    event = {"specversion": "1.0", "id": f"{dice.getrandbits(100):025x}", "source": "history",
             "type": f"audit.{family}.{action}.v1", "time": timestamp(time), "tenantid": tenant, "data": data}
    if dice.random() < 0.2:
        value, headers = binary(event)
        return Record(tenant.encode(), value.encode(), headers, time)
    return Record(tenant.encode(), json.dumps(event).encode(), [], time)
