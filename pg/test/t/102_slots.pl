# SPDX-License-Identifier: Apache-2.0
#
# With two slots for all chains every transaction of some chains takes both,
# and chains that share one must not wait for themselves (P3, P10).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

my $node = tally_node(
	'primary',
	root => 'root-slots-2',
	conf => "deadlock_timeout = 200ms\n");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE audit (id bigserial PRIMARY KEY, chain int);
SELECT tally.attach('audit', chain_by => 'chain');
SQL

sub attached_records
{
	return $node->safe_psql('postgres',
		'SELECT count(*) FROM tally.record WHERE epoch IS NOT NULL');
}

my $turn = 0;
for my $libraries ('tally', '')
{
	my $mode = $libraries eq '' ? 'not preloaded' : 'preloaded';
	preload($node, $libraries);

	my $before = attached_records();
	$node->safe_psql('postgres',
		'INSERT INTO audit (chain) SELECT n FROM generate_series(1, 100) n');
	$node->safe_psql('postgres',
		'INSERT INTO audit (chain) SELECT n FROM generate_series(100, 1, -1) n');
	is(attached_records() - $before,
		200, "$mode: one statement over many chains that collide");

	# New chains too: they are made under the lock.
	$node->pgbench(
		'-n -c 4 -j 2 -t 150 -D base=' . 1000 * ++$turn,
		0,
		[qr{processed: 600/600}],
		[qr{^$}],
		"$mode: sessions that name chains in opposite order",
		{
			"102_$turn\_up" => <<'SQL',
\set a :base + random(1, 40)
INSERT INTO audit (chain) SELECT n FROM generate_series(:a, :a + 9) n;
SQL
			"102_$turn\_down" => <<'SQL',
\set a :base + random(1, 40)
BEGIN;
INSERT INTO audit (chain) VALUES (:a + 9);
INSERT INTO audit (chain) SELECT n FROM generate_series(:a + 8, :a, -1) n;
COMMIT;
SQL
		});
	is(attached_records() - $before, 6200, "$mode: all of it is sealed");
	is(broken_chains($node), '', "$mode: the chains are whole");
	is(locks_left($node), '', "$mode: no lock is left");
}
unlike(slurp_file($node->logfile), qr/deadlock/, 'nobody saw a deadlock');
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
