
-- Alter -----------------------------------------------------------------
-- One epoch ends and the next begins, with nothing in between.  The caller, who
-- has to own the table, takes the row trigger away and makes the next one.

CREATE FUNCTION tally.refuse_detached(relation oid) RETURNS void LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION '"%" is not attached', tally.table_name(relation)
		USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'Use tally.attach().';
END
$$;

-- Those of before that are still there, under today's names, but for some, and
-- others.
CREATE FUNCTION tally.altered_columns(epoch json, include name[], exclude name[])
	RETURNS name[] LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_agg(c) FROM (
		SELECT name_now FROM tally.columns_of(epoch, (epoch ->> 'relation')::oid, true)
		UNION SELECT unnest(include)) AS s (c)
	WHERE c IS NOT NULL AND c <> ALL (coalesce(exclude, '{}'))
$$;

-- Null: as it is.  Empty: none.
CREATE FUNCTION tally.alter_epoch(relation oid, chain_by name, prefix text, label text,
	columns name[], exclude name[], only_when text, salted boolean, keep_event boolean,
	append_only boolean, include name[]) RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	was tally.attachment;
	old json;
	function text;
BEGIN
	LOCK TABLE tally.attachment IN SHARE ROW EXCLUSIVE MODE;
	SELECT * INTO was FROM tally.attachment a WHERE a.relation = alter_epoch.relation;
	IF NOT FOUND THEN
		PERFORM tally.refuse_detached(relation);
	ELSIF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = relation
			AND tgfoid = to_regproc('tally.capture_' || was.epoch))
	THEN
		RAISE EXCEPTION 'tally.alter_epoch() is called by tally.alter(), and by nobody else'
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	old := tally.config_of(was.epoch);
	IF old IS NULL THEN
		RAISE EXCEPTION 'the configuration of table "%" cannot be read', tally.table_name(relation)
			USING ERRCODE = 'data_corrupted',
				HINT = 'tally.verify() says more.  tally.detach() and tally.attach() begin a new epoch.';
	-- Under today's names it could mean something else.
	ELSIF only_when IS NULL AND old ->> 'only_when' IS NOT NULL AND EXISTS (
		SELECT FROM tally.columns_of(old, relation, true) WHERE name <> name_now)
	THEN
		RAISE EXCEPTION 'columns of table "%" have other names than when only_when was given',
				tally.table_name(relation)
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = format('Give it anew, with the names of today: only_when => %L',
					old ->> 'only_when');
	END IF;
	PERFORM tally.writing(true);
	DELETE FROM tally.attachment a WHERE a.relation = alter_epoch.relation;
	PERFORM tally.writing(false);
	function := tally.make_epoch('alter', relation,
		nullif(coalesce(chain_by, (SELECT name_now FROM tally.columns_of(old, relation, true)
			WHERE name = old ->> 'chain_by')), ''),
		nullif(coalesce(prefix, old ->> 'prefix'), ''),
		nullif(coalesce(label, old ->> 'label'), ''),
		coalesce(columns, tally.altered_columns(old, include, exclude)), exclude,
		nullif(coalesce(only_when, old ->> 'only_when'), ''),
		coalesce(salted, (old ->> 'salted')::boolean),
		coalesce(keep_event, (old ->> 'keep_event')::boolean),
		coalesce(append_only, (old ->> 'append_only')::boolean));
	EXECUTE format('DROP FUNCTION tally.%I()', 'capture_' || was.epoch);
	RETURN function;
END
$$;

CREATE FUNCTION tally.alter(
	tbl regclass,
	chain_by name DEFAULT NULL,
	prefix text DEFAULT NULL,
	label text DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude name[] DEFAULT NULL,
	only_when text DEFAULT NULL,
	salted boolean DEFAULT NULL,
	keep_event boolean DEFAULT NULL,
	append_only boolean DEFAULT NULL,
	include name[] DEFAULT NULL
) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	function text;
	old name;
BEGIN
	IF tbl IS NULL THEN
		RAISE EXCEPTION 'argument "tbl" must not be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF columns IS NOT NULL AND num_nonnulls(include, exclude) > 0 THEN
		RAISE EXCEPTION 'columns cannot be used together with include or exclude'
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Name either all columns that are sealed, or those that come and go.';
	END IF;
	PERFORM tally.check_owner(tbl);
	IF NOT tally.is_attached(tbl) THEN
		PERFORM tally.refuse_detached(tbl);
	END IF;
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', tbl);
	FOR old IN SELECT t FROM tally.triggers_of(tbl) AS t WHERE t <> '!tally_truncate' LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', old, tbl);
	END LOOP;
	function := tally.alter_epoch(tbl, chain_by, prefix, label, columns, exclude,
		only_when, salted, keep_event, append_only, include);
	EXECUTE format('CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE ON %s'
		' FOR EACH ROW EXECUTE FUNCTION tally.%I()', tbl, function);
	PERFORM tally.make_guards(tbl);
END
$$;
