-- Texts and hashes (doc/format.md, sections 2 to 4 and 6) ---------------
-- Called by functions of ours only, which have a search_path without foreign
-- names; without one of their own they are inlined.

-- The commitment to an event.
CREATE FUNCTION tally.commitment(salt bytea, event text) RETURNS bytea
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT pg_catalog.sha256('\x02'::bytea
		|| coalesce(salt, '\x00000000000000000000000000000000'::bytea)
		|| pg_catalog.convert_to(event, 'UTF8'))
$$;

-- The hash of a record: of its header, the zero byte before it.
CREATE FUNCTION tally.record_hash(chain text, digest bytea, id text,
	prev bytea, seq bigint, "time" timestamptz) RETURNS bytea
	LANGUAGE sql STABLE
AS $$
	SELECT pg_catalog.sha256('\x00'::bytea || pg_catalog.convert_to(
		'{"chain":"' || replace(replace(chain, '\', '\\'), '"', '\"')
		|| '","digest":"' || encode(digest, 'hex')
		|| coalesce('","id":"' || replace(replace(id, '\', '\\'), '"', '\"'), '')
		|| '","prev":"' || encode(prev, 'hex')
		|| '","seq":' || seq
		|| ',"time":"' || to_char("time" AT TIME ZONE 'GMT',
			'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
		|| '","v":1}', 'UTF8'))
$$;

CREATE FUNCTION tally.hex_of(value text) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT encode(pg_catalog.sha256(pg_catalog.convert_to(value, 'UTF8')), 'hex')
$$;

-- A JSON string as RFC 8785 has it: PostgreSQL's own escapes are the same.
CREATE FUNCTION tally.quote(value text) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT pg_catalog.to_json(value)::text
$$;

-- Why no chain or id is named like this, or null.
CREATE FUNCTION tally.name_fault(name text, most integer) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE
		WHEN name = '' THEN 'is empty'
		WHEN octet_length(name) > most THEN 'is longer than ' || most || ' bytes'
		WHEN name ~ '[\u0001-\u001f\u007f-\u009f]' THEN 'holds a control character'
		END
$$;

-- The chain of a row, from the attachment's prefix and its chain_by column.
CREATE FUNCTION tally.chain_name(prefix text, value text) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE
		WHEN value IS NULL THEN prefix
		WHEN value = '' OR octet_length(value) > 255
			OR tally.name_fault(prefix || '/' || value, 255) IS NOT NULL
			THEN prefix || '#' || tally.hex_of(value)
		ELSE prefix || '/' || value
		END
$$;

-- The key of a row, from the text that it has or would have.
CREATE FUNCTION tally.key_name(key text) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN octet_length(key) > 512 THEN '#' || tally.hex_of(key)
		ELSE key END
$$;

-- Random bytes, at most 32: of two random UUIDs, each with 122 random bits.
CREATE FUNCTION tally.random(count integer) RETURNS bytea
	LANGUAGE sql VOLATILE
AS $$
	SELECT substr(pg_catalog.sha256(uuid_send(gen_random_uuid())
		|| uuid_send(gen_random_uuid())), 1, count)
$$;

-- UTF-16 code units, in whose order RFC 8785 wants the members of an object.
CREATE FUNCTION tally.utf16(name text) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT string_agg(CASE WHEN code < 65536 THEN lpad(to_hex(code), 4, '0')
		ELSE to_hex(55296 + ((code - 65536) >> 10))
			|| to_hex(56320 + ((code - 65536) & 1023)) END, '' ORDER BY n)
	FROM regexp_split_to_table(name, '') WITH ORDINALITY AS c (c, n),
		ascii(c) AS code
$$;

-- A relation's name with its schema, quoted as SQL has it; else its oid.
CREATE FUNCTION tally.table_name(relation oid) RETURNS text
	LANGUAGE sql STABLE
AS $$
	SELECT coalesce((SELECT format('%I.%I', n.nspname, c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = relation), relation::text)
$$;

