-- The roles of Sealstream and the schema they work in. Run once by an administrator, in the target database:
--
--     psql -X -v ON_ERROR_STOP=1 -1 -d <database> -f deploy/roles.sql
--
-- Then give each login role a way in (a password with \password, or a line in pg_hba.conf): none is set here.
-- Running it again changes nothing. Roles are cluster-wide; for a second database of the cluster run it there too.
-- It needs a superuser, or a role that may create roles and is a member of audit_owner.
--
--     audit_owner      cannot log in; owns every object, and sees no tenant's rows
--     audit_migrator   applies migrations, as a member of audit_owner
--     audit_writer     the ingester
--     audit_app        a trusted application: reads the tenant in the setting app.current_tenant
--     audit_reader     a person: reads the tenants mapped to the session's user in audit.reader_tenants.
--                      Make a login role for each person and grant it audit_reader
--     audit_auditor    reads all tenants: verify and status
--     audit_operator   works on the quarantine and on anomalies, and accepts losses of a log
--     audit_eraser     clears personal columns, all of a row or none
--     audit_rebuilder  derives the read models from the ledger again, and writes nothing else

DO $roles$
DECLARE
  logins CONSTANT text[] := ARRAY['audit_migrator', 'audit_writer', 'audit_app', 'audit_reader', 'audit_auditor',
                                  'audit_operator', 'audit_eraser', 'audit_rebuilder'];
  login text;
  too_strong text;
BEGIN
  IF to_regrole('audit_owner') IS NULL THEN
    CREATE ROLE audit_owner NOLOGIN;
  END IF;
  FOREACH login IN ARRAY logins LOOP
    IF to_regrole(login) IS NULL THEN
      EXECUTE format('CREATE ROLE %I LOGIN', login);
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), login);
  END LOOP;

  -- Row-level security and rights hold for none of these, so a role that existed before must not have them.
  SELECT string_agg(rolname, ', ' ORDER BY rolname) INTO too_strong
  FROM pg_roles
  WHERE rolname = ANY (logins || 'audit_owner'::text)
    AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication);
  IF too_strong IS NOT NULL THEN
    RAISE EXCEPTION 'take SUPERUSER, BYPASSRLS, CREATEROLE, CREATEDB and REPLICATION from: %', too_strong;
  END IF;

  -- Nor may one have the rights of a role that is above them, or of another one here: policies of several roles add up, and
  -- leaves, which have no row-level security, are open to pg_read_all_data.
  SELECT string_agg(format('%I from %I', above.rolname, member.rolname), ', ' ORDER BY member.rolname, above.rolname)
  INTO too_strong
  FROM pg_roles AS member JOIN pg_roles AS above ON pg_has_role(member.oid, above.oid, 'MEMBER') AND member.oid <> above.oid
  WHERE member.rolname = ANY (logins || 'audit_owner'::text)
    AND (above.rolsuper OR above.rolbypassrls OR above.rolname = ANY (logins || 'audit_owner'::text)
         OR above.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                              'pg_execute_server_program'))
    AND NOT (member.rolname = 'audit_migrator' AND above.rolname = 'audit_owner');
  IF too_strong IS NOT NULL THEN
    RAISE EXCEPTION 'take the membership of: %', too_strong;
  END IF;

  IF NOT pg_has_role('audit_migrator', 'audit_owner', 'MEMBER') THEN
    GRANT audit_owner TO audit_migrator;
  END IF;
  EXECUTE format('GRANT CREATE ON DATABASE %I TO audit_owner', current_database());
  IF to_regnamespace('audit') IS NULL THEN
    CREATE SCHEMA audit AUTHORIZATION audit_owner;  -- here, so that golang-migrate can put its table into it
  END IF;
END
$roles$;
