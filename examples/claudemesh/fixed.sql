-- The broker afterwards: it inserts, and knows nothing of chains.  The columns
-- of the old chain stay with the rows that have them.
ALTER TABLE mesh.audit_log ALTER prev_hash DROP NOT NULL, ALTER hash DROP NOT NULL;
CREATE OR REPLACE FUNCTION mesh.broker_append(mesh text, event text, member text, payload jsonb)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO mesh.audit_log (mesh_id, event_type, actor_member_id, payload, created_at)
    VALUES (mesh, event, member, payload, clock_timestamp() AT TIME ZONE 'UTC')
$$;
