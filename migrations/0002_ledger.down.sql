-- Refused while a leaf holds rows: it is evidence. Drop such a leaf by hand first if that is meant.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DO $$
DECLARE
  full_leaf text;
BEGIN
  SELECT min(relid::text) INTO full_leaf
  FROM pg_partition_tree('audit.ledger') WHERE isleaf AND pg_relation_size(relid) > 0;
  IF full_leaf IS NOT NULL THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = format('%s holds rows of the ledger', full_leaf);
  END IF;
END
$$;

DROP FUNCTION audit.ensure_partition(timestamptz);
DROP TABLE audit.ledger;
DROP TABLE audit.reader_tenants;
DROP FUNCTION audit.refuse_change();

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 1';

SET LOCAL ROLE NONE;
