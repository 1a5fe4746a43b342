
-- Origins ---------------------------------------------------------------
-- Which database is this, and may it go on with these chains?  Two databases
-- with one history would fork, which no lock prevents (doc/design/restore.md).
-- The timeline is noted, not judged: why it changed stands in a file that only
-- a superuser may read.

CREATE FUNCTION tally.here() RETURNS tally.origin LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 0, s.system_identifier::text, d.oid, d.datname::text, 'tally.record'::regclass::oid,
		CASE WHEN pg_is_in_recovery() THEN c.timeline_id
			ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END
	FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d
	WHERE d.datname = current_database()
$$;

CREATE FUNCTION tally.last_origin() RETURNS tally.origin LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM tally.origin ORDER BY number DESC LIMIT 1
$$;

-- Why what was sealed last in the one place cannot go on in the other, or null.
CREATE FUNCTION tally.origin_fault(last tally.origin, here tally.origin) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN last.cluster <> here.cluster
		THEN format('it was sealed last in database "%s" (oid %s) of cluster %s, and this is cluster %s',
			last.name, last.database, last.cluster, here.cluster)
	WHEN last.database <> here.database
		THEN format('it was sealed last in database "%s" (oid %s) of this cluster, and this is the one with oid %s',
			last.name, last.database, here.database)
	WHEN last.record <> here.record
		THEN format('its records were restored: "tally.record" has oid %s, and had %s when it was sealed last',
			here.record, last.record) END
$$;

-- Before anything is sealed, and before any chain is locked.
CREATE FUNCTION tally.settle_origin() RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	last tally.origin;
	here tally.origin;
BEGIN
	-- Every commit asks; the plan of this is kept.
	IF EXISTS (SELECT FROM (SELECT * FROM tally.origin ORDER BY number DESC LIMIT 1) AS o
		WHERE o.record = 'tally.record'::regclass
			AND o.cluster = (SELECT system_identifier::text FROM pg_control_system())
			AND o.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
	THEN
		RETURN;
	END IF;
	last := tally.last_origin();
	here := tally.here();
	IF last.number IS NULL THEN
		here.number := 1;
		INSERT INTO tally.origin SELECT here.* ON CONFLICT DO NOTHING;
	ELSIF tally.origin_fault(last, here) IS NOT NULL THEN
		RAISE EXCEPTION 'nothing is sealed in database "%": it is a copy, or was restored', here.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('Since %s.', tally.origin_fault(last, here)),
				HINT = 'If it is to go on with this log: SELECT tally.restored(''what happened'').  If it is to be another log, use DROP SCHEMA tally CASCADE and begin anew.';
	END IF;
END
$$;
