-- Not refused while it holds rows: they are derived from the ledger, and `sealstream rebuild read-models` writes them again.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DROP VIEW audit.api_keys_current;
DROP VIEW audit.api_keys_from_ledger;
DROP FUNCTION audit.note_key_events(text[], text[], timestamptz[], text[], text[], text[], text[], text[], text[], text[],
                                    text[], text[]);
DROP TABLE audit.api_keys;
DROP FUNCTION audit.key_statement(text, text, text, text, jsonb, jsonb);
DROP FUNCTION audit.texts_of(jsonb);
DROP FUNCTION audit.moment_of(text);
DROP FUNCTION audit.moment_after(timestamptz, interval);
DROP FUNCTION audit.key_grace(text);
DROP FUNCTION audit.key_life(text);

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 5';

SET LOCAL ROLE NONE;
