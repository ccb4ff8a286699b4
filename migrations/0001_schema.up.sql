-- The schema and the bookkeeping of migrations.
--
-- Every file here is applied whole, in one transaction, as audit_migrator (deploy/roles.sql makes the roles):
--     sealstream migrate up
--     psql -X -v ON_ERROR_STOP=1 -1 -f migrations/0001_schema.up.sql       and so on, in order
--     migrate -path migrations -database 'postgres://audit_migrator@HOST/DATABASE?search_path=audit' up
-- What it makes belongs to audit_owner. SET LOCAL has no effect outside a transaction: there the assertion stops it.

ALTER TABLE IF EXISTS audit.schema_migrations OWNER TO audit_owner;  -- golang-migrate made it as audit_migrator

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

CREATE SCHEMA IF NOT EXISTS audit;

GRANT USAGE ON SCHEMA audit
  TO audit_migrator, audit_writer, audit_app, audit_reader, audit_auditor, audit_operator, audit_eraser;

-- golang-migrate's own table, in its own shape: one row, or none.
CREATE TABLE IF NOT EXISTS audit.schema_migrations (
  version bigint NOT NULL PRIMARY KEY,
  dirty boolean NOT NULL
);

-- What was applied, so that an edited migration is refused. golang-migrate and psql leave it as it is.
CREATE TABLE IF NOT EXISTS audit.migration_checksums (
  version bigint NOT NULL PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  checksum bytea NOT NULL,  -- BLAKE2b-512 of the up file
  applied_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT migration_checksums_checksum_check CHECK (octet_length(checksum) = 64)
);

GRANT SELECT ON audit.schema_migrations, audit.migration_checksums TO audit_auditor, audit_operator;

-- The version of the schema: that of the last file applied, whoever applied it. Readiness compares it.
CREATE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 1';
REVOKE ALL ON FUNCTION audit.schema_version() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.schema_version()
  TO audit_migrator, audit_writer, audit_app, audit_reader, audit_auditor, audit_operator, audit_eraser;

SET LOCAL ROLE NONE;
