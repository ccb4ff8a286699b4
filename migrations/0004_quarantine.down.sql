-- Refused while there is a refused record: nowhere else is it kept. TRUNCATE the table first if that is meant.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DO $$
BEGIN
  IF pg_relation_size('audit.quarantine') > 0 THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'audit.quarantine holds rows';
  END IF;
END
$$;

DROP TABLE audit.quarantine;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 3';

SET LOCAL ROLE NONE;
