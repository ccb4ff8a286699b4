SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DROP FUNCTION audit.resolve_anomalies(text[], text[], bigint[], timestamptz[], text[]);
DROP FUNCTION audit.key_window_steps(text);
DROP FUNCTION audit.judge_key_windows(text[], text[], timestamptz[], timestamptz[], bigint[]);
DROP FUNCTION audit.key_events(text[], text[], timestamptz[], timestamptz[], bigint[]);
DROP FUNCTION audit.key_window_start(interval, timestamptz);
DROP FUNCTION audit.key_value_hash(text);
DROP FUNCTION audit.key_address(inet);

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 7';

SET LOCAL ROLE NONE;
