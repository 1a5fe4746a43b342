-- SPDX-License-Identifier: Apache-2.0
-- The way from today's version to the one of next.sql, for 420_upgrade.pl:
-- taken in other steps, as an upgrade script takes them.

DROP FUNCTION tally.heads_count();
CREATE FUNCTION tally.heads_count() RETURNS bigint
	LANGUAGE sql STABLE
	AS $$ SELECT count(*) FROM tally.heads $$;
REVOKE ALL ON FUNCTION tally.heads_count() FROM PUBLIC;
COMMENT ON FUNCTION tally.heads_count() IS 'chains that have records';

CREATE TABLE tally.shelf (
	id bigint CONSTRAINT shelf_id PRIMARY KEY
) USING heap;
ALTER TABLE tally.shelf ADD label text COLLATE "C";
ALTER TABLE tally.shelf ALTER label SET DEFAULT 'none', ALTER label SET NOT NULL;
CREATE SEQUENCE tally.shelf_number AS bigint CACHE 8;
ALTER SEQUENCE tally.shelf_number OWNED BY tally.shelf.id;
CREATE INDEX shelf_label ON tally.shelf (label) WHERE label <> 'none';
SELECT pg_catalog.pg_extension_config_dump('tally.shelf', 'WHERE id > 0');
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON tally.shelf
	FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
ALTER TABLE tally.shelf ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION tally.shelf_of(id bigint, missing text DEFAULT 'none') RETURNS text
	LANGUAGE sql
	AS $$ SELECT coalesce((SELECT s.label FROM tally.shelf s WHERE s.id = $1), $2) $$;
ALTER FUNCTION tally.shelf_of(bigint, text) STABLE PARALLEL SAFE SET search_path = '';
GRANT EXECUTE ON FUNCTION tally.shelf_of(bigint, text) TO tally_admin, tally_reader;
REVOKE ALL ON FUNCTION tally.shelf_of(bigint, text) FROM PUBLIC;
CREATE VIEW tally.shelves AS SELECT s.id FROM tally.shelf s;
CREATE OR REPLACE VIEW tally.shelves AS SELECT s.id, tally.shelf_of(s.id) AS label FROM tally.shelf s;
GRANT SELECT ON tally.shelves TO tally_admin;
