-- audit_logs as breeze had it until June 2026: the hash is in the row, and a
-- trigger takes the newest row of the organisation for the predecessor.
CREATE TYPE actor_type AS ENUM ('user', 'api_key', 'agent', 'system');
CREATE TYPE audit_result AS ENUM ('success', 'failure', 'denied');

CREATE TABLE audit_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id uuid,
    "timestamp" timestamp NOT NULL DEFAULT now(),
    actor_type actor_type NOT NULL,
    actor_id uuid,
    actor_email varchar(255),
    action varchar(100) NOT NULL,
    resource_type varchar(50) NOT NULL,
    resource_id uuid,
    resource_name varchar(255),
    details jsonb,
    ip_address varchar(45),
    user_agent text,
    result audit_result NOT NULL,
    error_message text,
    checksum varchar(128),
    prev_checksum varchar(128)
);
CREATE INDEX ON audit_logs (org_id, "timestamp" DESC, id DESC);

CREATE FUNCTION audit_log_payload(r audit_logs, prev text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT coalesce(prev, '') || '|' || r.id || '|' || r.actor_type || '|' ||
        coalesce(r.actor_id::text, '') || '|' || r.action || '|' ||
        r.resource_type || '|' || coalesce(r.resource_id::text, '') || '|' ||
        r.result || '|' || coalesce(r.details::text, '') || '|' ||
        to_char(r."timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Between this SELECT and the commit anybody else reads the same predecessor.
CREATE FUNCTION audit_log_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT checksum INTO NEW.prev_checksum FROM audit_logs
        WHERE org_id IS NOT DISTINCT FROM NEW.org_id
        ORDER BY "timestamp" DESC, id DESC LIMIT 1;
    NEW.checksum := encode(sha256(convert_to(
        audit_log_payload(NEW, NEW.prev_checksum), 'UTF8')), 'hex');
    RETURN NEW;
END $$;
CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION audit_log_chain();

-- Sessions of breeze run in UTC; what happens where one does not is another
-- story (doc/profiles.md).
ALTER DATABASE postgres SET timezone = 'UTC';
