"""Goal: the views over the read models are for whom they are for, read one tenant by the index, and know what time it is.

Method: each view as each role; plans; a key whose time passes; times as publishers send them, against Python's own. That
the views agree with what the ingester writes is shown in tests/postgres/read_models_test.cc.
"""

import datetime
import itertools
import re

import psycopg
import pytest
from ledger_rows import event, fill

kFromLedger = ("usage_from_ledger", "api_keys_from_ledger")
kReaders = {**dict.fromkeys(kFromLedger, {"audit_auditor", "audit_rebuilder"}),
            "api_keys_current": {"audit_app", "audit_reader", "audit_auditor"}}
kRoles = ("audit_writer", "audit_app", "audit_reader", "audit_auditor", "audit_operator", "audit_eraser", "audit_rebuilder")


@pytest.fixture(scope="module")
def two_tenants(shared_database):
    changes = ({"family": "llm_call"}, {"family": "api_key", "action": "created"}, {"family": "api_key", "action": "used"})
    fill(shared_database, *(event(tenant, seq, detail="{}", personal_detail="{}", **row)
                            for tenant in ("acme", "globex") for seq, row in enumerate(changes)))
    shared_database.connect().execute(
        "INSERT INTO audit.api_keys (tenant_id, key_id) VALUES ('acme', 'k'), ('globex', 'k')")
    return shared_database


def outcome(session, statement):
    try:
        return session.execute(statement).fetchall()
    except psycopg.Error as error:
        return error.sqlstate


@pytest.mark.parametrize("role", kRoles)
def test_each_view_can_be_read_by_whom_it_is_for_and_changed_by_nobody(two_tenants, role):
    session = two_tenants.connect(role)
    session.execute("SET app.current_tenant = 'acme'")
    for view, readers in kReaders.items():
        rows = outcome(session, f"SELECT tenant_id FROM audit.{view} ORDER BY 1")
        sees = {"audit_app": [("acme",)], "audit_reader": []}.get(role, [("acme",), ("globex",)])
        assert rows == (sees if role in readers else "42501"), f"{role}: {view}"
        assert outcome(session, f"DELETE FROM audit.{view}") in ("42501", "55000"), f"{role}: {view}"


@pytest.mark.parametrize("role, view", [*itertools.product(("audit_auditor", "audit_rebuilder"), kFromLedger)])
def test_one_tenant_is_read_by_the_index(two_tenants, role, view):
    session = two_tenants.connect(role)
    session.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    plan = "\n".join(line for line, in session.execute(f"EXPLAIN SELECT * FROM audit.{view} WHERE tenant_id = 'acme'"))
    scans = plan.count(" on ledger_y2026m11 ")
    assert scans == (2 if view == "api_keys_from_ledger" else 1), plan
    assert len(re.findall(r"Index Cond: \(+tenant_id = 'acme'", plan)) == scans, plan


@pytest.mark.parametrize("said, differs, status", [
    ("status = 'active', expires_given = now()", True, "expired"),
    ("status = 'active', expires_given = now() + interval '1 second'", False, "active"),
    ("status = 'disabled', expires_given = now()", True, "expired"),
    ("status = 'revoked', expires_given = now()", False, "revoked"),
    ("status = 'expired', expires_given = now() + interval '1 day'", False, "expired"),
    ("status = 'grace', grace_given = now()", True, "expired"),
    ("status = 'grace', grace_given = now() + interval '1 second'", False, "grace"),
    ("status = 'grace', grace_given = now() + interval '1 day', expires_given = now()", True, "expired"),
    ("status = 'active', grace_given = now()", False, "active"),
    ("status = 'active', key_type = 'emergency', created_at = now() - interval '24 hours'", True, "expired"),
    ("status = 'active', key_type = 'emergency', created_at = now() - interval '23 hours'", False, "active"),
    ("status = 'active', key_type = 'other', created_at = now() - interval '10 years'", False, "active"),
    ("status = 'grace', key_type = 'system', rotated_at = now() - interval '72 hours'", True, "expired"),
    ("status = 'grace', key_type = 'system', rotated_at = now() - interval '71 hours'", False, "grace"),
    ("status = 'grace', rotated_at = now() - interval '24 hours'", True, "expired"),
])
def test_the_status_is_right_in_the_moment_in_which_a_time_has_passed(database, said, differs, status):
    """All in one transaction, in which now() does not move."""
    session = database.connect()
    with session.transaction():
        session.execute("INSERT INTO audit.api_keys (tenant_id, key_id) VALUES ('acme', 'k')")
        session.execute(f"UPDATE audit.api_keys SET {said}")
        row = session.execute("SELECT status, status <> (SELECT status FROM audit.api_keys) FROM audit.api_keys_current")
        assert row.fetchone() == (status, differs)


@pytest.mark.parametrize("text", [
    "2026-01-31T08:00:00Z", "2026-01-31t08:00:00z", "2026-01-31T08:00:00.1Z", "2026-01-31T08:00:00.123456789123Z",
    "2026-01-31T23:59:59.9999999Z", "2026-01-31T08:00:00+05:30", "2026-01-31T08:00:00-00:30", "2026-01-31T08:00:00.5-23:59",
    "2024-02-29T23:59:59+23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
])
def test_a_time_of_an_event_is_read_as_the_decoder_reads_it(database, text):
    whole, fraction = text.upper().replace("Z", "+00:00")[:19], text[20:].rstrip("zZ") if text[19] == "." else ""
    microseconds = int(fraction.split("+")[0].split("-")[0][:6].ljust(6, "0"))
    zone = text[-6:] if text[-6] in "+-" else "+00:00"
    expected = datetime.datetime.fromisoformat(whole + zone) + datetime.timedelta(microseconds=microseconds)
    session = database.connect("audit_auditor")
    session.execute("SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard'")
    moment, = session.execute("SELECT extract(epoch FROM audit.moment_of(%s))", [text]).fetchone()
    assert moment * 1_000_000 == (expected - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)) // datetime.timedelta(
        microseconds=1)


@pytest.mark.parametrize("text", ["0000-12-31T23:59:59Z", "0000-01-01T00:00:00-23:59", "0001-01-01T00:59:59+01:00",
                                  "9999-12-31T23:59:59-00:01", None])
def test_a_time_outside_of_the_years_that_have_four_digits_is_none(database, text):
    assert database.connect("audit_auditor").execute("SELECT audit.moment_of(%s)", [text]).fetchone() == (None,)
