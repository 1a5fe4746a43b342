# SPDX-License-Identifier: Apache-2.0
# Databases with the script of plain SQL, and what can be compared with a
# database that has the extension.
package TallyPlain;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;

our @EXPORT = qw(plain_script plain_parts new_plain new_twin recompute verdict
  findings_of configurations);

my $folder = "$ENV{TALLY_ROOTS}/plain";

sub plain_parts { return split ' ', slurp_file("$folder/parts"); }

# What "tally pg sql" prints, from a file: psql stops reading at an error.
sub plain_script
{
	my (@parts) = @_;
	my $begin = "BEGIN; SET LOCAL check_function_bodies = off;\n"
	  . "SET LOCAL standard_conforming_strings = on;\n"
	  . "SET LOCAL search_path = pg_catalog, pg_temp;\n";
	my $file = "$PostgreSQL::Test::Utils::tmp_check/script" . @parts . '.sql';

	@parts = plain_parts() unless @parts;
	unlink $file;
	append_to_file($file,
		$begin . join('', map { slurp_file("$folder/$_.sql") } @parts)
		  . "COMMIT;\n");
	return "\\i '$file'";
}

# A database with the script, run by a role that may create a schema there and
# nothing else.
sub new_plain
{
	my ($node, $name, $owner) = @_;

	$owner //= 'operator';
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql('postgres', qq{
		DO \$\$ BEGIN CREATE ROLE $owner LOGIN;
			EXCEPTION WHEN duplicate_object THEN NULL; END \$\$});
	$node->safe_psql($name, "GRANT CREATE ON DATABASE $name TO $owner;"
		  . "GRANT ALL ON SCHEMA public TO $owner");
	$node->safe_psql($name, plain_script(), extra_params => [ '-U', $owner ]);
	return;
}

sub new_twin
{
	my ($node, $name) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION tally');
	# Plain SQL cannot watch DDL, so to compare them the other must not either.
	$node->safe_psql($name, "ALTER EVENT TRIGGER tally_ddl_$_ DISABLE")
	  for qw(start end drop rewrite);
	return;
}

# What somebody else makes of the records, who shares no code with us.
sub recompute
{
	my ($status, $said) = recompute_database(@_);

	return $status == 0 ? 'agrees' : $said;
}

sub verdict
{
	my ($node, $database) = @_;

	return $node->safe_psql($database,
		'SELECT verdict, findings FROM tally.verify_summary()');
}

sub findings_of
{
	my ($node, $database) = @_;

	return $node->safe_psql($database,
		q{SELECT concat_ws(' ', kind, chain, seq, source, key, detail)
			FROM tally.verify() WHERE detail NOT LIKE 'event trigger %' ORDER BY 1});
}

# The events that begin and end epochs, byte for byte but for what cannot be the
# same in two databases: oids, whose meaning takes their place, the database's
# name, and the number of the transaction that the event is of.  (What a detach
# writes comes behind it: where its transaction has a number already, which that
# of plain SQL always has, the number is listed; else it is the next.)
sub configurations
{
	my ($node, $database) = @_;
	my %enum = map { $_ => 1 } split /\n/, $node->safe_psql($database,
		q{SELECT to_json(oid || ' ' || enumlabel) FROM pg_enum});
	my %table = split /[|\n]/, $node->safe_psql($database,
		q{SELECT oid, oid::regclass FROM pg_class WHERE relkind IN ('r', 'p')});
	my @events = split /\n/, $node->safe_psql($database,
		q[SELECT (pg_current_xact_id()::text::bigint & ~4294967295) + xmin::text::bigint
			|| ' ' || event FROM tally.event
			WHERE event ~ '^\{"(attach|alter|detach)"' ORDER BY id]);

	for (@events)
	{
		s/^(\d+) //;
		my $own = $1;

		s/"running":\["$own"\],|,"$own"(?=[],])|(?<=\[)"$own",//;
		s/"database":"\Q$database\E"/"database":""/;
		s/"\d+ ((?:\\.|[^"\\])*")/$enum{$&} ? "\"value $1" : $&/ge;
		s/"relation":(\d+)/'"relation":' . ($table{$1} \/\/ 'gone')/e;
		s/"xid":"(\d+)"/"xid":""/;
	}
	return join "\n", @events;
}

1;
