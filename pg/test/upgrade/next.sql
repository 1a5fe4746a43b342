-- SPDX-License-Identifier: Apache-2.0
-- What a version that does not exist has beside today's, for 420_upgrade.pl:
-- the end of its install script.

CREATE TABLE tally.shelf (
	id bigint NOT NULL,
	label text COLLATE "C" NOT NULL DEFAULT 'none',
	CONSTRAINT shelf_id PRIMARY KEY (id)
) USING heap;
CREATE INDEX shelf_label ON tally.shelf (label) WHERE label <> 'none';
CREATE SEQUENCE tally.shelf_number AS bigint CACHE 8 OWNED BY tally.shelf.id;
SELECT pg_catalog.pg_extension_config_dump('tally.shelf', 'WHERE id > 0');
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON tally.shelf
	FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
ALTER TABLE tally.shelf ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION tally.shelf_of(id bigint, missing text DEFAULT 'none') RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = ''
	AS $$ SELECT coalesce((SELECT s.label FROM tally.shelf s WHERE s.id = $1), $2) $$;
REVOKE ALL ON FUNCTION tally.shelf_of(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.shelf_of(bigint, text) TO tally_reader, tally_admin;
CREATE VIEW tally.shelves AS SELECT s.id, tally.shelf_of(s.id) AS label FROM tally.shelf s;
GRANT SELECT ON tally.shelves TO tally_admin;
COMMENT ON FUNCTION tally.heads_count() IS 'chains that have records';
