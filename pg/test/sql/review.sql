-- What a review found: each of these ended in a crash, in an error that stayed,
-- or in rows that were called tampered with although nobody had.

-- Somebody's index over an expression: nothing here could evaluate it.
SELECT tally.append('events', '{"a":1}') IS NULL AS appended;
CREATE INDEX search ON tally.event ((event::json ->> 'a'));
SELECT tally.append('events', '{"a":1}');
DROP INDEX tally.search;
CREATE INDEX search ON tally.chain (length(name));
SELECT tally.append('others', '{"a":1}');
DROP INDEX tally.search;
CREATE TRIGGER meddle AFTER INSERT ON tally.event
	FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT tally.append('events', '{"a":1}');
DROP TRIGGER meddle ON tally.event;

-- One that this transaction itself made, after it had captured.
BEGIN;
SELECT tally.append('events', '{"a":1}') IS NULL AS appended;
CREATE INDEX search ON tally.record ("time");
COMMIT;

-- An index that was made again has another oid, which this session learns.
ALTER TABLE tally.event DROP CONSTRAINT event_id;
ALTER TABLE tally.event ADD CONSTRAINT event_id PRIMARY KEY (id);
SELECT tally.append('events', '{"a":1}', 'x') IS NULL AS appended;
SELECT tally.append('events', '{"a":1}', 'x') IS NULL AS appended;

-- Only its own columns will do.
ALTER TABLE tally.chain DROP CONSTRAINT chain_name;
ALTER TABLE tally.chain ADD CONSTRAINT chain_name UNIQUE (id, name);
SELECT tally.append('others', '{"a":1}');
ALTER TABLE tally.chain DROP CONSTRAINT chain_name;
ALTER TABLE tally.chain ADD CONSTRAINT chain_name UNIQUE (name);
SELECT tally.append('others', '{"a":1}') IS NULL AS appended;
SELECT chain, seq, id FROM tally.log ORDER BY chain, seq;
SELECT * FROM tally.verify();

-- The first that a session has to do with tally is a deferred trigger.
CREATE TABLE audit (id serial PRIMARY KEY, number int);
SELECT tally.attach('audit');
CREATE TABLE orders (number int);
CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO audit (number) VALUES (NEW.number); RETURN NULL; END $$;
CREATE FUNCTION append_audit() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM tally.append('orders', to_json(NEW)); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER write_audit AFTER INSERT ON orders
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write_audit();
\c -
INSERT INTO orders VALUES (1);
\c -
BEGIN;
INSERT INTO orders VALUES (2);
COMMIT;
DROP TRIGGER write_audit ON orders;
CREATE CONSTRAINT TRIGGER append_audit AFTER INSERT ON orders
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION append_audit();
\c -
INSERT INTO orders VALUES (3);
SELECT chain, seq, source FROM tally.log WHERE chain IN ('audit', 'orders')
	ORDER BY chain, seq;
SELECT * FROM tally.verify();

-- One command inserts several rows, and a user's trigger changes one of them
-- before ours was called for it; by its name a trigger can be before ours, too.
CREATE TABLE item (id int PRIMARY KEY, body text, is_current bool DEFAULT true);
SELECT tally.attach('item', append_only => false);
CREATE FUNCTION age() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF pg_trigger_depth() = 1 THEN
			UPDATE item SET is_current = false WHERE id <> NEW.id AND is_current;
			DELETE FROM item WHERE NEW.body = 'delete ' || id;
			UPDATE item SET id = id + 100 WHERE NEW.body = 'move ' || id;
			UPDATE item SET body = 'own' WHERE id = NEW.id AND NEW.body = 'own';
		END IF;
		RETURN NULL;
	END $$;
CREATE TRIGGER " first" AFTER INSERT OR UPDATE ON item
	FOR EACH ROW EXECUTE FUNCTION age();
INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'own');
INSERT INTO item VALUES (4, 'delete 5'), (5, 'x'), (6, 'move 7'), (7, 'y');
UPDATE item SET body = CASE id WHEN 1 THEN 'delete 2' ELSE 'own' END WHERE id < 4;
DROP TRIGGER " first" ON item;
SELECT * FROM tally.verify();
-- The same where the other's comes by a deletion.
CREATE FUNCTION bring_back() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF pg_trigger_depth() = 1 THEN
			INSERT INTO item SELECT n, 'back' FROM generate_series(1, 3) n
				ON CONFLICT DO NOTHING;
		END IF;
		RETURN NULL;
	END $$;
CREATE TRIGGER later AFTER DELETE ON item
	FOR EACH ROW EXECUTE FUNCTION bring_back();
DELETE FROM item;
DROP TRIGGER later ON item;
SELECT * FROM item ORDER BY id;
SELECT * FROM tally.verify();
-- And where what is before the row's own command is by a later one.
CREATE FUNCTION replace() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN DELETE FROM item WHERE id = NEW.id; RETURN NEW; END $$;
CREATE TRIGGER replace BEFORE INSERT ON item
	FOR EACH ROW EXECUTE FUNCTION replace();
CREATE TRIGGER " first" AFTER INSERT OR UPDATE ON item
	FOR EACH ROW EXECUTE FUNCTION age();
INSERT INTO item VALUES (1, 'new'), (2, 'new'), (3, 'own'), (8, 'delete 1');
SELECT * FROM item ORDER BY id;
SELECT * FROM tally.verify();

-- The last number that a record can have.
ALTER TABLE tally.record DISABLE TRIGGER guard;
INSERT INTO tally.record
	SELECT chain_id, 9007199254740991, "time", epoch, event_id, digest, prev,
		hash, key, NULL, salt
	FROM tally.record r JOIN tally.chain c ON c.id = chain_id AND c.name = 'others';
SELECT tally.append('others', '{"a":1}');
DELETE FROM tally.record WHERE seq = 9007199254740991;
SELECT tally.append('others', '{"a":1}') IS NULL AS appended;
ALTER TABLE tally.record ENABLE TRIGGER guard;
SELECT * FROM tally.verify();

-- A column of somebody else's; one that was dropped again does no harm.
BEGIN;
ALTER TABLE tally.record ADD COLUMN note text;
SELECT tally.append('others', '{"a":1}');
ROLLBACK;
BEGIN;
ALTER TABLE tally.event ALTER COLUMN id TYPE numeric;
SELECT tally.append('others', '{"a":1}');
ROLLBACK;
ALTER TABLE tally.record ADD COLUMN note text DEFAULT 'x';
ALTER TABLE tally.record DROP COLUMN note;
ALTER TABLE tally.event ADD COLUMN note text DEFAULT 'x';
ALTER TABLE tally.event DROP COLUMN note;
SELECT tally.append('others', '{"a":1}') IS NULL AS appended;
SELECT (tally.head('others')).seq;
