-- Refused while there is a position: without it every record would be read again. TRUNCATE the tables first if that
-- is meant.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DO $$
BEGIN
  IF pg_relation_size('audit.partitions') + pg_relation_size('audit.partition_epochs')
     + pg_relation_size('audit.chain_heads') > 0 THEN
    RAISE object_not_in_prerequisite_state
      USING MESSAGE = 'audit.partitions, audit.partition_epochs or audit.chain_heads holds rows';
  END IF;
END
$$;

DROP FUNCTION audit.expect(boolean, text);
DROP FUNCTION audit.accept_loss(text, int, bigint, bigint, bigint, bigint, text, text);
DROP FUNCTION audit.hold(text[], int[], bigint[], bigint[]);
DROP TABLE audit.partition_epochs;
DROP TABLE audit.partitions;
DROP TABLE audit.chain_heads;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 2';

SET LOCAL ROLE NONE;
