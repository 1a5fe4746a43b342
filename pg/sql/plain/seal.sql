-- Sealing ---------------------------------------------------------------
-- A deferred trigger of the first row that a transaction captured seals all of
-- it when the transaction commits:
--
--  1. All chains are locked, by transaction-level advisory locks, in the order
--     of their numbers: two transactions over any chains cannot deadlock with
--     each other.  PostgreSQL releases the locks after the commit record is
--     flushed and the transaction is visible to others.
--  2. Only then heads are read, each statement under a snapshot of its own.
--     Under REPEATABLE READ and SERIALIZABLE the snapshot is older and may show
--     a head that has a successor.  What is sealed onto it has a number that is
--     taken: the unique index refuses it, and the client is told to try again,
--     as it has to be prepared for at these levels.  There is no way to a fork.
--  3. What user's deferred triggers write after that, and what was sealed early
--     by SET CONSTRAINTS, comes in another round.  Locks that would come before
--     one that is held are not waited for: if one is not free, the client is
--     told to try again.

CREATE FUNCTION tally.try_again(chain text) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'could not serialize access to chain "%"', chain
		USING ERRCODE = 'serialization_failure',
			DETAIL = 'Another transaction has sealed records that this one''s snapshot does not show.',
			HINT = 'Try the transaction again.';
END
$$;

CREATE FUNCTION tally.lock_chains(me xid8) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- Of what this transaction has locked; forgotten with a savepoint, as are
	-- the locks.
	highest bigint := nullif(current_setting('tally_plain.locked', true), '');
	wanted bigint;
BEGIN
	FOR wanted IN SELECT DISTINCT lock_key FROM tally.pending WHERE xid = me ORDER BY 1
	LOOP
		IF highest IS NULL OR wanted > highest THEN
			PERFORM pg_advisory_xact_lock(wanted);
			highest := wanted;
		ELSIF NOT pg_try_advisory_xact_lock(wanted) THEN
			PERFORM tally.try_again((SELECT chain FROM tally.pending
				WHERE xid = me AND lock_key = wanted LIMIT 1));
		END IF;
	END LOOP;
	PERFORM set_config('tally_plain.locked', highest::text, true);
END
$$;

-- Are the columns of an epoch what they were?  False: perhaps.  Every commit asks,
-- so the usual answer, of columns of built-in types, is had in one statement
-- whose plan PL/pgSQL keeps.
CREATE FUNCTION tally.columns_surely_hold(epoch json) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
BEGIN
	RETURN NOT EXISTS (
		SELECT FROM json_to_recordset(epoch -> 'columns')
				AS c (number integer, type text, typmod integer, shape json)
			LEFT JOIN pg_attribute a ON a.attrelid = (epoch ->> 'relation')::oid
				AND a.attnum = c.number AND NOT a.attisdropped
				AND a.atttypmod = c.typmod
				AND c.type IN (format_type(a.atttypid, NULL),
					'pg_catalog.' || format_type(a.atttypid, NULL))
			LEFT JOIN pg_type t ON t.oid = a.atttypid AND (tally.type_is_listed(t.oid)
				OR (t.oid < 16384 AND t.typcategory = 'A' AND tally.type_is_listed(t.typelem)))
		WHERE t.oid IS NULL OR c.shape IS NOT NULL);
END
$$;

-- What has to hold of the tables of which rows were captured.  Since they were,
-- nobody else could have changed these tables.
CREATE FUNCTION tally.check_epochs(me xid8) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	epoch json;
	fault text;
BEGIN
	FOR epoch IN SELECT tally.config(e.event) FROM tally.event e
		WHERE e.id IN (SELECT p.epoch FROM tally.pending p WHERE p.xid = me)
	LOOP
		IF epoch ->> 'cluster' <> (SELECT system_identifier::text FROM pg_control_system()) THEN
			RAISE EXCEPTION 'table "%" was attached in another cluster', epoch ->> 'table'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'Detach the table and attach it again; that begins a new epoch.';
		END IF;
		fault := CASE WHEN NOT tally.columns_surely_hold(epoch)
			THEN tally.columns_fault(epoch) END;
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION '%', fault
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'tally.alter() begins an epoch with the table as it is now.';
		END IF;
		IF EXISTS (SELECT FROM pg_partition_tree((epoch ->> 'relation')::oid::regclass) t
				JOIN pg_class c ON c.oid = t.relid WHERE c.relpersistence <> 'p')
			OR EXISTS (SELECT FROM pg_class c WHERE c.oid = (epoch ->> 'relation')::oid
				AND c.relpersistence <> 'p')
		THEN
			RAISE EXCEPTION 'table "%" is attached but not permanent', epoch ->> 'table'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'Use ALTER TABLE ... SET LOGGED.';
		END IF;
	END LOOP;
END
$$;

-- Is the entry one that must not be written again?  The first record of the
-- log, which another transaction has written meanwhile; or an id that is there,
-- with the same event.
CREATE FUNCTION tally.is_there_already(entry tally.pending, chain_id bigint, last bigint)
	RETURNS boolean LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_one tally.record;
BEGIN
	IF entry.only_first THEN
		RETURN last > 0;
	END IF;
	SELECT * INTO found_one FROM tally.record r
		WHERE r.chain_id = is_there_already.chain_id AND r.id = entry.id;
	IF NOT FOUND THEN
		RETURN false;
	ELSIF found_one.digest <> entry.digest THEN
		PERFORM tally.refuse_other(entry.chain, entry.id);
	END IF;
	IF entry.wants_receipt THEN
		PERFORM tally.put_receipt(found_one.seq, found_one.hash, found_one."time");
	END IF;
	RETURN true;
END
$$;

-- For tally.append_now, which cannot look it up: an event may have no id.
CREATE FUNCTION tally.put_receipt(seq bigint, hash bytea, "time" timestamptz) RETURNS void
	LANGUAGE sql
AS $$
	SELECT pg_catalog.set_config('tally_plain.receipt', json_build_object('seq', seq,
		'hash', encode(hash, 'hex'), 'time', "time")::text, false)
$$;

CREATE FUNCTION tally.chain_number(name text) RETURNS bigint LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint;
BEGIN
	SELECT c.id INTO number FROM tally.chain c WHERE c.name = chain_number.name;
	IF NOT FOUND THEN
		INSERT INTO tally.chain (id, name) VALUES (nextval('tally.chain_number'), name)
			ON CONFLICT DO NOTHING RETURNING id INTO number;
		IF NOT FOUND THEN
			PERFORM tally.try_again(name);
		END IF;
	END IF;
	RETURN number;
END
$$;

CREATE FUNCTION tally.seal_all(me xid8) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := clock_timestamp();
	entry tally.pending;
	chain text;			-- of the entry before
	number bigint;
	last bigint;
	head bytea;
	hash bytea;
BEGIN
	FOR entry IN SELECT * FROM tally.pending p WHERE p.xid = me AND p.digest IS NOT NULL
		-- What took the place of another that was captured before it, comes first.
		ORDER BY p.chain, coalesce(p.place, p.n), p.n DESC
	LOOP
		IF chain IS DISTINCT FROM entry.chain THEN
			chain := entry.chain;
			number := tally.chain_number(chain);
			SELECT r.seq, r.hash INTO last, head FROM tally.record r
				WHERE r.chain_id = number ORDER BY r.seq DESC LIMIT 1;
			IF NOT FOUND THEN
				last := 0;
				head := decode(repeat('00', 32), 'hex');
			END IF;
		END IF;
		IF (entry.id IS NOT NULL OR entry.only_first)
			AND tally.is_there_already(entry, number, last)
		THEN
			DELETE FROM tally.event e WHERE e.id = entry.event_id;
			CONTINUE;
		END IF;
		last := last + 1;
		hash := tally.record_hash(chain, entry.digest, entry.id, head, last, now);
		INSERT INTO tally.record (chain_id, seq, "time", epoch, event_id, digest, prev,
			hash, key, id, salt)
		VALUES (number, last, now, entry.epoch, entry.event_id, entry.digest, head,
			hash, entry.key, entry.id, entry.salt)
		ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			PERFORM tally.try_again(chain);
		END IF;
		head := hash;
		IF entry.wants_receipt THEN
			PERFORM tally.put_receipt(last, hash, now);
		END IF;
	END LOOP;
	DELETE FROM tally.pending p WHERE p.xid = me;
END
$$;

CREATE FUNCTION tally.seal() RETURNS trigger LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	me xid8 := pg_current_xact_id();
BEGIN
	IF current_setting('max_prepared_transactions')::integer > 0 THEN
		RAISE EXCEPTION 'max_prepared_transactions is %, and has to be 0',
				current_setting('max_prepared_transactions')
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Chains that a prepared transaction has locked would stay locked, also over a restart.';
	END IF;
	PERFORM tally.check_epochs(me);
	PERFORM tally.writing(true);
	PERFORM tally.settle_origin();
	PERFORM tally.lock_chains(me);
	PERFORM tally.seal_all(me);
	PERFORM tally.writing(false);
	RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER seal AFTER INSERT ON tally.pending
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.first) EXECUTE FUNCTION tally.seal();

