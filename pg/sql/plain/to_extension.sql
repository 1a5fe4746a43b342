-- From plain SQL to the extension: a superuser runs this, in a database in which
-- nobody writes to the attached tables meanwhile (they are locked).  Records,
-- chains, events and epochs go over as they are; no chain gets a new record.

DO $move$
DECLARE
	t record;
BEGIN
	IF to_regclass('tally.pending') IS NULL THEN
		RAISE EXCEPTION 'schema "tally" is not one of plain SQL';
	END IF;
	FOR t IN SELECT a.relation, a.relation::text AS name FROM tally.attachment a
		JOIN pg_class c ON c.oid = a.relation ORDER BY a.relation
	LOOP
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', t.name);
		PERFORM tally.drop_triggers(t.relation);
	END LOOP;
END
$move$;
LOCK TABLE tally.chain, tally.event, tally.record, tally.attachment, tally.origin,
	tally.pending IN ACCESS EXCLUSIVE MODE;
ALTER SCHEMA tally RENAME TO tally_plain;
CREATE EXTENSION tally;

-- The guards of the extension's tables are for honest hands; these are.
SET LOCAL session_replication_role = replica;
INSERT INTO tally.chain SELECT * FROM tally_plain.chain;
INSERT INTO tally.event SELECT * FROM tally_plain.event;
INSERT INTO tally.record SELECT * FROM tally_plain.record;
-- The table of records is another one now.  Of a log that says itself where it
-- was sealed, that has to be sealed, too: below.
INSERT INTO tally.origin SELECT number, cluster, database, name,
	CASE WHEN record = 'tally_plain.record'::regclass AND NOT EXISTS (
			SELECT FROM tally_plain.event WHERE event LIKE '{"origin":%')
		THEN 'tally.record'::regclass::oid ELSE record END, timeline
	FROM tally_plain.origin;
SET LOCAL session_replication_role = origin;
SELECT setval('tally.chain_number', coalesce(max(id), 0) + 1, false) FROM tally.chain;
SELECT setval('tally.event_number', coalesce(max(id), 0) + 1, false) FROM tally.event;

-- Before the tables are attached: from then on the extension watches DDL.
DO $triggers$
DECLARE
	t record;
	member text;
BEGIN
	FOR t IN SELECT a.relation, a.relation::text AS name FROM tally_plain.attachment a
		JOIN pg_class c ON c.oid = a.relation
	LOOP
		EXECUTE format('CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE'
			' ON %s FOR EACH ROW EXECUTE FUNCTION tally.capture()', t.name);
		FOR member IN SELECT t.name UNION
			SELECT relid::text FROM pg_partition_tree(t.relation) LOOP
			EXECUTE format('CREATE TRIGGER "!tally_truncate" BEFORE TRUNCATE'
				' ON %s FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_truncate()', member);
		END LOOP;
	END LOOP;
END
$triggers$;
SET LOCAL session_replication_role = replica;
INSERT INTO tally.attachment SELECT * FROM tally_plain.attachment;
SET LOCAL session_replication_role = origin;
SELECT tally.restored('given over from plain SQL to the extension')
	WHERE 'tally_plain.record'::regclass = (
		SELECT record FROM tally.origin ORDER BY number DESC LIMIT 1);
SET LOCAL client_min_messages = warning;
DROP SCHEMA tally_plain CASCADE;
