-- The ledger: every event and every tombstone, a leaf for each month of recorded_at in UTC.
--
-- The columns stand in the order of the registry, schemas/chain-v1.columns.json, behind the two of the header.
-- Integers are bigint throughout: so the bytes that COPY sends are the bytes that are hashed.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

CREATE TABLE audit.ledger (
  -- identity
  tenant_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  family text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  schema_version bigint NOT NULL,
  source text COLLATE "C" NOT NULL,
  event_time timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  kafka_topic text COLLATE "C" NOT NULL,
  kafka_log_epoch bigint NOT NULL,
  kafka_partition bigint NOT NULL,
  kafka_offset bigint NOT NULL,
  source_digest bytea NOT NULL,
  -- common
  status text COLLATE "C",
  actor_type text COLLATE "C",
  department_id text COLLATE "C",
  client_type text COLLATE "C",
  agent_id text COLLATE "C",
  trace_id text COLLATE "C",
  span_id text COLLATE "C",
  error_type text COLLATE "C",
  error_code text COLLATE "C",
  latency_ms bigint,
  http_status bigint,
  rules_version bigint NOT NULL,
  -- LLM
  operation text COLLATE "C",
  provider text COLLATE "C",
  model text COLLATE "C",
  route text COLLATE "C",
  response_id text COLLATE "C",
  input_tokens bigint,
  output_tokens bigint,
  total_tokens bigint,
  cache_read_tokens bigint,
  cache_write_tokens bigint,
  reasoning_tokens bigint,
  usage_basis text COLLATE "C",
  cost_usd numeric,
  -- tool
  tool_name text COLLATE "C",
  tool_type text COLLATE "C",
  tool_server text COLLATE "C",
  tool_call_id text COLLATE "C",
  tool_error boolean,
  -- key
  key_id text COLLATE "C",
  key_prefix text COLLATE "C",
  key_hash text COLLATE "C",
  key_type text COLLATE "C",
  request_path text COLLATE "C",
  response_code bigint,
  response_bytes bigint,
  -- resource
  resource_type text COLLATE "C",
  -- JSON
  digest jsonb,
  policies_hit jsonb,
  tools_called jsonb,
  detail jsonb,
  -- personal: audit.refuse_change lists them too
  user_id text COLLATE "C",
  user_email text COLLATE "C",
  user_name text COLLATE "C",
  on_behalf_of text COLLATE "C",
  session_id text COLLATE "C",
  client_ip inet,
  user_agent text COLLATE "C",
  resource_id text COLLATE "C",
  input_summary text COLLATE "C",
  output_summary text COLLATE "C",
  error_message text COLLATE "C",
  personal_detail jsonb,
  -- chain
  personal_key_id text COLLATE "C" NOT NULL,
  personal_commitment bytea,
  prev_checksum bytea NOT NULL,
  checksum bytea NOT NULL,

  CONSTRAINT ledger_seq_check CHECK (seq >= 0),
  CONSTRAINT ledger_source_digest_check CHECK (octet_length(source_digest) = 16),
  CONSTRAINT ledger_personal_commitment_check CHECK (octet_length(personal_commitment) = 32),
  CONSTRAINT ledger_prev_checksum_check CHECK (octet_length(prev_checksum) = 64),
  CONSTRAINT ledger_checksum_check CHECK (octet_length(checksum) = 64)
) PARTITION BY RANGE (recorded_at);

-- (tenant_id, seq) and (tenant_id, event_id) are unique per leaf, so they stand on the leaves.
CREATE INDEX ledger_event_time_idx ON audit.ledger (tenant_id, event_time);
CREATE INDEX ledger_key_id_idx ON audit.ledger (tenant_id, key_id, event_time) WHERE key_id IS NOT NULL;

-- Nobody changes the ledger. The one change let through sets all personal columns of a row to NULL and leaves every
-- other byte as it was: *= compares the stored images, so that jsonb 1.0 is not 1.00, and a column added later is
-- protected from the first day.
CREATE FUNCTION audit.refuse_change() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
DECLARE
  erased record;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    erased := OLD;
    erased.user_id := NULL;
    erased.user_email := NULL;
    erased.user_name := NULL;
    erased.on_behalf_of := NULL;
    erased.session_id := NULL;
    erased.client_ip := NULL;
    erased.user_agent := NULL;
    erased.resource_id := NULL;
    erased.input_summary := NULL;
    erased.output_summary := NULL;
    erased.error_message := NULL;
    erased.personal_detail := NULL;
    IF NEW *= erased THEN
      RETURN NEW;
    END IF;
    RAISE insufficient_privilege
      USING MESSAGE = 'the ledger is append-only: an update may only set all personal columns of a row to NULL';
  END IF;
  RAISE insufficient_privilege
    USING MESSAGE = format('the ledger is append-only: %s of %I is refused', TG_OP, TG_TABLE_NAME);
END
$$;
REVOKE ALL ON FUNCTION audit.refuse_change() FROM PUBLIC;

CREATE TRIGGER ledger_refuse_change BEFORE UPDATE OR DELETE ON audit.ledger
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();  -- every leaf gets a clone when it is attached
CREATE TRIGGER ledger_refuse_truncate BEFORE TRUNCATE ON audit.ledger
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

-- Which person may read which tenant. A person's login role is a member of audit_reader.
CREATE TABLE audit.reader_tenants (
  role_name name NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (role_name, tenant_id)
);
ALTER TABLE audit.reader_tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY reader_tenants_owner ON audit.reader_tenants TO audit_owner USING (true) WITH CHECK (true);
CREATE POLICY reader_tenants_reader ON audit.reader_tenants FOR SELECT TO audit_reader
  USING (role_name = session_user);
CREATE POLICY reader_tenants_auditor ON audit.reader_tenants FOR SELECT TO audit_auditor USING (true);
GRANT SELECT ON audit.reader_tenants TO audit_reader, audit_auditor;

-- No policy for the owner: it sees no row. The writer has no right here at all: COPY into a table with row-level
-- security is refused, so it works on the leaves, which have none.
ALTER TABLE audit.ledger ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ledger_app ON audit.ledger FOR SELECT TO audit_app
  USING (tenant_id = current_setting('app.current_tenant', true));
CREATE POLICY ledger_reader ON audit.ledger FOR SELECT TO audit_reader
  USING (tenant_id = ANY (ARRAY(SELECT t.tenant_id FROM audit.reader_tenants t WHERE t.role_name = session_user)));
CREATE POLICY ledger_auditor ON audit.ledger FOR SELECT TO audit_auditor USING (true);
CREATE POLICY ledger_eraser_select ON audit.ledger FOR SELECT TO audit_eraser USING (true);
CREATE POLICY ledger_eraser_update ON audit.ledger FOR UPDATE TO audit_eraser USING (true) WITH CHECK (true);

GRANT SELECT ON audit.ledger TO audit_app, audit_reader, audit_auditor;
-- What the eraser needs to find rows, and to see its own event arrive.
GRANT SELECT (tenant_id, seq, event_id, family, action, event_time, recorded_at, detail, user_id, on_behalf_of)
  ON audit.ledger TO audit_eraser;
GRANT UPDATE (user_id, user_email, user_name, on_behalf_of, session_id, client_ip, user_agent, resource_id,
              input_summary, output_summary, error_message, personal_detail)
  ON audit.ledger TO audit_eraser;

-- Makes the leaf of a moment where it is missing, and returns its name without the schema. Anyone who asks at the same
-- time waits and then finds it. Building apart and attaching does not wait for open writers, and they do not wait
-- for it: ATTACH takes SHARE UPDATE EXCLUSIVE on the parent, a writer locks only its leaf for writing.
-- A leaf that was detached is not attached again: 42P07 says that its name is taken.
CREATE FUNCTION audit.ensure_partition(moment timestamptz) RETURNS text
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
REVOKE ALL ON FUNCTION audit.ensure_partition(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.ensure_partition(timestamptz) TO audit_writer;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 2';

SET LOCAL ROLE NONE;
