-- tally.verify(), verify_against() and verify_summary() of a log in order.
\set VERBOSITY default
SET client_min_messages = warning;

-- Nothing sealed is never intact.
SELECT * FROM tally.verify();
SELECT verdict, records, chains, findings FROM tally.verify_summary();

-- ---- every kind of table, every kind of change -----------------------------
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 100);
CREATE TABLE plain (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org int, kind short, mood mood,
	at timestamptz DEFAULT '2026-01-01', amount numeric, flag boolean, tags text[],
	who uuid, doc jsonb, raw bytea, twice bigint GENERATED ALWAYS AS (org * 2) STORED
);
CREATE TABLE pairs (a text, b int, what text, PRIMARY KEY (a, b));
CREATE TABLE salted (id int PRIMARY KEY, what text);
CREATE TABLE kept (id int PRIMARY KEY, what text);
CREATE TABLE picked (id int PRIMARY KEY, kind text);
CREATE TABLE parted (id int, org int, PRIMARY KEY (id, org)) PARTITION BY LIST (org);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 (org int, gone int, id int, PRIMARY KEY (id, org));
ALTER TABLE parted_2 DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
INSERT INTO plain (org) VALUES (1), (2), (NULL);
INSERT INTO kept VALUES (-1, 'there before');
INSERT INTO picked VALUES (-1, 'security'), (-2, 'noise');
DO $$ BEGIN
	PERFORM tally.attach('plain', chain_by => 'org');
	PERFORM tally.attach('pairs', append_only => false, chain_by => 'b', label => 'two "keys"', prefix => 'pa');
	PERFORM tally.attach('salted', salted => true, append_only => false);
	PERFORM tally.attach('kept', keep_event => true, salted => true, append_only => false);
	PERFORM tally.attach('picked', only_when => $w$kind = 'security'$w$, append_only => false);
	PERFORM tally.attach('parted', append_only => false);
END $$;
INSERT INTO plain (org, kind, mood, amount, flag, tags, who, doc, raw)
	SELECT g % 5, repeat('x', g), CASE WHEN g % 2 = 0 THEN 'bad'::mood END, g / 7.0, g % 3 = 0,
		ARRAY['a', NULL, 'b"\' || g], md5(g::text)::uuid, jsonb_build_object('n', g), decode(md5(g::text), 'hex')
	FROM generate_series(1, 60) g;
INSERT INTO pairs SELECT 'k', g, 'row ' || g FROM generate_series(1, 20) g;
INSERT INTO pairs VALUES (repeat('k', 600), 1, 'a key that is longer than a record''s');
UPDATE pairs SET what = 'changed' WHERE b < 6;
UPDATE pairs SET what = 'changed again' WHERE b < 4;
UPDATE pairs SET b = b + 100 WHERE b IN (1, 7);
UPDATE pairs SET a = 'other' WHERE b = 8;
DELETE FROM pairs WHERE b IN (2, 9);
INSERT INTO pairs VALUES ('k', 2, 'once more'), ('k', 9, 'row 9');
INSERT INTO salted SELECT g, 'row ' || g FROM generate_series(1, 20) g;
UPDATE salted SET what = 'changed' WHERE id < 5;
UPDATE salted SET id = 100 WHERE id = 6;
DELETE FROM salted WHERE id IN (3, 7);
INSERT INTO kept SELECT g, 'row ' || g FROM generate_series(1, 20) g;
UPDATE kept SET what = 'changed' WHERE id < 5;
DELETE FROM kept WHERE id IN (3, 7);
-- Each way into and out of what only_when covers, also of older rows.
INSERT INTO picked SELECT g, CASE WHEN g % 2 = 0 THEN 'security' ELSE 'noise' END FROM generate_series(1, 8) g;
UPDATE picked SET kind = 'noise' WHERE id IN (-1, 2);
UPDATE picked SET kind = 'security' WHERE id IN (-2, 1);
UPDATE picked SET kind = 'more noise' WHERE id = 3;
DELETE FROM picked WHERE id IN (4, 5);
INSERT INTO parted SELECT g, g % 2 + 1 FROM generate_series(1, 8) g;
UPDATE parted SET org = 3 - org WHERE id < 3;
DELETE FROM parted WHERE id > 7;
SELECT count(*) FROM generate_series(1, 5) g, tally.append('app/"x"\y', json_build_object('n', g), '"' || g);

SELECT * FROM tally.verify() ORDER BY source;
SELECT verdict, records, chains, findings, seconds >= 0 AS timed FROM tally.verify_summary();
SELECT unnest(not_covered) AS not_covered FROM tally.verify_summary();

-- Whatever the session has set.
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'SQL, DMY';
SET extra_float_digits = -5;
SET search_path = '';
SET work_mem = '64kB';
SELECT count(*) FROM tally.verify() WHERE kind <> 'legacy';
RESET ALL;
SET client_min_messages = warning;

-- Rows that are older than their epoch, changed in it; and sealed twice.
CREATE TABLE again (id int PRIMARY KEY, what text, note text);
INSERT INTO again VALUES (-1, 'older', ''), (-2, 'older', '');
DO $$ BEGIN PERFORM tally.attach('again', exclude => '{note}'); END $$;
INSERT INTO again SELECT g, 'row ' || g, '' FROM generate_series(1, 6) g;
UPDATE again SET note = 'changed' WHERE id IN (-1, 1);
DO $$ BEGIN PERFORM tally.detach('again'); PERFORM tally.attach('again', exclude => '{note}'); END $$;
UPDATE again SET note = 'changed again' WHERE id IN (-1, 1, 2);
DO $$ BEGIN PERFORM tally.detach('again'); PERFORM tally.attach('again', append_only => false); END $$;
UPDATE again SET what = 'changed' WHERE id IN (1, 3);
UPDATE again SET id = 40 WHERE id = 4;
DELETE FROM again WHERE id IN (-2, 5);
SELECT * FROM tally.verify() WHERE source = 'again';

-- ---- a part of it ----------------------------------------------------------
SELECT * FROM tally.verify('plain/2');
SELECT verdict, records, chains, findings FROM tally.verify_summary('plain/2');
SELECT verdict, records, chains, findings FROM tally.verify_summary('plain/2', 3, 7);
SELECT unnest(not_covered) AS not_covered FROM tally.verify_summary('plain/2', 3, 7) OFFSET 1 LIMIT 2;
SELECT * FROM tally.verify('plain/2', 1, 12);
SELECT * FROM tally.verify('plain/2', 5, 20);
SELECT * FROM tally.verify('plain/2', 20);
SELECT * FROM tally.verify('nobody');
SELECT verdict, records, chains, findings FROM tally.verify_summary('nobody');
SELECT * FROM tally.verify(from_seq => 2);
SELECT * FROM tally.verify('plain/2', 0);
SELECT * FROM tally.verify('plain/2', 5, 4);

-- ---- heads from outside ----------------------------------------------------
CREATE TABLE heads AS SELECT json_agg(h) AS heads FROM tally.heads h;
INSERT INTO plain (org) VALUES (2), (77);
SELECT f.* FROM heads, tally.verify_against(heads) f WHERE kind <> 'legacy';
SELECT unnest(not_covered) AS not_covered
	FROM heads, tally.verify_summary(heads => heads) s LIMIT 2;
SELECT kind, chain, seq, detail FROM tally.verify_against(json_build_array(
	json_build_object('chain', 'plain/2', 'seq', 99, 'hash', repeat('0', 64)),
	json_build_object('chain', 'plain/3', 'seq', 2, 'hash', '\x' || repeat('0', 64)),
	json_build_object('chain', 'gone', 'seq', 7, 'hash', repeat('0', 64))))
	WHERE kind <> 'legacy' ORDER BY 2;
SELECT verdict, findings FROM tally.verify_summary('plain/2', heads =>
	json_build_array(json_build_object('chain', 'gone', 'seq', 7, 'hash', repeat('0', 64))));
SELECT count(*) FROM tally.verify_against('[]') WHERE kind <> 'legacy';
SELECT tally.verify_against('{}');
SELECT tally.verify_against('3');
SELECT tally.verify_against('[3]');
SELECT tally.verify_against('[{"seq": 1}]');
SELECT tally.verify_against('[{"seq": 1, "hash": ""}]');
SELECT tally.verify_against('[{"seq": 1.5, "hash": "", "chain": "x"}]');
SELECT tally.verify_against('[{"seq": 0, "hash": "", "chain": "x"}]');
SELECT tally.verify_against('[{"seq": "1", "hash": "00", "chain": "x"}]');
SELECT tally.verify_against('[{"seq": [], "hash": "00", "chain": "x"}]');

-- ---- what this transaction did is not sealed yet, and not judged -----------
BEGIN;
INSERT INTO plain (org) VALUES (2);
UPDATE pairs SET what = 'in this transaction' WHERE b = 12;
DELETE FROM pairs WHERE b = 13;
CREATE TABLE new (id int PRIMARY KEY);
SELECT count(*) FROM tally.attach('new');
INSERT INTO new VALUES (1);
SELECT * FROM tally.verify() WHERE kind <> 'legacy';
COMMIT;
SELECT * FROM tally.verify() WHERE kind <> 'legacy';
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT * FROM tally.verify() WHERE kind <> 'legacy';
COMMIT;

-- ---- who may ---------------------------------------------------------------
CREATE ROLE verify_reader IN ROLE tally_reader;
CREATE ROLE verify_nobody;
ALTER TABLE plain ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET ROLE verify_reader;
SELECT count(*) FROM plain;
SELECT verdict FROM tally.verify_summary();
SELECT count(*) FROM tally.verify() WHERE kind <> 'legacy';
SET ROLE verify_nobody;
SELECT verdict FROM tally.verify_summary();
SELECT * FROM tally.verify();
RESET ROLE;
DROP ROLE verify_reader, verify_nobody;
