"""Goal: the migrations apply with sealstream, golang-migrate and psql alike, as audit_migrator, and can be taken back.

Method: apply the files in each of the three ways to a database of its own, and compare the whole catalogue of the
schema audit: names, types, constraints, triggers, policies, views, functions, settings, owners and rights.
"""

import re

import psycopg
import pytest
from ledger_rows import event, fill, kNovemberLeaf
from psycopg.errors import AssertFailure, InsufficientPrivilege, ObjectNotInPrerequisiteState
from sql_databases import apply_in_transaction, down_files, execute_simple, kRolesFile, up_files

kCatalogue = """
SELECT 'schema', nspname, nspowner::regrole::text, coalesce(nspacl, acldefault('n', nspowner))::text
  FROM pg_namespace WHERE nspname = 'audit'
UNION ALL SELECT 'relation', relname,
  concat_ws(' ', relkind, relowner::regrole, relrowsecurity, relforcerowsecurity, reloptions), relacl::text
  FROM pg_class WHERE relnamespace = 'audit'::regnamespace
UNION ALL SELECT 'column', c.relname,
  concat_ws(' ', row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attname, format_type(atttypid, atttypmod), attcollation, attnotnull,
            nullif(attstattarget, -1), pg_get_expr(adbin, adrelid)), attacl::text
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE relnamespace = 'audit'::regnamespace AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'constraint', conrelid::regclass::text, concat_ws(' ', conname, pg_get_constraintdef(oid)), NULL
  FROM pg_constraint WHERE connamespace = 'audit'::regnamespace
UNION ALL SELECT 'index', indrelid::regclass::text, pg_get_indexdef(indexrelid), NULL
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = 'audit'::regnamespace
UNION ALL SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(t.oid), NULL
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'audit'::regnamespace
UNION ALL SELECT 'policy', tablename, concat_ws(' ', policyname, permissive, roles, cmd, qual, with_check), NULL
  FROM pg_policies WHERE schemaname = 'audit'
UNION ALL SELECT 'view', viewname, definition, NULL FROM pg_views WHERE schemaname = 'audit'
UNION ALL SELECT 'function', p.oid::regprocedure::text, concat_ws(' ', proowner::regrole, pg_get_functiondef(p.oid)),
  proacl::text
  FROM pg_proc p WHERE pronamespace = 'audit'::regnamespace
UNION ALL SELECT 'type', typname, typowner::regrole::text, typacl::text
  FROM pg_type WHERE typnamespace = 'audit'::regnamespace
UNION ALL SELECT 'default rights', defaclrole::regrole::text, defaclobjtype::text, defaclacl::text FROM pg_default_acl
ORDER BY 1, 2, 3
"""


def catalogue(database):
    return database.connect().execute(kCatalogue).fetchall()


def version(database):
    return database.connect("audit_writer").execute("SELECT audit.schema_version()").fetchone()[0]


def number(file):
    return int(file.name.split("_")[0])


def by_sealstream(database, file):
    """One simple query inside a transaction, and then, in the same transaction, the bookkeeping."""
    session = database.connect("audit_migrator")
    with session.transaction():
        execute_simple(session, file.read_text())
        assert session.execute("SELECT current_user::text").fetchone() == ("audit_migrator",)
        session.execute("DELETE FROM audit.schema_migrations")
        session.execute("INSERT INTO audit.schema_migrations VALUES (%s, false)", [number(file)])
        session.execute("INSERT INTO audit.migration_checksums (version, name, checksum) VALUES (%s, %s, %s)"
                        " ON CONFLICT (version) DO UPDATE SET applied_at = now()",
                        [number(file), file.name, bytes(64)])
    session.close()


def by_golang_migrate(database, file):
    """Its table first, made by itself; then truncated and written before and after the file, which is one query."""
    session = database.connect("audit_migrator")
    session.execute("SET search_path = audit")
    if not session.execute("SELECT to_regclass('audit.schema_migrations')").fetchone()[0]:
        session.execute("CREATE TABLE IF NOT EXISTS schema_migrations (version bigint not null primary key,"
                        " dirty boolean not null)")
    for dirty in (True, False):
        with session.transaction():
            session.execute("TRUNCATE schema_migrations")
            session.execute("INSERT INTO schema_migrations VALUES (%s, %s)", [number(file), dirty])
        if dirty:
            execute_simple(session, file.read_text())
    assert session.execute("SELECT current_user::text").fetchone() == ("audit_migrator",)
    session.close()


def by_psql(database, file):
    done = database.psql("audit_migrator", "-1", "-f", str(file))
    assert (done.returncode, done.stderr) == (0, "")


def by_psql_as_superuser(database, file):
    done = database.psql("postgres", "-1", "-f", str(file))
    assert (done.returncode, done.stderr) == (0, "")


kWays = [by_sealstream, by_golang_migrate, by_psql, by_psql_as_superuser]


@pytest.mark.parametrize("way", kWays)
def test_up_down_up_leaves_nothing_behind_in_every_way(bare_database, database, way):
    before = catalogue(bare_database)
    for file in up_files():
        way(bare_database, file)
        assert version(bare_database) == number(file)
    up = catalogue(bare_database)
    assert up == catalogue(database)

    for file in down_files():
        way(bare_database, file)
    down = [row for row in catalogue(bare_database) if not re.search("schema_migrations|migration_checksums", row[1])]
    assert down == [row for row in before if not re.search("schema_migrations", row[1])]

    for file in up_files():
        way(bare_database, file)
    assert catalogue(bare_database) == up


def test_every_step_down_is_the_step_up_taken_back(bare_database):
    for file in up_files():
        apply_in_transaction(bare_database.connect("audit_migrator"), file)
    for down in down_files()[:-1]:
        up = next(file for file in up_files() if number(file) == number(down))
        before = catalogue(bare_database)
        by_psql(bare_database, down)
        assert version(bare_database) == number(down) - 1
        by_psql(bare_database, up)
        assert catalogue(bare_database) == before
        by_psql(bare_database, down)


def test_files_come_in_pairs_and_are_numbered_without_gaps():
    ups = [file.name.removesuffix(".up.sql") for file in up_files()]
    assert ups == sorted(file.name.removesuffix(".down.sql") for file in down_files())
    assert [int(name[:4]) for name in ups] == list(range(1, len(ups) + 1))


def test_everything_belongs_to_the_owner(bare_database):
    for file in up_files():
        by_golang_migrate(bare_database, file)
    owners = {row[2].split()[1] for row in catalogue(bare_database) if row[0] == "relation"}
    assert owners == {"audit_owner"}


def test_a_file_outside_a_transaction_is_refused_and_changes_nothing(bare_database):
    before = catalogue(bare_database)
    done = bare_database.psql("audit_migrator", "-f", str(up_files()[0]))
    assert done.returncode != 0 and "apply this file in one transaction" in done.stderr
    assert catalogue(bare_database) == before


def test_a_file_that_fails_midway_leaves_nothing(bare_database):
    session = bare_database.connect("audit_migrator")
    before = catalogue(bare_database)
    with pytest.raises(psycopg.Error):
        execute_simple(session, up_files()[0].read_text() + "SELECT 1 / 0;")
    assert catalogue(bare_database) == before
    assert session.execute("SELECT current_user::text").fetchone() == ("audit_migrator",)


@pytest.mark.parametrize("role", ["audit_writer", "audit_auditor", "audit_operator"])
def test_only_the_migrator_can_apply_them(bare_database, role):
    with pytest.raises((InsufficientPrivilege, AssertFailure)):
        apply_in_transaction(bare_database.connect(role), up_files()[0])


def step_down_to(database, wanted):
    """Takes back what comes after that version; returns the files that would go on."""
    for file in down_files():
        if number(file) > wanted:
            by_psql(database, file)
    return [file for file in down_files() if number(file) <= wanted]


def test_a_step_down_that_would_drop_rows_is_refused(database):
    positions, ledger, *_ = step_down_to(database, 3)
    fill(database, event())
    database.connect("audit_writer").execute(
        "INSERT INTO audit.partitions (topic, partition, first_offset, next_offset, owner_epoch)"
        " VALUES ('t', 0, 0, 0, 1)")
    migrator = database.connect("audit_migrator")
    with pytest.raises(ObjectNotInPrerequisiteState, match="audit.partitions"):
        apply_in_transaction(migrator, positions)
    migrator.execute("SET ROLE audit_owner; TRUNCATE audit.partitions; RESET ROLE")
    apply_in_transaction(migrator, positions)
    with pytest.raises(ObjectNotInPrerequisiteState, match="audit.ledger_y2026m11"):
        apply_in_transaction(migrator, ledger)
    migrator.execute("SET ROLE audit_owner; DROP TABLE audit.ledger_y2026m11; RESET ROLE")
    apply_in_transaction(migrator, ledger)


def test_a_step_down_that_would_drop_refused_records_is_refused(database):
    quarantine, *_ = step_down_to(database, 4)
    database.connect("audit_writer").execute(
        """INSERT INTO audit.quarantine (topic, log_epoch, partition, kafka_offset, kafka_timestamp,
                                         header_names, header_values, redacted, reason, message)
           VALUES ('t', 0, 0, 0, '2026-11-22 12:00+00', '{}', '{}', false, 'empty_value', 'send a value')""")
    with pytest.raises(ObjectNotInPrerequisiteState, match="audit.quarantine"):
        apply_in_transaction(database.connect("audit_migrator"), quarantine)


def test_a_leaf_made_under_the_first_schema_becomes_like_one_made_under_the_newest(database):
    step_down_to(database, 2)
    fill(database)
    for file in up_files()[2:]:
        by_psql(database, file)
    newest = database.connect("audit_writer").execute("SELECT audit.ensure_partition('2027-01-01 00:00+00')").fetchone()[0]

    def facts(leaf):
        rows = [[str(value).replace(leaf, "LEAF") for value in row] for row in catalogue(database) if leaf in str(row)]
        return sorted(rows)

    assert facts(kNovemberLeaf) == facts(newest) and len(facts(newest)) > 10


def test_empty_leaves_go_with_the_ledger(database):
    fill(database)
    for file in down_files():
        by_psql(database, file)
    names = {row[1] for row in catalogue(database) if row[0] == "relation"}
    assert not any(name.startswith("ledger") for name in names)


def test_the_roles_file_changes_nothing_when_it_runs_again(database):
    before = catalogue(database)
    roles = database.connect().execute("SELECT * FROM pg_roles ORDER BY rolname").fetchall()
    done = database.psql("postgres", "-1", "-f", str(kRolesFile))
    assert (done.returncode, done.stderr) == (0, "")
    assert catalogue(database) == before
    assert database.connect().execute("SELECT * FROM pg_roles ORDER BY rolname").fetchall() == roles


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS", "CREATEROLE", "CREATEDB", "REPLICATION"])
def test_the_roles_file_refuses_a_role_that_is_above_the_rules(database, attribute):
    superuser = database.connect()
    superuser.execute(f"ALTER ROLE audit_writer {attribute}")
    try:
        done = database.psql("postgres", "-1", "-f", str(kRolesFile))
        assert done.returncode != 0 and "audit_writer" in done.stderr
    finally:
        superuser.execute(f"ALTER ROLE audit_writer NO{attribute}")


@pytest.mark.parametrize("above", ["pg_read_all_data", "pg_write_all_data", "postgres", "audit_auditor"])
def test_the_roles_file_refuses_a_role_that_is_a_member_of_one_above_it(database, above):
    superuser = database.connect()
    superuser.execute(f"GRANT {above} TO audit_reader")
    try:
        done = database.psql("postgres", "-1", "-f", str(kRolesFile))
        assert done.returncode != 0 and f"take the membership of: {above} from audit_reader" in done.stderr
    finally:
        superuser.execute(f"REVOKE {above} FROM audit_reader")


def test_the_roles_file_holds_no_password():
    assert not re.search(r"\bPASSWORD\s+'", kRolesFile.read_text(), re.IGNORECASE)
