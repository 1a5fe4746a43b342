-- What somebody can do who may do everything, and what verify() calls it.
--
-- The verifier judges what is committed, so each attack is committed, judged
-- and taken back.
SET client_min_messages = warning;
\set VERBOSITY terse

-- ---- a little log ----------------------------------------------------------
CREATE TABLE plain (id bigint PRIMARY KEY, org int, what text);
CREATE TABLE changed (id int PRIMARY KEY, org int, what text, note text);
CREATE TABLE salted (id int PRIMARY KEY, what text);
CREATE TABLE kept (id int PRIMARY KEY, what text);
CREATE TABLE picked (id int PRIMARY KEY, kind text, what text);
CREATE TABLE parted (id int, org int, PRIMARY KEY (id, org)) PARTITION BY LIST (org);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 (org int, gone int, id int, PRIMARY KEY (id, org));
ALTER TABLE parted_2 DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
INSERT INTO plain VALUES (-2, 1, 'there before'), (-1, 1, 'there before');
DO $$ BEGIN
	PERFORM tally.attach('plain', chain_by => 'org');
	PERFORM tally.attach('changed', append_only => false, chain_by => 'org', exclude => '{note}');
	PERFORM tally.attach('salted', salted => true, append_only => false);
	PERFORM tally.attach('kept', keep_event => true);
	PERFORM tally.attach('picked', only_when => $w$kind = 'security'$w$);
	PERFORM tally.attach('parted');
END $$;
INSERT INTO plain SELECT g, g % 2 + 1, 'row ' || g FROM generate_series(1, 14) g;
INSERT INTO changed SELECT g, g % 2, 'row ' || g, 'note' FROM generate_series(1, 8) g;
UPDATE changed SET what = 'changed' WHERE id IN (3, 4);
UPDATE changed SET org = 1 WHERE id = 6;
DELETE FROM changed WHERE id IN (4, 5);
INSERT INTO salted SELECT g, 'row ' || g FROM generate_series(1, 5) g;
UPDATE salted SET what = 'changed' WHERE id = 3;
INSERT INTO kept SELECT g, 'row ' || g FROM generate_series(1, 4) g;
INSERT INTO picked SELECT g, CASE WHEN g % 2 = 0 THEN 'security' ELSE 'noise' END, 'row ' || g
	FROM generate_series(1, 6) g;
INSERT INTO parted SELECT g, g % 2 + 1 FROM generate_series(1, 6) g;
SELECT count(*) FROM generate_series(1, 5) g, tally.append('app', json_build_object('n', g), 'id-' || g);

SELECT * FROM tally.verify();
SELECT verdict, records, chains, findings, seconds >= 0 AS timed FROM tally.verify_summary();
SELECT unnest(not_covered) AS not_covered FROM tally.verify_summary();

-- ---- the adversary's tools -------------------------------------------------
CREATE TABLE heads AS SELECT json_agg(h) AS heads FROM tally.heads h;
CREATE TABLE was_chain AS TABLE tally.chain;
CREATE TABLE was_record AS TABLE tally.record;
CREATE TABLE was_event AS TABLE tally.event;
CREATE TABLE was_attachment AS TABLE tally.attachment;
CREATE TABLE was_plain AS SELECT * FROM plain WHERE id > 0;
CREATE TABLE was_changed AS TABLE changed;
CREATE TABLE was_salted AS TABLE salted;
CREATE TABLE was_kept AS TABLE kept;
CREATE TABLE was_picked AS TABLE picked;
CREATE TABLE was_parted AS TABLE parted;

CREATE FUNCTION hash_of(r tally.record) RETURNS bytea LANGUAGE sql AS $$
	SELECT sha256('\x00' || convert_to(format(
		'{"chain":%s,"digest":"%s",%s"prev":"%s","seq":%s,"time":"%s","v":1}',
		(SELECT to_json(name) FROM tally.chain WHERE id = r.chain_id),
		encode(r.digest, 'hex'),
		CASE WHEN r.id IS NULL THEN '' ELSE format('"id":%s,', to_json(r.id)) END,
		encode(r.prev, 'hex'), r.seq,
		to_char(r."time" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'UTF8'))
$$;
CREATE FUNCTION digest_of(event text) RETURNS bytea LANGUAGE sql AS $$
	SELECT sha256('\x02' || decode(repeat('00', 16), 'hex') || convert_to(event, 'UTF8'))
$$;
SELECT count(*) FROM tally.record r WHERE hash_of(r) <> hash;

-- Writes a chain anew from a record on, with all its links.
CREATE PROCEDURE relink(chain text, from_seq bigint) LANGUAGE plpgsql AS $$
DECLARE
	r tally.record;
	before bytea;
BEGIN
	FOR r IN SELECT x.* FROM tally.record x JOIN tally.chain c ON c.id = x.chain_id
		WHERE c.name = chain AND x.seq >= from_seq ORDER BY x.seq
	LOOP
		r.prev := coalesce(before, r.prev);
		before := hash_of(r);
		UPDATE tally.record SET prev = r.prev, hash = before
			WHERE chain_id = r.chain_id AND seq = r.seq;
	END LOOP;
END $$;

CREATE FUNCTION number_of(chain text) RETURNS bigint LANGUAGE sql AS
	$$ SELECT id FROM was_chain WHERE name = chain $$;

CREATE PROCEDURE restore() LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	SET LOCAL session_replication_role = replica;
	FOREACH name IN ARRAY ARRAY['tally.chain', 'tally.record', 'tally.event', 'tally.attachment',
		'plain', 'changed', 'salted', 'kept', 'picked', 'parted']
	LOOP
		-- Rows that were there before the attach would be younger then.
		EXECUTE format('DELETE FROM %s %s', name, CASE name WHEN 'plain' THEN 'WHERE id > 0' END);
		EXECUTE format('INSERT INTO %s SELECT * FROM was_%s', name, replace(name, 'tally.', ''));
	END LOOP;
	SET LOCAL session_replication_role = origin;
END $$;

CREATE VIEW inside AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify() WHERE kind <> 'legacy';
CREATE VIEW outside AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM heads, tally.verify_against(heads) WHERE kind <> 'legacy';

CREATE TABLE story (finding text);

-- Guards do not fire for a replica; nothing fires.
CREATE PROCEDURE attack(what text, undo text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE what;
	COMMIT;
	SET LOCAL session_replication_role = origin;
	TRUNCATE story;
	INSERT INTO story (finding) SELECT finding FROM inside;
	IF NOT FOUND THEN
		INSERT INTO story (finding) SELECT 'from outside: ' || finding FROM outside;
	END IF;
	COMMIT;
	IF undo IS NOT NULL THEN
		EXECUTE undo;
	END IF;
	CALL restore();
	COMMIT;
END $$;
\set show 'SELECT finding FROM story ORDER BY finding COLLATE "C"'
\pset tuples_only on
\pset format unaligned

\echo -- records taken out: from the middle, from the beginning, several, the end
CALL attack($$DELETE FROM tally.record WHERE chain_id = number_of('app') AND seq = 3$$); :show;
CALL attack($$DELETE FROM tally.record WHERE chain_id = number_of('app') AND seq = 1$$); :show;
CALL attack($$DELETE FROM tally.record WHERE chain_id = number_of('app') AND seq IN (2, 3, 4)$$); :show;
CALL attack($$DELETE FROM tally.record WHERE chain_id = number_of('app') AND seq >= 4;
	DELETE FROM tally.event e WHERE NOT EXISTS (SELECT FROM tally.record r WHERE r.event_id = e.id)$$); :show;
\echo -- a whole chain, with and without its row in tally.chain
CALL attack($$DELETE FROM tally.record WHERE chain_id = number_of('app');
	DELETE FROM tally.event e WHERE NOT EXISTS (SELECT FROM tally.record r WHERE r.event_id = e.id)$$); :show;
CALL attack($$DELETE FROM tally.record WHERE chain_id = number_of('app');
	DELETE FROM tally.chain WHERE name = 'app';
	DELETE FROM tally.event e WHERE NOT EXISTS (SELECT FROM tally.record r WHERE r.event_id = e.id)$$); :show;
CALL attack($$DELETE FROM tally.chain WHERE name = 'app'$$); :show;
CALL attack($$DELETE FROM tally.record$$); :show;

\echo -- records swapped: neighbours, others, between chains, the last two
CREATE PROCEDURE swap(a bigint, a_seq bigint, b bigint, b_seq bigint) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE tally.record SET chain_id = 1000, seq = 1 WHERE chain_id = a AND seq = a_seq;
	UPDATE tally.record SET chain_id = a, seq = a_seq WHERE chain_id = b AND seq = b_seq;
	UPDATE tally.record SET chain_id = b, seq = b_seq WHERE chain_id = 1000;
END $$;
CALL attack($$CALL swap(number_of('app'), 2, number_of('app'), 3)$$); :show;
CALL attack($$CALL swap(number_of('app'), 1, number_of('app'), 4)$$); :show;
CALL attack($$CALL swap(number_of('app'), 4, number_of('app'), 5)$$); :show;
CALL attack($$CALL swap(number_of('app'), 2, number_of('salted'), 4)$$); :show;

\echo -- a record written anew by itself; with its link; with all behind it
CALL attack($$UPDATE tally.record SET "time" = "time" - interval '1 hour' WHERE chain_id = number_of('app') AND seq = 3;
	UPDATE tally.record r SET hash = hash_of(r) WHERE chain_id = number_of('app') AND seq = 3$$); :show;
CALL attack($$UPDATE tally.record SET "time" = "time" - interval '1 hour' WHERE chain_id = number_of('app') AND seq = 5;
	UPDATE tally.record r SET hash = hash_of(r) WHERE chain_id = number_of('app') AND seq = 5$$); :show;
CALL attack($$UPDATE tally.record SET prev = sha256('') WHERE chain_id = number_of('app') AND seq = 3;
	UPDATE tally.record r SET hash = hash_of(r) WHERE chain_id = number_of('app') AND seq = 3$$); :show;
CALL attack($$UPDATE tally.record SET "time" = "time" - interval '1 hour' WHERE chain_id = number_of('app') AND seq = 2;
	CALL relink('app', 2)$$); :show;
\echo -- an event, and its record, and the chain behind it
CALL attack($$UPDATE tally.event SET event = '{"n" : 30}' WHERE event = '{"n" : 3}'$$); :show;
CALL attack($$UPDATE tally.event SET event = '{"n":30}' WHERE event = '{"n":3}'$$); :show;
CALL attack($$UPDATE tally.event SET event = '{"n":30}' WHERE event = '{"n":3}';
	UPDATE tally.record SET digest = digest_of('{"n":30}') WHERE chain_id = number_of('app') AND seq = 3$$); :show;
CALL attack($$UPDATE tally.event SET event = '{"n":30}' WHERE event = '{"n":3}';
	UPDATE tally.record SET digest = digest_of('{"n":30}') WHERE chain_id = number_of('app') AND seq = 3;
	CALL relink('app', 3)$$); :show;
CALL attack($$UPDATE tally.event SET id = 5000 WHERE event = '{"n":3}'$$); :show;
CALL attack($$DELETE FROM tally.event WHERE event = '{"n":3}'$$); :show;
CALL attack($$INSERT INTO tally.event VALUES (5000, '{"n":6}')$$); :show;

\echo -- records put in: a copy, a rival, one of nowhere, one at the end
CREATE FUNCTION forged(chain text, seq bigint, prev bytea, what text) RETURNS tally.record LANGUAGE plpgsql AS $$
DECLARE
	r tally.record;
BEGIN
	r.chain_id := number_of(chain);
	r.seq := seq;
	r."time" := '2026-01-01';
	r.event_id := nextval('tally.event_number');
	INSERT INTO tally.event VALUES (r.event_id, what);
	r.digest := digest_of(what);
	r.prev := prev;
	r.hash := hash_of(r);
	RETURN r;
END $$;
CREATE FUNCTION hash_at(chain text, at bigint) RETURNS bytea LANGUAGE sql AS
	$$ SELECT hash FROM was_record WHERE chain_id = number_of(chain) AND seq = at $$;
CALL attack($$ALTER TABLE tally.record DROP CONSTRAINT record_seq; DROP INDEX tally.record_id;
	INSERT INTO tally.record SELECT * FROM was_record WHERE chain_id = number_of('app') AND seq = 3$$,
	$$CALL restore(); ALTER TABLE tally.record ADD CONSTRAINT record_seq PRIMARY KEY (chain_id, seq);
	CREATE UNIQUE INDEX record_id ON tally.record (chain_id, id) WHERE id IS NOT NULL$$); :show;
CALL attack($$ALTER TABLE tally.record DROP CONSTRAINT record_seq;
	INSERT INTO tally.record SELECT f.* FROM forged('app', 3, hash_at('app', 2), '{"n":33}') f$$,
	$$CALL restore(); ALTER TABLE tally.record ADD CONSTRAINT record_seq PRIMARY KEY (chain_id, seq)$$); :show;
CALL attack($$ALTER TABLE tally.record DROP CONSTRAINT record_seq;
	INSERT INTO tally.record SELECT f.* FROM forged('app', 3, sha256(''), '{"n":33}') f$$,
	$$CALL restore(); ALTER TABLE tally.record ADD CONSTRAINT record_seq PRIMARY KEY (chain_id, seq)$$); :show;
CALL attack($$INSERT INTO tally.record SELECT f.* FROM forged('app', 6, hash_at('app', 5), '{"n":6}') f$$); :show;
CALL attack($$INSERT INTO tally.record SELECT f.* FROM forged('app', 6, sha256(''), '{"n":6}') f$$); :show;
CALL attack($$INSERT INTO tally.record SELECT f.* FROM forged('app', 16, hash_at('app', 5), '{"n":6}') f$$); :show;

CREATE PROCEDURE swap_names(a text, b text) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE tally.chain SET name = '' WHERE name = a;
	UPDATE tally.chain SET name = a WHERE name = b;
	UPDATE tally.chain SET name = b WHERE name = '';
END $$;
\echo -- chains: one renamed, two swapped, the log itself, twice the same number
CALL attack($$UPDATE tally.chain SET name = 'plain/3' WHERE name = 'plain/2'$$); :show;
CALL attack($$CALL swap_names('app', 'kept')$$); :show;
CALL attack($$UPDATE tally.chain SET name = 'other' WHERE name = 'tally:log'$$); :show;
CALL attack($$CALL swap_names('app', 'tally:log')$$); :show;
CALL attack($$DELETE FROM tally.chain WHERE name = 'tally:log'$$); :show;
CALL attack($$UPDATE tally.chain SET name = E'a\nb' WHERE name = 'app'$$); :show;
CALL attack($$ALTER TABLE tally.chain DROP CONSTRAINT chain_id; INSERT INTO tally.chain SELECT id, 'twin' FROM tally.chain WHERE name = 'app'$$,
	$$CALL restore(); ALTER TABLE tally.chain ADD CONSTRAINT chain_id PRIMARY KEY (id)$$); :show;

\echo -- rows changed, taken out, put in, swapped, moved
CALL attack($$UPDATE plain SET what = 'other' WHERE id = 5$$); :show;
CALL attack($$UPDATE plain SET org = 2 WHERE id = 4$$); :show;
CALL attack($$UPDATE plain SET id = 50 WHERE id = 5$$); :show;
CALL attack($$DELETE FROM plain WHERE id = 5$$); :show;
CALL attack($$INSERT INTO plain VALUES (77, 1, 'smuggled'), (78, 9, 'into a chain that is not there')$$); :show;
CALL attack($$UPDATE plain SET what = CASE id WHEN 5 THEN 'row 7' ELSE 'row 5' END WHERE id IN (5, 7)$$); :show;
CALL attack($$UPDATE changed SET what = 'other' WHERE id = 3$$); :show;
CALL attack($$UPDATE changed SET what = 'row 3' WHERE id = 3$$); :show;
CALL attack($$UPDATE changed SET note = 'is not sealed'$$); :show;
CALL attack($$DELETE FROM changed WHERE id = 3$$); :show;
CALL attack($$INSERT INTO changed VALUES (4, 0, 'changed')$$); :show;
CALL attack($$UPDATE changed SET org = 0 WHERE id = 6$$); :show;
CALL attack($$UPDATE salted SET what = 'row 3' WHERE id = 3$$); :show;
CALL attack($$UPDATE kept SET what = 'other' WHERE id = 3$$); :show;
CALL attack($$UPDATE picked SET what = 'other' WHERE id IN (3, 4)$$); :show;
CALL attack($$UPDATE picked SET kind = 'noise' WHERE id = 4$$); :show;
CALL attack($$UPDATE picked SET kind = 'security' WHERE id = 3$$); :show;
CALL attack($$UPDATE parted SET id = 40 WHERE id = 4$$); :show;
CALL attack($$TRUNCATE salted$$); :show;
CALL attack($$INSERT INTO kept VALUES (5, 'by the table''s own name')$$); :show;

\echo -- a row that is gone, with something that says it was deleted
CALL attack($$DELETE FROM plain WHERE id = 5;
	INSERT INTO tally.event VALUES (6000, '{"op":"delete","row":{"id":"5","org":"2","what":"row 5"},"table":"plain"}');
	UPDATE tally.record SET event_id = 6000 WHERE chain_id = number_of('plain/2') AND key = '5'$$); :show;
CALL attack($$DELETE FROM changed WHERE id = 3;
	UPDATE tally.record SET key = '3' WHERE chain_id = number_of('changed/1') AND event_id IS NOT NULL AND key = '5'$$); :show;

\echo -- a removed row and the record of it, and all hashes behind
CALL attack($$DELETE FROM plain WHERE id = 13;
	DELETE FROM tally.record WHERE chain_id = number_of('plain/2') AND key = '13'$$); :show;
CALL attack($$UPDATE plain SET what = 'other' WHERE id = 11;
	UPDATE tally.record SET digest = digest_of('{"row":{"id":"11","org":"2","what":"other"},"table":"plain"}')
		WHERE chain_id = number_of('plain/2') AND key = '11';
	CALL relink('plain/2', 6)$$); :show;
