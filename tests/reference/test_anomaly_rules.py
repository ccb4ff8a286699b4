"""Goal: the second implementation of the six rules says what schemas/read-models.md says, for each rule at its threshold and
one below.

Method: events of keys by hand, literal expectations. A last event, far behind, closes all windows. No server.
"""

import json
from ipaddress import ip_address

import pytest

from anomaly_rules import VERSION_1, Version, identity, judge_tenant

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONDAY = 1_790_553_600_000_000  # 2026-09-28T00:00:00Z
NOON = MONDAY + 12 * HOUR


class History:
    """Events of one tenant in the order of their chain."""

    def __init__(self):
        self.rows = []

    def add(self, action, time, count=1, step=0, detail=None, family="api_key", recorded_at=MONDAY + 365 * DAY, **columns):
        """count events, step apart. A value that is a list gives each event one of its items."""
        for number in range(count):
            values = {name: value[number % len(value)] if isinstance(value, list) else value for name, value in columns.items()}
            self.rows.append({"tenant_id": "acme", "seq": len(self.rows), "family": family, "action": action,
                              "event_time": time + number * step, "recorded_at": recorded_at, **values})
            if detail is not None:
                self.rows[-1]["detail"] = json.dumps(detail)
        return self

    def use(self, time, count=1, step=0, key_id="k-1", **columns):
        return self.add("used", time, count, step, key_id=key_id, **columns)

    def fail(self, time, count=1, step=0, **columns):
        return self.add("auth_failed", time, count, step, **columns)

    def until(self, time):
        """A row of another family that brings the watermark there."""
        return self.add("login", time + 5 * MINUTE, family="auth")

    def judged(self, versions=(VERSION_1,)):
        """What is found when everything has closed."""
        return judge_tenant(self.until(MONDAY + 300 * DAY).rows, versions)[0]

    def said(self):
        """(condition, severity, value, threshold) of all that is found, by type."""
        return sorted((row["details"]["condition"], row["severity"], row["details"]["value"], row["details"]["threshold"])
                      for row in self.judged())


@pytest.fixture
def history():
    return History()


def addresses(count):
    return [f"192.0.2.{number}" for number in range(count)]


def paths(count):
    return [f"/v1/documents/{number}" for number in range(count)]


# --- high_request_rate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type, threshold", [
    ("user", 300), ("integration", 300), ("service", 1200), ("system", 1200), ("other", 1200), (None, 1200), ("emergency", 60)])
def test_requests_of_a_minute_by_type(key_type, threshold):
    assert History().use(NOON, threshold - 1, key_type=key_type).said() == []
    assert History().use(NOON, threshold, key_type=key_type).said() == [("requests", "medium", threshold, threshold)]


@pytest.mark.parametrize("requests, severity", [(179, "medium"), (180, "high"), (599, "high"), (600, "critical")])
def test_a_higher_rate_is_worse(history, requests, severity):
    assert history.use(NOON, requests, key_type="emergency").said() == [("requests", severity, requests, 60)]


def test_requests_over_the_keys_own_limit(history):
    history.add("created", NOON - DAY, key_id="k-1", detail={"rpm_limit": 7}).use(NOON, 7).use(NOON + MINUTE, 8)
    history.use(NOON + 2 * MINUTE, 24)
    assert history.said() == [("rpm_limit", "high", 24, 8), ("rpm_limit", "medium", 8, 8)]


def test_the_limit_is_that_of_the_latest_event_before_the_windows_end(history):
    history.use(NOON + 59 * SECOND, 5, detail={"rpm_limit": 4}).use(NOON + MINUTE, detail={"rpm_limit": 9})
    history.use(NOON, detail={"rpm_limit": 100})
    assert history.said() == [("rpm_limit", "medium", 6, 5)]


def test_five_times_the_median_of_the_last_60_minutes_with_requests():
    def quiet(minutes):
        history = History()
        for number in range(minutes):
            history.use(NOON - 2 * (minutes - number) * MINUTE, 15 if number % 2 else 20)
        return history

    assert quiet(60).use(NOON, 87).said() == []
    assert quiet(60).use(NOON, 88).said() == [("baseline", "medium", 88, 88)]  # 5 × 17.5 = 87.5
    assert quiet(59).use(NOON, 88).said() == []


def test_a_baseline_is_never_below_60_requests_and_only_the_last_60_minutes_count():
    history = History().use(NOON - 200 * MINUTE, 60, MINUTE, key_id="k-1")
    for number in range(60):
        history.use(NOON - (60 - number) * MINUTE, 2)
    assert History().use(NOON, 59).said() == []
    assert history.use(NOON, 60).said() == [("baseline", "medium", 60, 60)]


def test_of_equal_conditions_the_first_in_the_table_is_written(history):
    history.use(NOON, 300, key_type="user", detail={"rpm_limit": 150})
    assert history.said() == [("requests", "medium", 300, 300)]


def test_of_several_conditions_the_worst_is_written(history):
    history.use(NOON, 300, key_type="user", detail={"rpm_limit": 99})
    assert history.said() == [("rpm_limit", "high", 300, 100)]


# --- high_error_rate ---------------------------------------------------------------------------------------------


def test_errors_of_five_minutes():
    assert History().use(NOON, 19, response_code=500).said() == []
    assert History().use(NOON, 20, response_code=[500, 200]).said() == [("errors", "medium", 500, 500)]
    assert History().use(NOON, 21, response_code=[200, 500]).said() == []  # 10 of 21
    assert History().use(NOON, 20, response_code=[400, 599, 404, 401, 200]).said() == [("errors", "high", 800, 500)]
    assert History().use(NOON, 24, response_code=[500] * 19 + [200] * 5).said() == [("errors", "medium", 791, 500)]


def test_429_and_no_answer_are_no_errors():
    assert History().use(NOON, 20, response_code=[429, 399, None, 600]).said() == []


def test_errors_of_a_day():
    assert History().use(NOON, 199, 5 * MINUTE // 10, response_code=[500, 200, 200, 200]).said() == []
    assert History().use(MONDAY, 200, 5 * MINUTE // 10, response_code=[500, 200, 200, 200]).said() == [
        ("errors_day", "medium", 250, 250)]
    assert History().use(MONDAY, 204, 5 * MINUTE // 10, response_code=[200, 200, 200, 500]).said()
    assert History().use(MONDAY, 203, 5 * MINUTE // 10, response_code=[200, 200, 200, 500]).said() == []  # 246 ‰


# --- multiple_ips ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type, threshold", [
    ("user", 5), ("emergency", 5), ("integration", 20), ("service", 50), ("system", 50), ("other", 50), (None, 50)])
def test_addresses_of_half_an_hour_by_type(key_type, threshold):
    few, many = addresses(threshold - 1), addresses(threshold)
    assert History().use(NOON, 60, 25 * SECOND, client_ip=few, key_type=key_type).said() == []
    assert History().use(NOON, 60, 25 * SECOND, client_ip=many, key_type=key_type).said() == [
        ("addresses", "medium", threshold, threshold)]


def test_twice_as_many_addresses_are_worse():
    assert History().use(NOON, 9, client_ip=addresses(9), key_type="user").said() == [("addresses", "medium", 9, 5)]
    assert History().use(NOON, 10, client_ip=addresses(10), key_type="user").said() == [("addresses", "high", 10, 5)]


def test_an_emergency_key_from_two_addresses_with_two_agents():
    two = {"client_ip": addresses(2), "key_type": "emergency"}
    assert History().use(NOON, 4, user_agent="curl", **two).said() == []
    assert History().use(NOON, 4, user_agent=["curl", None], **two).said() == []
    assert History().use(NOON, 4, user_agent=["curl", "wget"], **two).said() == [("emergency", "high", 2, 2)]
    assert History().use(NOON, 4, user_agent=["curl", "wget"], client_ip=addresses(2), key_type="user").said() == []


def test_networks_of_ipv6_and_mapped_ipv4_are_one_address():
    same = ["2001:db8::1", "2001:db8:0:0:ffff::", "192.0.2.1", "::ffff:192.0.2.1", None]
    assert History().use(NOON, 5, key_type="user", client_ip=same).judged() == []
    found, = History().use(NOON, 6, key_type="user", client_ip=[*same[:3], "2001:db8:0:1::", "192.0.2.2", "192.0.2.3"]).judged()
    assert (found["details"]["condition"], found["unique_ips"], found["ip_address"]) == ("addresses", 5, None)


def test_distinct_values_are_counted_up_to_4096(history):
    history.use(NOON, 5000, MINUTE * 30 // 5000, client_ip=[f"10.0.{number // 250}.{number % 250}" for number in range(5000)])
    assert history.said() == [("addresses", "high", 4096, 50)]


# --- unusual_time ------------------------------------------------------------------------------------------------


def regular(requests=100, first=NOON - 14 * DAY, key_type="user"):
    """A key that had its requests at one time only."""
    return History().use(first, requests, key_type=key_type, client_ip="192.0.2.1")


def test_three_requests_in_an_hour_that_was_not_used_before():
    assert regular(first=NOON - 15 * DAY).use(NOON, 2, client_ip="192.0.2.1").said() == []
    assert regular(first=NOON - 15 * DAY).use(NOON, 3, client_ip="192.0.2.1").said() == [("unusual", "low", 3, 3)]
    assert regular(first=NOON - 15 * DAY, key_type="emergency").use(NOON, 3).said()[-1] == ("unusual", "low", 3, 3)
    assert regular(first=NOON - 15 * DAY, key_type="service").use(NOON, 3).said() == []


def test_a_key_has_14_days_and_100_requests_of_history():
    assert regular(first=NOON - 14 * DAY).use(NOON, 3, client_ip="192.0.2.1").said() == [("unusual", "low", 3, 3)]
    assert regular(first=NOON - 14 * DAY + 1).use(NOON, 3).said() == []
    assert regular(requests=99).use(NOON, 3).said() == []
    assert regular(requests=99).add("updated", NOON - HOUR, key_id="k-1").use(NOON, 3).said() == []


def test_an_hour_of_the_week_that_three_of_twelve_weeks_used_is_usual():
    def weeks(*numbers):
        history = regular(first=NOON - 15 * DAY)
        for week in numbers:
            history.rows.insert(0, {})
            history.rows[0] = History().use(NOON - week * 7 * DAY + 59 * MINUTE, client_ip="192.0.2.1").rows[0]
        for seq, row in enumerate(history.rows):
            row["seq"] = seq
        history.rows.sort(key=lambda row: row["event_time"])
        return history.use(NOON, 3, client_ip="192.0.2.1").said()

    assert weeks(1, 12) == [("unusual", "low", 3, 3)]
    assert weeks(1, 2, 12) == []
    assert weeks(1, 2, 13) == [("unusual", "low", 3, 3)]


def test_an_address_that_is_new_makes_it_worse():
    assert regular().use(NOON, 3, client_ip=["192.0.2.1", "192.0.2.9"]).said() == [("unusual", "medium", 3, 3)]
    assert regular().use(NOON - MINUTE, client_ip="192.0.2.9").use(NOON, 3, client_ip="192.0.2.9").said() == [
        ("unusual", "low", 3, 3)]
    assert regular().fail(NOON - MINUTE, key_id="k-1", client_ip="192.0.2.9").use(NOON, 3, client_ip="192.0.2.9").said() == [
        ("unusual", "medium", 3, 3)]
    assert regular().use(NOON, 3).said() == [("unusual", "low", 3, 3)]


def test_the_hour_behind_sunday_is_that_of_monday():
    assert regular(first=MONDAY - 15 * DAY).use(MONDAY, 3, client_ip="192.0.2.1").judged()[0]["window_start"] == MONDAY


# --- brute_force -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, columns", [
    ("key", {"key_id": "k-1"}), ("prefix", {"key_prefix": "muser_ab"}), ("user", {"user_id": "u-1"}),
    ("address", {"client_ip": "192.0.2.1"})])
def test_failures_of_ten_minutes_by_subject(kind, columns):
    assert History().fail(NOON, 9, MINUTE, **columns).judged() == []
    found, = History().fail(NOON, 10, MINUTE - 1, **columns).judged()
    assert {name: found[name] for name in ("anomaly_type", "severity", "subject", "key_id", "key_prefix", "user_id", "ip_address",
                                           "request_count", "error_count", "error_rate", "unique_ips")} == {
        "anomaly_type": "brute_force", "severity": "medium", "subject": kind, "key_id": columns.get("key_id"),
        "key_prefix": columns.get("key_prefix"), "user_id": columns.get("user_id"),
        "ip_address": ip_address("192.0.2.1") if kind == "address" else None, "request_count": 0, "error_count": 10,
        "error_rate": 0, "unique_ips": int(kind == "address")}


def test_thirty_failures_are_worse():
    assert History().fail(NOON, 29, key_id="k-1").said() == [("failures", "medium", 29, 10)]
    assert History().fail(NOON, 30, key_id="k-1").said() == [("failures", "high", 30, 10)]


def test_one_address_against_many_principals():
    def sprayed(count, **columns):
        return History().fail(NOON, count, 4 * MINUTE - 1, client_ip="192.0.2.1", **columns).said()

    assert sprayed(14, user_id=["a", "b", "c", "d", "e"]) == []
    assert sprayed(15, user_id=["a", "b", "c", "d"]) == []
    assert sprayed(15, user_id=["a", "b", "c", "d", "e"]) == [("spray", "medium", 15, 15)]
    assert sprayed(15, user_id=["a", "b", "c", "d", None]) == []
    assert sprayed(15, user_id=["a", "b", "c", "d", "a"], key_id=[None, None, None, None, "a"]) == [("spray", "medium", 15, 15)]
    assert sprayed(15, user_id=["a", "b", "c", "d", "e"], key_prefix="muser_ab") == []


def test_an_address_is_told_by_its_lowest_and_counts_once():
    clients = ["2001:db8::2", "2001:db8::1", "2001:db8::10"]
    found, = History().fail(NOON, 10, client_ip=clients).judged()
    assert (found["ip_address"], found["unique_ips"]) == (ip_address("2001:db8::1"), 1)
    found, = History().fail(NOON, 10, client_ip=["::ffff:192.0.2.1", "192.0.2.1"]).judged()
    assert found["ip_address"] == ip_address("192.0.2.1")


def test_a_success_behind_the_fifth_failure():
    def tried(failures, after, **columns):
        return History().fail(NOON, failures, SECOND, key_id="k-1").use(NOON + after, **columns).said()

    assert tried(4, MINUTE) == []
    assert tried(5, MINUTE) == [("success", "critical", 5, 5)]
    assert tried(5, 4 * SECOND) == [("success", "critical", 5, 5)]  # at the fifth's time, with a higher seq
    assert tried(5, 4 * SECOND - 1) == []
    assert tried(5, 30 * MINUTE - 1, response_code=399) == [("success", "critical", 5, 5)]
    assert tried(5, 30 * MINUTE) == []  # the next window's
    assert tried(5, MINUTE, response_code=400) == []
    assert tried(7, 4 * SECOND) == [("success", "critical", 7, 5)]


@pytest.mark.parametrize("name, value", [("key_prefix", "muser_ab"), ("user_id", "u-1"), ("client_ip", "192.0.2.1")])
def test_a_success_counts_for_the_same_prefix_user_or_address(name, value):
    history = History().fail(NOON, 5, **{name: value}).use(NOON + MINUTE, **{name: value})
    assert history.said() == [("success", "critical", 5, 5)]
    assert History().fail(NOON, 5, **{name: value}).use(NOON + MINUTE, **{name: "192.0.2.2"}).said() == []


# --- data_exfiltration -------------------------------------------------------------------------------------------


def test_response_bytes_of_an_hour():
    def hours(count, highest, volume):
        history = History()
        for number in range(count):
            history.use(NOON - (count - number) * HOUR, response_bytes=1 if number else highest)
        return history.use(NOON, 2, response_bytes=[volume - 1, 1]).said()

    mib = 2**20
    assert hours(24, 1, 100 * mib - 1) == []
    assert hours(24, 1, 100 * mib) == [("bytes", "high", 100 * mib, 100 * mib)]
    assert hours(23, 1, 100 * mib) == []
    assert hours(24, 21 * mib, 105 * mib - 1) == []
    assert hours(24, 21 * mib, 105 * mib) == [("bytes", "high", 105 * mib, 105 * mib)]
    assert hours(24, 1, 300 * mib) == [("bytes", "critical", 300 * mib, 100 * mib)]
    assert hours(168, 90 * mib, 100 * mib) == []
    assert hours(169, 90 * mib, 100 * mib) == [("bytes", "high", 100 * mib, 100 * mib)]


def test_exports_of_an_hour():
    for path in ("/export", "/v1/exports/7", "/download", "/a/downloads"):
        assert History().use(NOON, 9, request_path=path).said() == []
        assert History().use(NOON, 10, request_path=path).said() == [("exports", "high", 10, 10)]
        assert History().use(NOON, 30, request_path=path).said() == [("exports", "critical", 30, 10)]
    for path in ("/exported", "/Export", "/my-export", None):
        assert History().use(NOON, 10, request_path=path).said() == []


def test_distinct_resources_of_an_hour():
    assert History().use(NOON, 200, 18 * SECOND - 1, request_path=paths(99)).said() == []
    assert History().use(NOON, 200, 18 * SECOND - 1, request_path=paths(100)).said() == [("resources", "high", 100, 100)]
    assert History().use(NOON, 300, 12 * SECOND - 1, request_path=paths(300)).said() == [("resources", "critical", 300, 100)]


def test_distinct_resources_of_three_minutes():
    assert History().use(NOON, 50, request_path=paths(24)).said() == []
    assert History().use(NOON, 50, request_path=paths(25)).said() == [("burst", "high", 25, 25)]
    assert History().use(NOON, 75, request_path=paths(75)).said() == [("burst", "critical", 75, 25)]
    assert History().use(NOON + 3 * MINUTE - 1, 25, 1, request_path=paths(25)).said() == []  # one before the boundary


# --- time --------------------------------------------------------------------------------------------------------


def test_an_event_on_a_boundary_belongs_to_the_new_window():
    assert History().use(NOON - 1).use(NOON, 59, key_type="emergency").said() == []
    found, = History().use(NOON, 60, key_type="emergency").judged()
    assert (found["window_start"], found["window_end"], found["created_at"]) == (NOON, NOON + MINUTE, NOON + MINUTE)


def test_a_window_closes_when_the_watermark_reaches_its_end(history):
    history.use(NOON, 60, key_type="emergency").until(NOON + MINUTE - 1)
    assert judge_tenant(history.rows) == ([], 0)
    found, = judge_tenant(history.until(NOON + MINUTE).rows)[0]
    assert found["judged_seq"] == 61
    assert judge_tenant(history.until(NOON + 2 * MINUTE).rows)[0] == [found]


def test_what_finds_its_minute_closed_is_late_and_judged_by_no_rule(history):
    history.use(NOON, 59, key_type="emergency").until(NOON + MINUTE).use(NOON + MINUTE - 1).use(NOON + MINUTE)
    history.add("created", NOON, key_id="k-2").add("login", NOON, family="auth")
    assert judge_tenant(history.rows) == ([], 2)
    history = History().use(NOON, 59, key_type="emergency").until(NOON + MINUTE - 1).use(NOON + MINUTE - 1)
    assert [row["request_count"] for row in history.judged()] == [60]


def test_a_minute_is_closed_by_the_rows_before_and_not_by_the_row_itself(history):
    history.use(NOON, 60, key_type="emergency", recorded_at=NOON).use(NOON + 6 * MINUTE, key_type="emergency")
    found, = judge_tenant(history.rows)[0]
    assert found["judged_seq"] == 60


def test_tomorrow_closes_nothing_before_it_is_recorded(history):
    history.use(NOON, 59, key_type="emergency").until(NOON + DAY)
    history.rows[-1]["recorded_at"] = NOON + MINUTE
    history.use(NOON)
    assert [row["request_count"] for row in history.judged()] == [60]


def test_a_tombstone_closes_windows_too(history):
    history.use(NOON, 60, key_type="emergency").add("schema", NOON + HOUR, family="quarantined")
    assert len(judge_tenant(history.rows)[0]) == 1


def test_the_order_inside_the_lateness_changes_no_row_but_its_seqs():
    times = [NOON + number * SECOND for number in range(60)]
    found = [History().judged()]
    for order in (times, times[::-1], times[30:] + times[:30]):
        history = History()
        for time in order:
            history.use(time, key_type="emergency", client_ip="192.0.2.1")
        found.append([row | {"details": row["details"] | {"first_seq": 0, "last_seq": 0}} for row in history.judged()])
    assert found[0] == [] and found[1] == found[2] == found[3] != []


# --- rows --------------------------------------------------------------------------------------------------------


def test_a_row_counts_what_the_key_did_in_the_window(history):
    history.add("created", NOON + 1, key_id="k-1", key_type="user").use(NOON + 2, key_id="k-2")
    history.use(NOON + 3, 30, SECOND, request_path=paths(30), response_code=[500, 200, 200], client_ip=addresses(4))
    history.fail(NOON + 4, key_id="k-1", client_ip="192.0.2.99").use(NOON, response_code=200)
    found, = history.judged()
    assert found == {
        "tenant_id": "acme", "anomaly_type": "data_exfiltration", "severity": "high", "subject": "key",
        "anomaly_id": identity("acme", "data_exfiltration", 180, NOON // SECOND, 1, "key", "k-1"), "key_id": "k-1",
        "key_prefix": None, "user_id": None, "ip_address": None, "window_start": NOON, "window_end": NOON + 3 * MINUTE,
        "created_at": NOON + 3 * MINUTE, "judged_seq": 34, "resolved": False, "resolved_at": None, "resolved_by": None,
        "request_count": 31, "error_count": 10, "error_rate": 322, "unique_ips": 4,
        "details": {"condition": "burst", "value": 30, "threshold": 25, "thresholds_version": 1, "window_seconds": 180,
                    "first_seq": 0, "last_seq": 33}}


def test_the_identity_is_made_of_names_and_no_personal_value(history):
    # printf 'sealstream/anomaly/v1\nacme\nbrute_force\n600\n1790596800\n1\nuser\n1\n' | sha256sum
    found, = history.use(NOON, key_id="k-9").fail(NOON, 10, user_id="ada").judged()
    assert found["anomaly_id"] == "2fecb182-58cc-2ddb-051d-c80acc54211d"


def test_the_thresholds_of_a_windows_start_count(history):
    stricter = Version(2, NOON, {name: values | {"requests_per_minute": 10} for name, values in VERSION_1.by_type.items()})
    history.use(NOON - MINUTE, 10).use(NOON, 10)
    found, = history.judged([VERSION_1, stricter])
    assert (found["window_start"], found["details"]["threshold"], found["details"]["thresholds_version"]) == (NOON, 10, 2)


def test_the_first_resolve_behind_the_row_that_closed_the_window_resolves(history):
    anomaly_id = identity("acme", "high_request_rate", 60, NOON // SECOND, 1, "key", "k-1")

    def resolve(time, user, action="resolve", **changes):
        history.add(action, time, **{"family": "admin", "resource_type": "api_key_anomaly", "resource_id": anomaly_id,
                                        "user_id": user, **changes})

    resolve(NOON, "too early")
    history.use(NOON, 60, key_type="emergency")
    resolve(NOON + 10 * MINUTE, "the row that closes")
    resolve(NOON + 11 * MINUTE, "of another", resource_id="no uuid")
    resolve(NOON + 11 * MINUTE, "of another type", resource_type="anomaly")
    resolve(NOON + 11 * MINUTE, "of another action", action="update")
    assert [row["resolved"] for row in history.judged()] == [False]
    resolve(NOON + 2, "ada")
    resolve(NOON + 1, "bob")
    found, = history.judged()
    assert (found["resolved"], found["resolved_at"], found["resolved_by"]) == (True, NOON + 2, "ada")
