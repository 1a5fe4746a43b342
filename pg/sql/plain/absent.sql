
-- What only the extension does ------------------------------------------
-- Under its names, so that whoever calls it is told.

CREATE FUNCTION tally.refuse_absent(name text) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'tally.%() is not to be had in plain SQL', name
		USING ERRCODE = 'feature_not_supported',
			HINT = 'The extension has it.  Where it can be installed, "tally pg sql --to-extension" prints the way to it, which keeps the chains.';
END
$$;

CREATE FUNCTION tally.track(
	tbl regclass,
	chain_by name DEFAULT NULL,
	prefix text DEFAULT NULL,
	label text DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude name[] DEFAULT NULL,
	only_when text DEFAULT NULL,
	salted boolean DEFAULT false,
	actor boolean DEFAULT false
) RETURNS void
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tally.refuse_absent('track')
$$;

CREATE FUNCTION tally.untrack(tbl regclass) RETURNS void
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tally.refuse_absent('untrack')
$$;

CREATE FUNCTION tally.retire(tbl regclass) RETURNS void
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tally.refuse_absent('retire')
$$;

CREATE PROCEDURE tally.backfill(
	tbl regclass,
	order_by name[] DEFAULT NULL,
	batch integer DEFAULT 500,
	rest double precision DEFAULT 3
)
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tally.refuse_absent('backfill')
$$;
