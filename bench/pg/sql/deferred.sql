-- SPDX-License-Identifier: Apache-2.0
-- The chain in a table beside, written at commit by a deferred constraint
-- trigger under an advisory lock: the shape of LanternOps/breeze.
CREATE TABLE audit_chain (
	chain_seq bigserial PRIMARY KEY,
	audit_id bigint NOT NULL UNIQUE REFERENCES audit_logs ON DELETE CASCADE,
	org_id integer NOT NULL,
	content text NOT NULL,
	prev text,
	hash text NOT NULL,
	sealed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_chain_head ON audit_chain (org_id, chain_seq);
CREATE UNIQUE INDEX audit_chain_prev ON audit_chain (prev)
	WHERE prev IS NOT NULL;
CREATE UNIQUE INDEX audit_chain_first ON audit_chain (org_id)
	WHERE prev IS NULL;

ALTER TABLE audit_logs ADD content text;

CREATE FUNCTION digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.content := encode(sha256(convert_to(concat_ws('|', NEW.id, NEW.org_id,
		NEW.at, NEW.actor, NEW.action, NEW.resource, NEW.details), 'UTF8')),
		'hex');
	RETURN NEW;
END $$;

CREATE TRIGGER digest BEFORE INSERT ON audit_logs
	FOR EACH ROW EXECUTE FUNCTION digest();

CREATE FUNCTION seal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	head text;
BEGIN
	PERFORM pg_advisory_xact_lock(1, NEW.org_id);
	SELECT hash INTO head FROM audit_chain
		WHERE org_id = NEW.org_id ORDER BY chain_seq DESC LIMIT 1;
	INSERT INTO audit_chain (audit_id, org_id, content, prev, hash)
	VALUES (NEW.id, NEW.org_id, NEW.content, head,
		encode(sha256(convert_to(coalesce(head, '') || '|' || NEW.content,
			'UTF8')), 'hex'));
	RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER seal AFTER INSERT ON audit_logs
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION seal();
