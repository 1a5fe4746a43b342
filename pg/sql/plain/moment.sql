
-- Moments ---------------------------------------------------------------
-- An epoch begins and ends at a moment between transactions (pg/src/moment.h):
-- the next transaction id, and which older ones had not ended.  Those have not
-- written to the table, which is locked, so what they write comes after it.

-- The youngest transaction of that number that is older than next.
CREATE FUNCTION tally.widen(number bigint, next bigint) RETURNS bigint
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT next - 1 - ((next - 1 - number) & 4294967295)
$$;

-- The next transaction id, as of now: that of a subtransaction that begins here
-- and leaves nothing, and one.
CREATE FUNCTION tally.next_xid() RETURNS bigint LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me bigint := pg_current_xact_id()::text::bigint;
	fresh bigint;
BEGIN
	BEGIN
		PERFORM tally.writing(true);
		INSERT INTO tally.pending (xid, first, lock_key, chain) VALUES ('0', false, 0, '')
			RETURNING xmin::text::bigint INTO fresh;
		RAISE EXCEPTION USING ERRCODE = 'query_canceled', MESSAGE = 'taken back';
	EXCEPTION WHEN query_canceled THEN
		IF SQLERRM <> 'taken back' THEN
			RAISE;
		END IF;
	END;
	RETURN me + ((fresh - me) & 4294967295) + 1;
END
$$;

-- Whoever can still write holds a lock on his id, a subtransaction as well; one
-- that was released can write no more, and holds none.  The lock is taken just
-- after the id, so the youngest are asked for one by one.  Of those that are
-- younger than this transaction and hold none, nobody can tell whether they are
-- its own; if they could be, they are left out.  A snapshot would not do: under
-- REPEATABLE READ it is older than the lock on the table.
--
-- with_own: what this transaction writes comes behind the moment.
CREATE FUNCTION tally.take_moment(with_own boolean, OUT xid bigint, OUT running bigint[],
	OUT unclear bigint) LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me bigint := pg_current_xact_id()::text::bigint;
BEGIN
	xid := tally.next_xid();
	SELECT array_agg(id ORDER BY id) INTO running FROM (
		SELECT tally.widen(number, xid) AS id
		FROM (SELECT transactionid::text::bigint AS number FROM pg_locks
			WHERE locktype = 'transactionid' AND granted AND mode = 'ExclusiveLock'
				AND (with_own OR pid IS DISTINCT FROM pg_backend_pid())) AS l
		WHERE ((number - xid) & 4294967295) >= 2147483648	-- not younger
		UNION
		SELECT id FROM generate_series(greatest(xid - 10000, 3),
			CASE WHEN with_own THEN xid ELSE me END - 1) AS id
		WHERE pg_xact_status(id::text::xid8) = 'in progress') AS r;
	IF cardinality(running) > 4096 THEN
		unclear := running[1];
		running := NULL;
	END IF;
END
$$;

-- As the last members of an event have it.
CREATE FUNCTION tally.running_member(running bigint[]) RETURNS text LANGUAGE sql IMMUTABLE
AS $$
	SELECT coalesce(',"running":["' || array_to_string(running, '","') || '"]', '')
$$;

CREATE FUNCTION tally.xid_members(unclear bigint, xid bigint) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT coalesce(',"unclear":"' || unclear || '"', '') || ',"xid":"' || xid || '"'
$$;

-- Was this version of a row written before the moment?
CREATE FUNCTION tally.is_older(xmin xid, moment bigint, running bigint[]) RETURNS boolean
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT xmin::text::bigint < 3
		OR (((xmin::text::bigint - moment) & 4294967295) >= 2147483648
			AND tally.widen(xmin::text::bigint, moment) <> ALL (running))
$$;
