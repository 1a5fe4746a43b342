# SPDX-License-Identifier: Apache-2.0
# The SQL and the commands that the documents show, run in order against a real
# server, and what the documents say that they print.
#
#	```sql    goes to psql; it prints what the ```text right behind it shows,
#	          or if there is none, no error
#	```sh     goes to the shell
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;

my $node = tally_node('doc', preload => 1);

# Exit status and all that was said.
sub run_in
{
	my ($database, $input, @command) = @_;
	my $said = '';

	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $database;
	IPC::Run::run(\@command, '<', \$input, '>', \$said, '2>&1');
	return ($?, $said);
}

# Without what differs from run to run: hashes, instants, durations, the width
# of columns; and without tables that hold nothing.
sub steady
{
	my ($text) = @_;

	$text =~ s/^ (attach|detach|track|untrack) *\n-+\n *\n\(1 row\)\n\n?//mg;
	$text =~ s/[0-9a-f]{64}/HASH/g;
	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00/TIME/g;
	$text =~ s/\b\d+\.\d{3,}\b/SECONDS/g;
	$text =~ s/-{2,}/--/g;
	$text =~ s/ +/ /g;
	$text =~ s/ $//mg;
	$text =~ s/\n+\z//;
	return $text;
}

sub test_document
{
	my ($path) = @_;
	my ($name) = $path =~ m{([^/]+)\.md$} or die "no document \"$path\"";
	my $database = "doc_$name";
	my $text = slurp_file($path);
	my $count = 0;

	$node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
	while ($text =~ /^```(sql|sh)\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/msg)
	{
		my ($kind, $commands, $shown) = ($1, $2, $3);
		my $what = "$name.md: " . $commands =~ s/\n.*//sr;
		my ($status, $said) = $kind eq 'sql' ?
		  run_in($database, $commands, 'psql', '-X', '-q') :
		  run_in($database, '', 'bash', '-euc', $commands);

		$count++;
		if (defined $shown)
		{
			is(steady($said), steady($shown), $what);
		}
		else
		{
			ok($status == 0 && $said !~ /ERROR/, $what) or diag $said;
		}
	}
	ok($count > 0, "$name.md shows something");
	return;
}

chdir $PostgreSQL::Test::Utils::tmp_check;
test_document("$ENV{TALLY_DOCUMENTS}/$_") for ('README.md', 'postgresql.md');

$node->stop;
done_testing();
