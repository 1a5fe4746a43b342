# SPDX-License-Identifier: Apache-2.0
# Servers that have the extension, load on them, and what must hold of their
# chains afterwards, in SQL that shares nothing with the extension's verifier.
package TallyNode;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use File::Basename qw(basename);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(tally_node audit_node recompute_database
  start_storm goes_on finish_storm
  run_storm kill_all start_again broken_chains findings broken_books is_sound);

# Dying stops the servers, which being killed does not.
$SIG{TERM} = $SIG{INT} = sub { die "ended by a signal\n" };

# Where there is room for 64 sessions and more; a storm does not want to see
# itself in the log.
my $SETTINGS = q{
max_connections = 100
restart_after_crash = on
log_statement = none
log_min_messages = warning
log_min_error_statement = panic
autovacuum_naptime = 1s
};

# A server from one of the installations that check-pg made:
#   root => 'root', 'root-slots-2', 'root-no-lock', or that of another version,
#       if there is TALLY_OLD_PREFIX, 'root-old'
#   preload => 1, streaming => 1, conf => further settings, initdb => [options]
sub tally_node
{
	my ($name, %options) = @_;
	my $root = $options{root} // 'root';
	my $prefix = "$ENV{TALLY_ROOTS}/$root"
	  . ($root eq 'root-old' ? $ENV{TALLY_OLD_PREFIX} : $ENV{TALLY_PREFIX});
	-d $prefix or die "no installation \"$root\"";
	my $node =
	  PostgreSQL::Test::Cluster->new($name, install_path => $prefix);

	$node->init(allows_streaming => $options{streaming}, extra => $options{initdb} // []);
	$node->append_conf('postgresql.conf', $SETTINGS . ($options{conf} // ''));
	$node->append_conf('postgresql.conf',
		'shared_preload_libraries = tally')
	  if $options{preload};
	$node->start;
	return $node;
}

# With the table that tally_storm writes to.
sub audit_node
{
	my $node = tally_node(@_);

	$node->safe_psql('postgres', q{
		CREATE EXTENSION tally;
		CREATE TABLE audit (id text PRIMARY KEY, chain int, body text);
		SELECT tally.attach('audit', chain_by => 'chain');
	});
	return $node;
}

# Starts tally_storm; what it is given as options goes to its command line.
# The names of ids begin with the name of the storm, which names its books.
sub start_storm
{
	my ($node, $name, @options) = @_;
	my %storm = (
		books => "$PostgreSQL::Test::Utils::tmp_check/$name.books",
		out => '', err => '');

	$storm{run} = IPC::Run::start(
		[
			'tally_storm', '-c', $node->connstr('postgres'), '-o',
			$storm{books}, '-p', $name, @options
		],
		'<', \undef, '>', \$storm{out}, '2>', \$storm{err},
		IPC::Run::timeout(300));
	return \%storm;
}

# Waits for its end, or with stop => 1 ends it first; gives the number of
# transactions that were acknowledged.
sub finish_storm
{
	my ($storm, %options) = @_;

	$storm->{run}->signal('TERM') if $options{stop};
	my $ok = $storm->{run}->finish;
	my ($count) = $storm->{out} =~ /^(\d+) transactions acknowledged$/m;
	note $storm->{out};
	ok($ok && $count,
		'the storm met no error that it did not ask for: '
		  . basename($storm->{books}))
	  or diag substr($storm->{err}, 0, 2000);
	return $count // 0;
}

# Waits until it was told of another commit: time alone would say nothing.
sub goes_on
{
	my ($storm) = @_;
	my $before = -s $storm->{books} // 0;

	for (1 .. 600)
	{
		return 1 if (-s $storm->{books} // 0) > $before;
		$storm->{run}->pump_nb;
		last if !$storm->{run}->pumpable;
		sleep 0.1;
	}
	diag substr($storm->{err}, 0, 2000);
	return 0;
}

sub run_storm
{
	my $storm = start_storm(@_);
	finish_storm($storm);
	return $storm->{books};
}

# The whole server, at once, as if the machine had gone.  The postmaster is
# stopped first, which takes a moment, so that no process that it starts
# meanwhile survives: that one could wait for ever for the lock of a dead one.
sub kill_all
{
	my ($node) = @_;
	my $postmaster = $node->{_pid};

	kill 'STOP', $postmaster;
	sleep 0.001 while `ps -o state= -p $postmaster` =~ /^[^T]/;
	my @others = split ' ', `pgrep -P $postmaster`;
	kill 'KILL', @others;
	$node->kill9;
	for (1 .. 1000)
	{
		last if !grep { kill 0, $_ } @others;
		sleep 0.01;
	}
	return;
}

sub start_again
{
	my ($node) = @_;

	for (1 .. 50)
	{
		return if $node->start(fail_ok => 1);
		sleep 0.1;
	}
	die 'the server does not start again';
}

# What is wrong with the chains as such: one line for each, at most twenty.
# Reads the table itself, since an index can hide what it does not have.
sub broken_chains
{
	my ($node, $dbname) = @_;

	return $node->safe_psql($dbname // 'postgres', q{
		SET enable_indexscan = off; SET enable_bitmapscan = off;
		SET enable_indexonlyscan = off; SET work_mem = '64MB';
		WITH log AS (
			SELECT c.name AS chain, r.seq, r.prev, r.hash,
				row_number() OVER chain AS nth,
				lag(r.hash, 1, decode(repeat('00', 32), 'hex')) OVER chain AS want
			FROM tally.record r LEFT JOIN tally.chain c ON c.id = r.chain_id
			WINDOW chain AS (PARTITION BY r.chain_id ORDER BY r.seq)
		)
		SELECT 'no chain at ' || seq FROM log WHERE chain IS NULL
		UNION ALL
		SELECT 'gap in ' || chain || ' at ' || min(seq) FROM log
			WHERE seq <> nth GROUP BY chain
		UNION ALL
		SELECT 'fork in ' || chain || ' at ' || min(seq) FROM log
			GROUP BY chain, prev HAVING count(*) > 1
		UNION ALL
		SELECT 'broken link in ' || chain || ' at ' || min(seq) FROM log
			WHERE prev <> want GROUP BY chain
		UNION ALL
		SELECT 'two chains called ' || name FROM tally.chain
			GROUP BY name HAVING count(*) > 1
		LIMIT 20;
	});
}

# What the extension's own verifier says.
sub findings
{
	my ($node, $dbname) = @_;

	return $node->safe_psql($dbname // 'postgres',
		'SELECT * FROM tally.verify() LIMIT 20');
}

# Exit status and output of recompute.py, which shares nothing with the extension.
sub recompute_database
{
	my ($node, $dbname) = @_;
	my $said = '';
	my @command = ('python3', "$FindBin::RealBin/../recompute.py", $node->connstr($dbname));

	IPC::Run::run(\@command, '<', \undef, '>', \$said, '2>&1');
	return ($? >> 8, $said);
}

# Where the server is not what tally_storm was told.
sub broken_books
{
	my ($node, @books) = @_;
	my $copies = join '', map { "\\copy books FROM '$_'\n" } @books;

	return $node->safe_psql('postgres', qq{
		SET client_min_messages = warning;
		CREATE TEMPORARY TABLE books (fate text, kind text, id text);
		$copies
		SET work_mem = '64MB';
		CREATE TEMPORARY TABLE log AS
			SELECT 'row' AS kind, key AS id FROM tally.record
				WHERE key IS NOT NULL
			UNION ALL
			SELECT 'event', id FROM tally.record WHERE id IS NOT NULL;
		ANALYZE books; ANALYZE log;
		SELECT 'acknowledged, but lost: row ' || id FROM (
			SELECT id FROM books WHERE fate = 'acked' AND kind = 'row'
			EXCEPT SELECT id FROM audit) s
		UNION ALL
		SELECT 'acknowledged, but not sealed: ' || kind || ' ' || id FROM (
			SELECT kind, id FROM books WHERE fate = 'acked'
			EXCEPT SELECT kind, id FROM log) s
		UNION ALL
		SELECT 'aborted, but there: row ' || id FROM (
			SELECT id FROM books WHERE fate = 'aborted' AND kind = 'row'
			INTERSECT SELECT id FROM audit) s
		UNION ALL
		SELECT 'aborted, but sealed: ' || kind || ' ' || id FROM (
			SELECT kind, id FROM books WHERE fate = 'aborted'
			INTERSECT SELECT kind, id FROM log) s
		UNION ALL
		SELECT 'sealed, but not there: row ' || id FROM (
			SELECT id FROM log WHERE kind = 'row'
			EXCEPT SELECT id FROM audit) s
		UNION ALL
		SELECT 'there, but not sealed: row ' || id FROM (
			SELECT id FROM audit
			EXCEPT SELECT id FROM log WHERE kind = 'row') s
		UNION ALL
		SELECT 'sealed twice: ' || kind || ' ' || id FROM log
			GROUP BY kind, id HAVING count(*) > 1
		UNION ALL
		SELECT 'no books' WHERE NOT EXISTS (
			SELECT FROM books WHERE fate = 'acked')
		LIMIT 20;
	});
}

# All that must hold after a storm, also to the extension's own verifier.
sub is_sound
{
	my ($node, $what, @books) = @_;

	is(broken_chains($node), '', "$what: no fork, no gap");
	is(broken_books($node, @books),
		'', "$what: what was acknowledged is there, what was not is not");
	is(findings($node), '', "$what: tally.verify finds nothing");
	return;
}

1;
