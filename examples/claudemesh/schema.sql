-- mesh.audit_log as claudemesh's broker had it in its first week: the broker
-- keeps the head of each mesh in memory.  Two replicas keep two.
CREATE SCHEMA mesh;
CREATE TABLE mesh.mesh (id text PRIMARY KEY);
CREATE TABLE mesh.audit_log (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mesh_id text NOT NULL REFERENCES mesh.mesh ON DELETE CASCADE ON UPDATE CASCADE,
    event_type text NOT NULL,
    actor_member_id text,
    actor_display_name text,
    payload jsonb NOT NULL DEFAULT '{}',
    prev_hash text NOT NULL,
    hash text NOT NULL,
    created_at timestamp NOT NULL
);
INSERT INTO mesh.mesh VALUES ('m1');

-- canonicalJson() for payloads that are flat: names in the order of UTF-16,
-- which for these names is that of their bytes.
CREATE FUNCTION mesh.canonical(payload jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '{' || coalesce(string_agg(to_json(key)::text || ':' || value::text, ','
        ORDER BY key COLLATE "C"), '') || '}' FROM jsonb_each(payload)
$$;

-- The broker: its head lives in the session, as it lived in the process.
CREATE FUNCTION mesh.broker_append(mesh text, event text, member text, payload jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    prev text := nullif(current_setting('broker.last_hash', true), '');
    now timestamp := date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC');
    new text;
BEGIN
    IF prev IS NULL THEN  -- after a start it reads the head once
        SELECT a.hash INTO prev FROM mesh.audit_log a WHERE a.mesh_id = mesh
            ORDER BY a.id DESC LIMIT 1;
    END IF;
    prev := coalesce(prev, 'genesis');
    new := encode(sha256(convert_to(concat_ws('|', prev, mesh, event,
        coalesce(member, 'null'), mesh.canonical(payload),
        to_char(now, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), 'UTF8')), 'hex');
    INSERT INTO mesh.audit_log (mesh_id, event_type, actor_member_id, payload,
        prev_hash, hash, created_at)
        VALUES (mesh, event, member, payload, prev, new, now);
    PERFORM set_config('broker.last_hash', new, false);
END $$;
