# SPDX-License-Identifier: Apache-2.0
# Plain SQL: the records of the extension, byte for byte, by a role that may
# create a schema and nothing else; no fork under load; the way to the extension
# and back.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallyPlain;

# What PostgreSQL does by itself has a transaction id, too.
my $node = tally_node('plain', preload => 1, conf => "autovacuum = off\n");

$ENV{PG_ABS_SRCDIR} = "$FindBin::RealBin/..";

my @parts = plain_parts();
my $script = plain_script();

new_plain($node, 'plain');
new_twin($node, 'twin');
my ($status, $out, $err) = $node->psql('twin', $script);
like($err, qr/the extension tally is installed in this database/,
	'refused beside the extension');
($status, $out, $err) = $node->psql('plain', 'CREATE EXTENSION tally');
like($err, qr/schema "tally" exists/, 'the extension is refused beside it');

# ---- every type, under hostile settings ----------------------------------

my $render = slurp_file("$FindBin::RealBin/../sql/render.sql");
my ($vectors) = $render =~ /^(\\set vectors.*?)^\\set ECHO all/ms;
my ($values) = $render =~ /^(CREATE TYPE v_mood.*?)^-- What was not rendered/ms;
my $hostile = q{
SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German, DMY';
SET IntervalStyle = 'sql_standard'; SET extra_float_digits = -15;
SET bytea_output = 'escape'; SET xmlbinary = 'hex';
SET xmloption = 'document'; SET standard_conforming_strings = off;
SET quote_all_identifiers = on; SET array_nulls = off;
SET transform_null_equals = on; SET client_encoding = 'LATIN1';
CALL public.seal_values();
};

$node->safe_psql($_, $vectors . $values . $hostile,
	extra_params => [ '-U', $_ eq 'plain' ? 'operator' : $node->{_user} // getpwuid($>) ])
  for qw(plain twin);
my $events = q[SELECT event FROM tally.event WHERE event LIKE '{"row":%'
	ORDER BY event COLLATE "C"];
my $count = $node->safe_psql('plain', 'SELECT count(*) FROM value_vectors');
is($node->safe_psql('plain', $events), $node->safe_psql('twin', $events),
	"$count values of all types give the events of the extension");
is( $node->safe_psql('plain', q{SELECT count(*) FROM value_vectors v WHERE NOT EXISTS
		(SELECT FROM tally.record r WHERE r.digest = v.digest)}),
	0, 'and the digests of the vectors');
is(configurations($node, 'plain'), configurations($node, 'twin'),
	'and the configurations');
$node->append_conf('postgresql.conf', 'autovacuum = on');
$node->reload;
is(recompute($node, 'plain'), 'agrees', 'a stranger to both recomputes all records');
is(verdict($node, 'plain'), 'intact|0', 'and so does its own verifier');

# ---- savepoints, exceptions, COPY, SET CONSTRAINTS ------------------------

$node->safe_psql('plain', q{
CREATE TABLE acts (id int PRIMARY KEY, org int, v text);
SELECT tally.attach('acts', chain_by => 'org', append_only => false);
BEGIN;
INSERT INTO acts VALUES (1, 1, 'a');
SAVEPOINT s; INSERT INTO acts VALUES (2, 1, 'gone'); ROLLBACK TO s;
DO $$ BEGIN INSERT INTO acts VALUES (3, 1, 'gone'); RAISE EXCEPTION 'no';
	EXCEPTION WHEN OTHERS THEN NULL; END $$;
SET CONSTRAINTS ALL IMMEDIATE;
INSERT INTO acts VALUES (4, 2, 'early');
UPDATE acts SET v = 'b', org = 2 WHERE id = 1;
COMMIT;
COPY acts FROM STDIN;
5	1	c
6	2	d
\.
-- A user's trigger that is faster than ours.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN UPDATE acts SET v = v || '!' WHERE id = NEW.id + 1; RETURN NULL; END $$;
CREATE TRIGGER "!a" AFTER INSERT ON acts FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO acts VALUES (10, 1, 'x'), (11, 1, 'y'), (12, 1, 'z');
DROP TRIGGER "!a" ON acts;
}, extra_params => [ '-U', 'operator' ]);
is(recompute($node, 'plain'), 'agrees', 'what happened within transactions');
is(verdict($node, 'plain'), 'intact|0', 'is what is sealed');
is($node->safe_psql('plain', 'SELECT count(*) FROM tally.pending'), 0,
	'nothing is left behind');

# ---- 64 sessions ----------------------------------------------------------

my $load = "$PostgreSQL::Test::Utils::tmp_check/load.sql";
for my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	append_to_file($load . $level =~ s/ /_/r, qq{
\\set first random(1, 4)
\\set second random(1, 4)
BEGIN ISOLATION LEVEL $level;
INSERT INTO acts SELECT nextval('ids'), :first, 'load';
INSERT INTO acts SELECT nextval('ids'), :second, 'load';
COMMIT;
});
}
$node->safe_psql('plain', 'CREATE SEQUENCE ids START 1000',
	extra_params => [ '-U', 'operator' ]);
for my $level ('READ_COMMITTED', 'REPEATABLE_READ')
{
	my ($said, $failed) = ('', '');
	IPC::Run::run([ 'pgbench', '-n', '-c', 64, '-j', 2, '-T', 6,
		'--max-tries', 100000, '-f', $load . $level, '-U', 'operator',
		'-h', $node->host, '-p', $node->port, 'plain' ],
		'>', \$said, '2>', \$failed);
	my ($done) = $said =~ /actually processed: (\d+)/;
	my ($lost) = $said =~ /failed transactions: (\d+)/;
	note $said;
	ok($done && defined $lost && $lost == 0 && $failed !~ /deadlock|ERROR/,
		"64 sessions, $level: all that fails succeeds when tried again")
	  or diag $failed;
}
is(broken_chains($node, 'plain'), '', 'no fork, no gap');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'no deadlock');
is(verdict($node, 'plain'), 'intact|0', 'each row has its record');

# ---- what somebody changes ------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE small');
$node->safe_psql('small', "$script\n" . q{
CREATE TABLE acts (id int PRIMARY KEY, org int, v text);
SELECT tally.attach('acts', chain_by => 'org', append_only => false, keep_event => true);
INSERT INTO acts SELECT n, n % 2, 'v' || n FROM generate_series(1, 12) n;
});

my @deeds = (
	[ q{UPDATE acts SET v = 'V' WHERE id = 5}, 'content-altered' ],
	[ q{DELETE FROM acts WHERE id = 5}, 'missing' ],
	[ q{INSERT INTO acts VALUES (99, 1, 'smuggled')}, 'unsealed' ],
	[ q{UPDATE tally.record SET digest = sha256('') WHERE key = '5'}, 'link-altered' ],
	[ q{DELETE FROM tally.record r USING tally.chain c WHERE c.id = chain_id
		AND name = 'acts/1' AND seq = 3}, 'missing' ],
	[ q{UPDATE tally.event SET event = '{"row":{}}' WHERE id =
		(SELECT min(event_id) FROM tally.record WHERE epoch IS NOT NULL)}, 'content-altered' ],
	[ q{INSERT INTO tally.event VALUES (99999, '1')}, 'inserted' ],
	[ q{ALTER TABLE acts DISABLE TRIGGER "!tally_capture"}, 'content-altered' ],
	[ q{ALTER TABLE tally.pending DISABLE TRIGGER seal}, 'content-altered' ],
	[ q{DELETE FROM tally.attachment WHERE label = 'acts'}, 'content-altered' ]);
for (@deeds)
{
	my ($deed, $kind) = @$_;
	my $found = $node->safe_psql('small', "BEGIN; SET LOCAL session_replication_role = replica;"
		  . " $deed; SET LOCAL session_replication_role = origin;"
		  . ' SELECT DISTINCT kind FROM tally.verify(); ROLLBACK');
	like($found, qr/^$kind$/m, "found: $deed");
}

# ---- to the extension and back --------------------------------------------

my $head = "SELECT seq, hash FROM tally.head('acts/1')";
my $log = q{SELECT count(*) FROM tally.log WHERE chain = 'tally:log'};
my $number = 100;

# The chain goes on, whoever seals, and nobody finds anything.
sub carries_on
{
	my ($by, $before, $heads) = @_;

	is($node->safe_psql('plain', $head), $before, "$by: the same head");
	$node->safe_psql('plain', "INSERT INTO acts VALUES ($number, 1, 'by $by');"
		  . "UPDATE acts SET v = 'changed by $by' WHERE id = 4");
	$number++;
	is($node->safe_psql('plain', q{SELECT seq FROM tally.head('acts/1')}),
		(split /\|/, $before)[0] + 1, "$by: it goes on");
	is(verdict($node, 'plain'), 'intact|0', "$by: the verifier finds nothing");
	is($node->safe_psql('plain', "SELECT count(*) FROM tally.verify_against('$heads')"),
		0, "$by: heads of before hold");
	is(truncates('plain'), '"public.parts_1": it is a partition of "public.parts"',
		"$by: TRUNCATE of a partition is refused");
	return;
}

# Whom TRUNCATE of a partition offends.
sub truncates
{
	my ($database) = @_;
	my ($status, $out, $err) = $node->psql($database, 'TRUNCATE parts_1');

	return $err =~ /cannot truncate (.*), which is attached to tally/ ? $1 : "it went: $err";
}

$node->safe_psql('plain', q{
	CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
	GRANT SELECT ON parts, parts_1 TO operator;
	SELECT tally.attach('parts'); INSERT INTO parts VALUES (1, 'x')});

my $heads = $node->safe_psql('plain', 'SELECT json_agg(h) FROM tally.heads h');
my $events_of_log = $node->safe_psql('plain', $log);
for my $round (1, 2)
{
	my $before = $node->safe_psql('plain', $head);
	$node->safe_psql('plain', plain_script('to_extension'));
	carries_on('the extension', $before, $heads);
	$before = $node->safe_psql('plain', $head);
	$node->safe_psql('plain', plain_script('leave_extension', @parts, 'enter_plain'));
	carries_on('plain SQL', $before, $heads);
}
is(recompute($node, 'plain'), 'agrees', 'a stranger recomputes all that both have sealed');
is($node->safe_psql('plain', $log), $events_of_log, 'the log has no new event');

# Of a log that names its places that has to be said.
$node->safe_psql('postgres', 'CREATE DATABASE named TEMPLATE plain');
$node->safe_psql('named', q{SELECT tally.restored('a clone')});
is(verdict($node, 'named'), 'intact|0', 'a clone that was told so');
like(truncates('named'), qr/^"public.parts_1": it is a partition/, 'where TRUNCATE is refused as before');
$node->safe_psql('named', plain_script('to_extension'));
$node->safe_psql('named', q{INSERT INTO acts VALUES (500, 1, 'x')});
is(verdict($node, 'named'), 'intact|0', 'goes over to the extension');
$node->safe_psql('named', plain_script('leave_extension', @parts, 'enter_plain'));
$node->safe_psql('named', q{INSERT INTO acts VALUES (501, 1, 'x')});
is(verdict($node, 'named'), 'intact|0', 'and back');
is($node->safe_psql('named', q[SELECT string_agg(event::json -> 'origin' ->> 'note', ', ' ORDER BY id)
		FROM tally.event WHERE event LIKE '{"origin":%']),
	'a clone, given over from plain SQL to the extension, given over from the extension to plain SQL',
	'which its log says');

# What the extension does and plain SQL does not.
$node->safe_psql('named', plain_script('to_extension'));
$node->safe_psql('named', q{CREATE TABLE watched (id int); SELECT tally.track('watched');
	INSERT INTO watched VALUES (1)});
($status, $out, $err) = $node->psql('named', plain_script('leave_extension', @parts, 'enter_plain'));
like($err, qr/ERROR:  table "public\.watched" is tracked, which plain SQL cannot go on with\n.*HINT:  End it: SELECT tally\.untrack\('public\.watched'\)\.  Its events stay\./s,
	'a tracked table is not given over');
$node->safe_psql('named', q{SELECT tally.untrack('watched')});
$node->safe_psql('named', plain_script('leave_extension', @parts, 'enter_plain'));
is(verdict($node, 'named'), 'intact|0', 'the events of one that was tracked stay');

# ---- prepared transactions ------------------------------------------------

$node->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$node->restart;
($status, $out, $err) = $node->psql('plain', q{INSERT INTO acts VALUES (900, 1, 'x')});
like($err, qr/max_prepared_transactions is 5, and has to be 0/,
	'nothing is sealed where transactions can be prepared');
$node->safe_psql('postgres', 'CREATE DATABASE another');
($status, $out, $err) = $node->psql('another', $script);
like($err, qr/max_prepared_transactions is 5, and has to be 0/, 'nor installed');

$node->stop;
done_testing();
