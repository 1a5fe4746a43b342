# SPDX-License-Identifier: Apache-2.0
# A Python program that shares no code with the extension recomputes what it
# sealed, byte for byte; and sees each single thing that is changed.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;

my $node = tally_node('recompute', preload => 1);

# What the session has set must not matter.
my $HOSTILE = q{
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SET xmlbinary = 'hex';
SET search_path = public, pg_catalog;
SET client_encoding = 'LATIN1';
};

sub agrees
{
	my ($database, $what) = @_;
	my ($status, $said) = recompute_database($node, $database);

	is($status, 0, $what) or diag $said;
	note $said;
	return;
}

sub database
{
	my ($name, $sql) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, "CREATE EXTENSION tally; $sql");
	return;
}

# Nothing to judge is not the same as agreement.
database('nothing', '');
is((recompute_database($node, 'nothing'))[0], 3, 'an empty log is not called right');
is((recompute_database($node, 'absent'))[0], 3, 'nor is a database that is not there');

# ---- events --------------------------------------------------------------

database('events', q{
SELECT tally.append('plain', '{ "b" : 1, "a" : [1.0, 1e2, 9007199254740993] }');
SELECT tally.append('plain', '{"b":1}', 'id-1');
SELECT tally.append('plain', '{"b":1}', 'id-1');
SELECT tally.append('plain', '"\\u00e9\\ud83d\\ude00 \\" \\\\ \\/ \\u0000"',
	E'a "quoted" \\\\ id');
SELECT tally.append(U&'caf\00e9/\+01F600 "x" ''y'' \\\\', 'null', 'id-1');
SELECT tally.append(repeat('n', 255), '  [ ]  ', repeat('i', 128));
SELECT tally.append('sp ace#/tally:', json_build_object(n, repeat('"', n)))
	FROM generate_series(1, 300) n;
BEGIN;
SELECT tally.append('two', '1'), tally.append('plain', '2');
SAVEPOINT s;
SELECT tally.append('two', '"not this"'), tally.append('never', '1');
ROLLBACK TO s;
SELECT tally.append('two', '3', 'late');
COMMIT;
CALL tally.append_now('now', '{"now": true}', 'n');
});
agrees('events', 'events agree, without anything attached');

# ---- statements ----------------------------------------------------------

database('statements', q{
CREATE TABLE t (id int, org text, v text, at timestamptz DEFAULT now());
SELECT tally.track('t', chain_by => 'org', actor => true, salted => true);
CREATE TABLE u (id int, v text);
SELECT tally.track('u', label => 'a "label"', only_when => 'id > 1', exclude => '{v}');
INSERT INTO t SELECT n, n % 3, repeat('long ', n) FROM generate_series(0, 999) n;
INSERT INTO t VALUES (1000, NULL, 'none'), (1001, '', 'empty');
UPDATE t SET org = '2' WHERE id % 7 = 0;
UPDATE t SET v = 'short';
DELETE FROM t WHERE id < 10;
TRUNCATE t, u;
INSERT INTO u VALUES (1, 'x'), (2, 'x');
UPDATE u SET id = 3 - id;
SELECT tally.untrack('u');
SELECT tally.track('u');
INSERT INTO u VALUES (4, 'x');
});
agrees('statements', 'the events of statements agree');
cmp_ok(
	$node->safe_psql('statements', q{SELECT count(*) FROM tally.record
		WHERE tally.source(epoch) IS NOT NULL}),
	'>', 10, 'there are some');

# ---- every kind of value -------------------------------------------------

# A type and values of it.
my @kinds = (
	[ 'boolean', 'true', 'false' ],
	[ '"char"', q{'c'}, q{'\\377'}, q{''} ],
	[ 'name', q{'a "name"'} ],
	[ 'text', q{''}, q{E'\\b\\t\\n\\f\\r\\x01\\x1f\\x7f"\\\\/'},
		q{U&'\0085\2028\FEFF\+10FFFF\e000\+01F600'}, q{repeat('long ', 5000)} ],
	[ 'varchar(9)', q{U&'caf\00e9'} ],
	[ 'char(5)', q{'ab'}, q{''} ],
	[ 'smallint', '-32768', '0' ],
	[ 'integer', '-2147483648', '2147483647', '-1' ],
	[ 'bigint', '-9223372036854775808', '9223372036854775807' ],
	[ 'numeric', '1.500', q{'NaN'}, q{'-Infinity'}, '1e-30', '1e100' ],
	[ 'numeric(12,3)', '12345.6789' ],
	[ 'real', '0.1', q{'-0'}, q{'Infinity'}, '1e-40', '123456.789' ],
	[ 'double precision', '0.1::float8 + 0.2', q{'NaN'}, '1e23', '5e-324' ],
	[ 'money', q{'1234567.89'}, q{'-1'} ],
	[ 'oid', '4294967295' ],
	[ 'xid', q{'4294967295'} ],
	[ 'xid8', q{'18446744073709551615'} ],
	[ 'cid', q{'7'} ],
	[ 'tid', q{'(4294967295,65535)'} ],
	[ 'int2vector', q{'1 2 3'} ],
	[ 'oidvector', q{'1 2 3'} ],
	[ 'bit(5)', q{B'10101'} ],
	[ 'bit varying', q{B''}, q{B'1'} ],
	[ 'uuid', q{'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'} ],
	[ 'inet', q{'10.0.0.1'}, q{'10.0.0.1/24'}, q{'::ffff:1.2.3.4'} ],
	[ 'cidr', q{'10.0.0.0/8'} ],
	[ 'macaddr', q{'08-00-2b-01-02-03'} ],
	[ 'macaddr8', q{'08:00:2b:01:02:03:04:05'} ],
	[ 'json', q{'{ "b" : 1.0,  "a" : "\u00e9" , "a":2}'} ],
	[ 'jsonb', q{'{ "b" : 1.0,  "a" : "\u00e9" , "a":2}'} ],
	[ 'jsonpath', q{'$.a[*] ? (@ > 1)'} ],
	[ 'xml', q{'<a b="c">&amp;<!-- x --></a>'} ],
	[ 'tsvector', q{to_tsvector('simple', 'the fat ''rats')} ],
	[ 'tsquery', q{'fat & !rat:ab'} ],
	[ 'pg_lsn', q{'16/B374D848'} ],
	[ 'pg_snapshot', q{'10:20:10,14,15'} ],
	[ 'txid_snapshot', q{'10:20:10,14,15'} ],
	[ 'refcursor', q{'a cursor'} ],
	[ 'bytea', q{'\\x'}, q{'\\x00ff5c27'} ],
	[ 'date', q{'infinity'}, q{'0044-03-15 BC'}, q{'2026-11-21'} ],
	[ 'time', q{'24:00'}, q{'01:02:03.456'} ],
	[ 'time with time zone', q{'01:02:03+05:45'} ],
	[ 'timestamp', q{'-infinity'}, q{'2026-11-21 01:26:18.123456'} ],
	[ 'timestamptz', q{'2026-11-21 01:26:18.1+03'}, q{'0001-01-01 BC'},
		q{'294276-12-31 UTC'}, 'now()' ],
	[ 'timestamptz(0)', q{'2026-11-21 01:26:18.7+03'} ],
	[ 'interval', q{'1 year -2 months 3 days -04:05:06.7'}, q{'0'} ],
	[ 'point', q{'(0.1,-1e20)'} ],
	[ 'lseg', q{'[(0,0),(1,1)]'} ],
	[ 'path', q{'[(0,0),(1,1)]'}, q{'((0,0),(1,1))'} ],
	[ 'box', q{'(1,1),(0,0)'} ],
	[ 'polygon', q{'((0,0),(1,1),(2,0))'} ],
	[ 'line', q{'{1,2,3}'} ],
	[ 'circle', q{'<(0,0),5>'} ],
	[ 'int4range', q{'[1,5]'}, q{'empty'}, q{'(,)'} ],
	[ 'int8range', q{'[1,5)'} ],
	[ 'numrange', q{'[1.0,2.50]'} ],
	[ 'daterange', q{'[2026-01-01,2026-02-01]'} ],
	[ 'tsrange', q{'[2026-01-01 00:00, 2026-02-01 00:00)'} ],
	[ 'tstzrange', q{'[2026-01-01 00:00+1, infinity)'} ],
	[ 'tstzmultirange', q{'{[2026-01-01 00:00+1, 2026-01-02 00:00+1)}'} ],
	[ 'integer[]', q{'{}'}, q{'{1,NULL,3}'}, q{'[2:3]={1,2}'} ],
	[ 'text[]', q{'{"a,b","",NULL,"NULL","x\\"y"}'}, q{'{{a,b},{c,d}}'} ],
	[ 'timestamptz[]', q{'{"2026-11-21 01:00+3"}'} ],
	[ 'boolean[]', q{'{t,f,NULL}'} ],
	[ 'char(3)[]', q{'{a,b}'} ],
	[ 'mood', q{'so so'}, q{'"'} ],
	[ 'mood[]', q{'{"so so",NULL}'} ],
	[ 'short', q{'abc'} ],
	[ 'instant', q{'2026-11-21 01:00+3'} ],
	[ 'pair', q{'(1,)'}, q{'(,)'}, q{'(2,"2026-11-21 01:00+3")'} ],
	[ 'pair[]', q{ARRAY[ROW(1, now()), ROW(NULL, NULL)]::pair[]} ]);

my $columns = join '', map { ", c$_ $kinds[$_][0]" } 0 .. $#kinds;
my $inserts = '';
for my $n (0 .. $#kinds)
{
	my (undef, @values) = @{ $kinds[$n] };
	$inserts .= "INSERT INTO kinds (c$n) VALUES ($_);\n" for @values;
}
my $last = join ', ', map { $_->[-1] } @kinds;

database('kinds', qq{
CREATE TYPE mood AS ENUM ('so so', '"');
CREATE DOMAIN short AS varchar(4) CHECK (length(VALUE) < 4);
CREATE DOMAIN instant AS timestamptz NOT NULL DEFAULT now();
CREATE TYPE pair AS (a int, at timestamptz);
CREATE TABLE kinds (id bigserial PRIMARY KEY $columns);
SELECT tally.attach('kinds');
$HOSTILE
$inserts
INSERT INTO kinds VALUES (DEFAULT, $last);
});
agrees('kinds', 'every kind of value agrees, whatever the session has set');

# ---- tables of every shape -----------------------------------------------

database('shapes', q{
-- Names; members of an object are ordered by UTF-16, where U+1F600 comes
-- before U+E000.
CREATE SCHEMA "Odd ""schema""";
CREATE TABLE "Odd ""schema""".":name' \\ 1" (place int, version text,
	"then" text, "a""b" text, ":place" text, U&"\00e9\2028" text,
	U&"\+01F600" text, U&"\e000" text, "new
line" text, PRIMARY KEY ("a""b", place));
SELECT tally.attach('"Odd ""schema""".":name'' \\ 1"',
	chain_by => ':place', prefix => U&'pre"fix \\\\ \00e9');
INSERT INTO "Odd ""schema""".":name' \\ 1" VALUES
	(1, 'a', 'b', 'k"1', 'p/q', 'c', 'd', 'e', E'f\ng'),
	(1, 'a', NULL, '["k', NULL, 'c', 'd', 'e', 'f'),
	(2, '', '', '["k', '', '', '', '', '');

-- Keys that are long, of many columns and of odd types.
CREATE TABLE long_key (key text PRIMARY KEY, v text);
SELECT tally.attach('long_key', salted => true);
INSERT INTO long_key SELECT repeat('k', n), n FROM generate_series(510, 515) n;
INSERT INTO long_key SELECT repeat(U&'\+01F600', 129), 'two';
CREATE TABLE wide_key (b boolean, c char(5), at timestamptz, n numeric,
	d bytea, i inet, v text, PRIMARY KEY (n, b, i, c, d, at));
SELECT tally.attach('wide_key', append_only => false);
SET TimeZone = 'Asia/Kathmandu'; SET bytea_output = 'escape';
INSERT INTO wide_key SELECT n % 2 = 0, n, now(), n, '\\x00', '::1', 'v'
	FROM generate_series(1, 20) n;
UPDATE wide_key SET v = 'w' WHERE b;
UPDATE wide_key SET n = n + 100, v = NULL WHERE n < 5;
DELETE FROM wide_key WHERE n BETWEEN 6 AND 9;

-- Chains' names.
CREATE TABLE named (id int PRIMARY KEY, v text);
SELECT tally.attach('named', chain_by => 'v');
INSERT INTO named VALUES (1, NULL), (2, ''), (3, 'a/b#c'), (4, E'a\nb'),
	(5, repeat('x', 249)), (6, repeat('x', 250)), (7, U&'\0085'),
	(8, 'tally:x'), (9, repeat(U&'\00e9', 125)), (10, repeat('y', 9000)),
	(11, ' "\\ '), (12, '#'), (13, '/');

-- Two tables of one chain, columns left out, chosen, generated, dropped.
CREATE TABLE part (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int,
	a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text, org int);
ALTER TABLE part DROP gone;
SELECT tally.attach('part', columns => '{b}', chain_by => 'org', prefix => 'p');
CREATE TABLE other (a int, b regclass, c int UNIQUE NOT NULL, org int);
ALTER TABLE other REPLICA IDENTITY USING INDEX other_c_key;
SELECT tally.attach('other', exclude => '{b}', chain_by => 'org', prefix => 'p',
	label => 'another "label"');
INSERT INTO part (a, c, org) SELECT n, 'c', n % 3 FROM generate_series(1, 9) n;
INSERT INTO other SELECT 1, 'pg_class', n, n % 3 FROM generate_series(1, 9) n;
UPDATE part SET c = 'not in the event';
ALTER TABLE part RENAME a TO z;
ALTER TABLE part RENAME b TO a;
ALTER TABLE part RENAME TO renamed;
ALTER TABLE renamed ADD late text DEFAULT 'x';
INSERT INTO renamed (z, org) VALUES (10, 1);

-- Partitions, whose columns stand in another order; rows that move.
CREATE TABLE parts (id int, org text, v text, PRIMARY KEY (id, org))
	PARTITION BY LIST (org);
CREATE TABLE parts_a (v text, x int, org text NOT NULL, id int NOT NULL);
ALTER TABLE parts_a DROP x;
ALTER TABLE parts ATTACH PARTITION parts_a FOR VALUES IN ('a');
SELECT tally.attach('parts', chain_by => 'org', append_only => false);
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT n, chr(97 + n % 3), n FROM generate_series(1, 30) n;
UPDATE parts SET org = 'a' WHERE id < 9;
UPDATE parts SET org = 'b' WHERE id = 20;
DELETE FROM parts WHERE id > 28;

-- Conditions; kept events; moves.
CREATE TABLE moved (id int PRIMARY KEY, org text, v text, at timestamptz);
SELECT tally.attach('moved', chain_by => 'org', append_only => false,
	only_when => $$ v LIKE 's%' AND org IS DISTINCT FROM 'no' $$);
CREATE TABLE kept (LIKE moved INCLUDING ALL);
SELECT tally.attach('kept', chain_by => 'org', append_only => false,
	keep_event => true, salted => true, only_when => $$v LIKE 's%'$$);
INSERT INTO moved SELECT n, 'o' || n % 5, CASE WHEN n % 2 = 0 THEN 'si' ELSE 'no'
	END || n, now() FROM generate_series(1, 50) n;
INSERT INTO kept SELECT * FROM moved;
UPDATE moved SET org = 'o1' WHERE org = 'o2';
UPDATE kept SET org = 'o1' WHERE org = 'o2';
UPDATE moved SET v = 's' || v WHERE id < 10;
UPDATE kept SET v = 's' || v WHERE id < 10;
UPDATE moved SET v = 'x' WHERE id BETWEEN 8 AND 20;
UPDATE kept SET v = 'x' WHERE id BETWEEN 8 AND 20;
UPDATE moved SET id = id + 1000, org = NULL WHERE id > 45;
UPDATE kept SET id = id + 1000, org = NULL WHERE id > 45;
DELETE FROM moved WHERE id IN (22, 23, 24); INSERT INTO moved
	VALUES (22, 'o1', 'so'), (24, 'o1', 's') ON CONFLICT DO NOTHING;
DELETE FROM kept WHERE id IN (22, 23, 24); INSERT INTO kept
	VALUES (22, 'o1', 'so'), (24, 'o1', 's')
	ON CONFLICT (id) DO UPDATE SET v = 'never';
INSERT INTO moved VALUES (22, 'o3', 'again'), (30, 'o3', 's')
	ON CONFLICT (id) DO UPDATE SET v = excluded.v || 'x', org = excluded.org;
BEGIN;
INSERT INTO moved VALUES (100, 'o1', 's'), (101, 'o1', 's');
SAVEPOINT s; UPDATE moved SET v = 'st'; DELETE FROM moved; ROLLBACK TO s;
UPDATE moved SET v = 'sx' WHERE id = 100;
DELETE FROM moved WHERE id = 101;
COMMIT;
});
agrees('shapes', 'tables of every shape agree');

# ---- old rows ------------------------------------------------------------

my $old = q{
CREATE TABLE plain (id int PRIMARY KEY, org text, v text);
INSERT INTO plain SELECT n, 'o' || n % 2, 'old' FROM generate_series(1, 20) n;
CREATE TABLE salty (LIKE plain INCLUDING ALL);
INSERT INTO salty SELECT * FROM plain;
CREATE TABLE kept (LIKE plain INCLUDING ALL);
INSERT INTO kept SELECT * FROM plain;
SELECT tally.attach('plain', chain_by => 'org');
SELECT tally.attach('salty', salted => true, append_only => false,
	only_when => 'id > 5');
SELECT tally.attach('kept', keep_event => true, append_only => false,
	chain_by => 'org');
INSERT INTO plain VALUES (21, 'o1', 'new');
UPDATE salty SET v = 'changed' WHERE id IN (3, 7);
DELETE FROM kept WHERE id = 4;
CALL tally.backfill('plain', batch => 3, rest => 0);
CALL tally.backfill('salty', batch => 3, rest => 0);
CALL tally.backfill('kept', batch => 3, rest => 0);
UPDATE plain SET v = v WHERE id = 2;
UPDATE salty SET v = 'changed' WHERE id IN (2, 8);
DELETE FROM salty WHERE id = 9;
UPDATE kept SET org = 'o1' WHERE id IN (5, 6);
SELECT tally.alter('salty', only_when => '');
CALL tally.backfill('salty', batch => 3, rest => 0);
};
database('old', $old);
agrees('old', 'rows that were there before agree');
for (
	[ q{UPDATE plain SET v = 'other' WHERE id = 1}, 'changed' ],
	[ q{UPDATE plain SET v = v WHERE id = 1}, 'younger' ],
	[ q{DELETE FROM salty WHERE id = 10}, 'gone' ],
	[ q{UPDATE tally.record SET epoch = (SELECT max(epoch) FROM tally.record)
		WHERE key = '21'}, 'of another epoch' ],
	[ q{INSERT INTO plain VALUES (22, 'o1', 'smuggled')}, 'smuggled' ])
{
	my ($sql, $what) = @$_;

	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS old');
	database('old', $old);
	$node->safe_psql('old', "SET session_replication_role = replica; $sql");
	is((recompute_database($node, 'old'))[0], 1, "an old row that is $what shows")
	  or diag((recompute_database($node, 'old'))[1]);
	isnt($node->safe_psql('old', 'SELECT kind FROM tally.verify()'), '',
		'also to tally.verify');
}

# ---- epochs --------------------------------------------------------------

my $epochs = q{
-- Rows that were there before; what is written in between; another key,
-- prefix and condition the second time.
CREATE TABLE again (id int PRIMARY KEY, other int NOT NULL UNIQUE, v text);
INSERT INTO again SELECT n, n + 100, 'before' FROM generate_series(1, 9) n;
SELECT tally.attach('again');
UPDATE again SET v = v WHERE id = 1;
INSERT INTO again SELECT n, n + 100, 'first' FROM generate_series(10, 19) n;
SELECT tally.detach('again');
UPDATE again SET v = 'between' WHERE id IN (2, 12);
DELETE FROM again WHERE id IN (3, 13);
INSERT INTO again VALUES (20, 120, 'between');
ALTER TABLE again DROP CONSTRAINT again_pkey;
ALTER TABLE again ADD PRIMARY KEY (other);
SELECT tally.attach('again', prefix => 'second', append_only => false,
	only_when => $$v <> 'out'$$);
INSERT INTO again VALUES (21, 121, 'second');
UPDATE again SET v = 'now' WHERE id IN (4, 14);
UPDATE again SET v = v WHERE id IN (5, 15);
DELETE FROM again WHERE id IN (6, 16);
-- Nobody is bound to what is detached.
CREATE TABLE gone (id int PRIMARY KEY, v text);
SELECT tally.attach('gone');
INSERT INTO gone SELECT n, n FROM generate_series(1, 9) n;
SELECT tally.detach('gone');
DELETE FROM gone WHERE id = 3;
UPDATE gone SET v = 'x' WHERE id = 4;
ALTER TABLE gone DROP v;
-- One transaction that makes a table, attaches and fills it: its rows are
-- older than their own epoch.
BEGIN;
CREATE TABLE born (id int PRIMARY KEY, org text, v text);
SELECT tally.attach('born', append_only => false, chain_by => 'org',
	only_when => $$v <> 'out'$$);
INSERT INTO born SELECT n, 'a', 'x' FROM generate_series(1, 9) n;
COMMIT;
UPDATE born SET id = 11 WHERE id = 1;
UPDATE born SET org = 'b' WHERE id = 2;
UPDATE born SET v = 'out' WHERE id = 3;
UPDATE born SET v = 'y' WHERE id = 4;
DELETE FROM born WHERE id = 5;
};
database('epochs', $epochs);
agrees('epochs', 'each record agrees with the epoch under which it was sealed');

# ---- what is changed afterwards ------------------------------------------

database('pristine', q{
CREATE TABLE acc (id int PRIMARY KEY, org text, v text);
SELECT tally.attach('acc', chain_by => 'org');
INSERT INTO acc SELECT n, chr(97 + n % 2), 'v' || n FROM generate_series(1, 8) n;
CREATE TABLE tasks (id int PRIMARY KEY, v text);
SELECT tally.attach('tasks', append_only => false, salted => true);
INSERT INTO tasks VALUES (1, 'new'), (2, 'new'), (3, 'new');
UPDATE tasks SET v = 'done' WHERE id = 1;
DELETE FROM tasks WHERE id = 2;
SELECT tally.append('log', json_build_object('n', n), 'id ' || n)
	FROM generate_series(1, 3) n;
});
agrees('pristine', 'nothing was changed yet');

my $flip = 'set_byte(%1$s, 31, get_byte(%1$s, 31) # 1)';
my $of = q{WHERE chain_id = (SELECT id FROM tally.chain WHERE name = '%s')
	AND seq = %s};

sub record_set
{
	my ($chain, $seq, $what) = @_;

	return "UPDATE tally.record SET $what " . sprintf $of, $chain, $seq;
}

sub bytes { return "$_[0] = " . sprintf $flip, $_[0]; }

# What is done, and the differences that this makes.
my @deeds = (
	[ 'a value of a row', q{UPDATE acc SET v = 'V3' WHERE id = 3},
		'row  chain "acc/b" seq 2  \'3\' does not give the digest: .*"V3".*' ],
	[ 'a value made null', q{UPDATE acc SET v = NULL WHERE id = 3},
		'row  chain "acc/b" seq 2  \'3\' does not give the digest: .*' ],
	[ 'the value that the row is chained by',
		q{UPDATE acc SET org = 'c' WHERE id = 3},
		'row  chain "acc/b" seq 2  belongs into chain "acc/c"',
		'row  chain "acc/b" seq 2  \'3\' does not give the digest: .*' ],
	[ 'two rows, swapped', q{UPDATE acc SET v = 'v' || 8 - id WHERE id IN (3, 5)},
		'row  chain "acc/b" seq 2  \'3\' does not give the digest: .*',
		'row  chain "acc/b" seq 3  \'5\' does not give the digest: .*' ],
	[ 'a row taken out', q{DELETE FROM acc WHERE id = 3},
		'row  chain "acc/b" seq 2  no row \'3\' is there' ],
	[ 'a row put in', q{INSERT INTO acc VALUES (9, 'a', 'v9')},
		'row  table "acc"  \'9\' has no record' ],
	[ 'a row put back that was deleted', q{INSERT INTO tasks VALUES (2, 'new')},
		'row  table "tasks"  \'2\' has no record' ],
	[ 'a row set back to what it was', q{UPDATE tasks SET v = 'new' WHERE id = 1},
		'row  chain "tasks" seq 4  \'1\' does not give the digest: .*' ],
	[ 'a digest', record_set('acc/b', 2, bytes('digest')),
		'hash  chain "acc/b" seq 2  is not that of the header',
		'row  chain "acc/b" seq 2  \'3\' does not give the digest: .*' ],
	[ 'a salt', record_set('tasks', 3, bytes('salt') =~ s/31/15/gr),
		'row  chain "tasks" seq 3  \'3\' does not give the digest: .*' ],
	[ 'a salt taken away', record_set('tasks', 3, 'salt = NULL'),
		'row  chain "tasks" seq 3  is salted, or not, .*',
		'row  chain "tasks" seq 3  \'3\' does not give the digest: .*' ],
	[ 'a prev', record_set('acc/b', 2, bytes('prev')),
		'prev  chain "acc/b" seq 2  is not the hash before it',
		'hash  chain "acc/b" seq 2  is not that of the header' ],
	[ 'a hash', record_set('acc/b', 2, bytes('hash')),
		'hash  chain "acc/b" seq 2  is not that of the header',
		'prev  chain "acc/b" seq 3  is not the hash before it' ],
	[ 'a seq', record_set('acc/b', 4, 'seq = 5'),
		'seq  chain "acc/b" seq 5  follows 3',
		'hash  chain "acc/b" seq 5  is not that of the header' ],
	[ 'a time', record_set('acc/b', 2, q{"time" = "time" + interval '1 us'}),
		'hash  chain "acc/b" seq 2  is not that of the header' ],
	[ 'an id', record_set('log', 2, q{id = 'id 9'}),
		'hash  chain "log" seq 2  is not that of the header' ],
	[ 'an id that was there before',
		'DROP INDEX tally.record_id; CREATE INDEX record_id ON tally.record'
		  . ' (chain_id, id) WHERE id IS NOT NULL;'
		  . record_set('log', 3, q{id = 'id 2'}),
		'hash  chain "log" seq 3  is not that of the header',
		'id  chain "log" seq 3  is there twice' ],
	[ 'an id taken away', record_set('log', 2, 'id = NULL'),
		'hash  chain "log" seq 2  is not that of the header' ],
	[ 'a key', record_set('acc/b', 2, q{key = '9'}),
		'row  table "acc"  \'3\' has no record',
		'row  chain "acc/b" seq 2  no row \'9\' is there' ],
	[ 'an epoch', record_set('acc/b', 2, 'epoch = 9999'),
		'row  table "acc"  \'3\' has no record',
		'epoch  chain "acc/b" seq 2  is not in the log' ],
	[ 'a record taken out', 'DELETE FROM tally.record ' . sprintf($of, 'acc/b', 2),
		'seq  chain "acc/b" seq 3  follows 1',
		'prev  chain "acc/b" seq 3  is not the hash before it',
		'row  table "acc"  \'3\' has no record' ],
	[ 'a chain\'s name', q{UPDATE tally.chain SET name = 'dog' WHERE name = 'log'},
		map { "hash  chain \"dog\" seq $_  is not that of the header" } 1 .. 3 ],
	[ 'a chain without a name', q{DELETE FROM tally.chain WHERE name = 'log'},
		map {
			(   "chain  chain \"\\?\\d+\" seq $_  the chain has no name",
				"hash  chain \"\\?\\d+\" seq $_  is not that of the header")
		} 1 .. 3 ],
	[ 'an event', q{UPDATE tally.event SET event = '{"n":4}' WHERE event = '{"n":2}'},
		'event  chain "log" seq 2  does not give the digest' ],
	[ 'white space in an event',
		q{UPDATE tally.event SET event = '{"n": 2}' WHERE event = '{"n":2}'},
		'event  chain "log" seq 2  it is not compact' ],
	[ 'an event taken out', q{DELETE FROM tally.event WHERE event = '{"n":2}'},
		'event  chain "log" seq 2  is gone' ],
	[ 'an event put in', q{INSERT INTO tally.event VALUES (9999, '1')},
		'event  event 9999  belongs to no record' ],
	[ 'a deletion, to one of another row',
		q{UPDATE tally.event SET event = replace(event, '"2"', '"3"')
			WHERE event LIKE '%"op":"delete"%'},
		'event  chain "tasks" seq 5  does not give the digest' ],
	[ 'the configuration',
		q{UPDATE tally.event SET event = replace(event, ':true', ':false')
			WHERE event LIKE '%"label":"acc"%'},
		'event  chain "tally:log" seq 2  does not give the digest' ],
	[ 'an attachment taken out', q{DELETE FROM tally.attachment WHERE label = 'acc'},
		'attachment  table "acc"  only the log has it' ],
	[ 'a column\'s type', q{ALTER TABLE acc ALTER v TYPE varchar(9)},
		'table  table "acc"  has another type of column "v"' ]);

for (@deeds)
{
	my ($what, $sql, @want) = @$_;

	$node->safe_psql('postgres', 'CREATE DATABASE changed TEMPLATE pristine');
	$node->safe_psql('changed',
		"SET session_replication_role = replica; $sql");
	my ($status, $said) = recompute_database($node, 'changed');
	my @differences = split /\n/, $said;
	pop @differences;			# what was judged
	my ($got, $want) = map { join "\n", @$_ } \@differences, \@want;
	ok($status == 1 && $got =~ /\A$want\z/, "$what: found and named")
	  or diag "exit status $status\n$said";
	$node->safe_psql('postgres', 'DROP DATABASE changed');
}

# What only a head that was kept elsewhere can show.
$node->safe_psql('postgres', 'CREATE DATABASE cut TEMPLATE pristine');
$node->safe_psql('cut',
	'SET session_replication_role = replica; DELETE FROM acc WHERE id = 8;'
	  . 'DELETE FROM tally.record '
	  . sprintf($of, 'acc/a', 4));
agrees('cut', 'the last record and its row can be cut off together');

$node->stop;
done_testing();
