"""Goal: windows close once, by the tenant's watermark alone, and what the rules find depends on nothing but the chain.

Method: the same histories in other orders, cut into other calls, judged again, by other roles and from the ledger; random
histories compared with the second implementation (tests/reference). The state of the rules is compared too.
"""

import datetime
import random
import sys

import pytest
from key_histories import anomalies, at, clear, History, judge, kDay, kHour, kMinute, kRecordedAt, kState, kWeek, state
from key_histories import steps, write
from sql_databases import kRoot

sys.path.insert(0, str(kRoot / "tests" / "reference"))

from anomaly_rules import judge_tenant  # noqa: E402

kEpoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
kEmergency = {"key_type": "emergency"}
kAllButSeqs = ("anomaly_type, severity, subject, key_id, window_start, window_end, request_count, error_count, error_rate, unique_ips,"
               " details - '{first_seq,last_seq}'::text[]")


class World:
    """One database for the module, empty again for each history."""

    def __init__(self, database):
        self.database = database
        self.owner = database.connect()
        self.writer = database.connect("audit_writer")
        write(self.writer, [])

    def hold(self, rows):
        clear(self.owner)
        write(self.writer, rows)
        return steps(rows)

    def judged(self, history, columns="request_count, window_start"):
        judge(self.writer, self.hold(history.rows))
        return anomalies(self.owner, columns)


@pytest.fixture(scope="module")
def world(shared_database):
    yield World(shared_database)
    shared_database.close()


def in_steps(world, history, *sizes):
    """The state after these calls; the last size is used for all that is left."""
    left = world.hold(history.rows)
    sizes = list(sizes)
    while left:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        judge(world.writer, left[:size])
        left = left[size:]
    return state(world.owner)


# --- time ---------------------------------------------------------------------------------------------------------


def test_an_event_on_a_boundary_belongs_to_the_new_window(world):
    assert world.judged(History().use(-0.000001).use(0, 59, **kEmergency).pass_time(kHour)) == []
    assert world.judged(History().use(59.999999).use(0, 59, **kEmergency).pass_time(kHour)) == [(60, at(0))]
    assert world.judged(History().use(60).use(0, 59, **kEmergency).pass_time(kHour)) == []


def test_a_window_closes_when_the_watermark_reaches_its_end(world):
    assert world.judged(History().use(0, 60, **kEmergency).pass_time(kMinute - 0.000001)) == []
    assert world.judged(History().use(0, 60, **kEmergency).pass_time(kMinute)) == [(60, at(0))]


def test_what_finds_its_minute_closed_by_a_row_before_is_late_and_changes_nothing(world):
    in_time = History().use(0, 59, **kEmergency).pass_time(kMinute - 1).use(kMinute - 1).pass_time(kHour)
    assert world.judged(in_time) == [(60, at(0))]
    late = History().use(0, 59, **kEmergency).pass_time(kMinute).use(kMinute - 1).pass_time(kHour)
    assert world.judged(late) == []
    before = state(world.owner)
    assert world.judged(History().use(0, 59, **kEmergency).pass_time(kMinute).pass_time(kHour)) == []
    assert state(world.owner) == before


def test_tomorrow_closes_nothing_before_it_is_recorded(world):
    history = History().use(0, 59, recorded_at=at(0), **kEmergency).add("login", kDay, family="auth", recorded_at=at(kMinute))
    history.use(30, recorded_at=at(2 * kMinute)).pass_time(kHour)
    assert world.judged(history) == [(60, at(0))]


def test_rows_of_every_family_and_tombstones_move_the_watermark(world):
    for family in ("quarantined", "llm_call", "api_key"):
        history = History().use(0, 60, **kEmergency).add("schema", kHour, family=family)
        assert world.judged(history) == [(60, at(0))]


def test_the_hour_of_the_week_goes_on_from_167_to_0(world):
    sunday = 11 * kHour
    assert at(sunday + kHour).weekday() == 0
    for usual, unusual in ((sunday, sunday + kHour), (sunday + kHour, sunday)):
        history = History().use(-25 * kDay, 100, 1, key_type="user")
        for week in (3, 2, 1):
            history.use(usual - week * kWeek)
        assert world.judged(history.use(sunday, 3).use(sunday + kHour, 3).pass_time(kDay)) == [(3, at(unusual))]


def test_an_order_within_the_lateness_gives_the_same_rows(world):
    generator = random.Random(4)
    found = []
    for latest in (0, 290, 290, 290):
        history = attack().reordered(lambda row: row["event_time"] + datetime.timedelta(seconds=generator.uniform(0, latest)))
        found.append(sorted(map(str, world.judged(history.pass_time(2 * kDay), kAllButSeqs))))
    assert len(found[0]) > 10 and found[1:] == [found[0]] * 3


def test_two_tenants_with_one_key_id_are_two_keys(world):
    history = History()
    for number in range(59):
        history.use(number, tenant="acme", **kEmergency).use(number, tenant="globex", **kEmergency)
    history.use(59, tenant="globex")
    for tenant in ("acme", "globex"):
        history.pass_time(kHour, tenant)
    assert world.judged(history, "tenant_id, request_count, unique_ips") == [("globex", 60, 0)]


def test_the_thresholds_in_force_at_a_windows_start_count(world):
    world.owner.execute("""INSERT INTO audit.api_key_thresholds SELECT (jsonb_populate_record(t, jsonb_build_object(
                             'version', 2, 'in_force_from', %s::text, 'requests_per_minute', 10, 'failures', 3))).*
                           FROM audit.api_key_thresholds AS t""", [str(at(0))])
    try:
        history = History().use(-kMinute, 10, 0.1).fail(-kMinute, 3, key_prefix="p").use(0, 10, 0.1).use(kMinute, 9, 0.1)
        history.fail(kMinute, 3, key_prefix="p").pass_time(kHour)
        assert world.judged(history, "anomaly_type, window_start, details ->> 'threshold', details ->> 'thresholds_version'") == [
            ("brute_force", at(0), "3", "2"), ("high_request_rate", at(0), "10", "2")]
    finally:
        world.owner.execute("DELETE FROM audit.api_key_thresholds WHERE version = 2")


# --- calls --------------------------------------------------------------------------------------------------------


def attack():
    """Something for every table of the state."""
    history = History().add("created", -20 * kDay, key_id="k-1", key_type="user", detail='{"rpm_limit": 25}')
    history.use(-20 * kDay + 60, 110, 30, client_ip="10.0.0.1", user_agent="a")
    for minute in range(90):
        second = minute * kMinute
        history.fail(second, 3, 7, client_ip=["192.0.2.1", "192.0.2.2"], key_prefix=["p", "q", None], user_id="u-1")
        history.use(second + 25, 1 + minute % 30, 0.5, client_ip=[f"10.0.0.{minute % 7}", f"2001:db8:{minute % 5}::1"],
                    user_agent=["a", "b"], response_code=[200, 500, 404], key_prefix=["p", None],
                    request_path=[f"/r/{minute}/{n}" for n in range(13)] + ["/export"])
        if minute % 10 == 3:
            history.use(second + 50, key_id="k-2", key_type="emergency", client_ip=[f"10.0.1.{minute}"], user_agent="c", user_id="u-1")
    return history


def test_how_steps_are_spread_over_calls_changes_no_row_of_the_state_or_the_anomalies(world):
    history = attack().pass_time(kDay).pass_time(2 * kDay)
    at_once = in_steps(world, history, 10**6)
    assert all(len(at_once[table]) > 10 for table in kState)
    assert in_steps(world, history, 1) == at_once
    generator = random.Random(7)
    for _ in range(3):
        assert in_steps(world, history, *[generator.choice((1, 2, 3, 10, 40)) for _ in range(500)]) == at_once


def test_judging_a_step_again_does_nothing(world):
    history = attack().pass_time(2 * kDay)
    every = world.hold(history.rows)
    assert judge(world.writer, every) != []
    before = state(world.owner)
    assert judge(world.writer, every) == [] and judge(world.writer, every[3:9]) == []
    assert state(world.owner) == before


def test_a_call_says_how_many_are_new_by_type_and_severity(world):
    every = world.hold(attack().pass_time(2 * kDay).rows)
    said = [row for step in every for row in judge(world.writer, [step])]
    counts = {}
    for kind, severity, count in said:
        counts[kind, severity] = counts.get((kind, severity), 0) + count
    assert counts == {(kind, severity): count for kind, severity, count in world.owner.execute(
        "SELECT anomaly_type, severity, count(*) FROM audit.api_key_anomalies GROUP BY 1, 2").fetchall()}


def test_steps_in_which_nothing_ends_may_be_left_out(world):
    history = attack()
    for hour in range(4, 200, 3):
        history.pass_time(hour * kHour)
    every = world.hold(history.rows)
    judge(world.writer, every)
    complete = state(world.owner)
    last_end = at(90 * kMinute + kDay)
    world.hold(history.rows)
    judge(world.writer, [step for step in every if step[1] == "-infinity" or step[1] < last_end])
    assert state(world.owner) == complete


def test_rows_are_read_from_every_leaf_that_is_named(world):
    history = History().use(0, 60, 0.1, **kEmergency)
    for row in history.rows[30:]:
        row["recorded_at"] = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
    world.hold([])
    leaf, = world.writer.execute("SELECT audit.ensure_partition('2026-12-01Z')").fetchone()
    write(world.writer, history.rows[:30])
    write(world.writer, history.rows[30:], leaf)
    closing = [("acme", "-infinity", at(kHour), 100)]
    try:
        assert judge(world.writer, closing, ["audit.ledger_y2026m11", f"audit.{leaf}"]) == [("high_request_rate", "medium", 1)]
        world.owner.execute("TRUNCATE " + ", ".join(f"audit.{table}" for table in kState))
        assert judge(world.database.connect("audit_rebuilder"), closing, ["audit.ledger"]) == [("high_request_rate", "medium", 1)]
    finally:
        world.owner.execute(f"TRUNCATE audit.{leaf}")


def test_the_steps_of_a_chain_are_found_in_the_ledger(world):
    history = attack().pass_time(kHour).pass_time(2 * kDay)
    expected = [(str(begin) if begin == "-infinity" else begin, end, seq) for _, begin, end, seq in world.hold(history.rows)]
    found = world.database.connect("audit_rebuilder").execute(
        "SELECT CASE WHEN from_minute = '-infinity' THEN NULL ELSE from_minute END, to_minute, seq FROM audit.key_window_steps('acme')")
    assert [("-infinity" if begin is None else begin, end, seq) for begin, end, seq in found.fetchall()] == expected


# --- the second implementation ------------------------------------------------------------------------------------


def microseconds(time):
    return None if time is None else (time - kEpoch) // datetime.timedelta(microseconds=1)


def reference(rows):
    """{(tenant, anomaly_id): row}, as tests/reference computes it."""
    by_tenant = {}
    for row in rows:
        by_tenant.setdefault(row["tenant_id"], []).append(
            row | {name: microseconds(row[name]) for name in ("event_time", "recorded_at")})
    return {(row["tenant_id"], row["anomaly_id"]): row for tenant_rows in by_tenant.values() for row in judge_tenant(tenant_rows)[0]}


def in_the_table(session):
    cursor = session.execute("SELECT * FROM audit.api_key_anomalies")
    names = [column.name for column in cursor.description]
    found = {}
    for values in cursor.fetchall():
        row = dict(zip(names, values)) | {"anomaly_id": str(values[0])}
        for name in ("window_start", "window_end", "created_at", "resolved_at"):
            row[name] = microseconds(row[name])
        found[row["tenant_id"], row["anomaly_id"]] = row
    return found


class RandomHistory(History):
    """Bursts of everything, minutes to weeks apart, up to kRecordedAt, some of it late."""

    def __init__(self, seed):
        super().__init__()
        self._random = random.Random(seed)
        pick = self._random.choice
        now, tenants = 0, ["acme", "globex"][:pick((1, 2))]
        for _ in range(pick((5, 20, 50))):
            now += pick((1, 20, 60, 600, kHour, 2 * kHour, kDay, kWeek))
            self._burst(now, pick(tenants), pick((1, 30, 60, 170, 280, 590, 1700, 3500)))
            if pick((True, False)):
                self.pass_time(now + pick((0, 60, kHour)), pick(tenants))
        for tenant in tenants:
            self.pass_time(now + 2 * kDay, tenant)
        last = max(row["event_time"] for row in self.rows)
        for row in self.rows:
            row["event_time"] -= (last - kRecordedAt) // datetime.timedelta(minutes=1) * datetime.timedelta(minutes=1)

    def _burst(self, begin, tenant, seconds):
        pick = self._random.choice
        few, kind, key = pick((1, 2, 5, 6, 25, 60)), pick(("used", "used", "auth_failed", None, "updated")), pick(("k-1", "k-2"))
        codes = pick(((200, 200, 500, 429), (None, 200, 399, 400, 429, 500, 599, 600)))
        for _ in range(pick((1, 3, 5, 9, 10, 15, 20, 30, 60, 100, 300))):
            action = kind or pick(("used", "auth_failed"))
            self.add(action, begin + self._random.uniform(0, seconds) - pick((0, 0, 0, 0, 0, 200, 400)), tenant=tenant,
                     key_id=key if action != "auth_failed" else pick((key, "k-3", None)),
                     user_id=pick((None, "u1", "u2", "u3", "u4", "u5")),
                     key_prefix=pick((None, "p1")), key_type=pick((*[None] * 20, "user", "service", "emergency", "integration", "other")),
                     client_ip=pick((None, "192.0.2.1", "::ffff:192.0.2.1", f"2001:db8::{pick(range(9))}", f"10.0.0.{pick(range(few))}")),
                     user_agent=pick((None, "a", "b")), response_code=pick(codes), response_bytes=pick((None, 5, 10**6, 10**7)),
                     request_path=pick((None, "/export/1", *[f"/r/{number}" for number in range(3 * few)])),
                     detail=pick((*[None] * 99, '{"rpm_limit": 5}')))


@pytest.mark.parametrize("seed", range(24))
def test_a_random_history_gives_the_rows_of_the_second_implementation(world, seed):
    history = RandomHistory(seed)
    expected = reference(history.rows)
    in_steps(world, history, *random.Random(seed).choice(((1,), (10**6,), (5, 1, 50, 2, 20))))
    assert in_the_table(world.owner) == expected


def test_the_random_histories_hold_most_conditions_and_late_events():
    """The others have tests of their own."""
    told = [(row["details"]["condition"], row["severity"]) for seed in range(24) for row in reference(RandomHistory(seed).rows).values()]
    assert len(told) > 500
    assert {condition for condition, _ in told} >= {"rpm_limit", "errors", "errors_day", "addresses", "emergency", "unusual", "failures",
                                                    "spray", "success", "exports", "burst"}
    assert any(judge_tenant([row | {name: microseconds(row[name]) for name in ("event_time", "recorded_at")}
                             for row in RandomHistory(seed).rows if row["tenant_id"] == "acme"])[1] for seed in range(4))
