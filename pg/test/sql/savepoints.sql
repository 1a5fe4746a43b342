-- SPDX-License-Identifier: Apache-2.0
-- What is rolled back leaves nothing, and what stays is sealed in the order of
-- its changes.
CREATE TABLE audit (id text PRIMARY KEY);
SELECT tally.attach('audit', prefix => 'savepoints');

CREATE TABLE seen (id text);
-- The records since the last time, and whether they are what the rows are.
CREATE VIEW sealed AS
	SELECT string_agg(coalesce(r.key, r.id), ' ' ORDER BY r.seq) AS sealed,
		bool_and(r.id IS NOT NULL OR a.id IS NOT NULL) AS there
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
		LEFT JOIN audit a ON a.id = r.key
	WHERE c.name = 'savepoints' AND coalesce(r.key, r.id) NOT IN
		(SELECT id FROM seen);
CREATE PROCEDURE show(OUT sealed text, OUT there boolean) LANGUAGE plpgsql AS $$
BEGIN
	SELECT * INTO sealed, there FROM sealed;
	INSERT INTO seen SELECT unnest(string_to_array(sealed, ' '));
END $$;

BEGIN;
INSERT INTO audit VALUES ('a1');
SAVEPOINT s;
INSERT INTO audit VALUES ('a2'), ('a3');
ROLLBACK TO s;
INSERT INTO audit VALUES ('a4');
SAVEPOINT t;
INSERT INTO audit VALUES ('a5');
RELEASE t;
INSERT INTO audit VALUES ('a6');
COMMIT;
CALL show(NULL, NULL);

-- A released one goes with the one around it.
BEGIN;
SAVEPOINT one;
SAVEPOINT two;
SAVEPOINT three;
INSERT INTO audit VALUES ('b1');
RELEASE three;
INSERT INTO audit VALUES ('b2');
RELEASE two;
INSERT INTO audit VALUES ('b3');
ROLLBACK TO one;
INSERT INTO audit VALUES ('b4');
SAVEPOINT two;
INSERT INTO audit VALUES ('b5');
SAVEPOINT three;
INSERT INTO audit VALUES ('b6');
ROLLBACK TO three;
INSERT INTO audit VALUES ('b7');
ROLLBACK TO three;
RELEASE three;
INSERT INTO audit VALUES ('b8');
RELEASE two;
SELECT id FROM tally.append('savepoints', '{}', 'b9');
INSERT INTO audit VALUES ('b10');
COMMIT;
CALL show(NULL, NULL);

-- First captured deep inside.
BEGIN;
SAVEPOINT one;
SAVEPOINT two;
INSERT INTO audit VALUES ('c1');
ROLLBACK TO one;
SAVEPOINT two;
SAVEPOINT three;
INSERT INTO audit VALUES ('c2');
RELEASE two;
SAVEPOINT two;
INSERT INTO audit VALUES ('c3');
ROLLBACK TO two;
COMMIT;
CALL show(NULL, NULL);

-- All of it rolled back: nothing to seal, and no chain is made for it.
BEGIN;
SAVEPOINT one;
INSERT INTO audit VALUES ('d1');
SELECT chain FROM tally.append('savepoints/never', '{}');
ROLLBACK TO one;
COMMIT;
CALL show(NULL, NULL);
SELECT name FROM tally.chain WHERE name LIKE 'savepoints%';

-- Exception blocks, nested, of which some fail.
DO $$
BEGIN
	INSERT INTO audit VALUES ('e1');
	BEGIN
		INSERT INTO audit VALUES ('e2');
		BEGIN
			INSERT INTO audit VALUES ('e3');
			PERFORM 1 / 0;
		EXCEPTION WHEN division_by_zero THEN
			INSERT INTO audit VALUES ('e4');
		END;
		INSERT INTO audit VALUES ('e5');
		BEGIN
			INSERT INTO audit VALUES ('e6');
			INSERT INTO audit VALUES ('e1');
		EXCEPTION WHEN unique_violation THEN NULL;
		END;
		INSERT INTO audit VALUES ('e7');
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
	INSERT INTO audit VALUES ('e8');
END $$;
CALL show(NULL, NULL);

-- Ten thousand that are rolled back cost no memory; nor do their chains.
CREATE FUNCTION pending_memory() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(total_bytes) FROM pg_backend_memory_contexts
	WHERE name = 'tally pending' $$;
BEGIN;
INSERT INTO audit VALUES ('f1');
SELECT pending_memory() AS before \gset
DO $$
BEGIN
	FOR n IN 1..10000 LOOP
		BEGIN
			INSERT INTO audit VALUES ('f ' || n);
			PERFORM tally.append('savepoints/' || n, '{}');
			RAISE EXCEPTION 'back';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SELECT pending_memory() <= :before + 8192 AS is_small;
INSERT INTO audit VALUES ('f2');
SELECT chain FROM tally.append('savepoints/7', '{}');
COMMIT;
CALL show(NULL, NULL);
SELECT name FROM tally.chain WHERE name LIKE 'savepoints%' ORDER BY id;

-- Rolled back chains between others that stay.
DO $$
BEGIN
	FOR n IN 1..300 LOOP
		BEGIN
			PERFORM tally.append('kept/' || n % 40, '{}');
			PERFORM tally.append('lost/' || n, '{}');
			IF n % 3 = 0 THEN
				RAISE EXCEPTION 'back';
			END IF;
			PERFORM tally.append('kept/' || n % 50, '{}');
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SELECT split_part(name, '/', 1) AS kind, count(*) AS records,
	count(DISTINCT name) AS chains
FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
WHERE name ~ '^(kept|lost)/' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM tally.chain WHERE name LIKE 'lost/%'
	AND split_part(name, '/', 2)::int % 3 = 0;

-- Every order is seen as it was made, also across statements and triggers.
CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.id NOT LIKE '%echo' THEN
		INSERT INTO audit VALUES (NEW.id || '-echo');
		PERFORM tally.append('savepoints', '{}', NEW.id || '-event');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER echo AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION echo();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON seen DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.id = 'late') EXECUTE FUNCTION echo();
BEGIN;
INSERT INTO audit VALUES ('g1'), ('g2');
INSERT INTO seen VALUES ('late');
INSERT INTO audit VALUES ('g3');
COMMIT;
CALL show(NULL, NULL);
