-- The first repair, never shipped: a lock in the trigger, held until commit.
CREATE OR REPLACE FUNCTION audit_log_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1000200, hashtext(coalesce(NEW.org_id::text, 'NULL')));
    SELECT checksum INTO NEW.prev_checksum FROM audit_logs
        WHERE org_id IS NOT DISTINCT FROM NEW.org_id
        ORDER BY "timestamp" DESC, id DESC LIMIT 1;
    NEW.checksum := encode(sha256(convert_to(
        audit_log_payload(NEW, NEW.prev_checksum), 'UTF8')), 'hex');
    RETURN NEW;
END $$;
