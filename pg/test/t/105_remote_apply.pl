# SPDX-License-Identifier: Apache-2.0
#
# A standby that applies late, and says by itself how far it is only once in a
# minute: a commit with remote_apply has to ask it, which only PostgreSQL's own
# order of things does (P7).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TallyNode;
use TallySession;

my $delay = 1;
my $node = tally_node('primary', streaming => 1);
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE audit (id text PRIMARY KEY);
SELECT tally.attach('audit', prefix => 'c');
SQL
$node->backup('one');
my $standby = PostgreSQL::Test::Cluster->new('standby',
	install_path => $node->install_path);
$standby->init_from_backup($node, 'one', has_streaming => 1);
$standby->append_conf('postgresql.conf', <<CONF);
recovery_min_apply_delay = ${delay}s
wal_receiver_status_interval = 60s
CONF
$standby->start;
$node->append_conf('postgresql.conf', <<'CONF');
synchronous_standby_names = 'standby'
synchronous_commit = remote_apply
CONF

sub is_applied
{
	my ($id) = @_;
	return $standby->safe_psql('postgres',
		"SELECT count(*) FROM audit JOIN tally.record ON key = audit.id"
		  . " WHERE audit.id = '$id'");
}

for my $libraries ('tally', '')
{
	preload($node, $libraries);
	$node->poll_query_until('postgres',
		q{SELECT sync_state = 'sync' FROM pg_stat_replication});
	for my $release ($libraries eq '' ? 'full' : qw(off local full))
	{
		my $mode =
		  ($libraries eq '' ? 'not preloaded, ' : 'preloaded, ') . $release;
		my ($first, $second) = map { TallySession->new($node) } 1 .. 2;
		my $began;

		$_->run("SET tally.early_release = $release") for $first, $second;
		$began = time;
		$first->send("INSERT INTO audit VALUES ('$mode: first')");
		ok($first->until_waiting('SyncRep'), "$mode: the first waits");
		$second->send("INSERT INTO audit VALUES ('$mode: second')");
		ok($second->until_queued, "$mode: the second is queued meanwhile");
		is($first->answer->{state}, '00000', "$mode: the first is done");
		is(is_applied("$mode: first"), 1, "$mode: it is applied");
		cmp_ok(time - $began, '>', $delay * 0.9, "$mode: it did wait for that");
		is($second->answer->{state}, '00000', "$mode: the second is done");
		is(is_applied("$mode: second"), 1, "$mode: it is applied");
		cmp_ok(time - $began, '<', 30, "$mode: nobody waited to be told");
		$_->close for $first, $second;
	}
	# A head is confirmed in the same way, and is shown at last.
	my $began = time;
	my $head = $node->safe_psql('postgres', q{SELECT seq FROM tally.head('c')});
	is($head, $libraries eq '' ? 8 : 6, 'the head is shown');
	cmp_ok(time - $began, '<', 30, 'and soon');
}
is(broken_chains($node), '', 'the chain is whole');
is( $standby->safe_psql('postgres', q{SELECT seq FROM tally.head('c')}),
	8, 'and is the same on the standby');
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
