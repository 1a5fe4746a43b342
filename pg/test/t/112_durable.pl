# SPDX-License-Identifier: Apache-2.0
#
# Only what is durable leaves (P9): whatever a head was shown by, it is there
# after a crash; and while the synchronous standby is away none is shown.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

# Nothing is flushed that nobody asked for.
my $node = tally_node(
	'primary',
	preload => 1,
	streaming => 1,
	conf => "wal_writer_delay = 10s\nautovacuum = off\n"
	  . "checkpoint_timeout = 1h\nmax_wal_size = 1GB\n");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE audit (id text PRIMARY KEY);
SELECT tally.attach('audit', prefix => 'c');
SELECT tally.append('d', '{}', 'd0');
INSERT INTO audit VALUES ('before');
CREATE FUNCTION hex(bytea) RETURNS text RETURN encode($1, 'hex');
SQL

# Each as "seq hash" of what is shown.
my %shows = (
	'tally.head' => q{SELECT seq, hex(hash) FROM tally.head('d')},
	'tally.heads' =>
	  q{SELECT seq, hex(hash) FROM tally.heads WHERE chain = 'd'},
	'tally.log' => q{SELECT seq, hex(hash) FROM tally.log WHERE chain = 'd'
		ORDER BY seq DESC LIMIT 1},
	'tally.receipt' => q{SELECT seq, hex(hash) FROM tally.receipt('d', '%s')},
	'an append that repeats' => q{SELECT tally.append('d', '{}', '%s')},
	'an append_now that repeats' => q{CALL tally.append_now('d', '{}', '%s')},
	'append_now' => q{CALL tally.append_now('d', '{"now":1}', '%s now')});

sub stored
{
	return $node->safe_psql('postgres',
		"SELECT seq, hex(hash), r.id FROM tally.record r JOIN tally.chain c"
		  . " ON c.id = chain_id WHERE name = 'd' ORDER BY seq");
}

my $round = 0;
for my $show (sort keys %shows)
{
	my $id = 'd' . ++$round;
	my $writer = TallySession->new($node);
	# The level of whoever looks does not matter; that of whoever appends does.
	my $reader = TallySession->new($node);
	my $asynchronous = $show ne 'an append that repeats';

	$reader->run("SET synchronous_commit = "
		  . ($asynchronous ? 'off' : 'local'));
	$reader->run("SELECT 1 FROM tally.chain");
	$writer->run('SET synchronous_commit = off');
	$writer->run("SELECT tally.append('d', '{}', '$id $_')") for 1 .. 20;
	$writer->run("SELECT tally.append('d', '{}', '$id')");
	my $shown = $reader->run($shows{$show} =~ s{%s}{$id}r);
	kill_all($node);
	start_again($node);
	my $stored = stored();
	if ($show =~ /append_now/)
	{
		my ($name, $seq, $hash) = $shown =~ /^(.*?)\|(\d+)\|\\x(\w+)\|/
		  or die $shown;
		$shown = "$seq|$hash";
	}
	like(
		$stored,
		$show =~ /append that/ ? qr/\|\Q$id\E$/m : qr/^\Q$shown\E\|/m,
		"after a crash what was shown is there: $show");
}

# The standby is away.
$node->append_conf('postgresql.conf', 'statement_timeout = 300ms');
for my $level (qw(on off))
{
	$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
	$node->reload;
	my $owner = TallySession->new($node);
	my $id = "away $level";

	# It is visible to all, and not on the standby.
	$owner->run('SET tally.early_release = full');
	$owner->run('SET synchronous_commit = on');
	$owner->send("SELECT tally.append('d', '{}', '$id')");
	ok($owner->until_waiting('SyncRep'), "$level: the owner waits for the standby");
	like(stored(), qr/\|\Q$id\E$/m, "$level: its record is visible");
	for my $show (sort keys %shows)
	{
		next if $show eq 'an append that repeats';
		my $reader = TallySession->new($node);
		my $answer;

		$reader->run("SET synchronous_commit = $level");
		$answer = $reader->ask($shows{$show} =~ s{%s}{$id}r);
		is($answer->{out}, '', "$level: nothing is shown by $show");
		is($answer->{state}, '57014', "$level: an error instead, in $show");
		like(
			$answer->{err},
			qr/ERROR:  the synchronous standby has not confirmed what would be shown\n/,
			"$level: which says why, in $show");
		$reader->close;
	}
	my $killed = TallySession->new($node);
	$killed->run('SET statement_timeout = 0');
	$killed->send("SELECT 'shown', * FROM tally.head('d')");
	ok($killed->until_waiting('SyncRep'), "$level: a reader waits");
	$node->safe_psql('postgres',
		'SELECT pg_terminate_backend(' . $killed->pid . ')');
	my $answer = $killed->answer;
	is($answer->{state}, 'lost', "$level: who is terminated is gone");
	unlike($answer->{out}, qr/shown/, "$level: and has seen nothing");

	# Back again, in a way.
	my $reader = TallySession->new($node);
	$reader->run('SET statement_timeout = 0');
	$reader->send($shows{'tally.head'});
	ok($reader->until_waiting('SyncRep'), "$level: another reader waits");
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->reload;
	is($owner->answer->{err}, '', "$level: the owner is done");
	like($reader->answer->{out}, qr/^\d+\|\w{64}$/, "$level: the head is shown");
	$_->close for $owner, $reader;
}
$node->append_conf('postgresql.conf', 'statement_timeout = 0');
$node->reload;
is(broken_chains($node), '', 'the chain is whole');
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
