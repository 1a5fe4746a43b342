-- breeze's two tables, as much of them as is hashed, filled as its writers do;
-- test/cli/profile_source.bats.
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE SEQUENCE s;
CREATE TYPE actor AS ENUM ('user', 'system');
CREATE TABLE audit_logs (
  id uuid PRIMARY KEY, org_id uuid, "timestamp" timestamp NOT NULL,
  actor_type actor NOT NULL, actor_id uuid, action varchar(100) NOT NULL,
  resource_type varchar(50) NOT NULL, resource_id uuid, details jsonb,
  result text NOT NULL, checksum varchar(128), prev_checksum varchar(128));
CREATE TABLE audit_log_chain (
  chain_seq bigserial PRIMARY KEY, audit_id uuid UNIQUE REFERENCES audit_logs,
  org_id uuid, content_checksum text, prev_chain_checksum text,
  chain_checksum text);
CREATE FUNCTION payload(r audit_logs, prev text) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws('|', coalesce(prev, ''), r.id, r.actor_type,
    coalesce(r.actor_id::text, ''), r.action, r.resource_type,
    coalesce(r.resource_id::text, ''), r.result, coalesce(r.details::text, ''),
    to_char(r."timestamp", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) $$;
CREATE FUNCTION hex(t text) RETURNS text LANGUAGE sql AS $$
  SELECT encode(sha256(convert_to(t, 'UTF8')), 'hex') $$;
-- One row behind the last one of its organisation, or behind an earlier one.
CREATE FUNCTION add(n int, org uuid, back int DEFAULT 0) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  r audit_logs;
BEGIN
  r.id := format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid;
  r.org_id := org;
  r."timestamp" := '2026-06-01 10:00:00.25'::timestamp + n * interval '1 second';
  r.actor_type := 'user';
  r.action := 'device.update';
  r.resource_type := 'device';
  r.details := CASE WHEN n % 4 > 0
    THEN jsonb_build_object('n', n, 'zz', E'a "quoted"\ttext é', 'a', 1.50) END;
  r.result := 'success';
  r.prev_checksum := (SELECT a.checksum FROM audit_logs AS a
    WHERE a.org_id IS NOT DISTINCT FROM org
    ORDER BY a."timestamp" DESC OFFSET back LIMIT 1);
  r.checksum := hex(payload(r, r.prev_checksum));
  INSERT INTO audit_logs SELECT r.*;
END $$;
CREATE FUNCTION seal(a audit_logs) RETURNS void LANGUAGE sql AS $$
  INSERT INTO audit_log_chain (audit_id, org_id, content_checksum,
      prev_chain_checksum, chain_checksum)
    SELECT a.id, a.org_id, c, p, hex(coalesce(p, '') || '|' || c)
      FROM (SELECT hex(payload(a, NULL)) AS c, (SELECT l.chain_checksum
        FROM audit_log_chain AS l WHERE l.org_id IS NOT DISTINCT FROM a.org_id
        ORDER BY l.chain_seq DESC LIMIT 1) AS p) AS s $$;
CREATE FUNCTION fork() RETURNS void LANGUAGE sql AS $$
  SELECT add(13, '11111111-1111-4111-8111-111111111111', 1) $$;
SELECT add(n, CASE n % 2 WHEN 1 THEN
    '11111111-1111-4111-8111-111111111111'::uuid END)
  FROM generate_series(1, 12) AS n \g /dev/null
SELECT seal(a) FROM audit_logs AS a ORDER BY a."timestamp" \g /dev/null
