"""Goal: erasing takes the personal values out of exactly the rows that an event names, and out of everything that was derived
from them, exactly; and it needs its event.

Method: rows of the ledger and of what is derived from them, written by hand; the functions of 0009 as audit_eraser, in one
database for all tests of the file, each rolled back.
"""

import json
import random

import psycopg
import pytest
from ledger_rows import event, fill, kNotPersonal, kPersonal
from sql_databases import wait_until_blocked

kCall = {"family": "llm_call", "action": "completed", "operation": "chat", "usage_basis": "inclusive", "department_id": "d",
         "provider": "p", "model": "m", "route": "r", "status": "success", "input_tokens": "10", "output_tokens": "5",
         "total_tokens": "15", "cache_read_tokens": "1", "cache_write_tokens": "2", "reasoning_tokens": "3",
         "cost_usd": "0.000000000001"}
kHour = "2026-11-22 12:00:00+00"
kUsed = "requests, errors, input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd"
kAnomaly = "00000000-0000-4000-8000-00000000000"


def erasure(seq, *ranges, tenant="acme", **changes):
    return event(tenant, seq, family="admin", action="erase", resource_type="ledger_rows", user_id="ada",
                 detail=json.dumps({"erased_seqs": [list(pair) for pair in ranges]}), **changes)


def key_event(seq, user, **changes):
    row = {"family": "api_key", "action": "used", "user_id": user, "key_id": f"key-of-{user}", "client_ip": "192.0.2.7"}
    return event("acme", seq, **{**row, **changes})


def refuse(session, offset, tenant="acme", key=None, value=None, names=(), values=(), state="open"):
    session.execute("INSERT INTO audit.quarantine (topic, log_epoch, partition, kafka_offset, kafka_timestamp, key, value,"
                    " value_length, header_names, header_values, redacted, reason, message, tenant_id, state)"
                    " VALUES ('t', 0, 0, %s, now(), %s, %s, %s, %s::bytea[], %s::bytea[], false, 'schema', 'm', %s, %s)",
                    [offset, key, value, None if value is None else len(value), list(names), list(values), tenant, state])


@pytest.fixture(scope="module")
def filled(databases, template):
    """acme: calls of eve at 0, 1, 2 and of bob at 3, keys of both at 4 to 7, eve's resolving at 8, erasures at 20, 21.
    globex: a call of its own eve at 0 and an erasure at 20."""
    database = databases.create(template)
    fill(database, *(event("acme", seq, user_id=user, **{**kCall, **changes}) for seq, user, changes in (
        (0, "eve", {}), (1, "eve", {"usage_basis": "exclusive", "status": "failure"}), (2, "eve", {"operation": "invoke_agent"}),
        (3, "bob", {}))),
        key_event(4, "eve"), key_event(5, "eve", action="auth_failed", key_id=None), key_event(6, "bob"),
        key_event(7, "bob", action="auth_failed", key_id=None, client_ip="2001:db8::1"),
        event("acme", 8, family="admin", action="resolve", resource_type="api_key_anomaly", resource_id=kAnomaly + "1", user_id="eve"),
        event("acme", 9, family="llm_call", user_id="eve", **{k: None for k in kCall if k != "family" and k != "action"}),
        erasure(20, (0, 2), (4, 5), (8, 8)), erasure(21, (3, 3), (7, 7), (21, 25)),
        event("globex", 0, user_id="eve", **kCall), erasure(20, (0, 0), tenant="globex"))
    database.connect().execute(
        f"""INSERT INTO audit.usage_records VALUES
              ('acme', 'd', 'eve', 'p', 'm', 'r', '{kHour}', 2, 1, 23, 10, 33, 2, 4, 6, 0.000000000002),
              ('acme', 'd', 'bob', 'p', 'm', 'r', '{kHour}', 1, 0, 10, 5, 15, 1, 2, 3, 0.000000000001),
              ('acme', 'd', '', 'p', 'm', 'r', '{kHour}', 7, 0, 70, 35, 105, 7, 14, 21, 0.000000000007),
              ('globex', 'd', 'eve', 'p', 'm', 'r', '{kHour}', 1, 0, 10, 5, 15, 1, 2, 3, 0.000000000001);
            INSERT INTO audit.chain_heads (tenant_id, seq, checksum, recorded_at, base_seq, base_checksum)
              VALUES ('acme', 21, decode(repeat('ab', 64), 'hex'), now(), -1, decode(repeat('00', 64), 'hex'));
            INSERT INTO audit.api_keys (tenant_id, key_id, user_id, service, key_name, rotation_reason, last_used_ip, usage_count)
              SELECT tenant, 'key-of-' || who, who, 's', 'n', 'why', '192.0.2.7', 1
              FROM unnest('{{acme,globex}}'::text[]) AS tenant, unnest('{{eve,bob}}'::text[]) AS who;
            INSERT INTO audit.api_key_attempts
              SELECT tenant_id, event_time, seq, false, key_id, key_prefix, user_id, client_ip FROM audit.ledger
              WHERE action = 'auth_failed';
            INSERT INTO audit.api_key_activity
              SELECT tenant_id, 'key-of-' || who, minute, 1, minute, 1, 0, 0, 0, ARRAY['\\xab'::bytea], ARRAY['\\xcd'::bytea],
                     ARRAY['\\xef'::bytea], NULL, NULL, 4, 6
              FROM unnest('{{acme,globex}}'::text[]) AS tenant_id, unnest('{{eve,bob}}'::text[]) AS who,
                   unnest('{{2026-11-22 12:00+00,2026-11-22 12:01+00}}'::timestamptz[]) AS minute;
            INSERT INTO audit.api_key_seen
              SELECT tenant_id, 'key-of-' || who, minute::text::bytea, minute
              FROM unnest('{{acme,globex}}'::text[]) AS tenant_id, unnest('{{eve,bob}}'::text[]) AS who,
                   unnest('{{2026-11-22 12:00+00,2026-11-22 12:01+00}}'::timestamptz[]) AS minute;
            INSERT INTO audit.api_key_anomalies
              (anomaly_id, tenant_id, anomaly_type, severity, subject, key_id, user_id, ip_address, resolved, resolved_by,
               window_start, window_end, request_count, error_count, error_rate, unique_ips, details, judged_seq, created_at)
              SELECT (left('{kAnomaly}', 35) || number)::uuid, 'acme', 'brute_force', 'low', subject, key_id, user_id,
                     ip_address::inet, resolved_by IS NOT NULL, resolved_by, w, w + interval '10 minutes', 0, 0, 0, 0, '{{}}', 9,
                     w + interval '10 minutes'
              FROM (VALUES (1, 'key', 'key-of-bob', NULL, NULL, 'eve', 0), (2, 'key', 'key-of-eve', NULL, NULL, 'carl', 60),
                           (3, 'user', NULL, 'eve', NULL, NULL, 0), (4, 'user', NULL, 'eve', NULL, NULL, 60),
                           (5, 'user', NULL, 'bob', NULL, NULL, 0), (6, 'address', NULL, NULL, '192.0.2.7', NULL, 0),
                           (7, 'address', NULL, NULL, '192.0.2.7', NULL, 60), (8, 'address', NULL, NULL, '2001:db8::9', NULL, 0),
                           (9, 'key', 'key-of-eve', NULL, NULL, 'eve', 0)
                   ) AS a (number, subject, key_id, user_id, ip_address, resolved_by, minutes),
                   LATERAL (SELECT timestamptz '2026-11-22 12:00+00' + minutes * interval '1 minute' AS w) AS moment""")
    refuse(database.connect(), 0, value=b"of no interest")
    database.close()
    yield database
    databases.drop(database)


@pytest.fixture
def eraser(filled):
    """A session of audit_eraser; everything is taken back at the end."""
    session = filled.connect("audit_eraser", autocommit=False)
    yield session
    session.rollback()
    filled.close()


@pytest.fixture
def erase(filled, databases, template):
    """A function that erases in a copy of the database, commits, and returns a superuser's session there."""
    filled.close()
    copy = databases.create(filled.name)

    def work(tenant, seq, *ranges):
        eraser = copy.connect("audit_eraser")
        erased, = eraser.execute("SELECT audit.erase_rows(%s, %s, %s, %s)",
                                 [tenant, seq, [r[0] for r in ranges], [r[1] for r in ranges]]).fetchone()
        session = copy.connect()
        session.erased = erased
        return session

    yield work
    databases.drop(copy)


def kept(session, tenant):
    """seq -> how many personal columns hold a value."""
    return dict(session.execute(f"SELECT seq, num_nonnulls({', '.join(kPersonal)}) FROM audit.ledger WHERE tenant_id = %s",
                                [tenant]).fetchall())


def test_exactly_the_rows_named_lose_all_personal_values_and_nothing_else(filled, erase):
    columns = ", ".join(["tenant_id", "seq", *kNotPersonal, "prev_checksum", "checksum"])
    everything = f"SELECT {columns} FROM audit.ledger ORDER BY tenant_id, seq"
    before = filled.connect().execute(everything).fetchall()
    filled.close()
    after = erase("acme", 20, (0, 2), (4, 5), (8, 8))
    assert after.erased == 6
    assert after.execute(everything).fetchall() == before
    whole = len(kPersonal)
    assert kept(after, "acme") == {seq: 0 if seq in (0, 1, 2, 4, 5, 8) else whole for seq in (*range(10), 20, 21)}
    assert kept(after, "globex") == {0: whole, 20: whole}


def test_usage_moves_to_nobody_exactly(erase):
    after = erase("acme", 20, (0, 2))
    rows = after.execute(f"SELECT tenant_id, user_id, {kUsed} FROM audit.usage_records ORDER BY 1, 2").fetchall()
    assert [(*row[:-1], format(row[-1], "f")) for row in rows] == [
        ("acme", "", 9, 1, 93, 45, 138, 9, 18, 27, "0.000000000009"),
        ("acme", "bob", 1, 0, 10, 5, 15, 1, 2, 3, "0.000000000001"),
        ("globex", "eve", 1, 0, 10, 5, 15, 1, 2, 3, "0.000000000001")]


def test_usage_of_a_part_is_taken_from_the_whole_and_begins_a_row_of_nobody(erase):
    after = erase("globex", 20, (0, 0))
    assert after.execute("SELECT user_id, requests FROM audit.usage_records WHERE tenant_id = 'globex'").fetchall() == [("", 1)]
    after = erase("acme", 20, (1, 1))
    assert after.execute("SELECT user_id, requests, errors, input_tokens, total_tokens FROM audit.usage_records"
                         " WHERE tenant_id = 'acme' ORDER BY 1").fetchall() == [
        ("", 8, 1, 83, 123), ("bob", 1, 0, 10, 15), ("eve", 1, 0, 10, 15)]


@pytest.mark.parametrize("seed", range(3))
def test_usage_is_afterwards_what_the_ledger_alone_gives(database, seed):
    chance = random.Random(seed)

    def maybe(*values):
        return chance.choice([None, *values])

    big = str(2**62)
    rows = [event("acme", seq, **kCall, event_time=f"2026-11-22 1{chance.randrange(3)}:59:59.999999+00") | {
        "user_id": maybe("eve", "bob"), "department_id": maybe("d", ""), "model": maybe("m", "n"), "status": maybe("failure"),
        "operation": maybe("chat", "execute_tool"), "usage_basis": maybe("exclusive", "inclusive"), "input_tokens": maybe("3", big),
        "output_tokens": maybe("7", big), "total_tokens": maybe("10", big), "cache_read_tokens": maybe("1", big),
        "cache_write_tokens": maybe("2", big), "cost_usd": maybe("0.5", "-0.25", "1e-12")} for seq in range(150)]
    fill(database, *({name: value for name, value in row.items() if value is not None} for row in rows), erasure(150, (0, 149)))
    superuser = database.connect()
    superuser.execute("INSERT INTO audit.usage_records SELECT * FROM audit.usage_from_ledger")
    eraser = database.connect("audit_eraser")
    seqs = [seq for seq, row in enumerate(rows) if row["user_id"] == "eve" or chance.random() < 0.1]
    for chunk in (seqs[::2], seqs[1::2]):
        eraser.execute("SELECT audit.erase_rows('acme', 150, %s, %s)", [chunk, chunk])
        assert superuser.execute("SELECT u::text FROM audit.usage_records AS u ORDER BY 1").fetchall() == superuser.execute(
            "SELECT u::text FROM audit.usage_from_ledger AS u ORDER BY 1").fetchall()
    assert superuser.execute("SELECT count(*) FROM audit.usage_records WHERE user_id = 'eve'").fetchone() == (0,)


def test_usage_that_the_read_model_does_not_hold_is_not_invented(erase):
    after = erase("acme", 21, (3, 3))
    assert after.execute("SELECT count(*) FROM audit.usage_records WHERE user_id = 'bob'").fetchone() == (0,)
    after.execute("DELETE FROM audit.usage_records WHERE user_id = 'eve' AND tenant_id = 'acme'")
    nobody = after.execute("SELECT requests FROM audit.usage_records WHERE tenant_id = 'acme' AND user_id = ''").fetchone()
    erase("acme", 20, (0, 2))
    assert after.execute("SELECT requests FROM audit.usage_records WHERE tenant_id = 'acme' AND user_id = ''").fetchone() == nobody


def test_keys_that_an_erased_row_names_lose_their_personal_columns(erase):
    after = erase("acme", 20, (4, 5))
    rows = after.execute("SELECT tenant_id, key_id, num_nonnulls(user_id, service, key_name, rotation_reason, last_used_ip),"
                         " usage_count FROM audit.api_keys ORDER BY 1, 2").fetchall()
    assert rows == [("acme", "key-of-bob", 5, 1), ("acme", "key-of-eve", 0, 1), ("globex", "key-of-bob", 5, 1),
                    ("globex", "key-of-eve", 5, 1)]


def test_the_state_of_the_rules_forgets_who_and_from_where(erase):
    after = erase("acme", 20, (4, 5))
    assert after.execute("SELECT seq, user_id, host(client_ip) FROM audit.api_key_attempts ORDER BY 1").fetchall() == [
        (5, None, None), (7, "bob", "2001:db8::1")]
    assert after.execute("SELECT tenant_id, key_id, date_part('minute', minute), resources <> '{}' FROM audit.api_key_activity"
                         " WHERE addresses = '{}' AND agents = '{}'").fetchall() == [("acme", "key-of-eve", 0, True)]
    assert after.execute("SELECT date_part('minute', first_minute) FROM audit.api_key_seen"
                         " WHERE tenant_id = 'acme' AND key_id = 'key-of-eve'").fetchall() == [(1,)]
    assert after.execute("SELECT count(*) FROM audit.api_key_seen").fetchone() == (8 - 1,)


def test_anomalies_of_the_key_and_of_the_subject_in_the_windows_of_erased_rows_forget_who(erase):
    """By number: what the fixture's anomalies are about."""
    rows = "SELECT right(anomaly_id::text, 1)::int, user_id, host(ip_address), resolved_by FROM audit.api_key_anomalies ORDER BY 1"
    after = erase("acme", 20, (4, 5), (8, 8))
    assert after.execute(rows).fetchall() == [
        (1, None, None, None),          # resolved by the event that was erased
        (2, None, None, "carl"), (3, None, None, None),
        (4, "eve", None, None),         # a window that holds no erased row: the ledger still says the same
        (5, "bob", None, None), (6, None, None, None), (7, None, "192.0.2.7", None), (8, None, "2001:db8::9", None),
        (9, None, None, None)]          # eve resolved an anomaly of her own key
    after = erase("acme", 21, (7, 7))
    assert after.execute(rows).fetchall()[4:8] == [
        (5, None, None, None), (6, None, None, None), (7, None, "192.0.2.7", None), (8, None, None, None)]


def test_erasing_again_changes_nothing(erase):
    assert erase("acme", 20, (0, 2)).erased == 3
    again = erase("acme", 20, (0, 2))
    assert again.erased == 0
    assert again.execute("SELECT requests FROM audit.usage_records WHERE tenant_id = 'acme' AND user_id = ''").fetchone() == (9,)


@pytest.mark.parametrize("tenant, seq, begin, end", [
    ("acme", 20, 3, 3),        # not named
    ("acme", 20, 0, 3),        # named in part
    ("acme", 20, 0, 5),        # by two ranges with a gap
    ("acme", 21, 21, 21),      # not before the event
    ("acme", 21, 0, 2),        # another erasure's
    ("acme", 4, 0, 0),         # no erasure
    ("acme", 99, 0, 0),        # no such row
    ("globex", 20, 1, 1),
    ("acme", 20, 2, 0)])
def test_rows_that_no_event_names_are_not_erased(eraser, tenant, seq, begin, end):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="names all of these rows"):
        eraser.execute("SELECT audit.erase_rows(%s, %s, %s, %s)", [tenant, seq, [begin], [end]])


def test_an_erasure_waits_for_the_writer_of_the_chain(filled):
    writer = filled.connect("audit_writer", autocommit=False)
    writer.execute("SELECT 1 FROM audit.chain_heads WHERE tenant_id = 'acme' FOR UPDATE")
    eraser = filled.connect("audit_eraser", autocommit=False)
    eraser.pgconn.send_query(b"SELECT audit.erase_rows('acme', 20, '{0}', '{2}')")
    wait_until_blocked(filled.connect(), eraser)
    writer.rollback()
    filled.close()


def test_what_the_eraser_may_do_by_hand_is_to_take_values_away(eraser):
    for statement in ("UPDATE audit.api_keys SET user_id = 'mallory'", "UPDATE audit.api_key_attempts SET client_ip = '::1'",
                      "UPDATE audit.api_key_anomalies SET resolved_by = 'mallory', user_id = 'm'",
                      "UPDATE audit.api_key_anomalies SET resolved_by = 'mallory', user_id = NULL, ip_address = NULL",
                      "UPDATE audit.api_key_anomalies SET user_id = 'mallory', resolved_by = NULL",
                      "UPDATE audit.api_key_anomalies SET ip_address = '::1', resolved_by = NULL",
                      "UPDATE audit.quarantine SET value = 'forged', value_length = 6", "DELETE FROM audit.api_keys",
                      "UPDATE audit.api_key_activity SET addresses = ARRAY['\\xab'::bytea], agents = '{}'",
                      "UPDATE audit.api_key_activity SET addresses = '{}', agents = ARRAY['\\xcd'::bytea]",
                      "UPDATE audit.api_key_activity SET resources = '{}'",
                      "UPDATE audit.ledger SET user_id = NULL", "UPDATE audit.ledger SET user_id = 'mallory'",
                      "DELETE FROM audit.quarantine", "UPDATE audit.chain_heads SET events = 0"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), eraser.transaction():
            eraser.execute(statement)


def test_refused_records_that_hold_the_bytes_are_emptied(database):
    superuser = database.connect()
    needle = "zo\u00eb".encode()
    refuse(superuser, 0, value=b'{"a": "' + needle + b'"', state="released")
    refuse(superuser, 1, key=needle)
    refuse(superuser, 2, value=b"other", names=[b"a", b"b"], values=[None, b"x" + needle])
    refuse(superuser, 3, names=[needle], values=[None])
    refuse(superuser, 4, value=b"zoe", names=[b"a"], values=[None])
    refuse(superuser, 5, tenant="globex", value=needle)
    refuse(superuser, 6, value=b'"zo\\u00eb"')
    eraser = database.connect("audit_eraser")
    assert eraser.execute("SELECT audit.erase_refused('acme', %s)", [[needle, b"zo\\u00eb"]]).fetchone() == (5,)
    rows = superuser.execute("SELECT kafka_offset, key, value, value_length, header_names, header_values, redacted, state, reason"
                             " FROM audit.quarantine ORDER BY 1").fetchall()
    empty = (None, None, None, [], [], True, "discarded", "schema")
    assert [row[1:] for row in rows if row[0] in (0, 1, 2, 3, 6)] == [empty] * 5
    assert rows[4][1:] == (None, b"zoe", 3, [b"a"], [None], False, "open", "schema")
    assert rows[5][2] == needle
    assert eraser.execute("SELECT audit.erase_refused('acme', %s)", [[needle]]).fetchone() == (0,)
