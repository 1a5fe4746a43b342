-- What somebody does to old rows, to the records that seal them, and to the
-- era; and rows that come in with triggers off, to pass for old ones.
CREATE TABLE t (id int PRIMARY KEY, org int, note text);
INSERT INTO t SELECT n, n % 2, 'old ' || n FROM generate_series(1, 8) n;
SELECT tally.attach('t', chain_by => 'org', append_only => false);
CREATE TABLE s (id int PRIMARY KEY, note text);
INSERT INTO s SELECT n, 'old ' || n FROM generate_series(1, 4) n;
SELECT tally.attach('s', salted => true);

-- Smuggled in before: not taken for old, and found before and after -----------
SET session_replication_role = replica;
INSERT INTO t VALUES (100, 0, 'smuggled'), (-100, 0, 'smuggled');
UPDATE t SET note = 'another' WHERE id = 8;
INSERT INTO s VALUES (100, 'smuggled');
RESET session_replication_role;
SELECT kind, source, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4;
CALL tally.backfill('t', batch => 2, rest => 0);
CALL tally.backfill('s', batch => 2, rest => 0);
SELECT kind, source, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4;
SET session_replication_role = replica;
DELETE FROM t WHERE id IN (100, -100, 8);
DELETE FROM s WHERE id = 100;
RESET session_replication_role;
SELECT * FROM tally.verify() ORDER BY 1, 2, 3, 4, 5, 6;

-- An old row that is changed afterwards, or gone -------------------------------
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE t SET note = 'another' WHERE id = 1;
DELETE FROM t WHERE id = 2;
UPDATE s SET note = 'another' WHERE id = 1;
DELETE FROM s WHERE id = 2;
COMMIT;
SELECT kind, chain, seq, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4, 5;

-- Put back as it was, but by a younger hand ---------------------------------------
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE t SET note = 'old 1' WHERE id = 1;
INSERT INTO t VALUES (2, 0, 'old 2');
UPDATE s SET note = 'old 1' WHERE id = 1;
INSERT INTO s VALUES (2, 'old 2');
COMMIT;
SELECT kind, chain, seq, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4, 5;
-- By the front door it is sealed.
UPDATE t SET note = 'new' WHERE id IN (1, 2);
SELECT kind, chain, seq, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4, 5;
SET session_replication_role = replica;
DELETE FROM s;
RESET session_replication_role;
SELECT tally.detach('s');
SELECT kind, chain, key, detail FROM tally.verify() ORDER BY 1, 2, 3, 4;

-- Records of old rows that pretend to be of the attachment, and the reverse -----------
CREATE TABLE r (id int PRIMARY KEY, note text);
INSERT INTO r SELECT n, 'old ' || n FROM generate_series(1, 3) n;
SELECT tally.attach('r');
CALL tally.backfill('r');
INSERT INTO r VALUES (4, 'new'), (5, 'new');
CREATE TABLE era AS SELECT max(epoch) AS era, min(epoch) AS attach FROM tally.record
	WHERE chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE tally.record SET epoch = (SELECT LEAST(era, attach) FROM era) WHERE key = '1'
	AND chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
UPDATE tally.record SET epoch = (SELECT GREATEST(era, attach) FROM era) WHERE key = '4'
	AND chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
COMMIT;
SELECT kind, chain, seq, key, detail FROM tally.verify() WHERE source = 'r' ORDER BY 1, 2, 3, 4, 5;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE tally.record SET epoch = (SELECT GREATEST(era, attach) FROM era) WHERE key = '1'
	AND chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
UPDATE tally.record SET epoch = (SELECT LEAST(era, attach) FROM era) WHERE key = '4'
	AND chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
COMMIT;
SELECT kind, chain, seq, key, detail FROM tally.verify() WHERE source = 'r' ORDER BY 1, 2, 3, 4, 5;
-- The key of one of them.
SET session_replication_role = replica;
UPDATE tally.record SET key = '77' WHERE key = '2' AND chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
RESET session_replication_role;
SELECT kind, chain, seq, key, detail FROM tally.verify() WHERE source = 'r' ORDER BY 1, 2, 3, 4, 5;
SET session_replication_role = replica;
UPDATE tally.record SET key = '2' WHERE key = '77' AND chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
-- One of them gone, and its row left.
DELETE FROM tally.record WHERE key = '2' AND chain_id = (SELECT id FROM tally.chain WHERE name = 'r');
RESET session_replication_role;
SELECT kind, chain, seq, key, detail FROM tally.verify() WHERE chain = 'r' OR source = 'r' ORDER BY 1, 2, 3, 4, 5;

-- The era gone, or another than was sealed ----------------------------------------------
CREATE TABLE saved AS SELECT * FROM tally.event WHERE event LIKE '{"backfill"%"label":"r"%';
SET session_replication_role = replica;
DELETE FROM tally.event WHERE id = (SELECT id FROM saved);
RESET session_replication_role;
SELECT kind, chain, seq, key, detail FROM tally.verify() WHERE coalesce(chain, 'tally:log') = 'tally:log' AND kind <> 'missing'
	AND source IS DISTINCT FROM 's' ORDER BY 1, 2, 3, 4, 5;
SET session_replication_role = replica;
INSERT INTO tally.event SELECT id, replace(event, '"order_by":["id"]', '"order_by":["note"]') FROM saved;
RESET session_replication_role;
SELECT kind, chain, seq, key, detail FROM tally.verify() WHERE kind = 'content-altered' ORDER BY 1, 2, 3, 4, 5;

-- The attach event changed for as long as a backfill runs, to have it seal what
-- came after: the era tells, and nothing that it sealed counts.
CREATE TABLE w (id int PRIMARY KEY, note text);
INSERT INTO w VALUES (1, 'old');
SELECT tally.attach('w');
SET session_replication_role = replica;
INSERT INTO w VALUES (2, 'smuggled');
CREATE TABLE attached AS SELECT * FROM tally.event WHERE event LIKE '{"attach"%"label":"w"%';
UPDATE tally.event SET event = regexp_replace(event, '"xid":"\d+"', format('"xid":"%s"', txid_current() + 1))
	WHERE id = (SELECT id FROM attached);
RESET session_replication_role;
\c
CALL tally.backfill('w');
SET session_replication_role = replica;
UPDATE tally.event e SET event = a.event FROM attached a WHERE a.id = e.id;
RESET session_replication_role;
SELECT kind, chain, key, regexp_replace(detail, 'event \d+', 'event N') AS detail FROM tally.verify() WHERE source = 'w' OR source IS NULL AND chain IS NULL ORDER BY 1, 2, 3, 4;
-- From there on the true moment makes an era of its own.
\c
CALL tally.backfill('w');
SELECT kind, chain, key, regexp_replace(detail, 'event \d+', 'event N') AS detail FROM tally.verify() WHERE source = 'w' OR source IS NULL AND chain IS NULL ORDER BY 1, 2, 3, 4;
