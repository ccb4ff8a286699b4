-- The schema itself and the bookkeeping stay: whoever takes this step back still has to write down that it did.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DROP FUNCTION audit.schema_version();
REVOKE ALL ON audit.schema_migrations, audit.migration_checksums FROM audit_auditor, audit_operator;
REVOKE ALL ON SCHEMA audit
  FROM audit_migrator, audit_writer, audit_app, audit_reader, audit_auditor, audit_operator, audit_eraser;

SET LOCAL ROLE NONE;
