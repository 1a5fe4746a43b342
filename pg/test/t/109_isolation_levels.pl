# SPDX-License-Identifier: Apache-2.0
#
# Sessions that have nothing to do with each other but one chain do not fail
# one another, whatever their isolation level: as many serialization failures as
# without the extension, which is none (P4).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

my $sessions = 12;
my $node = tally_node('primary');
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION tally;
CREATE TABLE plain (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), said int);
CREATE TABLE audit (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), said int);
SELECT tally.attach('audit', prefix => 'c');
DO \$\$ BEGIN
	FOR n IN 0..$sessions LOOP
		EXECUTE format('CREATE TABLE own_%s AS SELECT 1 AS n', n);
	END LOOP;
END \$\$;
SQL

# Each session reads and writes a table of its own, and says so in one that is
# everybody's.
sub load
{
	my ($table, $level) = @_;
	my ($out, $err);

	IPC::Run::run(
		[
			$node->installed_command('pgbench'),
			'-n', '-c', $sessions, '-j', 2, '-t', 50,
			'--failures-detailed', '-D', "table=$table",
			'-f', "$PostgreSQL::Test::Utils::tmp_check/$table.$level",
			$node->connstr('postgres')
		],
		'>', \$out, '2>', \$err);
	is($err, '', "$level, $table: no error");
	like($out, qr/^number of transactions actually processed: 600\//m,
		"$level, $table: all are done");
	like($out, qr/^number of serialization failures: 0 /m,
		"$level, $table: none has failed another");
	like($out, qr/^number of deadlock failures: 0 /m,
		"$level, $table: nor waited in a circle");
	return;
}

for my $libraries ('tally', '')
{
	preload($node, $libraries);
	note $libraries eq '' ? 'not preloaded' : 'preloaded';
	for my $level ('REPEATABLE READ', 'SERIALIZABLE')
	{
		for my $table ($libraries eq '' ? 'audit' : qw(plain audit))
		{
			append_to_file(
				"$PostgreSQL::Test::Utils::tmp_check/$table.$level", <<SQL)
BEGIN ISOLATION LEVEL $level;
SELECT n FROM own_:client_id;
UPDATE own_:client_id SET n = n + 1;
INSERT INTO $table (said) VALUES (:client_id);
COMMIT;
SQL
			  if $libraries ne '';
			load($table, $level);
		}
	}
	is(broken_chains($node), '', 'the chain is whole');
}
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM audit WHERE id::text NOT IN"
		  . " (SELECT key FROM tally.record WHERE key IS NOT NULL)"),
	0,
	'all is sealed');
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
