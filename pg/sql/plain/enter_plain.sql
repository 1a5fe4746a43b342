-- What was put aside, taken in; each epoch goes on.

SELECT set_config('tally_plain.writing', 'on', true);
INSERT INTO tally.chain SELECT * FROM tally_kept.chain;
INSERT INTO tally.event SELECT * FROM tally_kept.event;
INSERT INTO tally.record SELECT * FROM tally_kept.record;
INSERT INTO tally.attachment SELECT * FROM tally_kept.attachment;
-- As in the other direction: the table of records is another one now.
INSERT INTO tally.origin SELECT number, cluster, database, name,
	CASE WHEN o.record = h.record AND NOT EXISTS (
			SELECT FROM tally_kept.event WHERE event LIKE '{"origin":%')
		THEN 'tally.record'::regclass::oid ELSE o.record END, timeline
	FROM tally_kept.origin o, tally_kept.here h;
SELECT set_config('tally_plain.writing', 'off', true);
SELECT setval('tally.chain_number', coalesce(max(id), 0) + 1, false) FROM tally.chain;
SELECT setval('tally.event_number', coalesce(max(id), 0) + 1, false) FROM tally.event;

DO $triggers$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT l.kind FROM tally.log_events() l WHERE tally.is_known(l.kind) IS NOT true LOOP
		RAISE EXCEPTION 'tally:log holds events of kind "%", which plain SQL does not know', t.kind
			USING HINT = 'Stay with the extension: plain SQL could not verify these chains.';
	END LOOP;
	FOR t IN SELECT a.relation, a.relation::text AS name, a.epoch FROM tally.attachment a
		JOIN pg_class c ON c.oid = a.relation
	LOOP
		PERFORM tally.make_capture(t.epoch);
		EXECUTE format('ALTER FUNCTION tally.%I() OWNER TO %I', 'capture_' || t.epoch,
			(SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'tally'));
		PERFORM tally.make_guards(t.relation);
		EXECUTE format('CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE'
			' ON %s FOR EACH ROW EXECUTE FUNCTION tally.%I()', t.name, 'capture_' || t.epoch);
	END LOOP;
END
$triggers$;
SELECT tally.restored('given over from the extension to plain SQL')
	WHERE (SELECT record FROM tally_kept.here) = (
		SELECT record FROM tally.origin ORDER BY number DESC LIMIT 1);
SET LOCAL client_min_messages = warning;
DROP SCHEMA tally_kept CASCADE;
