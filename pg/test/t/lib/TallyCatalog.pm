# SPDX-License-Identifier: Apache-2.0
# Everything that PostgreSQL's catalogs say of the extension, one fact a line:
# what two ways to the same version must agree in.  Oids are no part of it, nor
# is the order in which rights were granted.
package TallyCatalog;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT = qw(catalog catalog_difference);

my $CATALOG = <<'SQL';
SET search_path = '';
CREATE FUNCTION pg_temp.rights(acl aclitem[]) RETURNS text
	LANGUAGE sql
	BEGIN ATOMIC
		SELECT coalesce((SELECT string_agg(concat_ws(' ',
			CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,
			a.privilege_type, a.is_grantable), ', '
			ORDER BY a.grantee::regrole::text COLLATE "C", a.privilege_type)
			FROM aclexplode(acl) a), '(default)');
	END;
CREATE TEMPORARY TABLE member AS
	SELECT d.classid, d.objid, i.type, i.identity
	FROM pg_depend d, pg_identify_object(d.classid, d.objid, 0) i
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		AND d.refobjid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'tally');
CREATE TEMPORARY VIEW fact(fact) AS
SELECT concat_ws(' | ', 'member', m.type, m.identity, obj_description(m.objid, m.classid::regclass::text))
	FROM member m
UNION ALL SELECT concat_ws(' | ', 'first rights', m.identity, pg_temp.rights(p.initprivs))
	FROM member m JOIN pg_init_privs p ON p.classoid = m.classid AND p.objoid = m.objid AND p.objsubid = 0
UNION ALL SELECT concat_ws(' | ', 'schema', n.nspname, pg_temp.rights(n.nspacl))
	FROM pg_namespace n WHERE n.nspname = 'tally'
UNION ALL SELECT concat_ws(' | ', 'function', pg_get_functiondef(p.oid), p.provolatile, p.proparallel,
		pg_get_userbyid(p.proowner), pg_temp.rights(p.proacl))
	FROM member m JOIN pg_proc p ON p.oid = m.objid AND m.classid = 'pg_proc'::regclass
UNION ALL SELECT concat_ws(' | ', 'relation', c.oid::regclass, c.relkind, c.relpersistence, a.amname,
		c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
		pg_get_userbyid(c.relowner), pg_temp.rights(c.relacl),
		CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END)
	FROM member m JOIN pg_class c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass
		LEFT JOIN pg_am a ON a.oid = c.relam
UNION ALL SELECT concat_ws(' | ', 'column', a.attrelid::regclass, a.attnum, a.attname, a.attisdropped,
		format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, a.attcompression, a.attidentity,
		a.attgenerated, a.attcollation::regcollation, a.attacl, pg_get_expr(d.adbin, d.adrelid))
	FROM member m JOIN pg_attribute a ON a.attrelid = m.objid AND m.classid = 'pg_class'::regclass
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attnum > 0
UNION ALL SELECT concat_ws(' | ', 'constraint', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
	FROM member m JOIN pg_constraint c ON c.conrelid = m.objid AND m.classid = 'pg_class'::regclass
UNION ALL SELECT concat_ws(' | ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid)
	FROM member m JOIN pg_index i ON i.indrelid = m.objid AND m.classid = 'pg_class'::regclass
UNION ALL SELECT concat_ws(' | ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled)
	FROM member m JOIN pg_trigger t ON t.tgrelid = m.objid AND m.classid = 'pg_class'::regclass
UNION ALL SELECT concat_ws(' | ', 'event trigger', t.evtname, t.evtevent, t.evtenabled, t.evttags,
		t.evtfoid::regprocedure, pg_get_userbyid(t.evtowner))
	FROM member m JOIN pg_event_trigger t ON t.oid = m.objid AND m.classid = 'pg_event_trigger'::regclass
UNION ALL SELECT concat_ws(' | ', 'sequence', s.seqrelid::regclass, format_type(s.seqtypid, NULL), s.seqstart,
		s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle, d.refobjid::regclass, d.refobjsubid)
	FROM member m JOIN pg_sequence s ON s.seqrelid = m.objid AND m.classid = 'pg_class'::regclass
		LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.deptype = 'a'
UNION ALL SELECT concat_ws(' | ', 'dumped', c.config::regclass, e.extcondition[c.number])
	FROM pg_extension e, unnest(e.extconfig) WITH ORDINALITY c(config, number) WHERE e.extname = 'tally'
UNION ALL SELECT concat_ws(' | ', 'extension', e.extnamespace::regnamespace, e.extrelocatable,
		pg_get_userbyid(e.extowner))
	FROM pg_extension e WHERE e.extname = 'tally';
SELECT replace(fact, E'\n', ' ') FROM fact ORDER BY fact COLLATE "C";
SQL

sub catalog
{
	my ($node, $dbname) = @_;

	return [ split /\n/, $node->safe_psql($dbname, $CATALOG) ];
}

# The facts that only one of both has, with a sign in front.
sub catalog_difference
{
	my ($one, $other) = @_;
	my %count;

	$count{$_}++ for @$one;
	$count{$_}-- for @$other;
	return join "\n", map { ($count{$_} > 0 ? '- ' : '+ ') . $_ }
	  sort grep { $count{$_} } keys %count;
}

1;
