-- Not refused while it holds rows: they are derived from the ledger, and `sealstream rebuild read-models` writes them again.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DROP TABLE audit.api_key_anomalies;
DROP TABLE audit.api_key_attempts;
DROP TABLE audit.api_key_seen;
DROP TABLE audit.api_key_activity;
DROP TABLE audit.api_key_thresholds;
ALTER TABLE audit.chain_heads DROP COLUMN keys_active_until, DROP COLUMN late_events;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 6';

SET LOCAL ROLE NONE;
