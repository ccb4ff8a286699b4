-- Not refused while it holds rows: they are derived from the ledger, and `sealstream rebuild read-models` writes them again.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DROP VIEW audit.usage_from_ledger;
DROP TABLE audit.usage_records;
REVOKE UPDATE (events) ON audit.chain_heads FROM audit_rebuilder;
REVOKE SELECT ON audit.ledger, audit.chain_heads FROM audit_rebuilder;
DROP POLICY chain_heads_rebuilder_lock ON audit.chain_heads;
DROP POLICY chain_heads_rebuilder_select ON audit.chain_heads;
DROP POLICY ledger_rebuilder ON audit.ledger;
REVOKE EXECUTE ON FUNCTION audit.schema_version() FROM audit_rebuilder;
REVOKE USAGE ON SCHEMA audit FROM audit_rebuilder;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 4';

SET LOCAL ROLE NONE;
