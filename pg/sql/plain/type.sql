-- Types -----------------------------------------------------------------
-- The same list as the extension's (pg/src/types.c): built-in types whose
-- output function reads no catalog and says the same in all versions.

CREATE FUNCTION tally.type_is_listed(type oid) RETURNS boolean
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT type = ANY (ARRAY[
		16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 30, 114, 142,
		600, 601, 602, 603, 604, 628, 650, 700, 701, 718, 774, 790, 829, 869,
		1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 1790,
		2950, 2970, 3220, 3614, 3615, 3802, 4072, 5038, 5069]::oid[])
$$;

-- As format_type names it, with its schema; so in all versions and whatever
-- the search_path is, since names that are in the standard have none.
CREATE FUNCTION tally.type_name(type oid, typmod integer DEFAULT -1) RETURNS text
	LANGUAGE sql STABLE
AS $$
	SELECT CASE
		WHEN t.typnamespace <> 'pg_catalog'::regnamespace
			OR e.oid IN (16, 20, 21, 23, 700, 701, 1042, 1043, 1083, 1114,
				1184, 1186, 1266, 1560, 1562, 1700)
			THEN '' ELSE 'pg_catalog.' END
		|| format_type(t.oid, CASE WHEN typmod >= 0 THEN typmod END)
	FROM pg_type t
		LEFT JOIN pg_type a ON a.oid = t.typelem AND a.typarray = t.oid
		CROSS JOIN LATERAL (SELECT coalesce(a.oid, t.oid) AS oid) AS e
	WHERE t.oid = type
$$;

CREATE FUNCTION tally.type_refusal(type oid, depth integer) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := format_type(type, NULL);
	extension name;
BEGIN
	IF depth >= 64 THEN
		RETURN format('type "%s" is nested too deeply', name);
	ELSIF (SELECT typtype = 'p' FROM pg_type WHERE oid = type) THEN
		RETURN format('type "%s" is a pseudo-type', name);
	ELSIF type IN (24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191) THEN
		RETURN format('type "%s" prints the names of objects, which can change', name);
	ELSIF type = 1033 THEN
		RETURN format('type "%s" prints the names of roles, which can change', name);
	ELSIF type IN (194, 3361, 3402, 5017, 4600, 4601, 3642) THEN
		RETURN format('type "%s" is for PostgreSQL''s own use, and its text differs between versions', name);
	ELSIF type < 16384 THEN
		RETURN format('type "%s" is not known to this version of tally', name);
	END IF;
	SELECT e.extname INTO extension
	FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.classid = 'pg_type'::regclass AND d.objid = type
		AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';
	IF FOUND THEN
		RETURN format('type "%s" of extension "%s" has an output function that can change', name, extension);
	END IF;
	RETURN format('type "%s" has an output function of its own, which can change', name);
END
$$;

-- What a domain is over, in the end; another type is that itself.
CREATE FUNCTION tally.base_type(type oid) RETURNS oid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	base oid;
BEGIN
	LOOP
		SELECT typbasetype INTO base FROM pg_type WHERE oid = type AND typtype = 'd';
		IF NOT FOUND THEN
			RETURN type;
		END IF;
		type := base;
	END LOOP;
END
$$;

-- Of what an array, a range or a multirange is one; null of others.
CREATE FUNCTION tally.contained_type(type oid) RETURNS oid
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t pg_type;
	inner_type oid;
BEGIN
	SELECT * INTO t FROM pg_type WHERE oid = type;
	IF t.typtype = 'r' THEN
		SELECT rngsubtype INTO inner_type FROM pg_range WHERE rngtypid = type;
	ELSIF t.typtype = 'm' THEN
		-- The column is not there before PostgreSQL 14, nor is the kind.
		EXECUTE 'SELECT rngtypid FROM pg_range WHERE rngmultitypid = $1'
			INTO inner_type USING type;
	ELSE
		SELECT oid INTO inner_type FROM pg_type
			WHERE oid = t.typelem AND typarray = type;
	END IF;
	RETURN inner_type;
END
$$;

-- Why values of a type cannot be rendered, or null.
CREATE FUNCTION tally.type_fault(type oid, depth integer DEFAULT 0) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind "char";
	inner_type oid;
	fault text;
BEGIN
	type := tally.base_type(type);
	SELECT typtype INTO kind FROM pg_type WHERE oid = type;
	IF tally.type_is_listed(type) OR kind = 'e' THEN
		RETURN NULL;
	ELSIF depth >= 64 THEN
		RETURN tally.type_refusal(type, depth);
	ELSIF kind = 'c' THEN
		FOR inner_type IN SELECT atttypid FROM pg_attribute
			WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = type)
				AND attnum > 0 AND NOT attisdropped
			ORDER BY attnum
		LOOP
			fault := tally.type_fault(inner_type, depth + 1);
			EXIT WHEN fault IS NOT NULL;
		END LOOP;
		RETURN fault;
	END IF;
	inner_type := tally.contained_type(type);
	IF inner_type IS NULL THEN
		RETURN tally.type_refusal(type, depth);
	END IF;
	RETURN tally.type_fault(inner_type, depth + 1);
END
$$;
