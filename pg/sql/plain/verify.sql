-- Verifying: all of it --------------------------------------------------

CREATE FUNCTION tally.check_range(chain text, from_seq bigint, to_seq bigint)
	RETURNS void LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF chain IS NULL AND num_nonnulls(from_seq, to_seq) > 0 THEN
		RAISE EXCEPTION 'a range of records needs the chain that they are of'
			USING ERRCODE = 'invalid_parameter_value';
	ELSIF coalesce(from_seq, 1) < 1 OR from_seq > to_seq THEN
		RAISE EXCEPTION 'there is no range from % to %', from_seq, to_seq
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;

CREATE FUNCTION tally.verify_all("only" text, from_seq bigint, to_seq bigint, heads json)
	RETURNS SETOF tally.finding LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	first bigint := coalesce(from_seq, 1);
	last bigint := coalesce(to_seq, 9223372036854775807);
	epochs tally.epoch[] := ARRAY(SELECT e FROM tally.epochs() AS e);
	named tally.finding[];
BEGIN
	PERFORM tally.check_range("only", from_seq, to_seq);
	RETURN QUERY SELECT * FROM tally.verify_own();
	RETURN QUERY SELECT * FROM tally.verify_pending();
	RETURN QUERY SELECT * FROM tally.verify_origins();
	RETURN QUERY SELECT * FROM tally.verify_attached(epochs);
	named := ARRAY(SELECT f FROM tally.verify_links("only", first, last) AS f)
		|| ARRAY(SELECT f FROM tally.verify_kept("only", first, last) AS f);
	RETURN QUERY SELECT * FROM unnest(named);
	RETURN QUERY SELECT * FROM tally.verify_rows(epochs, named, "only", first, last);
	IF heads IS NOT NULL THEN
		RETURN QUERY SELECT * FROM tally.verify_heads(heads);
	END IF;
END
$$;

CREATE FUNCTION tally.verify(
	chain text DEFAULT NULL, from_seq bigint DEFAULT NULL,
	to_seq bigint DEFAULT NULL,
	OUT kind text, OUT chain text, OUT seq bigint, OUT source text,
	OUT key text, OUT detail text
) RETURNS SETOF record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
	SELECT * FROM tally.verify_all($1, $2, $3, NULL)
$$;

CREATE FUNCTION tally.verify_against(
	heads json,
	OUT kind text, OUT chain text, OUT seq bigint, OUT source text,
	OUT key text, OUT detail text
) RETURNS SETOF record
	LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
	SELECT * FROM tally.verify_all(NULL, NULL, NULL, $1)
$$;

CREATE FUNCTION tally.not_covered("only" text, from_seq bigint, to_seq bigint, heads json)
	RETURNS text[] LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_agg(said ORDER BY n, said) FROM (
		SELECT 1, CASE WHEN heads IS NULL THEN 'records cut off at the end of a chain, ends of chains written anew with all their hashes, and whole chains that are gone: only heads that were kept elsewhere show these (tally.verify_against)'
			ELSE 'records behind the heads that were given, and chains begun since that are gone' END
		UNION ALL
		SELECT 2, format('the ends of %s chains of which no head was given', count(*))
			FROM tally.chain c WHERE heads IS NOT NULL AND c.name NOT IN (
				SELECT h ->> 'chain' FROM json_array_elements(heads) AS h) HAVING count(*) > 0
		UNION ALL
		SELECT 3, format('chains other than "%s"', "only") WHERE "only" IS NOT NULL
		UNION ALL
		SELECT 4, format('records before %s and after %s, and rows that no record seals',
			coalesce(from_seq, 1), coalesce(to_seq, 9223372036854775807))
			WHERE num_nonnulls(from_seq, to_seq) > 0
		UNION ALL
		SELECT 5, CASE WHEN next_seq IS NULL
			THEN format('rows of "%s" that were written after tally:log/%s detached it', label, end_seq)
			ELSE format('what was done to rows of "%s" while it was detached, from tally:log/%s to %s, and undone, or sealed as it was then', label, end_seq, next_seq) END
			FROM (SELECT *, lead(seq) OVER w AS next_seq,
					lead(is_here) OVER w IS DISTINCT FROM is_here AS is_last_here
				FROM tally.epochs() WINDOW w AS (PARTITION BY root ORDER BY seq)) AS e
			-- tally.restored ends and begins epochs at one moment.
			WHERE end_kind = 'detach' AND (next_seq IS NULL OR NOT is_last_here)
		UNION ALL
		SELECT 5, format('what database "%s" sealed and wrote after the state from which tally:log/%s goes on in database "%s", and what was changed in between and changed back',
				body -> 'from' ->> 'database', seq, body -> 'to' ->> 'database')
			FROM tally.log_events() WHERE kind = 'origin'
		UNION ALL
		SELECT 6, 'the functions of schema "tally" themselves: compare them with what "tally pg sql" prints, or verify from outside'
	) AS s (n, said)
$$;

CREATE FUNCTION tally.verify_summary(
	chain text DEFAULT NULL, from_seq bigint DEFAULT NULL,
	to_seq bigint DEFAULT NULL, heads json DEFAULT NULL,
	OUT verdict text, OUT records bigint, OUT chains bigint,
	OUT findings bigint, OUT seconds double precision, OUT not_covered text[]
) RETURNS record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	began timestamptz := clock_timestamp();
	unsure bigint;
BEGIN
	SELECT count(*), count(DISTINCT r.chain_id) INTO records, chains
		FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
		WHERE ($1 IS NULL OR c.name = $1) AND r.seq BETWEEN coalesce($2, 1)
			AND coalesce($3, 9223372036854775807);
	SELECT count(*) FILTER (WHERE f.kind NOT IN ('legacy', 'unverifiable')),
		count(*) FILTER (WHERE f.kind = 'unverifiable'), count(*)
		INTO verdict, unsure, findings FROM tally.verify_all($1, $2, $3, $4) AS f;
	verdict := CASE WHEN verdict::bigint > 0 THEN 'tampered'
		WHEN unsure > 0 OR records = 0 THEN 'unverifiable' ELSE 'intact' END;
	seconds := extract(epoch FROM clock_timestamp() - began);
	not_covered := tally.not_covered($1, $2, $3, $4);
END
$$;

