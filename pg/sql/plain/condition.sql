-- only_when -------------------------------------------------------------
-- A condition is kept as what PostgreSQL prints of it when all settings are
-- pinned, as the extension does.  It is parsed and judged as a constraint and
-- as the predicate of an index, on an empty table with the columns of the
-- event and no others, which is dropped at once: so no subquery and no
-- aggregate is accepted, no function that is not immutable, and what
-- PostgreSQL notes of its dependencies says whether all of it is built in.

-- The first thing that a constraint depends on and that is not built in: those
-- that are, are pinned and noted nowhere.
CREATE FUNCTION tally.condition_fault(scratch oid) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN d.refclassid = 'pg_class'::regclass AND d.refobjid = scratch
			THEN CASE WHEN d.refobjsubid = 0 THEN 'the whole row'
				WHEN d.refobjsubid < 0 THEN 'a system column' END
		WHEN d.refclassid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type t
				LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
				WHERE t.oid = d.refobjid AND coalesce(e.typtype, t.typtype) = 'e')
			THEN NULL
		ELSE pg_describe_object(d.refclassid, d.refobjid, 0)
			|| ', which is not built in' END
	FROM pg_constraint c JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass
		AND d.objid = c.oid AND d.deptype = 'n'
	WHERE c.conrelid = scratch AND c.contype = 'c'
	ORDER BY 1 LIMIT 1
$$;

-- columns: as "name" type, the definitions of the columns of the event.
CREATE FUNCTION tally.condition(given text, columns text) RETURNS text
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET "TimeZone" = 'GMT' SET "DateStyle" = 'ISO, MDY'
	SET "IntervalStyle" = 'iso_8601' SET extra_float_digits = 1
	SET bytea_output = 'hex' SET lc_monetary = 'C' SET array_nulls = on
	SET xmloption = 'content' SET standard_conforming_strings = on
	SET transform_null_equals = off SET quote_all_identifiers = off
AS $$
DECLARE
	canonical text;
	fault text;
	round integer;
BEGIN
	-- One expression, and no way out of its parentheses: as a default of a
	-- function it would be run, as this it is only read.
	IF given ~ ';' OR given ~ '--' OR given ~ '/\*' THEN
		RAISE EXCEPTION 'only_when has a ";" or a comment in it'
			USING ERRCODE = 'syntax_error',
				HINT = 'Write it as in the WHERE of a query.';
	END IF;
	FOR round IN 1..3 LOOP
		EXECUTE format('CREATE TABLE tally.only_when (%s)', columns);
		EXECUTE format('ALTER TABLE tally.only_when ADD CONSTRAINT only_when CHECK (%s)',
			given);
		SELECT pg_get_expr(conbin, conrelid) INTO canonical FROM pg_constraint
			WHERE conrelid = 'tally.only_when'::regclass AND contype = 'c'
				AND conname = 'only_when';
		fault := tally.condition_fault('tally.only_when'::regclass);
		IF (SELECT count(*) FROM pg_constraint WHERE contype = 'c'
				AND conrelid = 'tally.only_when'::regclass) <> 1
		THEN
			fault := 'more than one expression';
		END IF;
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION 'only_when cannot use %', fault
				USING ERRCODE = 'feature_not_supported',
					DETAIL = 'It is a condition over the columns of the event, made of built-in immutable functions and operators.';
		END IF;
		EXECUTE format('CREATE INDEX ON tally.only_when ((1)) WHERE %s', canonical);
		DROP TABLE tally.only_when;
		EXIT WHEN canonical = given;
		given := canonical;
	END LOOP;
	RETURN canonical;
EXCEPTION
	WHEN invalid_object_definition THEN
		RAISE EXCEPTION 'only_when cannot use a function that is not immutable'
			USING ERRCODE = 'feature_not_supported',
				DETAIL = 'It is a condition over the columns of the event, made of built-in immutable functions and operators.';
END
$$;

