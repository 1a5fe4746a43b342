-- SPDX-License-Identifier: Apache-2.0
-- Verifies the chain in the audit table the way products do it.
CREATE FUNCTION verify_loop(OUT checked bigint, OUT broken bigint)
	LANGUAGE plpgsql AS $$
DECLARE
	r audit_logs;
	last bytea := '';
BEGIN
	checked := 0;
	broken := 0;
	FOR r IN SELECT * FROM audit_logs WHERE org_id = 1 ORDER BY seq LOOP
		checked := checked + 1;
		IF r.prev <> last OR r.hash <> sha256(r.prev || convert_to(
			concat_ws('|', r.id, r.org_id, r.at, r.actor, r.action, r.resource,
				r.details), 'UTF8')) THEN
			broken := broken + 1;
		END IF;
		last := r.hash;
	END LOOP;
END $$;
