# SPDX-License-Identifier: Apache-2.0
#
# A session that a test sends statements to without waiting for them: for
# stories in which one session waits for another.
#
#   my $a = TallySession->new($node);
#   $a->run("BEGIN");                   # and wait; dies on an error
#   $a->send("COMMIT");                 # do not wait
#   $a->until_waiting('SyncRep');       # until the server says it waits
#   my $answer = $a->answer;            # wait
#   $answer->{out}, ->{err}, ->{state}  # texts; the SQLSTATE
package TallySession;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

our @EXPORT = qw(preload locks_left);

our $seconds = $PostgreSQL::Test::Utils::timeout_default;

# Options: dbname, and what else is to stand in the connection string.
sub new
{
	my ($class, $node, %options) = @_;
	my $connstr = $node->connstr(delete $options{dbname} // 'postgres');
	my $self = bless { node => $node, in => '', out => '', err => '',
		number => 0 }, $class;

	$connstr .= " $_='$options{$_}'" for sort keys %options;
	$self->{run} = IPC::Run::start(
		[ $node->installed_command('psql'), '-XAtq', '-d', $connstr ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		IPC::Run::timeout($seconds * 10));
	$self->{pid} = $self->run('SELECT pg_backend_pid()');
	return $self;
}

sub pid { return $_[0]->{pid}; }

# Sends a statement, or several.
sub send
{
	my ($self, $sql) = @_;

	$self->{number}++;
	$self->{in} .= "$sql\n;\n\\echo end $self->{number} :SQLSTATE\n"
	  . "\\warn end $self->{number}\n";
	$self->{run}->pump_nb;
	return $self;
}

# Waits for what became of what was sent.  A session that was ended by the
# server has the state 'lost'.
sub answer
{
	my ($self) = @_;
	my $end = "end $self->{number}";
	my $give_up = time + $seconds;
	my %answer = (state => 'lost');

	until ($self->{out} =~ /^$end \w+\n/m && $self->{err} =~ /^$end\n/m)
	{
		croak "no answer: $self->{out}$self->{err}" if time > $give_up;
		last unless $self->{run}->pumpable;
		# A process that ended may be found out only by writing to it.
		eval { $self->{run}->pump_nb };
		usleep(2_000);
	}
	$answer{state} = $1 if $self->{out} =~ s/^$end (\w+)\n//m;
	$self->{err} =~ s/^$end\n//m;
	chomp($answer{out} = $self->{out});
	chomp($answer{err} = $self->{err});
	$self->{out} = $self->{err} = '';
	return \%answer;
}

sub ask { return $_[0]->send($_[1])->answer; }

# Sends and waits; what came out.
sub run
{
	my ($self, $sql) = @_;
	my $answer = $self->ask($sql);

	croak "$sql: $answer->{state} $answer->{err}"
	  unless $answer->{state} eq '00000';
	return $answer->{out};
}

# What the server says that the session waits for, or ''.
sub waits_for
{
	my ($self) = @_;

	return $self->{node}->safe_psql('postgres',
		"SELECT coalesce(max(wait_event), '') FROM pg_stat_activity"
		  . " WHERE pid = $self->{pid} AND state = 'active'");
}

# SyncRep: for the standby; advisory, Extension: for a chain; others are
# PostgreSQL's names.  False if that did not come about.
sub until_waiting
{
	my ($self, @events) = @_;
	my $give_up = time + $seconds;

	while (time < $give_up)
	{
		my $event = $self->waits_for;
		return 1 if grep { $event eq $_ } @events;
		usleep(10_000);
	}
	return 0;
}

# Queued for a chain's lock, with or without shared memory of tally's.
sub until_queued { return $_[0]->until_waiting('Extension', 'advisory'); }

# Starts the server again with these libraries; '' for none.
sub preload
{
	my ($node, $libraries) = @_;

	# The last one counts.
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = '$libraries'");
	$node->restart;
	return;
}

# The locks of chains that somebody holds.
sub locks_left
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{
		SELECT subject, owner FROM tally.status WHERE item = 'lock'
		UNION ALL
		SELECT 'advisory ' || objid, pid FROM pg_locks
			WHERE locktype = 'advisory' AND granted});
}

# Ends the connection as a client does that dies.
sub vanish
{
	my ($self) = @_;

	$self->{run}->kill_kill;
	return;
}

sub close
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	return;
}

1;
