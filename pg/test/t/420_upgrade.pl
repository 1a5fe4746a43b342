# SPDX-License-Identifier: Apache-2.0
#
# ALTER EXTENSION tally UPDATE, from each version of which there is an install
# script, and to one that does not exist: with data, with sessions that are in
# the middle of something, and with the same catalogs in the end.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use Digest::SHA qw(sha256_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCatalog;
use TallyCopy;
use TallyNode;
use TallySession;

my $node = tally_node('upgrade', preload => 1);
my $scripts = $node->config_data('--sharedir') . '/extension';
my ($newest) = slurp_file("$scripts/tally.control") =~ /^default_version = '(.+)'$/m;
my $upgrade = "$FindBin::RealBin/../upgrade";
my $databases = 0;

# The versions that can be installed by themselves.
sub versions
{
	return sort map { /tally--((?:(?!--).)+)\.sql$/ ? $1 : () } glob "$scripts/tally--*.sql";
}

sub script { return slurp_file("$scripts/tally--$_[0].sql"); }

sub write_script
{
	my ($name, @texts) = @_;

	append_to_file("$scripts/tally--$name.sql", join "\n", @texts);
	return;
}

sub new_database
{
	my $dbname = 'upgrade_' . ++$databases;

	$node->safe_psql('postgres', "CREATE DATABASE $dbname");
	return $dbname;
}

# What a fresh installation has.
sub fresh
{
	my ($version) = @_;
	my $dbname = new_database();

	$node->safe_psql($dbname, "CREATE EXTENSION tally VERSION '$version'");
	return catalog($node, $dbname);
}

# From a version with data to another, while sessions write.
sub upgrade
{
	my ($from, $to) = @_;
	my $what = "from $from to $to";
	my $dbname = 'upgrade_' . ++$databases;

	fill($node, $dbname, $from);
	my $heads = heads($node, $dbname);
	my $records = $node->safe_psql($dbname, 'SELECT * FROM tally.record ORDER BY chain_id, seq');
	my ($open, $busy) = map { TallySession->new($node, dbname => $dbname) } 1 .. 2;

	# One has captured a row and not sealed it; one seals all the while.
	$open->run(q{BEGIN; INSERT INTO audit (id, org, body) VALUES (60, 1, 'open')});
	$open->run(q{UPDATE changes SET what = 'open' WHERE id = 6; SELECT tally.append('app', '"open"')});
	$busy->run(q{CREATE PROCEDURE write_on() LANGUAGE plpgsql AS $$
		BEGIN FOR i IN 1 .. 400 LOOP PERFORM tally.append('busy', to_json(i)); COMMIT; END LOOP; END $$});
	$busy->send('CALL write_on()');
	$node->safe_psql($dbname, "ALTER EXTENSION tally UPDATE TO '$to'");
	is($open->run('COMMIT; SELECT seq FROM tally.head($$audit/1$$)'),
		$node->safe_psql($dbname, 'SELECT max(seq) FROM tally.log WHERE chain = $$audit/1$$'),
		"$what: what was captured before is sealed behind it");
	is($busy->answer->{err}, '', "$what: who writes meanwhile sees no error");
	is($node->safe_psql($dbname, q{SELECT seq FROM tally.head('busy')}), 400, "$what: and all is sealed");
	is($node->safe_psql($dbname, qq{SELECT extversion FROM pg_extension WHERE extname = 'tally'}), $to,
		"$what: it is that version");
	my %there = map { $_ => 1 } split /\n/,
	  $node->safe_psql($dbname, 'SELECT * FROM tally.record ORDER BY chain_id, seq');
	is(join("\n", grep { !$there{$_} } split /\n/, $records), '', "$what: each record is as it was");
	is(says($node, $dbname), '', "$what: tally.verify finds nothing");
	goes_on_sealing($node, $dbname, $what, $heads);
	return catalog($node, $dbname);
}

sub is_same_catalog
{
	my ($one, $other, $what) = @_;

	cmp_ok(scalar @$one, '>', 100, "$what: there is much to compare");
	is(catalog_difference($one, $other), '', "$what: the same catalogs as a fresh installation");
	return;
}

# What was released stays as it is; and only that need be upgraded from.
my %released = map { /^(\S+) ([0-9a-f]{64})$/ ? ($1 => $2) : /^#/ ? () : die "released: $_" }
  split /\n/, slurp_file("$upgrade/released");
for my $version (sort keys %released)
{
	is(sha256_hex(script($version)), $released{$version}, "the script of $version is as it was released");
}
is(join(' ', grep { $_ ne $newest && !$released{$_} } versions()), '',
	'there is no script of a version that was neither released nor is the newest');

my $today = fresh($newest);
for my $version (grep { $_ ne $newest } versions())
{
	is_same_catalog($today, upgrade($version, $newest), "from $version to $newest");
}

# A version that does not exist, so that there is one in any case.  What changes
# in an object that is there is put into today's script first.
my $before = "\nCREATE FUNCTION tally.heads_count() RETURNS bigint LANGUAGE sql STABLE\n"
  . "\tAS \$\$ SELECT count(*) FROM tally.heads \$\$;\n"
  . "REVOKE ALL ON FUNCTION tally.heads_count() FROM PUBLIC;\n";
my $now = $before =~ s/bigint LANGUAGE/integer LANGUAGE/r =~ s/count\(\*\)/count(*)::integer/r;
write_script('now', script($newest), $now);
write_script('next', script($newest), $before, slurp_file("$upgrade/next.sql"));
write_script('now--next', slurp_file("$upgrade/up.sql"));
my $next = fresh('next');
is_same_catalog($next, upgrade('now', 'next'), 'from today to a next one');

# And whoever forgets something is told what.
for my $forgotten (
	[ 'a right', qr/^GRANT EXECUTE .*\n/m, qr/^- function \| CREATE OR REPLACE FUNCTION tally\.shelf_of/m ],
	[ 'a function', qr/^DROP FUNCTION tally\.heads_count(?s:.*?)PUBLIC;\n/m, qr/^\+ function \| CREATE OR REPLACE FUNCTION tally\.heads_count\(\)  RETURNS integer/m ],
	[ 'a default', qr/ALTER label SET DEFAULT 'none', /, qr/^- column \| tally\.shelf \| 2 \| label \| .*'none'::text$/m ],
	[ 'a trigger', qr/^ALTER TABLE tally\.shelf ENABLE ALWAYS.*\n/m, qr/^- trigger \| .*guard.* \| A$/m ],
	[ 'the dump', qr/^SELECT pg_catalog\.pg_extension_config_dump.*\n/m, qr/^- dumped \| tally\.shelf \| WHERE id > 0$/m ],
	[ 'the order of columns', qr/\tid bigint CONSTRAINT(.*)\n(.*)\nALTER TABLE tally.shelf ADD label text COLLATE "C"/, qr/^- column \| tally\.shelf \| 1 \| id /m,
		qq{\tlabel text COLLATE "C"\n) USING heap;\nALTER TABLE tally.shelf ADD id bigint CONSTRAINT shelf_id PRIMARY KEY} ])
{
	my ($what, $piece, $expected, $instead) = @$forgotten;
	my $name = 'wrong' . ++$databases;
	my $wrong = slurp_file("$upgrade/up.sql");
	my $dbname = new_database();

	$instead //= '';
	$wrong =~ s/$piece/$instead/ or die "$what is not in up.sql";
	write_script("now--$name", $wrong);
	$node->safe_psql($dbname, "CREATE EXTENSION tally VERSION 'now'; ALTER EXTENSION tally UPDATE TO '$name'");
	like(catalog_difference($next, catalog($node, $dbname)), $expected, "an upgrade that forgets $what is found");
}
$node->stop;

done_testing();
