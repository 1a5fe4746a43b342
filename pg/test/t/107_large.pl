# SPDX-License-Identifier: Apache-2.0
#
# Large transactions: a million rows, thousands of chains.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

my $rows = 1_000_000;
my $chains = 5_000;
my $node = tally_node('primary',
	conf => "shared_buffers = 64MB\nmax_wal_size = 4GB\n");
my $file = "$PostgreSQL::Test::Utils::tmp_check/rows";

$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION tally;
CREATE TABLE audit (id bigint PRIMARY KEY, body text);
SELECT tally.attach('audit', prefix => 'c');
CREATE TABLE wide (id bigserial PRIMARY KEY, chain int);
SELECT tally.attach('wide', chain_by => 'chain');
COPY (SELECT n, 'row ' || n FROM generate_series(1, $rows) n) TO '$file';
SQL

sub judge_copy
{
	my ($copying, $other) = map { TallySession->new($node) } 1 .. 2;

	$other->run('INSERT INTO audit VALUES (-1)');
	$copying->run('BEGIN');
	$copying->run("COPY audit FROM '$file'");
	$other->run("SET lock_timeout = '10s'");
	$other->run('INSERT INTO audit VALUES (-2)');
	cmp_ok(
		$copying->run(
			q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts
				WHERE name = 'tally pending'}),
		'<', 250 * $rows, 'memory for a million rows that wait for the commit');
	$copying->send('COMMIT');
	$other->run('RESET lock_timeout');
	$other->send('INSERT INTO audit VALUES (-3)');
	is($copying->answer->{err}, '', 'a million rows are committed');
	is($other->answer->{err}, '', 'beside another session');
	if (-r "/proc/" . $copying->pid . "/status")
	{
		my ($peak) = slurp_file('/proc/' . $copying->pid . '/status') =~
		  /^VmHWM:\s*(\d+) kB/m;
		cmp_ok($peak, '<', 700_000, 'the most memory that the session had, in kB');
	}
	$other->run('INSERT INTO audit VALUES (-4)');
	is( $node->safe_psql(
			'postgres', q{
			SELECT count(*), max(seq), count(*) FILTER (WHERE key::bigint > 0),
				max(seq - key::bigint) FILTER (WHERE key::bigint > 0)
				- min(seq - key::bigint) FILTER (WHERE key::bigint > 0)
			FROM tally.record
			WHERE epoch = (SELECT epoch FROM tally.attachment WHERE label = 'audit')}),
		join('|', $rows + 4, $rows + 4, $rows, 0),
		'each row is sealed, in the order of the copy, with nothing in between');
	is(broken_chains($node), '', 'the chain is whole');
	$_->close for $copying, $other;
	return;
}

sub judge_limit
{
	my $session = TallySession->new($node);
	my $answer;

	$node->safe_psql('postgres',
		'CREATE ROLE clerk LOGIN; GRANT INSERT, SELECT ON wide TO clerk;'
		  . 'GRANT USAGE ON SEQUENCE wide_id_seq TO clerk');
	$session->run('SET tally.max_rows_per_transaction = 1000');
	$session->run('BEGIN');
	$session->run(
		'INSERT INTO wide (chain) SELECT -1 FROM generate_series(1, 1000)');
	$answer = $session->ask('INSERT INTO wide (chain) VALUES (-1)');
	is($answer->{state}, '54000', 'one row more than the limit is an error');
	like($answer->{err}, qr/ERROR:  a transaction seals at most 1000 rows\n/,
		'it says so');
	like(
		$answer->{err},
		qr/HINT:  Commit in between, or have a superuser raise tally.max_rows_per_transaction/,
		'and what to do');
	$session->run('COMMIT');
	is($session->run('SELECT count(*) FROM wide WHERE chain = -1'),
		0, 'nothing is committed');
	$session->run(
		'INSERT INTO wide (chain) SELECT -1 FROM generate_series(1, 1000)');
	is($session->run('SELECT count(*) FROM wide WHERE chain = -1'),
		1000, 'as many rows as the limit are');
	$session->run('SET SESSION AUTHORIZATION clerk');
	$answer = $session->ask('SET tally.max_rows_per_transaction = 2000');
	like($answer->{err},
		qr/permission denied to set parameter "tally.max_rows_per_transaction"/,
		'it is not for everybody to set');
	$session->close;
	return;
}

# How many chains have how many records of wide.
sub chains_by_length
{
	return $node->safe_psql('postgres', q{
		SELECT count(*), length FROM (
			SELECT count(*) AS length FROM tally.record
			WHERE epoch = (SELECT epoch FROM tally.attachment WHERE label = 'wide')
			GROUP BY chain_id) AS chains
		GROUP BY length ORDER BY 1});
}

judge_limit();
my $length = 0;
for my $libraries ('', 'tally')
{
	my $mode = $libraries eq '' ? 'not preloaded' : 'preloaded';

	preload($node, $libraries);
	$node->safe_psql('postgres',
		"INSERT INTO wide (chain) SELECT n FROM generate_series(1, $chains) n"
		  . ' ORDER BY random()');
	$node->pgbench(
		"-n -c 8 -j 2 -t 1 -D chains=$chains",
		0,
		[qr{processed: 8/8}],
		[qr{^$}],
		"$mode: eight transactions over $chains chains each",
		{
			"107_$libraries\_wide" => <<'SQL',
INSERT INTO wide (chain) SELECT n FROM generate_series(1, :chains) n ORDER BY random();
SQL
		});
	$length += 9;
	is(chains_by_length(), "1|1000\n$chains|$length",
		"$mode: all of it is sealed");
	is(broken_chains($node), '', "$mode: the chains are whole");
	is(locks_left($node), '', "$mode: no lock is left");
}
judge_copy();
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
