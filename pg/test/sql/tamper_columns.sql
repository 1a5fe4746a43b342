-- Every column of records of every kind, changed by somebody who may do all:
-- each change is found, as one finding, at the record that was changed.
-- With rewritten hashes: tamper.sql.
--
-- The verifier judges what is committed, so each case is committed, judged,
-- and taken back.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE TABLE plain (id bigint PRIMARY KEY, org int, what text);
CREATE TABLE changed (a text, b int, what text, PRIMARY KEY (a, b));
CREATE TABLE salted (id int PRIMARY KEY, what text);
CREATE TABLE kept (id int PRIMARY KEY, what text);
SELECT tally.attach('plain', chain_by => 'org'),
	tally.attach('changed', append_only => false),
	tally.attach('salted', salted => true, append_only => false),
	tally.attach('kept', keep_event => true);
-- Chains plain/1 to plain/3 of several records, plain/4 of one.
INSERT INTO plain SELECT g, g % 3 + 1, 'row ' || g FROM generate_series(1, 24) g;
INSERT INTO plain VALUES (100, 4, 'alone'), (101, NULL, 'without an org');
INSERT INTO changed SELECT 'k', g, 'row ' || g FROM generate_series(1, 12) g;
UPDATE changed SET what = 'changed' WHERE b IN (3, 4, 5, 12);
DELETE FROM changed WHERE b IN (4, 6);
UPDATE changed SET b = 50 WHERE b = 7;
INSERT INTO salted SELECT g, 'row ' || g FROM generate_series(1, 8) g;
UPDATE salted SET what = 'changed' WHERE id = 3;
DELETE FROM salted WHERE id = 4;
INSERT INTO kept SELECT g, 'row ' || g FROM generate_series(1, 8) g;
SELECT tally.append('app', '{"n": 1}') IS NULL AS nothing;
SELECT tally.append('app', '{"n": 2}', 'id-2') IS NULL AS nothing;
SELECT tally.append('app', '{"n": 3}', 'id-3') IS NULL AS nothing;
SELECT tally.append('solo', '{"n": 4}', 'only') IS NULL AS nothing;

CREATE TABLE was AS TABLE tally.record;
CREATE TABLE cases (
	chain text, seq bigint, col text, value text,
	findings int, kind text, at text, detail text
);
ALTER TABLE tally.record DROP CONSTRAINT record_seq;
ALTER TABLE tally.record
	ALTER chain_id DROP NOT NULL, ALTER seq DROP NOT NULL,
	ALTER "time" DROP NOT NULL, ALTER digest DROP NOT NULL,
	ALTER prev DROP NOT NULL, ALTER hash DROP NOT NULL;
DROP INDEX tally.record_id;

-- What this script itself did to the tables.
CREATE VIEW findings AS
	SELECT * FROM tally.verify()
	WHERE detail NOT LIKE 'index "record\_%" of table "tally.record" is gone';

SELECT * FROM findings;

CREATE PROCEDURE flip(r was, col text, value text) LANGUAGE plpgsql AS $$
DECLARE
	name text := (SELECT c.name FROM tally.chain c WHERE c.id = r.chain_id);
BEGIN
	ALTER TABLE tally.record DISABLE TRIGGER guard;
	EXECUTE format('UPDATE tally.record SET %I = %s WHERE chain_id = %s AND seq = %s',
		col, value, r.chain_id, r.seq);
	ALTER TABLE tally.record ENABLE TRIGGER guard;
	COMMIT;
	INSERT INTO cases
		SELECT name, r.seq, col, value, count(*), min(f.kind),
			min(coalesce(f.chain, '?') || '/' || coalesce(f.seq::text, '?')),
			string_agg(concat_ws(' ', f.kind, f.chain, f.seq, f.source, f.key, f.detail), E'\n')
		FROM findings f;
	ALTER TABLE tally.record DISABLE TRIGGER guard;
	DELETE FROM tally.record;
	INSERT INTO tally.record SELECT * FROM was;
	ALTER TABLE tally.record ENABLE TRIGGER guard;
	COMMIT;
END $$;

-- The values that each column gets.
CREATE FUNCTION variants(r was) RETURNS TABLE (col text, value text)
LANGUAGE sql AS $$
	SELECT * FROM (VALUES
		('chain_id', 'NULL'),
		('chain_id', '999'),
		('chain_id', '0'),
		('chain_id', (SELECT (r.chain_id % count(*) + 1)::text FROM tally.chain)),
		('chain_id', (SELECT ((r.chain_id + 2) % count(*) + 1)::text FROM tally.chain)),
		('seq', 'NULL'),
		('seq', '0'),
		('seq', '-5'),
		('seq', 'seq + 1'),
		('seq', 'seq - 1'),
		('seq', 'seq + 1000'),
		('time', '"time" + interval ''1 microsecond'''),
		('time', '''infinity'''),
		('time', '''1969-12-31 23:59:59.999999+00'''),
		('time', 'NULL'),
		('epoch', CASE WHEN r.epoch IS NULL THEN '(SELECT min(epoch) FROM was)' ELSE 'NULL' END),
		('epoch', '12345'),
		('epoch', (SELECT min(w.epoch)::text FROM was w WHERE w.epoch <> coalesce(r.epoch, 0))),
		('event_id', CASE WHEN r.event_id IS NULL THEN '(SELECT min(event_id) FROM was)' ELSE 'NULL' END),
		('event_id', '12345'),
		('event_id', (SELECT max(w.event_id)::text FROM was w WHERE w.event_id <> coalesce(r.event_id, 0))),
		('digest', 'set_byte(digest, 31, get_byte(digest, 31) # 1)'),
		('digest', 'substr(digest, 2)'),
		('digest', 'NULL'),
		('prev', 'set_byte(prev, 0, get_byte(prev, 0) # 128)'),
		('prev', 'prev || ''\x00'''),
		('prev', 'NULL'),
		('hash', 'set_byte(hash, 7, get_byte(hash, 7) # 4)'),
		('hash', '''\x'''),
		('hash', 'NULL'),
		('key', CASE WHEN r.key IS NULL THEN '''1''' ELSE 'NULL' END),
		('key', 'coalesce(key, '''') || ''x'''),
		('key', '''2'''),
		('key', 'repeat(''x'', 513)'),
		('id', CASE WHEN r.id IS NULL THEN '''new''' ELSE 'NULL' END),
		('id', 'coalesce(id, '''') || ''"'''),
		('id', ''''''),
		('id', 'repeat(''i'', 129)'),
		('salt', CASE WHEN r.salt IS NULL THEN 'decode(repeat(''00'', 16), ''hex'')' ELSE 'NULL' END),
		('salt', 'decode(repeat(''5a'', 16), ''hex'')'),
		('salt', '''\x01''')
	) v (col, value) WHERE value IS NOT NULL
$$;

-- First, middle, last and only ones; of every kind.
CREATE FUNCTION is_chosen(r was) RETURNS boolean LANGUAGE sql AS $$
	SELECT (c.name, r.seq) IN (
		('tally:log', 1), ('tally:log', 2), ('tally:log', 5),	-- created, attach
		('plain/1', 1), ('plain/1', 4), ('plain/1', 8),
		('plain/4', 1), ('plain', 1),
		('changed', 1), ('changed', 3),		-- as inserted; changed since
		('changed', 13), ('changed', 17),	-- an update, a deletion
		('changed', 19), ('changed', 20),	-- a key that was changed
		('salted', 3), ('salted', 5), ('salted', 9), ('salted', 10),
		('kept', 2), ('kept', 8),
		('app', 1), ('app', 2), ('app', 3), ('solo', 1))
	FROM tally.chain c WHERE c.id = r.chain_id
$$;

DO $$
DECLARE
	r was;
	c record;
	same boolean;
BEGIN
	FOR r IN SELECT * FROM was ORDER BY chain_id, seq LOOP
		CONTINUE WHEN NOT is_chosen(r);
		FOR c IN SELECT * FROM variants(r) LOOP
			-- A change that changes nothing is none.
			EXECUTE format('SELECT NOT EXISTS (SELECT FROM was WHERE chain_id = %s AND seq = %s AND %I IS DISTINCT FROM (%s)::%s)',
				r.chain_id, r.seq, c.col, c.value,
				(SELECT atttypid::regtype FROM pg_attribute WHERE attrelid = 'was'::regclass AND attname = c.col)) INTO same;
			IF NOT same THEN
				CALL flip(r, c.col, c.value);
			END IF;
		END LOOP;
	END LOOP;
END $$;

-- How often, and as what, a change of each column was found.
SELECT col, kind, count(*) FROM cases WHERE findings = 1 GROUP BY 1, 2 ORDER BY 1, 2;
-- What was not found, or not as one finding at its record.  Salts are not
-- hashed: of a record whose row was changed since, and whose event is not
-- kept, nothing can show that its salt was another.
SELECT chain, seq, col, value, findings, at, detail FROM cases
	WHERE findings <> 1 OR at <> chain || '/' || seq ORDER BY 1, 2, 3, 4;
SELECT * FROM findings;
