-- Rows that were there before the attach, sealed afterwards by tally.backfill;
-- and those that only pretend to have been.

-- By the key, in batches that do not come out even ---------------------------
CREATE TABLE old (id int PRIMARY KEY, org int, at timestamptz NOT NULL, note text);
INSERT INTO old SELECT n, n % 2, timestamptz '2020-01-01 00:00+00' + n * interval '-1 day', 'row ' || n
	FROM generate_series(1, 7) n;
SELECT tally.attach('old', chain_by => 'org');
INSERT INTO old VALUES (0, 1, '2026-01-01', 'new'), (8, 1, '2026-01-01', 'new');
SELECT kind, detail FROM tally.verify() ORDER BY 1, 2;
CALL tally.backfill('old', batch => 3, rest => 0);
SELECT chain, seq, source, key FROM tally.log WHERE source = 'old' ORDER BY chain, seq;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;
SELECT verdict, records, not_covered FROM tally.verify_summary();
-- The era, with its configuration and the moment of the attach.
SELECT regexp_replace(event, '("cluster":"|"relation":|"xid":"|"database":")[^",]*', '\1', 'g') AS event
	FROM tally.event WHERE event LIKE '{"backfill"%';
SELECT b.event::json->'backfill'->>'xid' = a.event::json->'attach'->>'xid' AS same_moment
	FROM tally.event a, tally.event b WHERE a.event LIKE '{"attach"%' AND b.event LIKE '{"backfill"%';
-- What a record says.
SELECT r.key, r.digest = sha256('\x02'::bytea || decode(repeat('00', 16), 'hex') || convert_to(e.event, 'UTF8')) AS holds
	FROM tally.record r, old o, LATERAL (SELECT format('{"op":"backfill","row":{"at":"%s","id":"%s","note":"%s","org":"%s"},"table":"old"}',
		to_char(o.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"'), o.id, o.note, o.org) AS event) e
	WHERE r.key = o.id::text AND r.epoch IS NOT NULL AND o.note <> 'new' ORDER BY o.id;
-- Again: there is nothing left.
CALL tally.backfill('old');
SELECT relation, position, taken, is_finished FROM tally.backfill;
SELECT count(*) FROM tally.event WHERE event LIKE '{"backfill"%';

-- In another order, which leads an index -------------------------------------
CREATE TABLE timed (id int PRIMARY KEY, at timestamptz NOT NULL, note text);
INSERT INTO timed VALUES (1, '2020-03-01', 'c'), (2, '2020-01-01', 'a'), (3, '2020-02-01', 'b'), (4, '2020-01-01', 'a');
SELECT tally.attach('timed');
CALL tally.backfill('timed', order_by => '{at}');
CALL tally.backfill('timed', order_by => '{note}');
CALL tally.backfill('timed', order_by => '{nowhere}');
CALL tally.backfill('timed', order_by => '{ctid}');
CREATE INDEX partial ON timed (at) WHERE id > 2;
CREATE INDEX computed ON timed (date_trunc('day', at AT TIME ZONE 'UTC'));
CALL tally.backfill('timed', order_by => '{at}');
DROP INDEX partial, computed;
CREATE INDEX ON timed (at DESC);
SET TimeZone = 'America/New_York';
SET DateStyle = 'German';
CALL tally.backfill('timed', order_by => '{at}', batch => 1, rest => 0);
RESET TimeZone;
RESET DateStyle;
SELECT seq, key FROM tally.log WHERE source = 'timed' ORDER BY seq;
SELECT position, taken FROM tally.backfill WHERE relation = 'timed'::regclass;
-- It is remembered; renamed, it is the same.
CALL tally.backfill('timed', order_by => '{id}');
ALTER TABLE timed RENAME note TO remark;
CALL tally.backfill('timed');
ALTER TABLE timed RENAME remark TO note;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;

-- What it refuses --------------------------------------------------------------
BEGIN;
CALL tally.backfill('timed');
ROLLBACK;
DO $$ BEGIN PERFORM 1; CALL tally.backfill('timed'); END $$;
CREATE FUNCTION calls() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL tally.backfill('timed'); END $$;
SELECT calls();
DROP FUNCTION calls();
CALL tally.backfill(NULL);
CALL tally.backfill('timed', batch => 0);
CALL tally.backfill('timed', batch => NULL);
CALL tally.backfill('timed', rest => -1);
CALL tally.backfill('timed', rest => 'NaN');
CALL tally.backfill('timed', order_by => '{NULL}');
CREATE TABLE loose (id int PRIMARY KEY);
CALL tally.backfill('loose');
CALL tally.backfill(4294967295::oid::regclass);
SELECT tally.track('loose');
CALL tally.backfill('loose');
SELECT tally.untrack('loose');
CREATE ROLE backfill_admin LOGIN;
GRANT tally_admin TO backfill_admin;
CREATE ROLE backfill_none LOGIN;
GRANT USAGE ON SCHEMA tally TO backfill_none;
SET ROLE backfill_admin;
CALL tally.backfill('timed');
SET ROLE backfill_none;
CALL tally.backfill('timed');
RESET ROLE;
SET default_transaction_read_only = on;
CALL tally.backfill('timed');
RESET default_transaction_read_only;

-- As the table's owner, with functions of which nobody should run another's ----
CREATE SCHEMA AUTHORIZATION backfill_admin;
SET ROLE backfill_admin;
CREATE TABLE backfill_admin.owned (id int PRIMARY KEY, note text);
CREATE FUNCTION backfill_admin.spy(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'planned as %', current_user;
	RETURN $1;
END $$;
CREATE INDEX ON backfill_admin.owned (note) WHERE backfill_admin.spy(1) = 2;
INSERT INTO backfill_admin.owned VALUES (1, 'a'), (2, 'b');
SELECT tally.attach('backfill_admin.owned');
RESET ROLE;
-- A new session plans with what the catalog says.
\c
CALL tally.backfill('backfill_admin.owned');
REASSIGN OWNED BY backfill_admin TO CURRENT_USER;
DROP OWNED BY backfill_admin;
DROP ROLE backfill_admin;
REVOKE USAGE ON SCHEMA tally FROM backfill_none;
DROP ROLE backfill_none;

-- Rows that a policy hides from their owner are an error, not left out ----------
CREATE ROLE backfill_owner;
GRANT tally_admin TO backfill_owner;
CREATE TABLE hidden (id int PRIMARY KEY, note text);
INSERT INTO hidden VALUES (1, 'a'), (2, 'b');
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY hides ON hidden USING (id = 1);
ALTER TABLE hidden OWNER TO backfill_owner;
SELECT tally.attach('hidden');
CALL tally.backfill('hidden');
ALTER TABLE hidden NO FORCE ROW LEVEL SECURITY;
CALL tally.backfill('hidden');
REASSIGN OWNED BY backfill_owner TO CURRENT_USER;
DROP OWNED BY backfill_owner;
DROP ROLE backfill_owner;

-- Keys of several columns, long ones, kept events, salts ------------------------
CREATE DOMAIN code AS text;
CREATE TABLE kept (a code, b int, c text, PRIMARY KEY (a, b));
INSERT INTO kept VALUES ('x', 2, E'quoted " \\ \n'), ('x', 1, NULL), ('', 1, 'empty'), (repeat('long', 300), 1, 'long');
SELECT tally.attach('kept', keep_event => true, salted => true);
CALL tally.backfill('kept', batch => 1, rest => 0);
SELECT r.seq, left(r.key, 20) AS key, length(r.salt) AS salt, left(e.event, 60) AS event
	FROM tally.record r JOIN tally.event e ON e.id = r.event_id WHERE r.epoch IS NOT NULL AND r.key IS NOT NULL
	AND e.event LIKE '%"kept"}' ORDER BY r.seq;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;

-- Only what only_when picks -------------------------------------------------------
CREATE TABLE picked (id int PRIMARY KEY, severity int);
INSERT INTO picked SELECT n, n % 3 FROM generate_series(1, 9) n;
SELECT tally.attach('picked', only_when => 'severity = 2');
SELECT kind, detail FROM tally.verify() WHERE source = 'picked' ORDER BY 1, 2;
CALL tally.backfill('picked', batch => 2, rest => 0);
SELECT seq, key FROM tally.log WHERE source = 'picked' ORDER BY seq;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;

-- Partitions, also one whose columns lie in another order -------------------------
CREATE TABLE parted (id int, at date, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parted_2 (note text, gone int, at date NOT NULL, id int NOT NULL);
ALTER TABLE parted_2 DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO parted SELECT n, CASE n % 2 WHEN 0 THEN date '2020-06-01' ELSE '2021-06-01' END, 'row ' || n FROM generate_series(1, 5) n;
SELECT tally.attach('parted');
CALL tally.backfill('parted_1');
CALL tally.backfill('parted', batch => 2, rest => 0);
SELECT seq, key FROM tally.log WHERE source = 'parted' ORDER BY seq;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;

-- Changed before, meanwhile (by another hand), and after ---------------------------
CREATE TABLE changed (id int PRIMARY KEY, org int, note text);
INSERT INTO changed SELECT n, 1, 'old' FROM generate_series(1, 6) n;
SELECT tally.attach('changed', chain_by => 'org', append_only => false);
UPDATE changed SET note = 'before' WHERE id = 1;
DELETE FROM changed WHERE id = 2;
UPDATE changed SET note = note WHERE id = 3;
CALL tally.backfill('changed');
UPDATE changed SET note = 'after' WHERE id = 4;
DELETE FROM changed WHERE id = 5;
UPDATE changed SET org = 2 WHERE id = 6;
SELECT r.seq, c.name, r.key, left(e.event, 30) AS kept FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
	LEFT JOIN tally.event e ON e.id = r.event_id WHERE c.name LIKE 'changed/%' ORDER BY c.name, r.seq;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;
-- Append-only: an update that changes nothing is sealed again, once.
UPDATE timed SET note = note WHERE id IN (1, 2);
UPDATE timed SET note = note WHERE id = 1;
SELECT seq, key FROM tally.log WHERE source = 'timed' ORDER BY seq;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;

-- Altered afterwards: there is nothing left, unless another condition picks rows ------------
CREATE TABLE altered (id int PRIMARY KEY, a int, b int);
INSERT INTO altered SELECT n, n, n FROM generate_series(1, 6) n;
SELECT tally.attach('altered', exclude => '{b}');
CALL tally.backfill('altered', batch => 2, rest => 0);
SELECT tally.alter('altered', include => '{b}');
CALL tally.backfill('altered', batch => 2, rest => 0);
SELECT tally.alter('altered', only_when => 'a > 3');
CALL tally.backfill('altered', batch => 2, rest => 0);
SELECT seq, key FROM tally.log WHERE source = 'altered' ORDER BY seq;
SELECT kind, detail FROM tally.verify() ORDER BY 1, 2;
SELECT tally.alter('altered', append_only => false, keep_event => true);
UPDATE altered SET a = 10 WHERE id = 4;
DELETE FROM altered WHERE id = 5;
SELECT kind, chain, seq, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4, 5;

-- Detached and attached again: what came in between stays what it is ------------------
CREATE TABLE again (id int PRIMARY KEY, note text);
INSERT INTO again VALUES (1, 'old'), (2, 'old');
SELECT tally.attach('again');
SELECT tally.detach('again');
INSERT INTO again VALUES (3, 'between');
SELECT tally.attach('again');
CALL tally.backfill('again');
SELECT kind, source, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4;
SELECT key FROM tally.log WHERE source = 'again' ORDER BY seq;

-- No rows: whoever asked is in the log all the same --------------------------------------------------------------------
CREATE TABLE bare (id int PRIMARY KEY);
SELECT tally.attach('bare');
CALL tally.backfill('bare');
SELECT count(*) FROM tally.log WHERE source = 'bare';
SELECT count(*) FROM tally.event WHERE event LIKE '{"backfill"%"bare"%';

-- The place where it stopped is written by tally alone ---------------------------------
UPDATE tally.backfill SET position = '{}';
-- Whoever does it all the same leads it astray, which shows.
CREATE TABLE led (id int PRIMARY KEY);
INSERT INTO led SELECT generate_series(1, 4);
SELECT tally.attach('led');
CALL tally.backfill('led');
SELECT tally.detach('again');
TRUNCATE again;
SET session_replication_role = replica;
UPDATE tally.backfill SET position = '{}' WHERE relation = 'led'::regclass;
RESET session_replication_role;
CALL tally.backfill('led');
SELECT count(*) FROM tally.log WHERE source = 'led';
SELECT kind, source, detail FROM tally.verify() WHERE source = 'led' ORDER BY 1, 2, 3;
CREATE TABLE led_2 (id int PRIMARY KEY);
INSERT INTO led_2 SELECT generate_series(1, 4);
SELECT tally.attach('led_2');
SET session_replication_role = replica;
INSERT INTO tally.backfill SELECT 'led_2', era, '{3}', 0, false FROM tally.backfill WHERE relation = 'led'::regclass;
RESET session_replication_role;
CALL tally.backfill('led_2');
SELECT count(*) FROM tally.log WHERE source = 'led_2';
SET session_replication_role = replica;
UPDATE tally.backfill SET position = '{nonsense}' WHERE relation = 'led_2'::regclass;
RESET session_replication_role;
CALL tally.backfill('led_2');
ALTER TABLE tally.backfill ALTER position DROP NOT NULL;
SET session_replication_role = replica;
UPDATE tally.backfill SET position = NULL WHERE relation = 'led_2'::regclass;
RESET session_replication_role;
CALL tally.backfill('led_2');
ALTER TABLE tally.backfill ALTER position SET NOT NULL;

-- Rewritten afterwards, all rows have a new xmin: the event says so ----------------------
SET tally.ddl = 'seal';
ALTER TABLE altered ADD COLUMN stamp timestamptz DEFAULT clock_timestamp();
ALTER TABLE picked ADD COLUMN stamp timestamptz DEFAULT clock_timestamp();
SELECT kind, source, detail FROM tally.verify() WHERE source IN ('altered', 'picked') ORDER BY 1, 2, 3;
CALL tally.backfill('picked');
