"""Goal: each of the six rules finds what schemas/read-models.md says, from its threshold on and not below, and writes it down.

Method: a history of events, written into a leaf and judged as audit_writer, and what then stands in api_key_anomalies. Each
condition is tried at its threshold and one below, for every key type that has a threshold of its own.
"""

import hashlib
import ipaddress
import json
import uuid

import pytest
from key_histories import anomalies, at, clear, History, judge, kDay, kHour, kMinute, kWeek, steps, write

kRequests = {"user": 300, "integration": 300, "service": 1200, "system": 1200, "other": 1200, "emergency": 60, None: 1200}
kAddresses = {"user": 5, "integration": 20, "service": 50, "system": 50, "other": 50, "emergency": 5, None: 50}
kMiB = 2**20


class Judge:
    """One database for all tests of the module; a history takes the place of the one before."""

    def __init__(self, database):
        self._owner = database.connect()
        self._writer = database.connect("audit_writer")
        write(self._writer, [])

    def __call__(self, history, columns=None):
        clear(self._owner)
        write(self._writer, history.rows)
        judge(self._writer, steps(history.rows))
        return anomalies(self._owner, *([columns] if columns else []))


@pytest.fixture(scope="module")
def judged(shared_database):
    yield Judge(shared_database)
    shared_database.close()


def addresses(count):
    return [f"10.0.{number // 250}.{number % 250}" for number in range(count)]


def paths(count):
    return [f"/v1/files/{number}" for number in range(count)]


def until(seconds, history):
    return history.pass_time(seconds)


# --- each condition from its threshold on ------------------------------------------------------------------------


def requests(count, key_type):
    return until(kHour, History().use(0, count, 0.01, key_type=key_type))


def over_the_keys_limit(count):
    return until(kHour, History().add("updated", -kHour, key_id="k-1", detail='{"rpm_limit": 7}').use(0, count))


def over_the_usual(count, usual=20, more=0, minutes=60):
    """Half of the minutes before had `usual` requests, half of them `more` than that; one before those had many."""
    history = History().use(-kDay, 50, 0.5)
    for minute in range(minutes):
        history.use((minute - 2 * minutes) * 90, usual + more * (minute % 2), 0.5)
    return until(kHour, history.use(0, count, 0.05))


def errors(count, of=20):
    return until(kHour, History().use(0, of, 5, response_code=[500] * count + [200] * (of - count)))


def errors_of_a_day(count, of=200):
    return until(kDay, History().use(-12 * kHour, of, 401, response_code=([404] + [200] * 3) * count + [200] * (of - 4 * count)))


def from_addresses(count, key_type):
    return until(kHour, History().use(0, count, 10, client_ip=addresses(count), key_type=key_type))


def emergency(count):
    return until(kHour, History().use(0, 4, client_ip=addresses(count), user_agent=["a", "b"], key_type="emergency"))


def at_an_unusual_time(count, key_type):
    history = History().use(-15 * kDay - 3 * kHour, 100, 60, key_type=key_type, client_ip="10.0.0.1")
    return until(kDay, history.use(0, count, 60, client_ip="10.0.0.1"))


def bytes_of_an_hour(count, highest=1):
    history = History().use(-24 * kHour, 24, kHour, response_bytes=[highest, *[1] * 23])
    return until(kDay, history.use(0, 2, response_bytes=[count - 1, 1]))


def exports(count):
    return until(kDay, History().use(0, count, 60, request_path=["/exports", "/v1/download/7"]))


def resources(count):
    return until(kDay, History().use(0, 120, 29, request_path=paths(count)))


def burst(count):
    return until(kDay, History().use(0, 30, 5, request_path=paths(count)))


def failures(count, **subject):
    return until(kDay, History().fail(0, count, 59, **subject))


def sprayed(count, principals=5):
    users = [f"u-{number}" for number in range(principals)]
    return until(kDay, History().fail(0, count, 200, client_ip="192.0.2.1", user_id=users))


def success_behind(count):
    return until(kDay, History().fail(0, count, 60, key_id="k-1").use(20 * kMinute))


kConditions = [
    *[(requests, {"key_type": kind}, count, ("high_request_rate", "requests", "medium")) for kind, count in kRequests.items()],
    (over_the_keys_limit, {}, 8, ("high_request_rate", "rpm_limit", "medium")),
    (over_the_usual, {}, 100, ("high_request_rate", "baseline", "medium")),
    (over_the_usual, {"usual": 20, "more": 1}, 103, ("high_request_rate", "baseline", "medium")),
    (over_the_usual, {"usual": 11}, 60, ("high_request_rate", "baseline", "medium")),
    (errors, {}, 10, ("high_error_rate", "errors", "medium", 500, 500)),
    (errors_of_a_day, {}, 50, ("high_error_rate", "errors_day", "medium", 250, 250)),
    *[(from_addresses, {"key_type": kind}, count, ("multiple_ips", "addresses", "medium")) for kind, count in kAddresses.items()],
    (emergency, {}, 2, ("multiple_ips", "emergency", "high")),
    *[(at_an_unusual_time, {"key_type": kind}, 3, ("unusual_time", "unusual", "low")) for kind in ("user", "emergency")],
    (bytes_of_an_hour, {}, 100 * kMiB, ("data_exfiltration", "bytes", "high")),
    (bytes_of_an_hour, {"highest": 21 * kMiB}, 105 * kMiB, ("data_exfiltration", "bytes", "high")),
    (exports, {}, 10, ("data_exfiltration", "exports", "high")),
    (resources, {}, 100, ("data_exfiltration", "resources", "high")),
    (burst, {}, 25, ("data_exfiltration", "burst", "high")),
    *[(failures, {name: value}, 10, ("brute_force", "failures", "medium")) for name, value in (
        ("key_id", "k-1"), ("key_prefix", "muser_ab"), ("user_id", "u-1"), ("client_ip", "192.0.2.1"))],
    (sprayed, {}, 15, ("brute_force", "spray", "medium")),
    (success_behind, {}, 5, ("brute_force", "success", "critical")),
]


@pytest.mark.parametrize("make, how, threshold, found", kConditions,
                         ids=[f"{make.__name__}-{'-'.join(map(str, how.values()))}-{count}" for make, how, count, _ in kConditions])
def test_a_condition_holds_at_its_threshold_and_not_one_below(judged, make, how, threshold, found):
    assert judged(make(threshold - 1, **how)) == []
    assert judged(make(threshold, **how)) == [found if len(found) == 5 else (*found, threshold, threshold)]


@pytest.mark.parametrize("history", [
    errors(19, of=19), errors_of_a_day(49, of=199), sprayed(20, principals=4), over_the_usual(200, minutes=58),
    *[at_an_unusual_time(59, kind) for kind in ("service", "system", "other", "integration", None)],
], ids=["19 requests", "199 requests of a day", "4 principals", "59 minutes before", "service", "system", "other", "integration",
        "no type"])
def test_the_other_part_of_a_condition_is_missing(judged, history):
    assert judged(history) == []


def test_errors_of_a_day_are_held_against_the_requests_of_every_minute(judged):
    def history(good):
        """A hundred minutes with an error and nothing else, and requests that went well in minutes of their own."""
        return until(kDay, History().use(-12 * kHour, 100, 400, response_code=500).use(9.5, good, 20))

    assert judged(history(300)) == [("high_error_rate", "errors_day", "medium", 250, 250)]
    assert judged(history(301)) == []


@pytest.mark.parametrize("history, severities", [
    (requests(899, "user"), ["medium"]), (requests(900, "user"), ["high"]), (requests(3000, "user"), ["critical"]),
    (requests(179, "emergency"), ["medium"]), (requests(180, "emergency"), ["high"]), (requests(600, "emergency"), ["critical"]),
    (over_the_keys_limit(23), ["medium"]), (over_the_keys_limit(24), ["high"]), (over_the_keys_limit(80), ["critical"]),
    (over_the_usual(299), ["medium"]), (over_the_usual(300), ["high"]), (over_the_usual(1000), ["critical"]),
    (errors(15), ["medium"]), (errors(16), ["high"]),
    (until(kDay, History().use(-12 * kHour, 200, 401, response_code=[500] * 4 + [200])), ["high"]),
    (from_addresses(9, "user"), ["medium"]), (from_addresses(10, "user"), ["high"]), (from_addresses(100, "other"), ["high"]),
    (bytes_of_an_hour(300 * kMiB - 1), ["high"]), (bytes_of_an_hour(300 * kMiB), ["critical"]),
    (exports(29), ["high"]), (exports(30), ["critical"]),
    (until(kDay, History().use(0, 299, 11, request_path=paths(299))), ["high"]),
    (until(kDay, History().use(0, 300, 11, request_path=paths(300))), ["critical"]),
    (until(kHour, History().use(0, 74, 1, request_path=paths(74))), ["high"]),
    (until(kHour, History().use(0, 75, 1, request_path=paths(75))), ["critical"]),
    (until(kHour, History().fail(0, 29, 1, key_id="k-1")), ["medium"]),
    (until(kHour, History().fail(0, 30, 1, key_id="k-1")), ["high"]),
    (until(kDay, History().fail(0, 29, 120, client_ip="192.0.2.1", user_id=list("abcde"))), ["medium"]),
    (until(kDay, History().fail(0, 30, 119, client_ip="192.0.2.1", user_id=list("abcde"))), ["high"]),
], ids=lambda value: "-".join(value) if isinstance(value, list) else "")
def test_severity_rises_with_the_value(judged, history, severities):
    assert [row[2] for row in judged(history)] == severities


def test_of_several_conditions_the_worst_is_told_and_of_equals_the_first(judged):
    limited = History().add("updated", -kHour, key_id="k-1", key_type="user", detail='{"rpm_limit": 10}')
    assert judged(until(kHour, limited.use(0, 300, 0.1))) == [("high_request_rate", "rpm_limit", "critical", 300, 11)]
    limited = History().add("updated", -kHour, key_id="k-1", key_type="user", detail='{"rpm_limit": 299}')
    assert judged(until(kHour, limited.use(0, 300, 0.1))) == [("high_request_rate", "requests", "medium", 300, 300)]


# --- what counts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code, rate", [(None, 0), (200, 0), (399, 0), (400, 1000), (429, 0), (499, 1000), (599, 1000), (600, 0)])
def test_an_error_is_a_code_from_400_to_599_but_429(judged, code, rate):
    history = until(kHour, History().use(0, 60, response_code=code, key_type="emergency"))
    assert {(row[0], row[1]) for row in judged(history, "anomaly_type, error_rate")} == {
        ("high_request_rate", rate), *([("high_error_rate", rate)] if rate else [])}


@pytest.mark.parametrize("path, found", [
    ("/export", 1), ("/v1/exports/7", 1), ("/download", 1), ("/a/downloads", 1), ("downloads/a", 1), ("/exported", 0),
    ("/Export", 0), ("/my-export", 0), ("/exportss", 0), ("/a.export", 0), ("", 0), (None, 0)])
def test_an_export_has_a_segment_that_says_so(judged, path, found):
    assert len(judged(until(kDay, History().use(0, 10, request_path=path)))) == found


def test_addresses_are_hosts_of_ipv4_and_networks_of_ipv6(judged):
    same = ["2001:db8::1", "2001:db8:0:0:ffff::", "192.0.2.1", "::ffff:192.0.2.1", None]
    assert judged(until(kHour, History().use(0, 5, key_type="user", client_ip=same))) == []
    others = [*same, "2001:db8:0:1::1", "192.0.2.2", "::ffff:192.0.2.3"]
    assert judged(until(kHour, History().use(0, 8, key_type="user", client_ip=others))) == [
        ("multiple_ips", "addresses", "medium", 5, 5)]
    assert judged(until(kHour, History().fail(0, 10, client_ip=["2001:db8::2", "2001:db8::1", "2001:db8::10"])),
                  "subject, ip_address, unique_ips") == [("address", ipaddress.ip_address("2001:db8::1"), 1)]
    assert judged(until(kHour, History().fail(0, 10, client_ip=["::ffff:192.0.2.1", "192.0.2.1"])),
                  "subject, ip_address, unique_ips") == [("address", ipaddress.ip_address("192.0.2.1"), 1)]


def test_failures_against_one_principal_are_no_spray(judged):
    def sprayed_at(**columns):
        return judged(until(kDay, History().fail(0, 15, 200, client_ip="192.0.2.1", **columns)))

    five = [f"p-{number}" for number in range(5)]
    assert [row[1] for row in sprayed_at(key_prefix=five)] == ["spray"]
    assert [row[1] for row in sprayed_at(key_prefix=five, user_id="u-1")] == ["spray"]
    assert sprayed_at(key_prefix="p-1", user_id=five) == []
    assert sprayed_at(key_id="k-1", key_prefix=five, user_id=five) == []
    assert sprayed_at(user_id=[*five[:4], None]) == []  # who names none has none
    kinds_apart = {"key_id": ["x", None, None], "key_prefix": [None, "x", None], "user_id": [None, None, "x", "y", "z"]}
    assert len(sprayed_at(**kinds_apart)) == 1


def test_a_success_counts_only_behind_the_fifth_failure_of_the_window(judged):
    def tried(failed, seconds, **columns):
        history = History().fail(0, failed, 1, key_id="k-1").use(seconds, **columns)
        return [row[1] for row in judged(until(kDay, history))]

    assert tried(4, 60) == []
    assert tried(5, 60) == ["success"]
    assert tried(5, 4) == ["success"]  # at the fifth's time, with a higher seq
    assert tried(5, 3.999) == []
    assert tried(5, 30 * kMinute - 1, response_code=399) == ["success"]
    assert tried(5, 30 * kMinute) == []  # the next window's
    assert tried(5, 60, response_code=400) == []
    before = History().use(4, key_id="k-1").fail(0, 5, 1, key_id="k-1")
    assert judged(until(kDay, before)) == []  # at the fifth's time, with a lower seq
    assert judged(until(kDay, History().fail(0, 7, 1, key_id="k-1").use(4.5))) == [("brute_force", "success", "critical", 7, 5)]


def test_the_last_success_of_a_minute_stands_for_the_others(judged):
    def mixed():
        history = History().fail(0, key_id="k-1")
        for second in range(1, 5):
            history.use(second, 3, 0.1).fail(second + 0.5, key_id="k-1")
        return history

    assert judged(until(kDay, mixed())) == []
    assert [row[1] for row in judged(until(kDay, mixed().use(5, 2)))] == ["success"]


@pytest.mark.parametrize("name, value", [("key_prefix", "muser_ab"), ("user_id", "u-1"), ("client_ip", "192.0.2.1")])
def test_a_success_counts_for_the_same_prefix_user_or_address(judged, name, value):
    history = History().fail(0, 5, 1, **{name: value}).use(60, **{name: value})
    assert judged(until(kDay, history)) == [("brute_force", "success", "critical", 5, 5)]
    assert judged(until(kDay, History().fail(0, 5, 1, **{name: value}).use(60, **{name: "192.0.2.2"}))) == []


def test_type_and_limit_are_those_said_last_before_the_windows_end(judged):
    history = History().add("created", -kHour, key_id="k-1", key_type="emergency", detail='{"rpm_limit": 50}')
    history.add("updated", 59, key_id="k-1", key_type="service", detail='{"rpm_limit": 80}').use(0, 70, 0.1)
    history.use(60, 60, 0.1).add("updated", 3 * kMinute, key_id="k-1", key_type="emergency").use(4 * kMinute, 60, 0.1)
    assert judged(until(kHour, history), "window_start, details ->> 'condition', details ->> 'threshold'") == [
        (at(4 * kMinute), "requests", "60")]
    unsaid = History().add("created", -kHour, key_id="k-1", key_type="emergency").use(0, 60).add("updated", 30, key_id="k-1")
    assert [row[1] for row in judged(until(kHour, unsaid))] == ["requests"]


def test_the_later_event_says_the_type_and_not_the_later_row(judged):
    history = History().add("updated", 30, key_id="k-1", key_type="service").use(0, 60, 0.1, key_type="emergency")
    assert judged(until(kHour, history)) == []


# --- unusual_time -------------------------------------------------------------------------------------------------


kRegularWeek = 2.5


def regular(requests=100, first=-15 * kDay - 3 * kHour, history=None):
    """The key had its requests at one time, at which nothing is judged here."""
    return (history or History()).use(first, requests, 1, key_type="user", client_ip="10.0.0.1")


def test_a_key_has_14_days_and_100_requests_of_history(judged):
    def fires(history):
        return [row[1] for row in judged(until(kDay, history.use(0, 3, client_ip="10.0.0.1")))] == ["unusual"]

    assert fires(regular(first=-14 * kDay))
    assert not fires(regular(first=-14 * kDay + 0.000001))
    assert not fires(regular(requests=99))
    assert not fires(regular(requests=99).add("updated", -kHour, key_id="k-1"))
    assert fires(History().add("created", -14 * kDay, key_id="k-1", key_type="user").use(-kHour, 100))


@pytest.mark.parametrize("weeks, usual", [((), False), ((1, 12), False), ((1, 2, 12), True), ((1, 2, 13), False)])
def test_an_hour_of_the_week_that_three_of_twelve_weeks_used_is_usual(judged, weeks, usual):
    history = History()
    for week in sorted({*weeks, kRegularWeek}, reverse=True):
        if week == kRegularWeek:
            regular(history=history)
        else:
            history.use(-week * kWeek + kHour - 1, key_type="user", client_ip="10.0.0.1")
    assert (judged(until(kDay, history.use(0, 3, client_ip="10.0.0.1"))) == []) == usual


def test_an_address_that_is_new_makes_it_worse(judged):
    def severity(history):
        return [row[2] for row in judged(until(kDay, history)) if row[0] == "unusual_time"]

    assert severity(regular().use(0, 3, client_ip=["10.0.0.1", "10.0.0.9"])) == ["medium"]
    assert severity(regular().use(-kMinute, client_ip="10.0.0.9").use(0, 3, client_ip="10.0.0.9")) == ["low"]
    assert severity(regular().fail(-kMinute, key_id="k-1", client_ip="10.0.0.9").use(0, 3, client_ip="10.0.0.9")) == ["medium"]
    assert severity(regular().use(0, 3)) == ["low"]
    assert severity(regular().use(0, 3, client_ip="10.0.0.1").use(40 * kMinute, client_ip="10.0.0.9")) == ["medium"]


# --- data_exfiltration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours, first, found", [(23, 1, 0), (24, 1, 1), (168, 90 * kMiB, 0), (169, 90 * kMiB, 1)])
def test_bytes_are_measured_against_the_168_hours_before(judged, hours, first, found):
    history = History().use(-hours * kHour, hours, kHour, response_bytes=[first, *[1] * (hours - 1)])
    assert len(judged(until(kDay, history.use(0, response_bytes=100 * kMiB)))) == found


# --- the row ------------------------------------------------------------------------------------------------------


def identity(*texts):
    lines = "".join(f"{text}\n" for text in ("sealstream/anomaly/v1", *texts))
    return uuid.UUID(bytes=hashlib.sha256(lines.encode()).digest()[:16])


def epoch(seconds):
    return int(at(seconds).timestamp())


kRow = ("anomaly_id, tenant_id, anomaly_type, severity, subject, key_id, key_prefix, user_id, host(ip_address), window_start, window_end,"
        " created_at, request_count, error_count, error_rate, unique_ips, judged_seq, resolved, resolved_at, resolved_by")


def test_a_row_counts_what_the_key_did_in_the_window(judged):
    history = History().add("created", 0.1, key_id="k-1", key_type="user").use(0.2, key_id="k-2")
    history.use(0.3, 30, 1, request_path=paths(30), response_code=[500, 200, 200], client_ip=addresses(4), user_id="u-1")
    history.fail(40, key_id="k-1", client_ip="192.0.2.99").use(0, response_code=200, request_path=None)
    history.pass_time(2 * kMinute).pass_time(3 * kMinute).pass_time(3 * kMinute + 1)
    assert judged(history, kRow) == [(
        identity("acme", "data_exfiltration", 180, epoch(0), 1, "key", "k-1"), "acme", "data_exfiltration", "high", "key",
        "k-1", None, None, None, at(0), at(180), at(180), 31, 10, 322, 4, 35, False, None, None)]
    assert judged(history, "details") == [({"condition": "burst", "value": 30, "threshold": 25, "thresholds_version": 1,
                                            "window_seconds": 180, "first_seq": 0, "last_seq": 33},)]


@pytest.mark.parametrize("kind, columns", [
    ("key", {"key_id": "k-1"}), ("prefix", {"key_prefix": "muser_ab"}), ("user", {"user_id": "u-1"}),
    ("address", {"client_ip": "192.0.2.1"})])
def test_a_row_of_failures_names_its_subject_and_no_other(judged, kind, columns):
    history = History().use(0, key_id="k-9").fail(0, 9, 1, **columns).fail(600 - 1, **columns).use(60, **columns, response_code=401)
    assert judged(history.pass_time(600), kRow) == [(
        identity("acme", "brute_force", 600, epoch(0), 1, kind, "k-1" if kind == "key" else 1), "acme", "brute_force", "medium", kind,
        columns.get("key_id"), columns.get("key_prefix"), columns.get("user_id"), columns.get("client_ip"), at(0), at(600), at(600),
        0, 10, 0, int(kind == "address"), 12, False, None, None)]
    assert judged(history, "details") == [({"condition": "failures", "value": 10, "threshold": 10, "thresholds_version": 1,
                                            "window_seconds": 600, "first_seq": 1, "last_seq": 10},)]


def test_distinct_addresses_are_counted_in_windows_of_every_length(judged):
    history = History().use(0, 60, 1, key_type="emergency", client_ip=addresses(3), response_code=500)
    history.use(2 * kMinute, 60, 1, client_ip=addresses(4)[1:], response_code=500, request_path=paths(30))
    history.use(3 * kHour, 200, 1, client_ip=addresses(60)[50:], response_code=500, key_type="other")
    assert set(judged(until(kDay, history), "details ->> 'window_seconds', window_start, unique_ips")) == {
        ("60", at(0), 3), ("60", at(2 * kMinute), 3), ("180", at(0), 4), ("300", at(0), 4), ("300", at(3 * kHour), 10),
        ("86400", at(-12 * kHour), 14)}


def test_no_personal_value_stands_in_what_an_erasure_leaves(judged):
    history = History().fail(0, 10, 1, user_id="ada@example.org", client_ip="192.0.2.77", key_prefix="muser_ab")
    for row in judged(until(kHour, history), "anomaly_id::text, subject, details"):
        assert "ada" not in json.dumps(row) and "192.0.2.77" not in json.dumps(row)
