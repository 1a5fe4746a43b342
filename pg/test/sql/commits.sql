-- SPDX-License-Identifier: Apache-2.0
-- The ways in which a transaction can end, and what else may happen in one.
SET lock_timeout = '10s';
CREATE TABLE audit (id int PRIMARY KEY);
SELECT tally.attach('audit', prefix => 'commits');
CREATE TABLE other (n int);
CREATE FUNCTION sealed(chain text DEFAULT 'commits') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(coalesce(r.key, r.id), ' ' ORDER BY r.seq)
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
	WHERE c.name = $1 $$;

-- PREPARE TRANSACTION is refused, and nothing stays locked.
BEGIN;
INSERT INTO audit VALUES (1);
PREPARE TRANSACTION 'refused';
SELECT count(*) FROM pg_prepared_xacts;
BEGIN;
SELECT chain FROM tally.append('commits', '{}');
PREPARE TRANSACTION 'refused';
SELECT item, subject FROM tally.status WHERE item = 'lock';
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' OR relation = 'tally.record'::regclass;
INSERT INTO audit VALUES (1);
SELECT sealed();
-- Without rows to seal it is not our business.
BEGIN;
INSERT INTO other VALUES (1);
PREPARE TRANSACTION 'other';
INSERT INTO audit VALUES (2);
COMMIT PREPARED 'other';
BEGIN;
INSERT INTO other VALUES (2);
PREPARE TRANSACTION 'other';
ROLLBACK PREPARED 'other';
INSERT INTO audit VALUES (3);
SELECT sealed();
BEGIN;
SAVEPOINT a;
INSERT INTO audit VALUES (4);
ROLLBACK TO a;
PREPARE TRANSACTION 'empty';
COMMIT PREPARED 'empty';

-- Procedures that commit, and roll back, inside loops.
CREATE PROCEDURE insert_some(lo int, hi int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN lo..hi LOOP
		INSERT INTO audit VALUES (n);
		PERFORM tally.append('commits', '{}', n || 'e');
		IF n % 3 = 0 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP;
END $$;
CALL insert_some(10, 16);
SELECT sealed();
CREATE PROCEDURE insert_over_cursor() LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	FOR n IN SELECT * FROM generate_series(20, 22) LOOP
		INSERT INTO audit VALUES (n);
		COMMIT AND CHAIN;
	END LOOP;
	INSERT INTO audit VALUES (23);
END $$;
CALL insert_over_cursor();
DO $$
DECLARE
	receipt record;
	id text;
	seq bigint;
	hash bytea;
	"time" timestamptz;
BEGIN
	FOR n IN 24..26 LOOP
		INSERT INTO audit VALUES (n);
		id := n || 'now';
		CALL tally.append_now('commits', '{}', id, seq, hash, "time");
		SELECT * INTO receipt FROM tally.receipt('commits', id);
		IF (receipt.seq, receipt.hash, receipt.time)
			IS DISTINCT FROM (seq, hash, "time") THEN
			RAISE 'wrong receipt';
		END IF;
	END LOOP;
END $$;
SELECT sealed() LIKE '% 20 21 22 23 24 24now 25 25now 26 26now';
BEGIN;
INSERT INTO audit VALUES (27);
CALL tally.append_now('commits', '{}', 'inside');
ROLLBACK;
BEGIN;
INSERT INTO audit VALUES (28);
COMMIT AND CHAIN;
INSERT INTO audit VALUES (29);
ROLLBACK AND CHAIN;
INSERT INTO audit VALUES (30);
COMMIT;
SELECT sealed() LIKE '% 26now 28 30';

-- tally.append in a trigger's function, as somebody who may do nothing else.
CREATE ROLE regress_tally_clerk;
CREATE FUNCTION append_it() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM tally.append('commits/trigger',
		json_build_object('was', OLD.n, 'is', NEW.n), NEW.n::text);
	RETURN NEW;
END $$;
CREATE TRIGGER append_it BEFORE UPDATE ON other
	FOR EACH ROW EXECUTE FUNCTION append_it();
GRANT SELECT, UPDATE, INSERT ON other TO regress_tally_clerk;
SET ROLE regress_tally_clerk;
SELECT tally.append('commits/trigger', '{}');
INSERT INTO other VALUES (3), (4);
UPDATE other SET n = n * 10 WHERE n > 1;
RESET ROLE;
SELECT sealed('commits/trigger');

-- A commit that also drops, truncates, creates files: it is flushed at once.
BEGIN;
INSERT INTO audit VALUES (40);
TRUNCATE other;
CREATE TABLE fresh (n int);
CREATE TEMP TABLE gone (n int) ON COMMIT DROP;
CREATE TEMP TABLE emptied (n int) ON COMMIT DELETE ROWS;
INSERT INTO gone VALUES (1);
INSERT INTO emptied VALUES (1);
COMMIT;
BEGIN;
INSERT INTO audit VALUES (41);
INSERT INTO emptied VALUES (1);
DROP TABLE fresh;
COMMIT;
SELECT count(*) FROM emptied;
SELECT sealed() LIKE '% 30 40 41';

-- Cursors that are held, large objects, notifications.
BEGIN;
INSERT INTO audit VALUES (50);
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM audit WHERE id >= 50;
NOTIFY commits;
SELECT lo_unlink(lo_create(0)) = 1 AS unlinked;
COMMIT;
FETCH ALL FROM held;
-- A held cursor is read to its end before the commit: what its query does is
-- sealed as well.
BEGIN;
DECLARE writing CURSOR WITH HOLD FOR
	SELECT id FROM tally.append('commits', '{}', 'held');
COMMIT;
SELECT sealed() LIKE '% 41 50 held';

-- What a session forgets, and what it must not.
BEGIN;
INSERT INTO audit VALUES (60);
COMMIT;
DISCARD ALL;
INSERT INTO audit VALUES (61);
BEGIN;
SAVEPOINT a;
INSERT INTO audit VALUES (62);
ROLLBACK;
SET synchronous_commit = off;
INSERT INTO audit VALUES (63);
BEGIN;
SET LOCAL synchronous_commit = remote_write;
SET LOCAL tally.early_release = full;
INSERT INTO audit VALUES (64);
COMMIT;
SHOW synchronous_commit;
SHOW tally.early_release;
BEGIN;
SET LOCAL synchronous_commit = on;
INSERT INTO audit VALUES (64);
ROLLBACK;
SHOW synchronous_commit;
RESET synchronous_commit;
SELECT sealed() LIKE '% held 60 61 63 64';

-- Not in a transaction that must not write.
BEGIN READ ONLY;
SELECT tally.append('commits', '{}', 'read only');
ROLLBACK;
SELECT count(*) FROM tally.record WHERE id = 'read only';
BEGIN;
SELECT id FROM tally.append('commits/new', '{}', 'made read-only later');
SET TRANSACTION READ ONLY;
COMMIT;
SELECT sealed('commits/new');

-- An error when the chain is already locked: nothing is left of it.
BEGIN;
SELECT id FROM tally.append('commits', '{"n":1}', 'once');
SELECT id FROM tally.append('commits', '{"n":2}', 'once');
INSERT INTO audit VALUES (70);
COMMIT;
SELECT sealed() LIKE '% 63 64';
SELECT item, subject FROM tally.status WHERE item = 'lock';
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
INSERT INTO audit VALUES (71);
SELECT sealed() LIKE '% 63 64 71';

-- All of it is one chain.
SELECT count(*) AS records, max(seq) AS head, count(DISTINCT prev) AS linked
FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
WHERE c.name = 'commits';
SELECT * FROM tally.verify();
DROP TABLE other;
DROP ROLE regress_tally_clerk;
