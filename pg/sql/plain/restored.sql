
-- Restored --------------------------------------------------------------
-- A copy of a log goes on as that log (doc/design/restore.md, R5 and R6): what
-- happened is sealed, and in another place each epoch is ended and begun anew.

CREATE FUNCTION tally.place_member(name text, place tally.origin) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT '"' || name || '":{"cluster":"' || place.cluster || '","database":'
		|| tally.quote(place.name) || ',"oid":' || place.database || ',"record":'
		|| place.record || ',"timeline":' || place.timeline || '}'
$$;

-- With the heads as they are before this is sealed.
CREATE FUNCTION tally.origin_event(by_role text, origin tally.origin, here tally.origin, note text)
	RETURNS text LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '{"origin":{"by":' || tally.quote(by_role) || ',"chains":' || count(*) || ','
		|| tally.place_member('from', origin)
		|| CASE WHEN count(*) > 10000 THEN '' ELSE ',"heads":[' || coalesce(string_agg(
			'{"chain":' || tally.quote(c.name) || ',"hash":"' || encode(r.hash, 'hex')
			|| '","seq":' || r.seq || '}', ',' ORDER BY c.name COLLATE "C"), '') || ']' END
		|| ',"note":' || tally.quote(note) || ','
		|| tally.place_member('to', here) || '}}'
	FROM tally.chain c CROSS JOIN LATERAL (SELECT t.seq, t.hash FROM tally.record t
		WHERE t.chain_id = c.id ORDER BY t.seq DESC LIMIT 1) AS r
$$;

-- Seals what happened; says whether this is another place than before.
CREATE FUNCTION tally.begin_restored(note text, OUT event text, OUT is_moved boolean)
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	last tally.origin;
	here tally.origin := tally.here();
BEGIN
	IF coalesce(note, '') = '' THEN
		RAISE EXCEPTION 'the note must not be empty' USING ERRCODE = 'null_value_not_allowed',
			HINT = 'Say what was restored, from what, and why; it is sealed for those who verify.';
	ELSIF octet_length(note) > 4096 THEN
		RAISE EXCEPTION 'the note is longer than 4096 bytes'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	LOCK TABLE tally.attachment, tally.origin IN SHARE ROW EXCLUSIVE MODE;
	last := tally.last_origin();
	IF last.number IS NULL THEN
		RAISE EXCEPTION 'nothing was ever sealed in this database'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'There is nothing to go on with: use tally.attach() or tally.append().';
	END IF;
	here.number := last.number + 1;
	-- Not every dump brings sequences along.
	PERFORM setval('tally.chain_number', greatest(nextval('tally.chain_number'),
			(SELECT max(id) FROM tally.chain))),
		setval('tally.event_number', greatest(nextval('tally.event_number'),
			(SELECT max(id) FROM tally.event)));
	event := tally.origin_event(session_user, last, here, note);
	is_moved := (last.cluster, last.database, last.record)
		<> (here.cluster, here.database, here.record);
	PERFORM tally.writing(true);
	INSERT INTO tally.origin SELECT here.*;
	PERFORM tally.writing(false);
	PERFORM tally.log_event(event);
END
$$;

-- Why the table cannot be taken over, or null.
CREATE FUNCTION tally.move_fault(relation oid, was tally.attachment, old json) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN old ->> 'actor' IS NOT NULL
		THEN 'it is tracked, which only the extension does'
	WHEN old ->> 'label' IS DISTINCT FROM was.label
		THEN format('event %s is not the one that attached it', was.epoch)
	WHEN NOT EXISTS (SELECT FROM pg_class WHERE oid = relation) THEN 'it is gone'
	ELSE (SELECT coalesce(fault, format('it has no column "%s"', name), shape_fault)
		FROM tally.columns_of(old, relation, false)
		WHERE fault IS NOT NULL OR name <> name_now OR shape_fault IS NOT NULL
		ORDER BY n LIMIT 1) END
$$;

-- Begins the epoch of a table anew, whose row trigger the caller, who owns the
-- table, has taken away; the trigger function's name.  Null: why not was said.
CREATE FUNCTION tally.move_epoch(relation oid) RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	was tally.attachment;
	old json;
	columns smallint[];
	key smallint[];
	id bigint;
BEGIN
	SELECT * INTO was FROM tally.attachment a WHERE a.relation = move_epoch.relation;
	old := tally.config_of(was.epoch);
	IF NOT FOUND OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = relation
			AND tgfoid = to_regproc('tally.capture_' || was.epoch))
	THEN
		RAISE EXCEPTION 'tally.move_epoch() is called by tally.restored(), and by nobody else'
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	PERFORM tally.check_readable(relation);
	SELECT array_agg(a.attnum ORDER BY c.n),
			array_agg(a.attnum ORDER BY k.n) FILTER (WHERE k.n IS NOT NULL)
		INTO columns, key
		FROM tally.columns_of(old, relation, false) c
			JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.name_now
			LEFT JOIN json_array_elements_text(old -> 'key') WITH ORDINALITY AS k (name, n)
				ON k.name = c.name;
	PERFORM tally.log_event(tally.detach_event((old ->> 'relation')::oid, old ->> 'table',
		was.label));
	id := tally.log_event(tally.attach_event('attach', relation, old ->> 'chain_by', columns,
		key, old ->> 'only_when', old ->> 'prefix', was.label, (old ->> 'salted')::boolean,
		(old ->> 'keep_event')::boolean, (old ->> 'append_only')::boolean));
	PERFORM tally.writing(true);
	UPDATE tally.attachment a SET epoch = id WHERE a.relation = move_epoch.relation;
	PERFORM tally.writing(false);
	EXECUTE format('DROP FUNCTION IF EXISTS tally.%I()', 'capture_' || was.epoch);
	PERFORM tally.make_capture(id);
	RETURN 'capture_' || id;
END
$$;

-- What is attached, as the dump says it, and why it cannot be taken over.
CREATE FUNCTION tally.moving(OUT relation oid, OUT label text, OUT fault text)
	RETURNS SETOF record LANGUAGE sql STABLE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
	SELECT a.relation, a.label, tally.move_fault(a.relation, a, tally.config_of(a.epoch))
	FROM tally.attachment a ORDER BY a.label COLLATE "C"
$$;

CREATE FUNCTION tally.restored(note text) RETURNS json LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	said record;
	t record;
BEGIN
	SELECT * INTO said FROM tally.begin_restored(note);
	FOR t IN SELECT * FROM tally.moving() WHERE said.is_moved LOOP
		IF t.fault IS NOT NULL THEN
			RAISE WARNING 'table "%" was attached as "%", and is not taken over: %',
					tally.table_name(t.relation), t.label, t.fault
				USING HINT = format('Writing to it fails until it was detached and attached: SELECT tally.detach(%s::regclass)', t.relation);
			CONTINUE;
		END IF;
		PERFORM tally.check_owner(t.relation);
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', t.relation::regclass);
		PERFORM tally.drop_triggers(t.relation);
		PERFORM tally.make_guards(t.relation);
		EXECUTE format('CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE ON %s'
			' FOR EACH ROW EXECUTE FUNCTION tally.%I()', t.relation::regclass,
			tally.move_epoch(t.relation));
	END LOOP;
	RETURN said.event::json;
END
$$;
