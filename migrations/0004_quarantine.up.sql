-- Refused records, as they came but for secrets, which are redacted in place before they get here.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

CREATE TABLE audit.quarantine (
  topic text COLLATE "C" NOT NULL,
  log_epoch bigint NOT NULL,
  partition int NOT NULL,
  kafka_offset bigint NOT NULL,
  kafka_timestamp timestamptz NOT NULL,
  key bytea,
  value bytea,                           -- at most the first 1 MiB
  value_length bigint,                   -- of the value as it came; NULL where there was none
  header_names bytea[] NOT NULL,         -- as they came: in order, perhaps doubled, perhaps not UTF-8
  header_values bytea[] NOT NULL,        -- the value of each name; NULL where it has none
  redacted boolean NOT NULL,             -- a secret was taken out of key, value or headers
  reason text COLLATE "C" NOT NULL,
  member_path text COLLATE "C",
  message text COLLATE "C" NOT NULL,     -- what the publisher should send instead
  sqlstate text COLLATE "C",             -- of db_rejected
  constraint_name text COLLATE "C",      -- of db_rejected
  tenant_id text COLLATE "C",            -- whose chain holds the tombstone
  state text COLLATE "C" NOT NULL DEFAULT 'open',
  quarantined_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT quarantine_pkey PRIMARY KEY (topic, log_epoch, partition, kafka_offset),
  CONSTRAINT quarantine_value_check CHECK (octet_length(value) <= 1048576),
  CONSTRAINT quarantine_value_length_check CHECK ((value IS NULL) = (value_length IS NULL)),
  CONSTRAINT quarantine_headers_check CHECK (cardinality(header_names) = cardinality(header_values)),
  CONSTRAINT quarantine_state_check CHECK (state IN ('open', 'released', 'discarded'))
);

ALTER TABLE audit.quarantine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY quarantine_writer ON audit.quarantine FOR INSERT TO audit_writer WITH CHECK (true);
CREATE POLICY quarantine_operator_select ON audit.quarantine FOR SELECT TO audit_operator USING (true);
CREATE POLICY quarantine_operator_update ON audit.quarantine FOR UPDATE TO audit_operator
  USING (true) WITH CHECK (true);
CREATE POLICY quarantine_auditor ON audit.quarantine FOR SELECT TO audit_auditor USING (true);
GRANT INSERT ON audit.quarantine TO audit_writer;
GRANT SELECT, UPDATE (state) ON audit.quarantine TO audit_operator;
-- To count and to compare with tombstones; nothing of what the record held.
GRANT SELECT (topic, log_epoch, partition, kafka_offset, kafka_timestamp, reason, redacted, tenant_id, state)
  ON audit.quarantine TO audit_auditor;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 4';

SET LOCAL ROLE NONE;
