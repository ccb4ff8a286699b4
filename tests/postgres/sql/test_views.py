"""Goal: each of the platforms' tables is a view with its columns, which shows each family's rows as schemas/queries.md says.

Method: compare the catalogue with a table of columns and types; put a row of each family, in which every text names its
own column, into the ledger and read it through each view. Who sees which tenant's rows is walked in test_isolation.py.
"""

import pytest
from ledger_rows import event, fill, kColumns, kPersonal, tombstone

# The columns of the design, in their order. The types are those of the ledger: a cast would keep an index from use.
kAdmin = ("id text, tenant_id text, {actor} text, action text, {resource} text, {resource_id} text, {details} jsonb,"
          "{result} ip_address inet, user_agent text, created_at timestamptz")
kViews = {
    "gateway_audit_events":
        "id text, tenant_id text, event_time timestamptz, event_type text, user_id text, user_email text,"
        "department_id text, session_id text, client_type text, client_ip inet, provider text, model text, route text,"
        "input_tokens bigint, output_tokens bigint, total_tokens bigint, latency_ms bigint, digest jsonb,"
        "policies_hit jsonb, tools_called jsonb, prev_checksum bytea, checksum bytea, signature bytea",
    "agent_audit_events":
        "id text, tenant_id text, agent_id text, user_id text, action_type text, input_summary text,"
        "output_summary text, latency_ms bigint, metadata jsonb, created_at timestamptz",
    "admin_audit_logs": kAdmin.format(actor="actor", resource="resource_type", resource_id="resource_id",
                                      details="details", result="result text,"),
    "audit_logs": kAdmin.format(actor="employee_id", resource="resource", resource_id="resource_id",
                                details="details", result="result text,"),
    "audit_log": kAdmin.format(actor="user_id", resource="resource_type", resource_id="resource_id",
                               details="details", result=""),
    "audit_events": kAdmin.format(actor="actor", resource="target_kind", resource_id="target_id",
                                  details="detail", result="result text,"),
    "api_key_audit_log":
        "id text, tenant_id text, key_id text, action text, actor text, ip_address inet, user_agent text,"
        "request_path text, response_code bigint, anomaly_type text, details jsonb, created_at timestamptz",
}
kFamilies = ("llm_call", "tool_invocation", "escalation", "api_key", "admin", "auth")
kOfFamily = {"llm_call": {"gateway_audit_events", "agent_audit_events"}, "tool_invocation": {"agent_audit_events"},
             "escalation": {"agent_audit_events"}, "api_key": {"api_key_audit_log"},
             **dict.fromkeys(("admin", "auth"), {"admin_audit_logs", "audit_logs", "audit_log", "audit_events"})}

kTime = "2026-11-22 12:00:00.123456+00:00"
kDetails = {"rows": 5000, "reason": "audit", "key": {"name": "laptop"},
            "attributes": {"sequence": "7", "subject": "user/u1"}}


def speaking(family, **changes):
    """A row whose texts are the names of their columns."""
    names = {column["name"]: column["name"] for column in kColumns if column["type"] == "text"}
    return event(**{**names, "event_id": f"event-{family}", "family": family,
                    "detail": '{"rows": 5000, "attributes": {"sequence": "7"}}',
                    "personal_detail": '{"attributes": {"subject": "user/u1"},'
                                       ' "data": {"reason": "audit", "key": {"name": "laptop"}}}', **changes})


def rows(session, view, columns="*"):
    cursor = session.execute(f"SELECT {columns} FROM audit.{view}")
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def shown(database, view, row):
    """The one row that the view shows of a ledger with this row, times and addresses as texts."""
    fill(database, row)
    (found,) = rows(database.connect("audit_auditor"), view)
    return {name: value if isinstance(value, (dict, list, int, bytes, type(None))) else str(value)
            for name, value in found.items()}


def test_every_view_has_the_columns_and_types_of_the_platform_s_table(shared_database):
    columns = shared_database.connect().execute(
        """SELECT c.relname, string_agg(attname || ' ' || replace(format_type(atttypid, atttypmod),
                                                                  'timestamp with time zone', 'timestamptz'),
                                        ', ' ORDER BY attnum)
           FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
           WHERE relname = ANY (%s) AND relnamespace = 'audit'::regnamespace AND relkind = 'v' GROUP BY 1""",
        [list(kViews)]).fetchall()
    assert dict(columns) == {view: ", ".join(column.strip() for column in text.split(","))
                             for view, text in kViews.items()}


def test_every_text_of_a_view_is_compared_by_its_bytes(shared_database):
    found = shared_database.connect().execute(
        """SELECT relname, attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
           WHERE relnamespace = 'audit'::regnamespace AND relname = ANY (%s)
             AND attcollation NOT IN (0, '"C"'::regcollation)""", [list(kViews)]).fetchall()
    assert found == []


@pytest.mark.parametrize("family", kFamilies)
def test_a_row_is_shown_by_the_views_of_its_family_and_no_other(database, family):
    fill(database, speaking(family), tombstone(seq=1))
    auditor = database.connect("audit_auditor")
    shows = {view: [row["id"] for row in rows(auditor, view)] for view in kViews}
    assert shows == {view: [f"event-{family}"] if view in kOfFamily[family] else [] for view in kViews}


def test_an_llm_call_as_the_gateway_s_event(database):
    assert shown(database, "gateway_audit_events", speaking("llm_call", action="blocked", input_tokens="1",
                                                            output_tokens="2", total_tokens="3", latency_ms="4")) == {
        "id": "event-llm_call", "tenant_id": "acme", "event_time": kTime, "event_type": "llm_call.blocked",
        "user_id": "user_id", "user_email": "user_email", "department_id": "department_id", "session_id": "session_id",
        "client_type": "client_type", "client_ip": "192.0.2.1", "provider": "provider", "model": "model",
        "route": "route", "input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "latency_ms": 4,
        "digest": {"n": 1.0}, "policies_hit": {"n": 1.0}, "tools_called": {"n": 1.0},
        "prev_checksum": bytes(64), "checksum": b"\xef" * 64, "signature": None}


@pytest.mark.parametrize("family", ["llm_call", "tool_invocation", "escalation"])
def test_what_an_agent_did_as_the_agent_s_event(database, family):
    assert shown(database, "agent_audit_events", speaking(family, latency_ms="4")) == {
        "id": f"event-{family}", "tenant_id": "acme", "agent_id": "agent_id", "user_id": "user_id",
        "action_type": family, "input_summary": "input_summary", "output_summary": "output_summary", "latency_ms": 4,
        "metadata": {**kDetails, "action": "action", "status": "status", "session_id": "session_id",
                     "on_behalf_of": "on_behalf_of", "error_type": "error_type", "error_code": "error_code",
                     "operation": "operation", "provider": "provider", "model": "model", "input_tokens": 7,
                     "output_tokens": 7, "total_tokens": 7, "cost_usd": 0.5, "tool_name": "tool_name",
                     "tool_type": "tool_type", "tool_server": "tool_server", "tool_call_id": "tool_call_id",
                     "tool_error": True, "trace_id": "trace_id", "span_id": "span_id"},
        "created_at": kTime}


@pytest.mark.parametrize("changes, seen", [({"agent_id": "a", "actor_type": "user"}, 1),
                                           ({"agent_id": None, "actor_type": "agent"}, 1),
                                           ({"agent_id": None, "actor_type": "user"}, 0),
                                           ({"agent_id": None, "actor_type": None}, 0)])
def test_an_llm_call_is_an_agent_s_where_it_names_one_or_one_made_it(database, changes, seen):
    fill(database, speaking("llm_call", **changes))
    assert len(rows(database.connect("audit_auditor"), "agent_audit_events")) == seen


@pytest.mark.parametrize("family, resource_type, resource_id", [("admin", "resource_type", "resource_id"),
                                                                ("auth", "session", "session_id")])
def test_an_admin_s_act_and_a_login_under_the_names_of_four_platforms(database, family, resource_type, resource_id):
    row = speaking(family)
    common = {"id": f"event-{family}", "tenant_id": "acme", "action": "action", "ip_address": "192.0.2.1",
              "user_agent": "user_agent", "created_at": kTime}
    assert shown(database, "admin_audit_logs", row) == {
        **common, "actor": "user_id", "resource_type": resource_type, "resource_id": resource_id,
        "details": kDetails, "result": "status"}
    auditor = database.connect("audit_auditor")

    def renamed(view, *columns):
        (found,) = rows(auditor, view)
        return {name: found[name] for name in columns}

    assert renamed("audit_logs", "employee_id", "resource", "resource_id", "details", "result") == {
        "employee_id": "user_id", "resource": resource_type, "resource_id": resource_id, "details": kDetails,
        "result": "status"}
    assert renamed("audit_log", "user_id", "resource_type", "resource_id", "details") == {
        "user_id": "user_id", "resource_type": resource_type, "resource_id": resource_id, "details": kDetails}
    assert renamed("audit_events", "actor", "target_kind", "target_id", "detail", "result") == {
        "actor": "user_id", "target_kind": resource_type, "target_id": resource_id, "detail": kDetails,
        "result": "status"}


def test_an_event_of_a_key_as_the_key_s_log(database):
    assert shown(database, "api_key_audit_log", speaking("api_key", action="used", response_code="403")) == {
        "id": "event-api_key", "tenant_id": "acme", "key_id": "key_id", "action": "used", "actor": "user_id",
        "ip_address": "192.0.2.1", "user_agent": "user_agent", "request_path": "request_path", "response_code": 403,
        "anomaly_type": None,
        "details": {**kDetails, "key_prefix": "key_prefix", "key_type": "key_type", "status": "status"},
        "created_at": kTime}


@pytest.mark.parametrize("detail, personal_detail, details", [
    (None, None, None),
    ('{"rows": 1}', None, {"rows": 1}),
    (None, '{"data": {"reason": "r"}}', {"reason": "r"}),
    (None, '{"attributes": {"subject": "s"}}', {"attributes": {"subject": "s"}}),
    ('{"attributes": {"sequence": "7"}}', '{"data": {"attributes": "sent by the publisher"}}',
     {"attributes": {"sequence": "7"}}),
    ('{"rows": 1}', '{"data": {"rows": {"unknown": 2}}}', {"rows": 1})])
def test_details_are_what_no_column_took_with_the_known_member_first(database, detail, personal_detail, details):
    assert shown(database, "admin_audit_logs",
                 speaking("admin", detail=detail, personal_detail=personal_detail))["details"] == details


def test_an_erased_row_is_still_shown_with_what_is_not_personal(database):
    fill(database, *(speaking(family, seq=number) for number, family in enumerate(kFamilies)))
    database.connect("audit_eraser").execute("UPDATE audit.ledger SET " + ", ".join(f"{name} = NULL" for name in kPersonal))
    auditor = database.connect("audit_auditor")
    left = {"rows": 5000, "attributes": {"sequence": "7"}}
    (gateway,) = rows(auditor, "gateway_audit_events")
    assert [gateway[name] for name in ("user_id", "user_email", "session_id", "client_ip", "model")] == [None] * 4 + ["model"]
    agents = rows(auditor, "agent_audit_events")
    assert len(agents) == 3 and all(row["user_id"] is None and row["input_summary"] is None for row in agents)
    assert all(row["metadata"].items() >= left.items() and "session_id" not in row["metadata"] for row in agents)
    admin, login = rows(auditor, "admin_audit_logs")
    assert (admin["actor"], admin["resource_type"], admin["resource_id"], admin["details"]) == (
        None, "resource_type", None, left)
    assert (login["actor"], login["resource_type"], login["resource_id"], login["details"]) == (None, "session", None, left)
    (key,) = rows(auditor, "api_key_audit_log")
    assert (key["key_id"], key["actor"], key["details"]) == (
        "key_id", None, {**left, "key_prefix": "key_prefix", "key_type": "key_type", "status": "status"})


def anomaly(kind, start, end, *, key="key_id", subject="key", tenant="acme"):
    return (tenant, kind, subject, key, f"2026-11-22 {start}+00", f"2026-11-22 {end}+00",
            f"2026-11-22 {end}+00")


def types_shown(database, *anomalies):
    fill(database, speaking("api_key", event_time="2026-11-22 12:00:00+00"))
    for row in anomalies:
        database.connect("audit_writer").execute(
            """INSERT INTO audit.api_key_anomalies (anomaly_id, tenant_id, anomaly_type, subject, key_id, window_start,
                                                    window_end, created_at, severity, request_count, error_count,
                                                    error_rate, unique_ips, details, judged_seq)
               VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, %s, %s, 'high', 0, 0, 0, 0, '{}', 1)""", row)
    (row,) = rows(database.connect("audit_auditor"), "api_key_audit_log", "anomaly_type")
    return row["anomaly_type"]


def test_the_anomalies_in_whose_windows_an_event_lies_stand_beside_it_once_each_in_order(database):
    assert types_shown(database, anomaly("multiple_ips", "12:00", "12:30"), anomaly("brute_force", "11:50", "12:10"),
                       anomaly("multiple_ips", "11:45", "12:15"),
                       anomaly("high_error_rate", "00:00", "24:00")) == "brute_force,high_error_rate,multiple_ips"


@pytest.mark.parametrize("start, end, found", [("12:00", "12:01", "high_request_rate"), ("11:59", "12:00", None),
                                               ("12:00:00.000001", "13:00", None),
                                               ("11:59", "12:00:00.000001", "high_request_rate")])
def test_a_window_holds_its_start_and_not_its_end(database, start, end, found):
    assert types_shown(database, anomaly("high_request_rate", start, end)) == found


@pytest.mark.parametrize("other", [{"key": "another"}, {"tenant": "globex"}, {"subject": "user"}])
def test_an_anomaly_of_another_key_tenant_or_subject_is_not_the_event_s(database, other):
    assert types_shown(database, anomaly("brute_force", "11:50", "12:10", **other)) is None


def test_whoever_does_not_ask_for_the_anomalies_does_not_pay_for_them(shared_database):
    auditor = shared_database.connect("audit_auditor")
    plans = ["\n".join(line for line, in auditor.execute(f"EXPLAIN SELECT {columns} FROM audit.api_key_audit_log"))
             for columns in ("id, key_id, details", "id, anomaly_type")]
    assert ["api_key_anomalies" in plan for plan in plans] == [False, True]
