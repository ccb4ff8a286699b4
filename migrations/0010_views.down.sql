-- Nothing is lost: the views hold no rows of their own.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DROP VIEW audit.gateway_audit_events, audit.agent_audit_events, audit.admin_audit_logs, audit.audit_logs, audit.audit_log,
          audit.audit_events, audit.api_key_audit_log;
DROP INDEX audit.ledger_policies_hit_idx;

DO $$
DECLARE
  leaf regclass;
  personal record;
BEGIN
  FOR leaf IN SELECT relid FROM pg_partition_tree('audit.ledger') WHERE isleaf LOOP
    EXECUTE format('DROP TRIGGER leaf_refuse_change ON %s', leaf);
  END LOOP;
  FOR personal IN SELECT attrelid::regclass AS relation, attname FROM pg_attribute
                  WHERE attrelid IN ('audit.ledger'::regclass, 'audit.quarantine'::regclass)
                    AND attnum > 0 AND NOT attisdropped AND attstattarget = 0 LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS -1', personal.relation, personal.attname);
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION audit.ensure_partition(moment timestamptz) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, audit, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
DECLARE
  month CONSTANT timestamptz := date_trunc('month', moment);
  leaf CONSTANT text := to_char(month, '"ledger_y"YYYY"m"MM');
BEGIN
  IF moment IS NULL OR moment < '1970-01-01' OR moment >= '9999-01-01' THEN
    RAISE datetime_field_overflow USING MESSAGE = format('no leaf for %s: from 1970 to 9998', moment);
  END IF;
  IF pg_partition_root(to_regclass('audit.' || leaf)) = 'audit.ledger'::regclass THEN
    RETURN leaf;
  END IF;
  LOCK TABLE ONLY audit.ledger IN SHARE UPDATE EXCLUSIVE MODE;
  IF pg_partition_root(to_regclass('audit.' || leaf)) = 'audit.ledger'::regclass THEN
    RETURN leaf;
  END IF;

  EXECUTE format('CREATE TABLE audit.%I (LIKE audit.ledger INCLUDING ALL EXCLUDING INDEXES,'
                 ' CONSTRAINT %I UNIQUE (tenant_id, seq), CONSTRAINT %I UNIQUE (tenant_id, event_id))',
                 leaf, leaf || '_seq_key', leaf || '_event_id_key');
  EXECUTE format('CREATE INDEX %I ON audit.%I (tenant_id, event_time)', leaf || '_event_time_idx', leaf);
  EXECUTE format('CREATE INDEX %I ON audit.%I (tenant_id, key_id, event_time) WHERE key_id IS NOT NULL',
                 leaf || '_key_id_idx', leaf);
  EXECUTE format('CREATE TRIGGER ledger_refuse_truncate BEFORE TRUNCATE ON audit.%I'
                 ' FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', leaf);
  EXECUTE format('ALTER TABLE audit.ledger ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)',
                 leaf, month, month + interval '1 month');
  EXECUTE format('REVOKE ALL ON audit.%I FROM audit_owner', leaf);  -- not before: cloning the trigger takes a right
  EXECUTE format('GRANT SELECT, INSERT ON audit.%I TO audit_writer', leaf);
  RETURN leaf;
END
$$;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 9';

SET LOCAL ROLE NONE;
