-- SPDX-License-Identifier: Apache-2.0
-- No two rows of a chain may name the same predecessor; who comes second tries
-- again, here inside of the server, where that costs least.
\ir in_row.sql
CREATE UNIQUE INDEX audit_logs_prev ON audit_logs (org_id, prev);

CREATE FUNCTION link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.hash := sha256(NEW.prev || convert_to(concat_ws('|', NEW.id,
		NEW.org_id, NEW.at, NEW.actor, NEW.action, NEW.resource, NEW.details),
		'UTF8'));
	RETURN NEW;
END $$;

CREATE TRIGGER link BEFORE INSERT ON audit_logs
	FOR EACH ROW EXECUTE FUNCTION link();

CREATE FUNCTION append(org integer, who text, what text, resource text,
	details jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	head record;
BEGIN
	LOOP
		SELECT a.seq, a.hash INTO head FROM audit_logs a
			WHERE a.org_id = org ORDER BY a.seq DESC LIMIT 1;
		BEGIN
			INSERT INTO audit_logs (org_id, actor, action, resource, details,
				seq, prev)
			VALUES (org, who, what, resource, details,
				coalesce(head.seq, 0) + 1, coalesce(head.hash, ''));
			RETURN;
		EXCEPTION WHEN unique_violation THEN
			NULL;
		END;
	END LOOP;
END $$;
