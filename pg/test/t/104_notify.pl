# SPDX-License-Identifier: Apache-2.0
#
# NOTIFY in every transaction: PostgreSQL lets one transaction of a database at
# a time through its commit, from before the commit record until its locks are
# released.  With early release that is before the wait for flush and standby.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

my $node = tally_node('primary', streaming => 1);
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE audit (id bigserial PRIMARY KEY, said text);
SELECT tally.attach('audit', prefix => 'c');
CREATE TABLE counter (n int);
INSERT INTO counter VALUES (0);
SQL

# How many of two commits into one chain wait for the standby at once, and what
# the second one waits for if it does not.
sub waits_of_two
{
	my ($release, @statements) = @_;
	my ($first, $second) = map { TallySession->new($node) } 1 .. 2;
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM audit');
	my @waits;

	for my $session ($first, $second)
	{
		$session->run("SET tally.early_release = $release");
		$session->run('BEGIN');
		$session->run($_) for @statements;
		$session->send('COMMIT');
		push @waits, $session->until_waiting('SyncRep', 'Extension', 'advisory')
		  ? $session->waits_for =~ s/Extension|advisory/queue/r
		  : 'nothing';
	}
	# Whoever is stopped there has committed all the same.
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $first->pid . ')');
	my $answer = $first->answer;
	is($answer->{state}, '00000', "$release: the first has committed");
	like(
		$answer->{err},
		qr/WARNING:  canceling wait for synchronous replication due to user request/,
		"$release: and is warned");
	ok($second->until_waiting('SyncRep'), "$release: the second comes there too");
	$node->safe_psql('postgres',
		'SELECT pg_terminate_backend(' . $second->pid . ')');
	$answer = $second->answer;
	is($answer->{state}, 'lost', "$release: the second is terminated");
	like(
		$answer->{err},
		qr/WARNING:  canceling the wait for synchronous replication and terminating connection/,
		"$release: and warned");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM audit') - $before,
		2, "$release: both rows are there");
	$_->close for $first, $second;
	return "@waits";
}

for my $libraries ('tally', '')
{
	my $mode = $libraries eq '' ? 'not preloaded' : 'preloaded';
	my @insert = ('NOTIFY news', "INSERT INTO audit (said) VALUES ('two')");

	$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
	preload($node, $libraries);
	is(waits_of_two('off', @insert), 'SyncRep queue',
		"$mode, off: the second is queued while the first waits");
	is(waits_of_two('local', @insert), 'SyncRep queue',
		"$mode, local: the second is queued while the first waits");
	is(waits_of_two('full', @insert), 'SyncRep SyncRep',
		"$mode, full: both wait at once");
	# Row locks go as well, so what is updated is seen before it is durable.
	is( waits_of_two('full', @insert, 'UPDATE counter SET n = n + 1'),
		'SyncRep SyncRep',
		"$mode, full: also if both update one row");

	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->reload;
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM audit');
	$node->pgbench(
		'-n -c 20 -j 2 -t 60',
		0,
		[qr{processed: 1200/1200}],
		[qr{^$}],
		"$mode: twenty sessions that notify",
		{
			"104_$libraries\_load" => <<'SQL',
BEGIN;
NOTIFY news, 'some';
INSERT INTO audit (said) VALUES ('load');
COMMIT;
SQL
		});
	is( $node->safe_psql('postgres', 'SELECT count(*) FROM audit') - $before,
		1200, "$mode: all is there");
	is(broken_chains($node), '', "$mode: the chain is whole");
	is(locks_left($node), '', "$mode: no lock is left");
}
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM audit WHERE id::text NOT IN'
		  . ' (SELECT key FROM tally.record WHERE key IS NOT NULL)'),
	0, 'all is sealed');
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
