-- SPDX-License-Identifier: Apache-2.0
-- tally.track: each INSERT, UPDATE, DELETE and TRUNCATE of an ordinary table is
-- an event with old and new.
SET client_min_messages = warning;
CREATE TABLE accounts (id int, org text, name text, secret text, at timestamptz);
SELECT tally.track('accounts', chain_by => 'org', exclude => '{secret}');
CREATE FUNCTION events(prefix text DEFAULT 'accounts')
	RETURNS TABLE (chain text, seq bigint, source text, key text, event text)
	LANGUAGE sql AS $$
	SELECT c.name, r.seq, tally.source(r.epoch), r.key, e.event
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
		JOIN tally.event e ON e.id = r.event_id
	WHERE c.name = $1 OR c.name LIKE $1 || '/%'
	ORDER BY e.id $$;
CREATE FUNCTION finds() RETURNS TABLE (kind text, chain text, seq bigint, source text, key text, detail text)
	LANGUAGE sql AS $$
	SELECT kind, chain, seq, source, key, regexp_replace(detail, 'event \d+', 'event <n>')
	FROM tally.verify() WHERE detail !~ '^event trigger' ORDER BY 1, 2, 3, 4, 5, 6 $$;

-- Each kind, with old and new; a table without a key will do.
INSERT INTO accounts VALUES
	(1, 'a', 'one', 'x', '2026-01-01 00:00+01'), (2, 'b', 'two', 'y', NULL);
UPDATE accounts SET name = upper(name);
DELETE FROM accounts WHERE id = 1;
TRUNCATE accounts;
SELECT * FROM events();
-- The transaction that tracks it, rows that move to another chain, a NULL there.
INSERT INTO accounts VALUES (3, 'a', 'three', NULL, NULL), (4, NULL, 'four', NULL, NULL);
UPDATE accounts SET org = 'b' WHERE id = 3;
SELECT * FROM events() WHERE seq > 0 AND event ~ '"(3|4)"';

-- What is no change of what is tracked is no event.
SELECT count(*) AS before FROM tally.record \gset
UPDATE accounts SET secret = 'z', name = name;
UPDATE accounts SET name = 'nobody' WHERE false;
INSERT INTO accounts SELECT * FROM accounts WHERE false;
DELETE FROM accounts WHERE id = 99;
BEGIN;
INSERT INTO accounts VALUES (5, 'a', 'five');
ROLLBACK;
BEGIN;
SAVEPOINT s;
INSERT INTO accounts VALUES (6, 'a', 'six');
ROLLBACK TO s;
COMMIT;
SELECT count(*) - :before AS more FROM tally.record;

-- Every way to change a table: COPY, ON CONFLICT, MERGE, foreign keys, functions.
CREATE TABLE parents (id int PRIMARY KEY, v text);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE);
SELECT tally.track('parents');
SELECT tally.track('children');
COPY parents FROM stdin;
1	copied
2	copied
\.
INSERT INTO children VALUES (10, 1), (11, 1), (20, 2);
INSERT INTO parents VALUES (1, 'again'), (3, 'new')
	ON CONFLICT (id) DO UPDATE SET v = excluded.v;
UPDATE parents SET id = 5 WHERE id = 1;
DELETE FROM parents WHERE id = 2;
MERGE INTO parents p USING (VALUES (3, NULL), (5, 'merged'), (6, 'merged')) s (id, v) ON p.id = s.id
	WHEN MATCHED AND s.v IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET v = s.v
	WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v);
SELECT chain, seq, event FROM events('parents');
SELECT chain, seq, event FROM events('children');

-- What BEFORE triggers make of a row is what the event says; a trigger of the
-- user's reads the same transition tables, before ours and after it.
CREATE TABLE tuned (id int, v int);
CREATE FUNCTION tune() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN new.v := new.v * 10; RETURN new; END $$;
CREATE TRIGGER tune BEFORE INSERT OR UPDATE ON tuned FOR EACH ROW EXECUTE FUNCTION tune();
CREATE TABLE counted (who text, n bigint);
CREATE FUNCTION count_new() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO counted SELECT tg_name, count(*) FROM fresh; RETURN NULL; END $$;
CREATE TRIGGER " first" AFTER INSERT ON tuned REFERENCING NEW TABLE AS fresh
	FOR EACH STATEMENT EXECUTE FUNCTION count_new();
CREATE TRIGGER zzz AFTER INSERT ON tuned REFERENCING NEW TABLE AS fresh
	FOR EACH STATEMENT EXECUTE FUNCTION count_new();
SELECT tally.track('tuned');
INSERT INTO tuned SELECT n, n FROM generate_series(1, 3) n;
SELECT event FROM events('tuned');
SELECT * FROM counted;

-- only_when: what enters has no old, what leaves has no new.
CREATE TABLE docs (id int, state text, body text);
SELECT tally.track('docs', only_when => $$state <> 'draft'$$, prefix => 'd', label => 'documents');
INSERT INTO docs VALUES (1, 'draft', 'a'), (2, 'final', 'b');
UPDATE docs SET body = body || '!';
UPDATE docs SET state = CASE state WHEN 'draft' THEN 'final' ELSE 'draft' END;
DELETE FROM docs WHERE state = 'draft';
SELECT chain, seq, source, event FROM events('d');

-- Salted: a random salt for each record, which goes with the event.
CREATE TABLE people (id int, born date);
SELECT tally.track('people', salted => true);
INSERT INTO people VALUES (1, '2000-02-29');
SELECT length(r.salt), r.digest = sha256('\x02'::bytea || r.salt || e.event::bytea) AS holds
FROM tally.record r JOIN tally.event e ON e.id = r.event_id
WHERE tally.source(r.epoch) = 'people';

-- Who: as far as the server knows, and as the application says.
CREATE TABLE ledger (id int, amount numeric);
SELECT tally.track('ledger', actor => true);
CREATE ROLE regress_clerk;
GRANT INSERT ON ledger TO regress_clerk;
SET application_name = 'till "1"';
SET tally.actor = 'ann';
SET ROLE regress_clerk;
INSERT INTO ledger VALUES (1, 0.10);
RESET ROLE;
RESET tally.actor;
TRUNCATE ledger;
SELECT replace(event, '"user":' || to_json(session_user)::text, '"user":"<me>"') AS event
FROM events('ledger');
RESET application_name;

-- A big statement is cut into parts, each within 1 MiB, none lost.
CREATE TABLE big (id int, v text);
SELECT tally.track('big');
INSERT INTO big SELECT n, repeat('x', 1000) FROM generate_series(1, 5000) n;
UPDATE big SET v = repeat('y', 1000) WHERE id <= 1500;
SELECT event::json ->> 'op' AS op, count(*) AS records,
	bool_and(octet_length(event) <= 1048576) AS fits,
	bool_and(octet_length(event) > 1000000 OR part = parts) AS full,
	sum(json_array_length(event::json -> 'rows')) AS rows,
	array_agg(part ORDER BY seq) = array_agg(nth ORDER BY seq) AS in_order,
	min(parts) = count(*) AND max(parts) = count(*) AS counted
FROM (SELECT *, (event::json ->> 'part')::int AS part, (event::json ->> 'parts')::int AS parts,
		row_number() OVER (PARTITION BY event::json ->> 'op' ORDER BY seq)::int AS nth
	FROM events('big')) e
GROUP BY 1 ORDER BY 1 DESC;
SELECT left(event, 60) AS head FROM events('big') ORDER BY seq LIMIT 2;
SELECT count(DISTINCT r -> 'new' ->> 'id') FROM events('big') e, json_array_elements(e.event::json -> 'rows') r
WHERE e.event::json ->> 'op' = 'insert';
-- Over many chains, more than is held in memory.
CREATE TABLE spread (id int, c int, v text);
SELECT tally.track('spread', chain_by => 'c');
INSERT INTO spread SELECT n, n % 40, repeat('z', 1000) FROM generate_series(1, 30000) n;
SELECT count(DISTINCT chain) AS chains, count(*) AS records, sum(json_array_length(event::json -> 'rows')) AS rows,
	bool_and(octet_length(event) <= 1048576) AS fits FROM events('spread');
SELECT count(*) AS wrong FROM (
	SELECT chain, (event::json ->> 'part')::int AS part, (event::json ->> 'parts')::int AS parts,
		row_number() OVER c AS nth, count(*) OVER (PARTITION BY chain) AS n
	FROM events('spread') WINDOW c AS (PARTITION BY chain ORDER BY seq)) e
WHERE coalesce(part, 1) <> nth OR coalesce(parts, 1) <> n;
SELECT count(*) AS strangers FROM events('spread') e, json_array_elements(e.event::json -> 'rows') r
WHERE e.chain <> 'spread/' || (r -> 'new' ->> 'c');
-- A row that is longer than a part is an event of its own; up to 16 MiB.
CREATE TABLE wide (id int, v text);
SELECT tally.track('wide');
INSERT INTO wide VALUES (1, 'a'), (2, repeat('b', 3000000)), (3, 'c');
SELECT event::json ->> 'part' AS part, octet_length(event) > 1048576 AS long,
	json_array_length(event::json -> 'rows') AS rows FROM events('wide');
UPDATE wide SET v = repeat('c', 9000000) WHERE id = 2;
UPDATE wide SET v = repeat('d', 9000000) WHERE id = 2;
SELECT count(*) FROM events('wide') WHERE event::json ->> 'op' = 'update';

-- One statement of 100,000 rows is some records, not 100,000.
CREATE TABLE many (id int PRIMARY KEY, v int);
SELECT tally.track('many');
INSERT INTO many SELECT n, 0 FROM generate_series(1, 100000) n;
UPDATE many SET v = 1;
DELETE FROM many;
SELECT event::json ->> 'op' AS op, count(*) AS records, sum(json_array_length(event::json -> 'rows')) AS rows
FROM events('many') GROUP BY 1 ORDER BY 1;

-- The configuration is sealed, whole.
SELECT regexp_replace(regexp_replace(regexp_replace(e.event,
	'"xid":"\d+"', '"xid":"<xid>"'), '"cluster":"\d+"', '"cluster":"<cluster>"'),
	'"relation":\d+', '"relation":<oid>') AS event
FROM tally.event e JOIN tally.record r ON r.event_id = e.id JOIN tally.chain c ON c.id = r.chain_id
WHERE c.name = 'tally:log' AND e.event LIKE '{"track":%' AND e.event ~ '"label":"(accounts|documents)"' ORDER BY r.seq;
SELECT subject, state, regexp_replace(detail, 'sealed by .*', '') AS detail
FROM tally.status WHERE item = 'table' AND subject ~ 'accounts|docs|ledger' ORDER BY 1;

-- All of it holds.
SELECT * FROM finds();
SELECT verdict FROM tally.verify_summary();
SELECT n FROM tally.verify_summary(), unnest(not_covered) n WHERE n ~ 'accounts';

-- Untrack ends it, and is sealed; then nothing is.
SELECT tally.untrack('docs');
INSERT INTO docs VALUES (9, 'final', 'unseen');
SELECT max(seq) FROM events('d');
SELECT regexp_replace(regexp_replace(e.event, '"xid":"\d+"', '"xid":"<xid>"'), '"relation":\d+', '"relation":<oid>') AS event
FROM tally.event e WHERE e.event LIKE '{"untrack":%';
SELECT tgname FROM pg_trigger WHERE tgrelid = 'docs'::regclass;
SELECT tally.track('docs', label => 'documents');
DELETE FROM docs WHERE id = 9;
SELECT chain, seq, event FROM events('documents');
SELECT * FROM finds();

-- What is refused.
CREATE TABLE parted (id int) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF parted DEFAULT;
CREATE TABLE mother (id int);
CREATE TABLE daughter () INHERITS (mother);
CREATE UNLOGGED TABLE unlogged (id int);
CREATE VIEW seen AS SELECT 1 AS id;
CREATE TABLE attached (id int PRIMARY KEY);
SELECT tally.attach('attached');
SELECT tally.track('parted');
SELECT tally.track('part');
SELECT tally.track('mother');
SELECT tally.track('daughter');
SELECT tally.track('unlogged');
SELECT tally.track('seen');
SELECT tally.track('tally.record');
SELECT tally.track('pg_class');
SELECT tally.track('attached');
SELECT tally.track('docs');
SELECT tally.attach('parents');
SELECT tally.detach('parents');
SELECT tally.untrack('attached');
SELECT tally.untrack('mother');
SELECT tally.untrack('4294967295'::regclass);
SELECT tally.track(NULL);
SELECT tally.track('mother', salted => NULL);
SELECT tally.track('mother', actor => NULL);
SELECT tally.track('part', label => 'documents');
CREATE TABLE odd (id int, r regclass);
SELECT tally.track('odd');
SELECT tally.track('odd', label => 'documents', exclude => '{r}');
SELECT tally.track('odd', columns => '{id}', exclude => '{r}');
SELECT tally.track('odd', columns => '{id}', chain_by => 'nothing');
SET ROLE regress_clerk;
SELECT tally.track('odd');
SELECT tally.untrack('ledger');
RESET ROLE;
GRANT tally_admin TO regress_clerk;
SET ROLE regress_clerk;
SELECT tally.track('odd', exclude => '{r}');
SELECT tally.untrack('ledger');
RESET ROLE;
-- The trigger is nobody else's.
CREATE TRIGGER mine AFTER INSERT ON odd FOR EACH STATEMENT EXECUTE FUNCTION tally.capture_statement();
INSERT INTO odd VALUES (1);
DROP TRIGGER mine ON odd;
CREATE TRIGGER mine AFTER INSERT ON odd REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION tally.capture_statement();
INSERT INTO odd VALUES (1);
SELECT tally.capture_statement();

-- A column that is gone, or has another type: nothing can be written.
CREATE TABLE shape (id int, a text, b int);
SELECT tally.track('shape');
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
ALTER TABLE shape ADD COLUMN c text DEFAULT 'more';
INSERT INTO shape VALUES (1, 'a', 2);
ALTER TABLE shape RENAME a TO aa;
INSERT INTO shape VALUES (2, 'b', 3);
SELECT event FROM events('shape');
ALTER TABLE shape ALTER b TYPE text;
INSERT INTO shape VALUES (3, 'c', 4);
SELECT state, detail FROM tally.status WHERE subject = 'public.shape';
SELECT * FROM finds() WHERE source = 'shape';
SELECT tally.untrack('shape');
SELECT tally.track('shape');
INSERT INTO shape VALUES (3, 'c', 4);
SELECT event FROM events('shape');

DROP OWNED BY regress_clerk;
DROP ROLE regress_clerk;
