# SPDX-License-Identifier: Apache-2.0
#
# pg_dump and restore: schema and data, in each format; data only; into the
# database that it came from.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCopy;
use TallyNode;

my $here = tally_node('here', preload => 1);
my $there = tally_node('there');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $elsewhere =
  qr/it was sealed last in database "source" \(oid \d+\) of cluster \d+, and this is cluster \d+/;

sub dump_database
{
	my ($node, $file, @options) = @_;

	$node->command_ok([ 'pg_dump', '-f', "$dir/$file", @options, '-d', $node->connstr('source') ],
		"pg_dump @options");
	return "$dir/$file";
}

sub restore_archive
{
	my ($node, $dbname, $file, @options) = @_;

	$node->command_ok(
		[ 'pg_restore', '--exit-on-error', @options, '-d', $node->connstr($dbname), $file ],
		"pg_restore @options");
	return;
}

sub restore_script
{
	my ($node, $dbname, $file) = @_;

	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($dbname), '-f', $file, '-o', '/dev/null' ],
		"psql -f " . basename($file));
	return;
}

sub say_restored
{
	my ($node, $dbname, $note) = @_;

	return $node->safe_psql($dbname, "SELECT tally.restored('$note')");
}

use File::Basename qw(basename);

fill($here, 'source');
my $heads = heads($here, 'source');
my $records = $here->safe_psql('source', 'SELECT * FROM tally.record ORDER BY chain_id, seq');
is(says($here, 'source'), '', 'the source is in order');
is(query_error($here, 'source', q{SELECT tally.restored('')}),
	"ERROR:  the note must not be empty\nHINT:  Say what was restored, from what, and why; it is sealed for those who verify.",
	'tally.restored wants a note');

# Schema and data, into another cluster, in parallel; by sections, since pg_restore
# makes a trigger of a partitioned table while partitions are still to be filled.
my $archive = dump_database($here, 'all.dump', '-Fc');
$there->safe_psql('postgres', 'CREATE DATABASE restored');
restore_archive($there, 'restored', $archive, '-j', 2, "--section=$_")
	for ('pre-data', 'data', 'post-data');
is($there->safe_psql('restored', 'SELECT * FROM tally.record ORDER BY chain_id, seq'),
	$records, 'the dump holds every record');
is(breaks_since($there, 'restored', $heads), '', 'before anything was said: heads of before hold');
refuses_to_seal($there, 'restored', 'a restored dump', $elsewhere);
is($there->safe_psql('restored', q{SELECT state FROM tally.status WHERE item = 'origin'}),
	'copy', 'tally.status says so');
$there->safe_psql('restored', 'CREATE ROLE admin IN ROLE tally_admin; CREATE ROLE nobody');
like(query_error($there, 'restored', q{SET ROLE nobody; SELECT tally.restored('me')}),
	qr/permission denied for schema tally/, 'not everybody may say what happened');
my $said = $there->safe_psql('restored',
	q{SET ROLE admin; SELECT tally.restored('the "dump" of last night')});
is($there->safe_psql('restored', "SELECT o->>'by' || ' ' || (o->>'note') || ' '
		|| (o->'from'->>'database') || ' ' || (o->'to'->>'database') || ' '
		|| (o->'from'->>'cluster' <> o->'to'->>'cluster') || ' '
		|| ((o->>'chains')::int = json_array_length(o->'heads'))
	FROM (SELECT \$said\$$said\$said\$::json->'origin' AS o) o"),
	$there->safe_psql('postgres', 'SELECT session_user') . q{ the "dump" of last night source restored true true},
	'what it seals: who, why, from where, to where, the heads');
is($there->safe_psql('restored', q{
		SELECT count(*) FROM tally.record JOIN tally.chain c ON c.id = chain_id
			JOIN tally.event e ON e.id = event_id
		WHERE c.name = 'tally:log' AND e.event = $said$} . $said . q{$said$}),
	1, 'it is sealed in tally:log');
is($there->safe_psql('restored', "SELECT count(*) FROM json_array_elements('$heads') h
		JOIN json_array_elements(\$said\$$said\$said\$::json->'origin'->'heads') r
			ON h->>'chain' = r->>'chain' AND h->>'seq' = r->>'seq'
			AND substr(h->>'hash', 3) = r->>'hash'"),
	$there->safe_psql('restored', "SELECT json_array_length('$heads')"),
	'with the last record of every chain');
goes_on_sealing($there, 'restored', 'after tally.restored', $heads);
is($there->safe_psql('restored', q{SELECT count(*) FROM tally.status WHERE item = 'origin'}),
	0, 'tally.status has nothing to say');
like($there->safe_psql('restored', 'SELECT unnest(not_covered) FROM tally.verify_summary()'),
	qr/^what database "source" sealed and wrote after the state from which tally:log\/\d+ goes on in database "restored", and what was changed in between and changed back$/m,
	'what nobody can know is not covered');

# The restored one is dumped and restored once more, as a script of INSERTs.
$there->command_ok([ 'pg_dump', '--inserts', '-f', "$dir/again.sql", '-d', $there->connstr('restored') ],
	'pg_dump --inserts');
$there->safe_psql('postgres', 'CREATE DATABASE again');
my $again_heads = heads($there, 'restored');
restore_script($there, 'again', "$dir/again.sql");
refuses_to_seal($there, 'again', 'a dump of INSERTs, in the same cluster',
	qr/it was sealed last in database "restored" \(oid \d+\) of this cluster, and this is the one with oid \d+/);
say_restored($there, 'again', 'a second time');
is($there->safe_psql('again', 'SELECT count(*) FROM tally.origin'), 3, 'each place is remembered');
is(says($there, 'again'), '', 'restored twice: tally.verify finds nothing');
is(breaks_since($there, 'again', $again_heads), '', 'restored twice: heads of before hold');
is(breaks_since($there, 'again', $heads), '', 'restored twice: heads of the first hold');
$there->safe_psql('again', q{INSERT INTO audit (id, org) VALUES (201, 1)});
is(says($there, 'again'), '', 'restored twice: it goes on');

is(recomputed($there, 'again'), '', 'restored twice: recomputed from the tables');
for my $deed (
	[ q{UPDATE tally.origin SET name = 'x' WHERE number = 2}, 'origin  tally.origin  is not what the log says', 'a place' ],
	[ q{DELETE FROM tally.origin WHERE number = 3}, 'origin  tally.origin  is not what the log says', 'a place taken out' ],
	[ q{UPDATE audit SET body = 'forged' WHERE id = 4}, q{row  table "audit"  '4' has no record}, 'a row of two places ago' ],
	[ q{DELETE FROM kept WHERE id = 10}, q{row  chain "kept" seq \d+  no row '10' is there|}, 'a row of two places ago that is gone' ])
{
	my ($sql, $expected, $what) = @$deed;

	$there->safe_psql('postgres', 'CREATE DATABASE deed TEMPLATE again');
	$there->safe_psql('deed', "SET session_replication_role = replica; $sql");
	like(recomputed($there, 'deed'), qr/\A$expected\n?\z/, "$what: recomputed");
	$there->safe_psql('postgres', 'DROP DATABASE deed');
}

# Who writes a chain anew after a move, with all its hashes, is shown by the event
# of the move, which has them.
my $REWRITE = q{
CREATE TEMPORARY TABLE anew AS
	SELECT r.chain_id, r.seq, r.event_id, r.id, r.prev, '{"n":666}' AS event,
		sha256('\x02'::bytea || decode(repeat('00', 16), 'hex') || '{"n":666}'::bytea) AS digest,
		to_char(r."time" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
	WHERE c.name = 'app' ORDER BY seq DESC LIMIT 1;
UPDATE tally.event e SET event = a.event FROM anew a WHERE e.id = a.event_id;
UPDATE tally.record r SET digest = a.digest, hash = sha256('\x00'::bytea || convert_to(format(
		'{"chain":"app","digest":"%s","id":"%s","prev":"%s","seq":%s,"time":"%s","v":1}',
		encode(a.digest, 'hex'), a.id, encode(a.prev, 'hex'), a.seq, a.at), 'UTF8'))
	FROM anew a WHERE r.chain_id = a.chain_id AND r.seq = a.seq};
for my $deed (
	[ $REWRITE, qr/rolled-back app \d+ tally:log\/\d+ names another hash for this record/, 'the last record of a chain, written anew' ],
	[ q{DELETE FROM tally.record r USING tally.chain c WHERE c.id = r.chain_id AND c.name = 'app'
			AND seq = (SELECT max(seq) FROM tally.record r2 WHERE r2.chain_id = r.chain_id)},
		qr/truncated app (\d+) the chain ends before this record, and tally:log\/\d+ names its record \g1/, 'the last record of a chain, cut off' ],
	[ q{DELETE FROM tally.record r USING tally.chain c WHERE c.id = r.chain_id AND c.name = 'app';
			DELETE FROM tally.chain WHERE name = 'app'},
		qr/missing app \d+ the chain is not there, and tally:log\/\d+ names its record \d+\nmissing app \d+ the chain is not there, and tally:log\/\d+ names its record \d+/,
		'a whole chain, taken out' ])
{
	my ($sql, $expected, $what) = @$deed;

	$there->safe_psql('postgres', 'CREATE DATABASE deed TEMPLATE again');
	$there->safe_psql('deed', "SET session_replication_role = replica; $sql; DELETE FROM tally.event e
		WHERE NOT EXISTS (SELECT FROM tally.record r WHERE r.event_id = e.id)");
	like(says($there, 'deed', q{kind <> 'unverifiable'}), qr/\A$expected\z/, "$what: found");
	like($there->safe_psql('deed', q{SELECT kind FROM tally.verify('app')}), qr/^(rolled-back|truncated|missing)$/m,
		"$what: also where only that chain is asked for") if $what !~ /whole/;
	is($there->safe_psql('deed', q{SELECT count(*) FROM tally.verify('audit/1') WHERE kind <> 'unverifiable'}), 0,
		"$what: and not where another is");
	$there->safe_psql('postgres', 'DROP DATABASE deed');
}

# Into the database that it came from, in the place of what was there.
$here->safe_psql('source', q{INSERT INTO audit (org) VALUES (1)});
$here->safe_psql('source', q{
	SET tally.ddl = 'seal'; DROP EXTENSION tally CASCADE; DROP SCHEMA tally;
	DROP SCHEMA public CASCADE; CREATE SCHEMA public});
restore_archive($here, 'source', $archive);
refuses_to_seal($here, 'source', 'a dump restored into its own database',
	qr/its records were restored: "tally.record" has oid \d+, and had \d+ when it was sealed last/);
say_restored($here, 'source', 'a bad migration was undone');
goes_on_sealing($here, 'source', 'restored into its own database', $heads);

# Data only: the tables, the extension and the triggers are there.
fill($there, 'source');
$heads = heads($there, 'source');
my $schema = dump_database($there, 'schema.dump', '-Fc', '--schema-only');
my $data = dump_database($there, 'data.dump', '-Fc', '--data-only');
$here->safe_psql('postgres', 'CREATE DATABASE data');
restore_archive($here, 'data', $schema);
$here->command_fails_like([ 'pg_restore', '--exit-on-error', '-d', $here->connstr('data'), $data ],
	qr/table "\w+" has tally's trigger, but is not attached|nothing is sealed in database "data"/,
	'data only, with triggers: rows are not let in unsealed');
$here->safe_psql('postgres', 'DROP DATABASE data');
$here->safe_psql('postgres', 'CREATE DATABASE data');
restore_archive($here, 'data', $schema);
restore_archive($here, 'data', $data, '--disable-triggers', '--single-transaction');
refuses_to_seal($here, 'data', 'data only', $elsewhere);
say_restored($here, 'data', 'data only');
goes_on_sealing($here, 'data', 'data only', $heads);
is($here->safe_psql('data', q{
		SELECT string_agg(DISTINCT tgname::text || ' ' || tgenabled::text, ', ') FROM pg_trigger
		WHERE tgrelid = 'tally.record'::regclass}),
	'arrival A, guard O', 'the triggers that pg_restore enabled fire as they did before');

# A column that was renamed, and a table that was dropped while attached: they
# are not taken over, and it says so.
$there->safe_psql('postgres', 'CREATE DATABASE odd');
$there->safe_psql('odd', q{
	CREATE EXTENSION tally;
	CREATE TABLE renamed (id int PRIMARY KEY, a text);
	CREATE TABLE dropped (id int PRIMARY KEY);
	CREATE TABLE fine (id int PRIMARY KEY);
	CREATE TABLE watched (id int, a text);
	CREATE TABLE bare (id int);
	SELECT tally.track('watched', label => 'seen');
	SELECT tally.track('bare');
	SELECT tally.attach('renamed');
	SELECT tally.attach('dropped');
	SELECT tally.attach('fine');
	INSERT INTO renamed VALUES (1, 'a');
	INSERT INTO fine VALUES (1);
	ALTER EVENT TRIGGER tally_ddl_end DISABLE;
	ALTER EVENT TRIGGER tally_ddl_drop DISABLE;
	ALTER TABLE renamed RENAME a TO b;
	ALTER TABLE watched RENAME a TO b;
	DROP TABLE dropped CASCADE;
	ALTER EVENT TRIGGER tally_ddl_end ENABLE ALWAYS;
	ALTER EVENT TRIGGER tally_ddl_drop ENABLE ALWAYS;
});
$there->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/odd.dump", '-d', $there->connstr('odd') ], 'pg_dump');
$here->safe_psql('postgres', 'CREATE DATABASE odd');
restore_archive($here, 'odd', "$dir/odd.dump");
$here->safe_psql('odd', q{DROP TRIGGER "!tally_track_insert" ON bare;
	DROP TRIGGER "!tally_track_update" ON bare; DROP TRIGGER "!tally_track_delete" ON bare});
my ($result, $out, $err) = $here->psql('odd', q{SELECT tally.restored('odd')});
like($err, qr/^psql:<stdin>:1: WARNING:  table "\d+" was attached as "dropped", and is not taken over: it is gone\nHINT:  Writing to it fails until it was detached and attached: SELECT tally\.detach\(\d+::regclass\)\npsql:<stdin>:1: WARNING:  table "public\.renamed" was attached as "renamed", and is not taken over: it has no column "a"\nHINT:  Writing to it fails until it was detached and attached: SELECT tally\.detach\(\d+::regclass\)\npsql:<stdin>:1: WARNING:  table "public\.watched" was tracked as "seen", and is not taken over: it has no column "a"\nHINT:  Changing it fails until that was ended and begun anew: SELECT tally\.untrack\(\d+::regclass\)$/,
	'tables that cannot be taken over are named');
like(query_error($here, 'odd', q{INSERT INTO renamed VALUES (2, 'b')}),
	qr/ERROR:  the configuration of table "renamed" cannot be read/, 'such a table is not written to unsealed');
$here->safe_psql('odd', q{
	SELECT tally.detach('renamed'); SELECT tally.attach('renamed');
	INSERT INTO renamed VALUES (2, 'b'); INSERT INTO fine VALUES (2)});
like(query_error($here, 'odd', q{INSERT INTO watched VALUES (2, 'b')}),
	qr/ERROR:  the configuration of table "watched" cannot be read/, 'nor is such a tracked one changed unseen');
$here->safe_psql('odd', q{
	SELECT tally.untrack('watched'); SELECT tally.track('watched', label => 'seen');
	INSERT INTO watched VALUES (2, 'b'); INSERT INTO bare VALUES (1)});
is($here->safe_psql('odd', q{SELECT count(*) FROM tally.verify() WHERE source IN ('seen', 'bare')}), 0,
	'a tracked one goes on, and has all its triggers');
is($here->safe_psql('odd', q{SELECT string_agg(source, ' ' ORDER BY source) FROM tally.log WHERE source IN ('seen', 'bare')}),
	'bare seen', 'what is done then is sealed');
is($here->safe_psql('odd', q{SELECT count(*) FROM tally.verify() WHERE source = 'fine'}), 0,
	'the others go on');

# A table with rows from before the attach: of what age they are nobody knows
# in the copy, and what is smuggled in afterwards is still told apart.
$there->safe_psql('postgres', 'CREATE DATABASE old');
$there->safe_psql('old', q{
	CREATE EXTENSION tally;
	CREATE TABLE t (id int PRIMARY KEY);
	INSERT INTO t VALUES (1), (2);
	SELECT tally.attach('t');
	INSERT INTO t VALUES (3)});
is(kinds($there, 'old'), 'legacy 1', 'old rows are legacy where they are');
$there->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/old.dump", '-d', $there->connstr('old') ], 'pg_dump');
$here->safe_psql('postgres', 'CREATE DATABASE old');
restore_archive($here, 'old', "$dir/old.dump");
say_restored($here, 'old', 'old');
is(says($here, 'old'), 'unverifiable t no record seals 2 rows of which it is not known when they were written',
	'of their copies nobody knows');
$here->safe_psql('old', q{SET session_replication_role = replica; INSERT INTO t VALUES (4)});
like(says($here, 'old'), qr/^unsealed t t 4 no record seals the row, which was written after tally:log\/\d+ had attached the table\nunverifiable /,
	'what is smuggled in afterwards is found');

# A database in which nothing was sealed is nobody's copy.
$here->safe_psql('postgres', 'CREATE DATABASE empty');
$here->safe_psql('empty', 'CREATE EXTENSION tally');
is(query_error($here, 'empty', q{SELECT tally.restored('x')}),
	"ERROR:  nothing was ever sealed in this database\nHINT:  There is nothing to go on with: use tally.attach() or tally.append().",
	'there is nothing to go on with');
$here->safe_psql('postgres', 'CREATE DATABASE from_empty TEMPLATE empty');
$here->safe_psql('from_empty', q{SELECT tally.append('app', '{}')});
is($here->safe_psql('from_empty', 'SELECT verdict FROM tally.verify_summary()'), 'intact',
	'a copy of a template that has the extension seals at once');

# Somebody gets past the guards: tally:log says where it was.
$here->safe_psql('data', q{SET session_replication_role = replica;
	UPDATE tally.origin SET name = 'other' WHERE number = 2});
is(says($here, 'data'), 'content-altered row 2 of table "tally.origin" is not what tally:log says',
	'tally.origin is held against the log');
$here->safe_psql('data', q{SET session_replication_role = replica; DELETE FROM tally.origin WHERE number = 1});
like(says($here, 'data'), qr/^content-altered table "tally.origin" has a row 2 that nothing in tally:log says\nmissing table "tally.origin" has 1 rows, and should have 2$/,
	'a row of it that is gone is missed');

done_testing();
