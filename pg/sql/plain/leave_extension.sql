-- From the extension to plain SQL: a superuser runs this.  What it holds is put
-- aside, then it is dropped.

DO $leave$
DECLARE
	t record;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'tally') THEN
		RAISE EXCEPTION 'the extension tally is not installed in this database';
	END IF;
	-- As attach does, so that nothing is attached meanwhile.
	LOCK TABLE tally.attachment IN SHARE ROW EXCLUSIVE MODE;
	FOR t IN SELECT a.relation AS name FROM tally.attachment a JOIN tally.event e ON e.id = a.epoch
		WHERE e.event LIKE '{"track":%' LIMIT 1
	LOOP
		RAISE EXCEPTION 'table "%" is tracked, which plain SQL cannot go on with', t.name
			USING HINT = format('End it: SELECT tally.untrack(%L).  Its events stay.', t.name);
	END LOOP;
	FOR t IN SELECT a.relation::text AS name FROM tally.attachment a
		JOIN pg_class c ON c.oid = a.relation ORDER BY a.relation
	LOOP
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', t.name);
	END LOOP;
END
$leave$;
LOCK TABLE tally.chain, tally.event, tally.record, tally.attachment, tally.origin
	IN ACCESS EXCLUSIVE MODE;
CREATE SCHEMA tally_kept;
CREATE TABLE tally_kept.chain AS SELECT * FROM tally.chain;
CREATE TABLE tally_kept.event AS SELECT * FROM tally.event;
CREATE TABLE tally_kept.record AS SELECT * FROM tally.record;
CREATE TABLE tally_kept.attachment AS SELECT * FROM tally.attachment;
CREATE TABLE tally_kept.origin AS SELECT * FROM tally.origin;
CREATE TABLE tally_kept.here AS SELECT 'tally.record'::regclass::oid AS record;

-- As long as tables are attached the extension lets nobody drop their triggers,
-- nor itself.
SET LOCAL session_replication_role = replica;
DELETE FROM tally.attachment;
SET LOCAL session_replication_role = origin;
DO $triggers$
DECLARE
	t record;
	member text;
BEGIN
	FOR t IN SELECT a.relation, a.relation::regclass::text AS name FROM tally_kept.attachment a
		JOIN pg_class c ON c.oid = a.relation
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS "!tally_capture" ON %s', t.name);
		FOR member IN SELECT t.name UNION
			SELECT relid::text FROM pg_partition_tree(t.relation) LOOP
			EXECUTE format('DROP TRIGGER IF EXISTS "!tally_truncate" ON %s', member);
		END LOOP;
	END LOOP;
END
$triggers$;
DROP EXTENSION tally;
DROP SCHEMA IF EXISTS tally;

