# SPDX-License-Identifier: Apache-2.0
#
# Two databases of one cluster, with chains of the same names at the same time:
# they share the slots in shared memory, and nothing else.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

my @databases = ('one', 'two');
my $node = tally_node('primary', streaming => 1,
	conf => "synchronous_commit = local\n");
my $script = "$PostgreSQL::Test::Utils::tmp_check/script";

append_to_file($script, <<'SQL');
\set a random(1, 5)
\set b random(1, 5)
BEGIN;
INSERT INTO audit (chain) VALUES (:a), (:b);
SELECT tally.append('events', '{}');
COMMIT;
SQL
for my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE audit (id bigserial PRIMARY KEY, chain int);
SELECT tally.attach('audit', chain_by => 'chain');
SQL
}
# For locks_left.
$node->safe_psql('postgres', 'CREATE EXTENSION tally');

for my $libraries ('tally', '')
{
	my $mode = $libraries eq '' ? 'not preloaded' : 'preloaded';
	my @runs;

	preload($node, $libraries);

	# The owner of a chain in one database keeps nobody waiting in the other.
	$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
	$node->reload;
	my $owner = TallySession->new($node, dbname => 'one');
	my $other = TallySession->new($node, dbname => 'two');
	$owner->run('SET synchronous_commit = on');
	$owner->send(q{SELECT tally.append('events', '{}')});
	ok($owner->until_waiting('SyncRep'), "$mode: the owner waits for the standby");
	$other->run(q{SET lock_timeout = '5s'});
	is($other->ask(q{SELECT tally.append('events', '{}')})->{state},
		'00000', "$mode: a chain of the same name elsewhere is free");
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->reload;
	is($owner->answer->{state}, '00000', "$mode: the owner is done");
	$_->close for $owner, $other;

	for my $database (@databases)
	{
		my ($out, $err) = ('', '');
		push @runs,
		  {
			name => $database,
			out => \$out,
			err => \$err,
			run => IPC::Run::start(
				[
					$node->installed_command('pgbench'),
					'-n', '-c', 4, '-t', 150, '-f', $script,
					$node->connstr($database)
				],
				'>', \$out, '2>', \$err)
		  };
	}
	for my $run (@runs)
	{
		ok($run->{run}->finish && ${ $run->{err} } eq '',
			"$mode: load on $run->{name}")
		  or diag ${ $run->{err} };
	}
	for my $database (@databases)
	{
		is(broken_chains($node, $database),
			'', "$mode: the chains of $database are whole");
		is( $node->safe_psql(
				$database, q{SELECT count(*) FROM audit LEFT JOIN tally.record
					ON key = audit.id::text WHERE key IS NULL}),
			0,
			"$mode: all of $database is sealed");
		is(findings($node, $database),
			'', "$mode: tally.verify finds nothing in $database");
	}
	is(locks_left($node), '', "$mode: no lock is left");
}

done_testing();
