
-- Shapes ----------------------------------------------------------------
-- What the text of a type's values depends on beside them (pg/src/shape.c):
-- facts, one for each value of an enum and one for each composite.

-- Puts the facts of a type behind the others; seen: the composites among them.
CREATE FUNCTION tally.add_shape(INOUT shape text[], INOUT seen oid[], type oid)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
DECLARE
	base oid := tally.base_type(type);
	kind "char" := (SELECT typtype FROM pg_type WHERE oid = base);
	contained oid;
BEGIN
	IF kind = 'e' THEN
		shape := shape || ARRAY(SELECT oid || ' ' || enumlabel FROM pg_enum
			WHERE enumtypid = base ORDER BY enumsortorder);
	ELSIF kind = 'c' AND base <> ALL (seen) THEN
		seen := seen || base;
		FOR contained IN SELECT atttypid FROM pg_attribute
			WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = base)
				AND attnum > 0 AND NOT attisdropped
			ORDER BY attnum
		LOOP
			SELECT * INTO shape, seen FROM tally.add_shape(shape, seen, contained);
		END LOOP;
		shape := shape || (SELECT tally.type_name(base) || '(' || coalesce(string_agg(
				attnum || ' ' || tally.type_name(atttypid, atttypmod), ',' ORDER BY attnum), '')
				|| ')'
			FROM pg_attribute WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = base)
				AND attnum > 0 AND NOT attisdropped);
	ELSIF kind <> 'c' THEN
		contained := tally.contained_type(base);
		IF contained IS NOT NULL THEN
			SELECT * INTO shape, seen FROM tally.add_shape(shape, seen, contained);
		END IF;
	END IF;
END
$$;

CREATE FUNCTION tally.shape_of(type oid) RETURNS text[] LANGUAGE sql STABLE
AS $$
	SELECT CASE WHEN tally.type_is_listed(type) THEN '{}'
		ELSE (SELECT s.shape FROM tally.add_shape('{}', '{}', type) AS s) END
$$;

-- What of a column's shape is true no longer, or null.  In another database
-- enum values are known by their names alone.
CREATE FUNCTION tally.shape_fault("column" json, type oid, "table" text, is_here boolean)
	RETURNS text LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('the type of column "%s" of table "%s" ', "column" ->> 'name', "table")
		|| CASE WHEN fact !~ '^[0-9]' THEN format('is %s now, was %s', coalesce((
				SELECT a FROM unnest(now) WITH ORDINALITY AS a (a, n)
				WHERE split_part(a, '(', 1) = split_part(fact, '(', 1)
				ORDER BY a.n LIMIT 1), 'without it'), fact)
			WHEN about IS NULL THEN format('has no value "%s" any more', label)
			ELSE format('calls "%s" now what was "%s"', about, label) END
	FROM (SELECT tally.shape_of(type) AS now) AS s,
		json_array_elements_text("column" -> 'shape') WITH ORDINALITY AS f (fact, n),
		LATERAL (SELECT substr(fact, strpos(fact, ' ') + 1) AS label,
			(SELECT substr(a, strpos(a, ' ') + 1) FROM unnest(now) AS a
				WHERE split_part(a, ' ', 1) = split_part(fact, ' ', 1) LIMIT 1) AS about) AS l
	WHERE fact <> ALL (now) AND (is_here OR fact !~ '^[0-9]'
		OR NOT EXISTS (SELECT FROM unnest(now) AS a WHERE a ~ '^[0-9]'
			AND substr(a, strpos(a, ' ') + 1) = label))
	ORDER BY n LIMIT 1
$$;
