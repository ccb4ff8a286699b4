"""Goal: what PostgreSQL tells beside the rows themselves gives away no row that row-level security hides.

Method: a tenant with a value in every personal column of many rows; then a person and the application of another tenant look
where such values could show: statistics, estimates, functions that are called on the way, security switched off.
"""

import psycopg
import pytest
from ledger_rows import event, fill, kNovemberLeaf, kPersonal

kForeign = "mallory@globex"
# The personal columns of the read models, and of the quarantine what a refused record held.
kPersonalOf = {
    "ledger": kPersonal, kNovemberLeaf: kPersonal, "usage_records": ["user_id"],
    "api_keys": ["key_name", "user_id", "service", "last_used_ip", "rotation_reason"],
    "api_key_attempts": ["user_id", "client_ip"], "api_key_anomalies": ["user_id", "ip_address", "resolved_by"],
    "quarantine": ["key", "value", "header_names", "header_values", "message"],
}


@pytest.fixture(scope="module")
def two_tenants(shared_database, databases):
    """200 rows of globex, all of the same person, and 5 of acme; analysed, as autovacuum would."""
    fill(shared_database, *(event("globex", seq, user_id=kForeign) for seq in range(200)),
         *(event("acme", seq) for seq in range(5)))
    superuser = shared_database.connect()
    superuser.execute(f"""
        INSERT INTO audit.usage_records
          SELECT 'globex', '', '{kForeign}', 'p', 'm', 'r', 'epoch'::timestamptz + n * interval '1 hour', 1, 0, 1, 1, 2, 0, 0, 0, 0
          FROM generate_series(1, 200) AS n;
        INSERT INTO audit.api_keys (tenant_id, key_id, user_id) SELECT 'globex', n, '{kForeign}' FROM generate_series(1, 200) AS n;
        INSERT INTO audit.reader_tenants VALUES ('reader_of_acme_alone', 'acme');
        ANALYZE""")
    databases.login("reader_of_acme_alone", member_of="audit_reader")
    return shared_database


@pytest.fixture(params=["audit_app", "reader_of_acme_alone"])
def session(two_tenants, request):
    session = two_tenants.connect(request.param)
    session.execute("SET app.current_tenant = 'acme'")
    yield session
    session.close()


def test_no_statistics_are_shown_but_of_what_is_no_tenant_s(session):
    for view in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
        shown = session.execute(f"SELECT DISTINCT tablename FROM {view} WHERE schemaname = 'audit'").fetchall()
        assert shown in ([], [("api_key_thresholds",)])


def test_no_personal_value_is_in_the_planner_s_statistics(two_tenants):
    """Nor is one left there when it is erased."""
    known = two_tenants.connect().execute(
        """SELECT c.relname, attname, attstattarget FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0
           WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'p')""").fetchall()
    targets = {(table, column): target for table, column, target in known}
    personal = [(table, column) for table, columns in kPersonalOf.items() for column in columns]
    assert [key for key in personal if targets[key] != 0] == []
    assert two_tenants.connect().execute("SELECT * FROM pg_stats WHERE most_common_vals::text LIKE %s",
                                         [f"%{kForeign}%"]).fetchall() == []


@pytest.mark.parametrize("relation", ["ledger", "usage_records", "api_keys"])
def test_an_estimate_does_not_tell_whether_a_person_is_known_to_another_tenant(session, relation):
    def estimate(user):
        plan, = session.execute(f"EXPLAIN (FORMAT json) SELECT * FROM audit.{relation} WHERE user_id = '{user}'").fetchone()
        return plan[0]["Plan"]["Plan Rows"]

    assert estimate(kForeign) == estimate("nobody")


def test_a_function_that_tells_what_it_is_given_is_called_with_no_hidden_row(session):
    """It costs nothing, so that the planner would call it first."""
    session.execute("""CREATE FUNCTION pg_temp.told(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
                       AS 'BEGIN RAISE WARNING USING MESSAGE = value; RETURN true; END'""")
    told = set()
    session.add_notice_handler(lambda notice: told.add(notice.message_primary))
    assert session.execute("SELECT count(*) FROM audit.ledger WHERE pg_temp.told(tenant_id)").fetchone() == (5,)
    assert told == {"acme"}


def test_switching_row_security_off_is_refused_and_shows_nothing(session):
    session.execute("SET row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("SELECT count(*) FROM audit.ledger")
