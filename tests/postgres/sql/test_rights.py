"""Goal: no role rises above its rights: not by DDL, not through a function, not by becoming another.

Method: every statement of a list on every relation as every role that logs in must end with SQLSTATE 42501; the catalogue
of roles, functions and policies; and what row-level security lets through. Who may read and write what, and whose rows, is
test_isolation.py.
"""

import psycopg
import pytest
from ledger_rows import event, fill, kNovemberLeaf

kRoles = ("audit_writer", "audit_app", "audit_reader", "audit_auditor", "audit_operator", "audit_eraser", "audit_rebuilder")
kStatements = (
    "DROP TABLE audit.{table}", "ALTER TABLE audit.{table} ADD COLUMN extra text",
    "ALTER TABLE audit.{table} DISABLE TRIGGER ALL", "ALTER TABLE audit.{table} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE audit.{table} NO FORCE ROW LEVEL SECURITY", "CREATE INDEX ON audit.{table} ({column})",
    "CREATE TRIGGER own BEFORE UPDATE ON audit.{table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE own AS ON INSERT TO audit.{table} DO INSTEAD NOTHING", "CREATE POLICY own ON audit.{table} USING (true)",
    "ALTER TABLE audit.{table} OWNER TO CURRENT_USER", "ALTER TABLE audit.{table} RENAME TO own",
    "CREATE STATISTICS audit.own ON {column}, ({column} || '') FROM audit.{table}")
kOtherStatements = (
    "CREATE TABLE audit.own (x int)", "CREATE FUNCTION audit.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW audit.own AS SELECT 1 AS x",
    "DROP FUNCTION audit.schema_version()", "DROP SCHEMA audit CASCADE", "SET ROLE audit_owner", "SET ROLE audit_migrator",
    "SET SESSION AUTHORIZATION audit_migrator",
    "SET session_replication_role = replica", "ALTER TABLE audit.ledger DETACH PARTITION audit." + kNovemberLeaf,
    "ALTER FUNCTION audit.expect(boolean, text) SECURITY DEFINER", "CREATE SCHEMA own",
    "CREATE POLICY own ON audit.ledger TO PUBLIC USING (true)", "ALTER POLICY ledger_app ON audit.ledger USING (true)",
    "GRANT audit_auditor TO CURRENT_USER", "ALTER ROLE CURRENT_USER BYPASSRLS")
kTime = "timestamp with time zone"


@pytest.fixture(scope="module")
def two_tenants_once(shared_database):
    fill(shared_database, event("acme", 0), event("acme", 1), event("globex", 0))
    shared_database.connect().execute(
        """INSERT INTO audit.chain_heads VALUES ('acme', 1, decode(repeat('ab', 64), 'hex'), now(), now(), 2, 0, -1,
                                                 decode(repeat('00', 64), 'hex'));
           INSERT INTO audit.quarantine VALUES ('t', 0, 0, 0, now(), NULL, NULL, NULL, '{}', '{}', false, 'schema', '',
                                                'm', NULL, NULL, 'acme')""")
    return shared_database


@pytest.fixture
def two_tenants(two_tenants_once):
    """Rows of acme and globex, to be read, and for statements that are refused or rolled back."""
    yield two_tenants_once
    two_tenants_once.close()


def outcome(session, statement):
    """The SQLSTATE of a statement, '00000' where it went through. It is rolled back either way."""
    try:
        with session.transaction(force_rollback=True):
            session.execute(statement)
        return "00000"
    except psycopg.Error as error:
        return error.sqlstate


@pytest.mark.parametrize("role", [*kRoles, "stranger"])
def test_no_role_can_change_what_a_relation_is(two_tenants, stranger, role):
    relations = two_tenants.connect().execute(
        """SELECT relname, (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1)
           FROM pg_class c WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'p')""").fetchall()
    assert kNovemberLeaf in dict(relations)
    session = two_tenants.connect(role)
    passed = [text for table, column in relations for statement in kStatements
              if outcome(session, text := statement.format(table=table, column=column)) != "42501"]
    assert passed == []


@pytest.mark.parametrize("role", [*kRoles, "stranger"])
def test_no_role_can_change_the_schema_or_become_another(two_tenants, stranger, role):
    session = two_tenants.connect(role)
    states = {statement: outcome(session, statement) for statement in kOtherStatements}
    assert states == {statement: "42501" for statement in kOtherStatements}


def test_the_owner_cannot_log_in_and_no_role_is_above_the_rules(two_tenants):
    rows = two_tenants.connect().execute(
        """SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
           FROM pg_roles WHERE rolname LIKE 'audit\\_%' ORDER BY rolname""").fetchall()
    expected = [(role, role != "audit_owner", False) for role in sorted((*kRoles, "audit_migrator", "audit_owner"))]
    assert rows == expected


def test_only_the_migrator_is_a_member_of_another_role(two_tenants):
    members = two_tenants.connect().execute(
        "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members"
        " WHERE member::regrole::text LIKE 'audit\\_%'").fetchall()
    assert members == [("audit_migrator", "audit_owner")]


def test_functions_can_be_called_by_whom_they_are_for_and_by_nobody_else(two_tenants, stranger):
    rows = two_tenants.connect().execute(
        """SELECT p.oid::regprocedure::text, r.rolname
           FROM pg_proc p, pg_roles r
           WHERE pronamespace = 'audit'::regnamespace AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
             AND NOT r.rolsuper AND (r.rolname LIKE 'audit\\_%' OR r.rolname = 'stranger')
             AND r.rolname NOT IN ('audit_owner', 'audit_migrator')""").fetchall()
    callers = {}
    for function, role in rows:
        callers.setdefault(function, set()).add(role)
    assert callers == {
        "audit.schema_version()": set(kRoles),
        "audit.ensure_partition(timestamp with time zone)": {"audit_writer"},
        "audit.hold(text[],integer[],bigint[],bigint[])": {"audit_writer"},
        "audit.expect(boolean,text)": {"audit_writer"},
        "audit.accept_loss(text,integer,bigint,bigint,bigint,bigint,text,text)": {"audit_operator"},
        **{function: {"audit_writer", "audit_rebuilder", "audit_auditor", "audit_eraser"} for function in (
            "audit.key_life(text)", "audit.key_grace(text)", f"audit.moment_after({kTime},interval)", "audit.key_address(inet)",
            f"audit.key_window_start(interval,{kTime})")},
        **{function: {"audit_writer", "audit_rebuilder", "audit_auditor"} for function in (
            "audit.key_value_hash(text)", f"audit.key_events(text[],text[],{kTime}[],{kTime}[],bigint[])",
            f"audit.judge_key_windows(text[],text[],{kTime}[],{kTime}[],bigint[])")},
        **{function: {"audit_eraser"} for function in (
            "audit.erase_rows(text,bigint,bigint[],bigint[])", "audit.erase_usage(text,bigint[],bigint[])",
            "audit.erase_keys(text,bigint[],bigint[])", "audit.refused_holds(bytea,bytea,bytea[],bytea[],bytea[])",
            "audit.erase_refused(text,bytea[])")},
        **{function: {"audit_writer", "audit_rebuilder", "audit_auditor"} for function in (
            "audit.moment_of(text)", "audit.texts_of(jsonb)", "audit.key_statement(text,text,text,text,jsonb,jsonb)")},
        f"audit.note_key_events(text[],text[],{kTime}[]{',text[]' * 9})": {"audit_writer"},
        "audit.key_window_steps(text)": {"audit_rebuilder", "audit_auditor"},
        f"audit.resolve_anomalies(text[],text[],bigint[],{kTime}[],text[])": {"audit_writer", "audit_rebuilder"}}


def test_every_function_searches_only_the_catalogue_and_audit_and_two_run_as_their_owner(two_tenants):
    rows = two_tenants.connect().execute(
        """SELECT proname, prosqlbody IS NOT NULL OR 'search_path=pg_catalog, audit, pg_temp' = ANY (proconfig), prosecdef
           FROM pg_proc WHERE pronamespace = 'audit'::regnamespace""").fetchall()
    assert [name for name, fixed, _ in rows if not fixed] == []
    assert [name for name, _, as_owner in rows if as_owner] == ["ensure_partition", "accept_loss"]


def test_a_temporary_table_does_not_shadow_what_the_functions_read(database):
    writer = database.connect("audit_writer")
    writer.execute("CREATE TEMP TABLE partitions (topic text, partition int, owner_epoch bigint, next_offset bigint)")
    writer.execute("INSERT INTO pg_temp.partitions VALUES ('t', 0, 1, 0)")
    with pytest.raises(psycopg.Error) as raised:
        writer.execute("SELECT audit.hold('{t}', '{0}', '{1}', '{0}')")
    assert raised.value.sqlstate == "SL002"


def test_every_table_with_a_tenant_has_forced_row_level_security_but_for_leaves(two_tenants):
    rows = two_tenants.connect().execute(
        """SELECT relname, relrowsecurity AND relforcerowsecurity
           FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attname = 'tenant_id'
           WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition""").fetchall()
    assert [table for table, secured in rows if not secured] == []
    assert {"ledger", "chain_heads", "quarantine", "reader_tenants", "usage_records"} <= {table for table, _ in rows}


def test_every_text_is_compared_by_its_bytes(two_tenants):
    rows = two_tenants.connect().execute(
        """SELECT attrelid::regclass::text, attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
           WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
             AND attcollation <> 0 AND attcollation <> '"C"'::regcollation""").fetchall()
    assert rows == []


def tenants_seen(session):
    return [tenant for tenant, in session.execute("SELECT tenant_id FROM audit.ledger ORDER BY tenant_id, seq")]


def test_a_role_with_the_right_to_read_but_no_policy_sees_no_row(database):
    fill(database, event("acme", 0))
    database.connect().execute("GRANT USAGE ON SCHEMA audit TO PUBLIC;"
                               "GRANT SELECT ON audit.ledger, audit.chain_heads, audit.quarantine TO PUBLIC")
    assert tenants_seen(database.connect("audit_operator")) == []
    assert tenants_seen(database.connect("audit_writer")) == []


def test_the_application_reads_the_tenant_that_is_set_and_none_otherwise(two_tenants):
    application = two_tenants.connect("audit_app")
    assert tenants_seen(application) == []
    with application.transaction():
        application.execute("SET LOCAL app.current_tenant = 'acme'")
        assert tenants_seen(application) == ["acme", "acme"]
    assert tenants_seen(application) == []
    application.execute("SET app.current_tenant = ''")
    assert tenants_seen(application) == []
    application.execute("SET app.current_tenant = 'nobody'")
    assert tenants_seen(application) == []


def test_a_person_reads_the_tenants_mapped_to_the_login_whatever_is_set(database, databases):
    fill(database, event("acme", 0), event("globex", 0), event("initech", 0))
    for person in ("alice", "bob"):
        databases.login(person, member_of="audit_reader")
    owner = database.connect("audit_migrator")
    owner.execute("SET ROLE audit_owner")
    owner.execute("INSERT INTO audit.reader_tenants VALUES ('alice', 'acme'), ('alice', 'initech')")
    alice, bob = database.connect("alice"), database.connect("bob")
    for session in (alice, bob):
        session.execute("SET app.current_tenant = 'globex'")
    assert tenants_seen(alice) == ["acme", "initech"]
    assert tenants_seen(bob) == []
    assert alice.execute("SELECT * FROM audit.reader_tenants").fetchall() == [("alice", "acme"), ("alice", "initech")]
    alice.execute("SET ROLE audit_reader")
    assert tenants_seen(alice) == ["acme", "initech"]


@pytest.mark.parametrize("role", ["audit_app", "audit_reader"])
def test_a_tenant_s_rows_are_found_by_the_index_under_row_level_security(two_tenants, role):
    session = two_tenants.connect(role)
    session.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET app.current_tenant = 'acme'")
    plan = "\n".join(line for line, in session.execute(
        "EXPLAIN SELECT * FROM audit.ledger WHERE event_time > '2026-11-01'"))
    assert "Index Cond: ((tenant_id = " in plan, plan
