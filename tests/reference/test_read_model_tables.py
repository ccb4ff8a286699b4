"""Goal: the comparison of the read models' tables with the reference finds every way to be wrong, and nothing else.

Method: a short history, sealed by the second writer; the tables filled with what the reference derives from it; then one
thing is changed as a superuser.
"""

import pytest

import ledger
import verify
from anomaly_rules import VERSION_1
from read_model_tables import compare_read_models, derive, thresholds
from samples import DATA
from sealing import MICROSECONDS, write_read_models

KEY = DATA["api_key.used"]["key"]
KINDS = ("llm_call.completed", "api_key.created", "api_key.rotated", "api_key.used", "api_key.auth_failed")


def key_event(action, **members):
    return {"actor": {"type": "user", "id": "u-1"}, "status": "success", "key": KEY, "client": {"ip": "192.0.2.1"}, **members}


def publish(sealed, kind, time, **named):
    """An event of that time in binary mode."""
    record = sealed.log.publish(kind, **named)
    headers = tuple((name, time.encode() if name == b"ce_time" else value) for name, value in record.headers)
    place = sealed.log.logs[record.topic, record.partition].records
    place[record.offset] = record = type(record)(*[*vars(record).values()][:-1], headers)
    sealed.writer.write([record])


@pytest.fixture
def filled(sealed):
    """Usage, a key that was created, rotated and used, failures that are an anomaly, resolved, and a late event."""
    publish(sealed, "llm_call.completed", "2026-10-01T10:00:00Z")
    publish(sealed, "api_key.created", "2026-10-01T10:00:00Z", data=key_event(
        "created", permissions_after=["read", "write"], rpm_limit=60, rotation_reason="first"))
    publish(sealed, "api_key.rotated", "2026-10-01T10:00:01Z", data=key_event("rotated", grace_period_end="2026-10-09T00:00:00Z"))
    publish(sealed, "api_key.used", "2026-10-01T10:00:02Z", data=key_event("used"))
    for _ in range(10):
        publish(sealed, "api_key.auth_failed", "2026-10-01T10:00:03Z", data=key_event("auth_failed"))
    publish(sealed, "auth.login", "2026-10-01T11:00:00Z")
    publish(sealed, "api_key.used", "2026-10-01T10:00:02Z", data=key_event("used"))
    derived, _ = derive(ledger.Ledger(sealed.connection).rows())
    for _, anomaly_id in derived.anomalies:
        publish(sealed, "admin.resolve", "2026-10-01T11:00:00Z", data={
            "actor": {"type": "user", "id": "ada"}, "status": "success",
            "resource": {"type": "api_key_anomaly", "id": anomaly_id}})
    derived, _ = derive(ledger.Ledger(sealed.connection).rows())
    write_read_models(sealed.connection, derived)
    return sealed


def differences(filled):
    database = ledger.Ledger(filled.connection)
    return compare_read_models(database, *derive(database.rows()))


def test_what_the_reference_derives_is_what_it_expects(filled):
    assert differences(filled) == []
    counts = [filled.connection.execute(f"SELECT count(*) FROM audit.{table}").fetchone()[0]
              for table in ("usage_records", "api_keys", "api_key_anomalies WHERE resolved", "chain_heads WHERE late_events > 0")]
    assert counts == [1, 1, 4, 1]


@pytest.mark.parametrize("statement, text", [
    ("UPDATE audit.usage_records SET requests = 2", "requests should be 1, is 2"),
    ("UPDATE audit.usage_records SET cost_usd = cost_usd + 1e-12", "cost_usd should be 0.00096, is 0.000960000001"),
    ("UPDATE audit.usage_records SET route = 'x'", "is missing"),
    ("DELETE FROM audit.api_keys", "api_keys ('acme', 'k-1'): is missing"),
    ("UPDATE audit.api_keys SET status = 'revoked'", "status should be grace, is revoked"),
    ("UPDATE audit.api_keys SET permissions = '{write,read}'", "permissions"),
    ("UPDATE audit.api_keys SET expires_given = '2030-01-01Z'", "expires_given should be None"),
    ("UPDATE audit.api_keys SET key_type = 'user'", "expires_at"),
    ("UPDATE audit.api_keys SET last_used_ip = '192.0.2.2'", "last_used_ip should be 192.0.2.1, is 192.0.2.2"),
    ("UPDATE audit.api_key_anomalies SET severity = 'low'", "severity should be medium, is low"),
    ("UPDATE audit.api_key_anomalies SET details = details || '{\"value\": 9}'", "details"),
    ("UPDATE audit.api_key_anomalies SET resolved = false", "resolved should be True, is False"),
    ("DELETE FROM audit.api_key_anomalies", "is missing"),
    ("UPDATE audit.api_key_anomalies SET tenant_id = 'beta'", "is stored, and should not be"),
    ("UPDATE audit.chain_heads SET late_events = 0", "chain_heads ('acme',): is missing"),
    ("ALTER TABLE audit.api_keys ADD COLUMN owner_mail text", "a column owner_mail")])
def test_a_difference_is_found(filled, statement, text):
    filled.connection.execute("SET LOCAL session_replication_role = replica")
    filled.connection.execute(statement)
    assert any(text in difference for difference in differences(filled)), differences(filled)


def test_when_a_column_was_said_is_not_compared(filled):
    filled.connection.execute("UPDATE audit.api_keys SET status_at = now(), rotation_at = now()")
    assert differences(filled) == []


def test_what_an_erasure_made_unknowable_is_not_compared(filled):
    """Failures of the key are erased: its personal columns, and the anomalies of their window, are nobody's to derive."""
    nulls = ", ".join(f"{name} = NULL" for name in verify.PERSONAL_NAMES)
    filled.tamper(f"UPDATE audit.ledger SET {nulls} WHERE action = 'auth_failed'")
    filled.tamper("UPDATE audit.api_keys SET last_used_ip = NULL, user_id = NULL, service = 'x', rotation_required = true")
    filled.tamper("UPDATE audit.api_key_anomalies SET ip_address = NULL, severity = 'low'")
    assert differences(filled) == []
    filled.tamper("UPDATE audit.api_keys SET usage_count = 0")
    filled.tamper("UPDATE audit.api_key_anomalies SET window_start = window_start + interval '1 hour',"
                  " window_end = window_end + interval '1 hour', created_at = created_at + interval '1 hour'")
    assert len(differences(filled)) == 1 + 4


def test_thresholds_are_read_from_their_table(filled):
    values = VERSION_1.by_type["user"]
    filled.connection.execute(
        f"INSERT INTO audit.api_key_thresholds (version, key_type, in_force_from, {', '.join(values)})"
        f" VALUES (2, 'user', {MICROSECONDS}, {', '.join(['%s'] * len(values))})", (7, *values.values()))
    first, second = thresholds(ledger.Ledger(filled.connection))
    assert first == VERSION_1
    assert (second.number, second.in_force_from, second.by_type) == (2, 7, {"user": values})
