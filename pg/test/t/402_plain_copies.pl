# SPDX-License-Identifier: Apache-2.0
# Copies of a database with plain SQL: dumps, templates; and what tally.restored
# makes of them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCopy;
use TallyNode;
use TallyPlain;

my $node = tally_node('copies', streaming => 1);
my $other = tally_node('elsewhere');
my $area = $PostgreSQL::Test::Utils::tmp_check;

sub make_plain
{
	my ($dbname) = @_;

	new_plain($node, $dbname);
	# The verifier runs with the rights of the schema's owner.
	$node->safe_psql($dbname, 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO operator');
	return;
}

# Plain SQL looks when a transaction commits.
sub seals_nothing
{
	my ($to, $dbname, $what, $fault) = @_;
	my $expected = qr/^ERROR:  nothing is sealed in database "$dbname": it is a copy, or was restored\nDETAIL:  Since $fault\.\nHINT:  If it is to go on with this log: SELECT tally\.restored\('what happened'\)\.  If it is to be another log, use DROP SCHEMA tally CASCADE and begin anew\./m;

	like(query_error($to, $dbname, q{SELECT tally.append('app', '{}')}),
		$expected, "$what: no event is sealed, and it says why");
	like(query_error($to, $dbname,
			'CREATE TABLE unheard_of (id int PRIMARY KEY); SELECT tally.attach($$unheard_of$$)'),
		$expected, "$what: no table is attached");
	isnt(query_error($to, $dbname, q{INSERT INTO audit (id, org) VALUES (999, 1)}), '',
		"$what: no row is sealed");
	isnt(query_error($to, $dbname, q{DELETE FROM changes}), '', "$what: nor its deletion");
	like(says($to, $dbname, q{kind NOT IN ('legacy', 'content-altered')}),
		qr/^unverifiable the database is a copy, or was restored, and nobody has said so: $fault$/,
		"$what: tally.verify says that it is a copy");
	return;
}

# A dump holds all of it, the functions too.
sub restore
{
	my ($to, $from_db, $to_db, @options) = @_;

	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$area/$from_db.dump", $node->connstr($from_db) ],
		"dump of $from_db");
	$to->safe_psql('postgres', "CREATE DATABASE $to_db");
	$to->command_ok([ 'pg_restore', '-d', $to->connstr($to_db), @options,
			"$area/$from_db.dump" ], "restored as $to_db");
	return;
}

make_plain('home');
fill_plain($node, 'home');
my $heads = heads($node, 'home');
is(says($node, 'home', 'true'), '', 'all is sealed');
is($node->safe_psql('home', 'SELECT number, database, name, record FROM tally.origin'),
	$node->safe_psql('home', q{SELECT 1, oid, datname, 'tally.record'::regclass::oid
		FROM pg_database WHERE datname = current_database()}),
	'the first commit says where it is');
like(query_error($node, 'home', q{SELECT tally.restored('')}), qr/the note must not be empty/,
	'what happened has to be said');
make_plain('empty');
like(query_error($node, 'empty', q{SELECT tally.restored('x')}),
	qr/nothing was ever sealed in this database/, 'there has to be something to go on with');

# ---- into another database, and into another cluster -------------------------

restore($node, 'home', 'copy');
seals_nothing($node, 'copy', 'restored here',
	qr/its records were restored: .*|it was sealed last in database "home" .*/);
my $said = $node->safe_psql('copy', q{SELECT tally.restored('a test')});
like($said, qr/^\{"origin":\{"by":"[^"]+","chains":\d+,"from":\{"cluster":"\d+","database":"home".*"note":"a test","to":\{.*"database":"copy"/,
	'what happened is said');
is(recompute($node, 'copy'), 'agrees', 'a stranger follows');
goes_on_sealing($node, 'copy', 'restored here', $heads);

$other->safe_psql('postgres',
	"CREATE ROLE $_ NOLOGIN") for qw(operator tally_reader tally_writer tally_admin);
restore($other, 'home', 'moved');
seals_nothing($other, 'moved', 'restored in another cluster',
	qr/it was sealed last in database "home" \(oid \d+\) of cluster \d+, and this is cluster \d+/);
$other->safe_psql('moved', q{SELECT tally.restored('moved house')});
goes_on_sealing($other, 'moved', 'restored in another cluster', $heads);

# ---- a template ------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE clone TEMPLATE home');
seals_nothing($node, 'clone', 'a template copy',
	qr/it was sealed last in database "home" \(oid \d+\) of this cluster, and this is the one with oid \d+/);
$node->safe_psql('clone', q{SELECT tally.restored('a clone')});
goes_on_sealing($node, 'clone', 'a template copy', $heads);

# ---- what cannot be taken over -------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE lame TEMPLATE home');
$node->safe_psql('lame', 'ALTER TABLE kept RENAME what TO whatever');
my ($status, $out, $err) = $node->psql('lame', q{SELECT tally.restored('a clone')});
like($err, qr/WARNING:  table "public.kept" was attached as "the "kept"", and is not taken over: column "what" of table "public.kept" is gone|WARNING:  table "public.kept" was attached as "the "kept"", and is not taken over: it has no column "what"/,
	'a table whose columns are others is told');
isnt(query_error($node, 'lame', q{INSERT INTO kept VALUES (300, 'x')}), '',
	'and writing to it fails');

# ---- a standby ------------------------------------------------------------------

my $standby = PostgreSQL::Test::Cluster->new('standby', install_path => $node->{_install_path});
$node->backup('copy');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(verdict($standby, 'home'), 'intact|0', 'a standby verifies');
is($standby->safe_psql('home', 'SELECT count(*) FROM tally.heads'),
	$node->safe_psql('home', 'SELECT count(*) FROM tally.heads'), 'and shows heads');
like(query_error($standby, 'home', q{SELECT tally.append('app', '{}')}), qr/read-only|recovery/, 'and seals nothing');
$standby->promote;
$standby->safe_psql('home', q{SELECT tally.append('app', '{"promoted": true}')});
is(verdict($standby, 'home'), 'intact|0', 'promoted, it goes on');
$standby->stop;

# ---- on the same place -----------------------------------------------------------

my $before = $node->safe_psql('home', 'SELECT count(*) FROM tally.epochs()');
$node->safe_psql('home', q{SELECT tally.restored('recovered to an earlier time')});
is($node->safe_psql('home', 'SELECT count(*) FROM tally.epochs()'), $before,
	'on the same place no epoch begins');
is(verdict($node, 'home'), 'intact|0', 'and all is well');
for (
	[ q{UPDATE tally.origin SET name = 'x' WHERE number = 1}, 'content-altered' ],
	[ q{DELETE FROM tally.origin WHERE number = 2}, 'missing' ],
	[ q{INSERT INTO tally.origin SELECT 3, cluster, database, name, record, timeline
		FROM tally.origin WHERE number = 1}, 'content-altered' ])
{
	my ($deed, $kind) = @$_;

	is($node->safe_psql('home', "BEGIN; SET LOCAL session_replication_role = replica; $deed;"
			. ' SET LOCAL session_replication_role = origin;'
			. ' SELECT DISTINCT kind FROM tally.verify(); ROLLBACK'),
		$kind, "found: $deed");
}

$node->stop;
$other->stop;
done_testing();
