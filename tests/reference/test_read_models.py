"""Goal: the second implementation of usage_records and api_keys says what schemas/read-models.md says.

Method: rows of the ledger by hand, literal expectations. No server.
"""

import json
from decimal import Decimal
from ipaddress import ip_address

import pytest

from read_models import keys, read_models, rows_of_log, usage
from samples import MemoryLog

HOUR = 3_600_000_000
DAY = 24 * HOUR
NOON = 1_790_942_400_000_000  # 2026-10-02T12:00:00Z


class Chain:
    """Rows of one tenant, one after the other."""

    def __init__(self, tenant="acme"):
        self.tenant, self.rows = tenant, []

    def add(self, family, action, time, **columns):
        self.rows.append({"tenant_id": self.tenant, "seq": len(self.rows), "family": family, "action": action,
                          "event_time": time, "recorded_at": NOON + DAY, "actor_type": "user", "user_id": "u-1",
                          "status": "success", **columns})
        return self

    def key(self, action, time, detail=None, personal=None, key_id="k-1", **columns):
        if detail is not None:
            columns["detail"] = json.dumps(detail)
        if personal is not None:
            columns["personal_detail"] = json.dumps({"data": personal})
        return self.add("api_key", action, time, key_id=key_id, **columns)

    def call(self, time=NOON, **columns):
        return self.add("llm_call", "completed", time, **{"operation": "chat", "provider": "openai", "model": "gpt", **columns})


@pytest.fixture
def chain():
    return Chain()


def only(rows):
    assert len(rows) == 1
    return next(iter(rows.values()))


# --- usage_records -----------------------------------------------------------------------------------------------


def test_calls_of_an_hour_are_one_row(chain):
    chain.call(NOON, input_tokens=10, output_tokens=20, total_tokens=33, cache_read_tokens=1, cache_write_tokens=2,
               reasoning_tokens=3, cost_usd="0.1", department_id="d-1", route="eu")
    chain.call(NOON + HOUR - 1, input_tokens=1, output_tokens=1, total_tokens=2, cost_usd="0.000000000001", status="failure",
               department_id="d-1", route="eu")
    assert usage(chain.rows) == {("acme", "d-1", "u-1", "openai", "gpt", "eu", NOON): {
        "requests": 2, "errors": 1, "input_tokens": 11, "output_tokens": 21, "total_tokens": 35, "cache_read_tokens": 1,
        "cache_write_tokens": 2, "reasoning_tokens": 3, "cost_usd": Decimal("0.100000000001")}}


def test_the_next_hour_is_another_row_and_nothing_stands_for_null(chain):
    chain.call(NOON - 1, user_id=None).call(NOON, user_id="")
    assert list(usage(chain.rows)) == [("acme", "", "", "openai", "gpt", "", NOON - HOUR), ("acme", "", "", "openai", "gpt", "", NOON)]


def test_cache_tokens_are_added_where_the_basis_is_exclusive(chain):
    tokens = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30, "cache_read_tokens": 100, "cache_write_tokens": 1000}
    found = only(usage(chain.call(usage_basis="exclusive", **tokens).rows))
    assert (found["input_tokens"], found["total_tokens"], found["cache_read_tokens"]) == (1110, 1130, 100)
    found = only(usage(Chain().call(usage_basis="inclusive", **tokens).rows))
    assert (found["input_tokens"], found["total_tokens"]) == (10, 30)


@pytest.mark.parametrize("operation", ["create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "retrieval"])
def test_what_repeats_its_children_does_not_count(chain, operation):
    assert usage(chain.call(operation=operation, input_tokens=5).rows) == {}


def test_other_families_are_no_usage_and_failures_that_are_no_failure_are_no_error(chain):
    chain.add("tool_invocation", "completed", NOON, cost_usd="1").call(status="denied").call(status="partial")
    found = only(usage(chain.rows))
    assert (found["requests"], found["errors"], found["cost_usd"]) == (2, 0, 0)


# --- api_keys ----------------------------------------------------------------------------------------------------


def test_the_whole_life_of_a_key(chain):
    chain.key("created", NOON, {"permissions_after": ["read"], "rpm_limit": 60}, {"key": {"name": "build"}},
              key_hash="a" * 64, key_prefix="msvc_ab", key_type="service")
    chain.key("used", NOON + 1, key_prefix="other", key_type="user", client_ip="192.0.2.1")
    chain.key("permission_changed", NOON + 2, {"permissions_after": [], "permissions_before": ["read"]})
    chain.key("updated", NOON + 3, {"rpm_limit": 90}, {"rotation_reason": "leaked"})
    chain.key("used", NOON + 4, client_ip="2001:db8::1")
    chain.key("rotated", NOON + 5, {"expires_at": "2030-01-01T00:00:00Z"})
    assert only(keys(chain.rows)) == {
        "key_hash": "a" * 64, "key_prefix": "msvc_ab", "key_name": "build", "key_type": "service", "user_id": "u-1",
        "service": None, "permissions": [], "rpm_limit": 90, "created_at": NOON, "expires_given": None,
        "expires_at": NOON + 180 * DAY, "last_used_at": NOON + 4, "last_used_ip": ip_address("2001:db8::1"), "usage_count": 2,
        "status": "grace", "rotation_required": False, "rotation_reason": None, "rotated_at": NOON + 5, "grace_given": None,
        "grace_period_end": NOON + 5 + 48 * HOUR}


def test_a_failed_authentication_proves_no_key(chain):
    assert keys(chain.key("auth_failed", NOON, key_type="user").rows) == {}


@pytest.mark.parametrize("action, status", [
    ("created", "active"), ("enabled", "active"), ("rotated", "grace"), ("disabled", "disabled"), ("revoked", "revoked"),
    ("expired", "expired"), ("updated", "active"), ("permission_changed", "active"), ("used", "active")])
def test_the_status_is_what_the_latest_event_says(chain, action, status):
    assert only(keys(chain.key(action, NOON).rows))["status"] == status


def test_an_older_event_turns_nothing_back_and_of_equal_times_the_later_row_wins(chain):
    chain.key("revoked", NOON, {"rpm_limit": 5}).key("enabled", NOON - 1, {"rpm_limit": 6})
    found = only(keys(chain.rows))
    assert (found["status"], found["rpm_limit"]) == ("revoked", 5)
    found = only(keys(chain.key("disabled", NOON, {"rpm_limit": 7}).rows))
    assert (found["status"], found["rpm_limit"]) == ("disabled", 7)


def test_what_an_older_event_alone_says_is_kept(chain):
    chain.key("updated", NOON).key("created", NOON - DAY, key_type="user", key_hash="b" * 64)
    found = only(keys(chain.rows))
    assert (found["key_type"], found["created_at"], found["key_hash"]) == ("user", NOON - DAY, "b" * 64)


def test_null_says_nothing_and_an_empty_string_is_a_value(chain):
    chain.key("created", NOON, {"rpm_limit": 9}, {"key": {"name": "build"}}, key_prefix="msvc_ab")
    chain.key("updated", NOON + 1, None, {"key": {"name": ""}})
    found = only(keys(chain.rows))
    assert (found["key_prefix"], found["key_name"], found["rpm_limit"]) == ("msvc_ab", "", 9)


def test_the_owner_is_whom_the_latest_created_event_names(chain):
    chain.key("created", NOON, on_behalf_of="u-2")
    assert only(keys(chain.rows))["user_id"] == "u-2"
    chain.key("created", NOON + 1, actor_type="service", user_id="billing")
    found = only(keys(chain.rows))
    assert (found["user_id"], found["service"]) == (None, "billing")
    chain.key("created", NOON + 2, actor_type="agent", user_id="agent-1")
    found = only(keys(chain.rows))
    assert (found["user_id"], found["service"]) == (None, None)


def test_use_says_a_keys_columns_only_where_nothing_else_does(chain):
    chain.key("used", NOON, key_type="user", key_prefix="first").key("used", NOON - 1, key_hash="c" * 64, key_prefix="second")
    found = only(keys(chain.rows))
    assert (found["key_type"], found["key_prefix"], found["key_hash"], found["usage_count"]) == ("user", "first", "c" * 64, 2)
    assert found["expires_at"] is None
    assert only(keys(chain.key("updated", NOON - DAY, key_type="emergency").rows))["key_type"] == "emergency"


def test_the_latest_use_says_the_address_even_where_it_has_none(chain):
    chain.key("used", NOON, client_ip="192.0.2.1").key("used", NOON - 1, client_ip="192.0.2.2")
    assert only(keys(chain.rows))["last_used_ip"] == ip_address("192.0.2.1")
    found = only(keys(chain.key("used", NOON).rows))
    assert (found["last_used_at"], found["last_used_ip"]) == (NOON, None)


@pytest.mark.parametrize("key_type, life_hours, grace_hours", [
    ("system", 8760, 72), ("user", 2160, 24), ("service", 4320, 48), ("integration", 720, 24), ("emergency", 24, 0),
    ("other", None, 24), (None, None, 24)])
def test_life_and_grace_by_type_where_none_is_given(chain, key_type, life_hours, grace_hours):
    chain.key("created", NOON, key_type=key_type).key("rotated", NOON + 1)
    found = only(keys(chain.rows))
    assert found["expires_at"] == (None if life_hours is None else NOON + life_hours * HOUR)
    assert found["grace_period_end"] == NOON + 1 + grace_hours * HOUR


def test_given_times_count_in_any_zone_to_the_microsecond(chain):
    chain.key("created", NOON, {"expires_at": "2026-10-03T00:30:00.1234569+02:00"}, key_type="user")
    chain.key("rotated", NOON + 1, {"grace_period_end": "2026-10-02t20:00:00z", "expires_at": "2030-01-01T00:00:00Z"})
    found = only(keys(chain.rows))
    assert (found["expires_at"], found["grace_period_end"]) == (NOON + 10 * HOUR + 30 * 60_000_000 + 123_456, NOON + 8 * HOUR)
    for never in ("9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01"):
        chain.key("updated", NOON, {"expires_at": never})
    assert only(keys(chain.rows))["expires_given"] == found["expires_given"]
    found = only(keys(chain.key("rotated", NOON + 2).rows))
    assert (found["grace_given"], found["grace_period_end"]) == (None, NOON + 2 + 24 * HOUR)


@pytest.mark.parametrize("text, days", [
    ("0001-01-01T00:00:00Z", -719_162), ("0001-01-01T00:00:00+00:01", None), ("0000-02-29T00:00:00Z", None),
    ("0000-12-31T23:00:00-01:00", -719_162), ("9999-12-31T00:00:00+23:59", 2_932_895), ("9999-12-31T23:59:59-00:01", None)])
def test_given_times_are_those_of_the_years_1_to_9999(chain, text, days):
    found = only(keys(chain.key("updated", NOON, {"expires_at": text}).rows))["expires_given"]
    assert (found if found is None else found // DAY) == days


@pytest.mark.parametrize("events, expected", [
    (["created"], (False, None)),
    (["created", "updated because"], (True, "because")),
    (["updated"], (False, None)),
    (["updated because", "updated"], (True, "because")),
    (["updated because", "rotated"], (False, None)),
    (["updated because", "rotated done"], (False, "done")),
    (["updated because", "permission_changed no"], (True, "because")),
    (["rotated", "updated "], (True, ""))])
def test_when_a_rotation_is_required(chain, events, expected):
    for number, text in enumerate(events):
        action, *reason = text.split(" ")
        chain.key(action, NOON + number, None, {"rotation_reason": reason[0]} if reason else None)
    found = only(keys(chain.rows))
    assert (found["rotation_required"], found["rotation_reason"]) == expected


def test_keys_of_two_tenants_with_one_id_are_two(chain):
    rows = chain.key("revoked", NOON).rows + Chain("beta").key("disabled", NOON).rows
    assert {key: row["status"] for key, row in keys(rows).items()} == {("acme", "k-1"): "revoked", ("beta", "k-1"): "disabled"}


# --- from Kafka's records ----------------------------------------------------------------------------------------


def test_rows_of_a_log_are_those_that_an_ingester_writes():
    log = MemoryLog()
    log.publish("api_key.used", event_id="the-same-id")
    log.publish("llm_call.completed", tenant="beta", partition=1)
    log.publish("api_key.used", event_id="the-same-id")
    log.publish("auth.login", event_id="the-same-id")
    log.publish(value=b"{", timestamp_ms=1)
    log.publish(key=None)
    rows = list(rows_of_log(log.logs))
    assert [(row["tenant_id"], row["seq"], row["family"], row["action"]) for row in rows] == [
        ("acme", 0, "api_key", "used"), ("acme", 1, "quarantined", "id_conflict"), ("acme", 2, "quarantined", "invalid_json"),
        ("_unattributed.0", 0, "quarantined", "tenant_missing"), ("beta", 0, "llm_call", "completed")]
    assert rows[2]["recorded_at"] == rows[1]["recorded_at"] > rows[0]["recorded_at"] > rows[2]["event_time"]
    derived = read_models(rows)
    assert (len(derived.usage), len(derived.keys), derived.anomalies, derived.late_events) == (1, 1, {}, {})


def test_a_tenant_in_two_partitions_has_no_order_that_the_log_tells():
    log = MemoryLog()
    log.publish(partition=0)
    log.publish(partition=1)
    with pytest.raises(ValueError, match="several partitions"):
        list(rows_of_log(log.logs))
