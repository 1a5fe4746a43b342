-- SPDX-License-Identifier: Apache-2.0
-- A trigger that locks the head's row.  Whoever waited for it goes on with
-- that row, although it is the head no more.
\ir in_row.sql

CREATE FUNCTION link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	head record;
BEGIN
	SELECT seq, hash INTO head FROM audit_logs
		WHERE org_id = NEW.org_id ORDER BY seq DESC LIMIT 1 FOR UPDATE;
	NEW.seq := coalesce(head.seq, 0) + 1;
	NEW.prev := coalesce(head.hash, '');
	NEW.hash := sha256(NEW.prev || convert_to(concat_ws('|', NEW.id,
		NEW.org_id, NEW.at, NEW.actor, NEW.action, NEW.resource, NEW.details),
		'UTF8'));
	RETURN NEW;
END $$;

CREATE TRIGGER link BEFORE INSERT ON audit_logs
	FOR EACH ROW EXECUTE FUNCTION link();
