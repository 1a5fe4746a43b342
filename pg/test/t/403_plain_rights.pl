# SPDX-License-Identifier: Apache-2.0
# Plain SQL: who may do what, and what nobody can make it do; partitions, and
# columns with other names.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallyPlain;
use TallySession;

my $node = tally_node('rights');

$node->safe_psql('postgres', q{
	CREATE ROLE tally_reader; CREATE ROLE tally_writer; CREATE ROLE tally_admin;
	CREATE ROLE reader LOGIN IN ROLE tally_reader; CREATE ROLE writer LOGIN IN ROLE tally_writer;
	CREATE ROLE admin LOGIN IN ROLE tally_admin; CREATE ROLE nobody LOGIN;
	CREATE ROLE app LOGIN IN ROLE tally_admin});
new_plain($node, 'rights');

sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) =
	  $node->psql('rights', $sql, extra_params => [ '-U', $role ]);

	$err =~ s/^psql:<stdin>:\d+: //mg;
	return $status == 0 ? "ok $out" : $err;
}

$node->safe_psql('rights', 'GRANT CREATE ON SCHEMA public TO app, nobody');
like(as('app', q{
	CREATE TABLE a (id int PRIMARY KEY, v text);
	GRANT ALL ON a TO PUBLIC;
	SELECT tally.attach('a', append_only => false)}), qr/^ok/, 'an admin attaches his own table');
is(as('nobody', q{INSERT INTO a VALUES (1, 'x')}), 'ok ', 'whoever may write to it writes, without a right of ours');
is(as('nobody', q{UPDATE a SET v = 'y'}), 'ok ', 'and changes');

# ---- each statement, by each role ----------------------------------------------

my %statements = (
	q{SELECT seq FROM tally.head('a')} => 'reader admin',
	q{SELECT count(*) FROM tally.heads} => 'reader admin',
	q{SELECT verdict FROM tally.verify_summary()} => 'reader admin',
	q{SELECT count(*) FROM tally.verify()} => 'reader admin',
	q{SELECT count(*) FROM tally.verify_against('[]')} => 'reader admin',
	q{SELECT tally.append('c', '1')} => 'writer admin',
	q{CALL tally.append_now('c', '1')} => 'writer admin',
	q{SELECT tally.receipt('c', 'x')} => 'writer admin',
	q{SELECT count(*) FROM tally.log} => 'admin',
	q{SELECT count(*) FROM tally.status} => 'admin',
	q{SELECT count(*) FROM tally.record} => '',
	q{SELECT count(*) FROM tally.event} => '',
	q{SELECT count(*) FROM tally.pending} => '',
	q{DELETE FROM tally.record} => '',
	q{INSERT INTO tally.chain VALUES (9, 'x')} => '',
	q{SELECT nextval('tally.event_number')} => '',
	q{SELECT tally.detach('a')} => '',
	q{SELECT tally.alter('a', keep_event => true)} => '',
	q{SELECT tally.end_epoch('a'::regclass)} => '',
	q{SELECT tally.begin_epoch('a'::regclass, NULL, NULL, NULL, NULL, NULL, NULL, false, false, true)} => '',
	q{SELECT tally.alter_epoch('a'::regclass, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, true, NULL)} => '',
	q{SELECT tally.move_epoch('a'::regclass)} => '',
	q{SELECT tally.log_event('{"detach":{}}')} => '',
	q{SELECT tally.writing(true)} => '',
	q{SELECT tally.remember_event('tally:log', '1', NULL, false, false)} => '',
	q{SELECT tally.lock_key('a')} => '');
for my $statement (sort keys %statements)
{
	for my $role (qw(reader writer admin nobody))
	{
		my $may = grep { $_ eq $role } split ' ', $statements{$statement};

		like(as($role, $statement), $may ? qr/^ok/
			: qr/^ERROR:  (permission denied|must be owner of|.* is called by tally\.\w+\(\), and by nobody else|"public\.a" is attached already)/,
			"$role " . ($may ? 'may' : 'may not') . " $statement");
	}
}

# Also what is made later, and whatever comes to the script.
is($node->safe_psql('rights', q{
	SELECT string_agg(DISTINCT proname, ' ') FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
	WHERE pronamespace = 'tally'::regnamespace AND a.grantee = 0}), '', 'PUBLIC may call nothing');
is($node->safe_psql('rights', q{
	SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc
	WHERE pronamespace = 'tally'::regnamespace AND has_function_privilege('tally_writer', oid, 'EXECUTE')}),
	'append append_as append_now receipt', 'a writer may call these');
is($node->safe_psql('rights', q{
	SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc
	WHERE pronamespace = 'tally'::regnamespace AND has_function_privilege('tally_reader', oid, 'EXECUTE')}),
	'head head_list verify verify_against verify_summary', 'a reader may call these');
is($node->safe_psql('rights', q{
	SELECT string_agg(proname, ' ') FROM pg_proc
	WHERE pronamespace = 'tally'::regnamespace AND prosecdef
		AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp']}),
	'', 'whatever runs with the rights of the owner has a search_path of its own');
is($node->safe_psql('rights', q{
	SELECT string_agg(table_name, ' ') FROM information_schema.table_privileges
	WHERE table_schema = 'tally' AND grantee <> 'operator' AND (grantee = 'PUBLIC'
		OR privilege_type <> 'SELECT' OR table_name NOT IN ('heads', 'log', 'status'))}), '',
	'nobody may write to a table, nor read one');
like(as('operator', 'DELETE FROM tally.record'), qr/^ERROR:  table "tally.record" is written by tally alone/,
	'the owner is refused by a guard');

# What only the extension does is refused, and says so.
for my $statement (q{SELECT tally.track('a', chain_by => 'id', actor => true)}, q{SELECT tally.untrack('a')},
	q{SELECT tally.retire('a')}, q{CALL tally.backfill('a', order_by => '{id}')})
{
	like(as('app', $statement), qr/^ERROR:  tally\.\w+\(\) is not to be had in plain SQL\nHINT:  The extension has it\./,
		"refused: $statement");
}

# ---- triggers of others ----------------------------------------------------------

my $capture = $node->safe_psql('rights', q{SELECT 'capture_' || epoch FROM tally.attachment});
like(as('nobody', qq{CREATE TABLE mine (id int PRIMARY KEY, v text);
		CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION tally.$capture()}),
	qr/^ERROR:  permission denied/, 'nobody makes a trigger of a function of ours');
like(as('admin', qq{CREATE TEMP TABLE mine (id int PRIMARY KEY, v text);
		CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION tally.$capture();
		INSERT INTO mine VALUES (1, 'forged')}),
	qr/^ERROR:  table "mine" has tally's trigger, but is not attached/,
	'an admin who does seals nothing by it');

# ---- names that somebody puts before the built-in ones ----------------------------

my $evil = q{
CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE FUNCTION evil.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_format';
CREATE FUNCTION evil.to_json(text) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE FUNCTION evil.concat(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE OPERATOR evil.|| (leftarg = text, rightarg = text, function = evil.concat);
CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE OPERATOR evil.= (leftarg = text, rightarg = text, function = evil.same);
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE FUNCTION evil.is_fine(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE DOMAIN evil.checked AS int CHECK (evil.is_fine(VALUE) IS NOT NULL) NOT VALID;
};
$evil =~ s/^CREATE (FUNCTION evil\.format|DOMAIN).*\n//mg;
$node->safe_psql('rights', 'GRANT CREATE ON DATABASE rights TO app');
like(as('app', $evil), qr/^ok/, 'somebody has made names of his own');
my $before = q{SET search_path = evil, public, pg_catalog;
	CREATE TEMP TABLE pg_class (oid oid); CREATE TEMP TABLE pg_attribute (attrelid oid);
	CREATE TEMP TABLE pg_locks (pid int); CREATE TEMP TABLE record (seq int);};
is(as('app', "$before INSERT INTO a VALUES (2, 'z'); UPDATE a SET v = 'w'; DELETE FROM a WHERE id = 1"),
	'ok ', 'capturing and sealing do not see them');
like(as('app', "$before SELECT tally.append('c', '{\"a\": 1}', 'i'); CALL tally.append_now('c', '{\"a\": 2}', 'j');"
		. " SELECT tally.receipt('c', 'j')"),
	qr/^ok/, 'appending does not');
like(as('app', "$before CREATE TABLE public.b (id int PRIMARY KEY, t text); GRANT SELECT ON public.b TO operator;"
		. q{ SELECT tally.attach('b', only_when => $$lower(t) <> 'x'$$); INSERT INTO b VALUES (1, 'X'), (2, 'y');}
		. q{ SELECT tally.alter('b', keep_event => true, append_only => false); INSERT INTO b VALUES (3, 'y')}),
	qr/^ok/, 'attaching does not, nor does its condition');
is(as('app', q{SELECT tally.config(event) ->> 'only_when' FROM tally.event}) =~ /permission denied/ ? 1 : 0, 1,
	'which nobody reads there');
is($node->safe_psql('rights', q{SELECT DISTINCT tally.config(e.event) ->> 'only_when' FROM tally.event e
		JOIN tally.attachment a ON a.epoch = e.id AND a.label = 'b'}),
	q{(lower(t) <> 'x'::text)}, 'it is the built-in one that is kept');
like(as('admin', "$before SELECT verdict, findings FROM tally.verify_summary()"),
	qr/^ok intact\|0$/, 'verifying does not');
like(as('app', q{CREATE TABLE public.d (id int PRIMARY KEY); GRANT SELECT ON public.d TO operator; SELECT tally.attach('d', only_when => 'evil.is_fine(id)')}),
	qr/^ERROR:  only_when cannot use function evil\.is_fine\(integer\), which is not built in/,
	'a function of somebody is no part of a condition');
for my $condition ('id IN (SELECT 1)', 'true); DROP TABLE tally.record; --', 'random() < 2', 'now() IS NULL',
	'id = 1) NO INHERIT, CHECK (true', 'ctid IS NULL', 'd IS NULL', 'sum(id) > 1', 'pg_sleep(0) IS NULL')
{
	like(as('app', "SELECT tally.attach('d', only_when => \$c\$$condition\$c\$)"), qr/^ERROR/,
		"no condition: $condition");
}
is($node->safe_psql('rights', q{SELECT count(*) FROM tally.attachment WHERE label = 'd'}), 0,
	'and nothing is attached by one');
is(recompute($node, 'rights'), 'agrees', 'a stranger recomputes all of it');

# ---- a column is renamed ------------------------------------------------------------

like(as('app', 'ALTER TABLE a RENAME v TO w'), qr/^ok/, 'a column is renamed');
like(as('app', q{INSERT INTO a VALUES (10, 'x')}), qr/^ERROR:  record "new" has no field "v"/,
	'then writing fails');
like(as('nobody', q{SELECT tally.refresh('a')}), qr/permission denied/, 'not everybody mends it');
like(as('app', q{SELECT tally.refresh('a'); INSERT INTO a VALUES (10, 'x')}), qr/^ok/, 'tally.refresh mends it');
is($node->safe_psql('rights', q{SELECT kind, detail FROM tally.verify()}),
	'content-altered|column "v" of table "public.a" was renamed to "w"', 'as with the extension, it is told');
like(as('app', q{SELECT tally.alter('a'); INSERT INTO a VALUES (11, 'x')}), qr/^ok/, 'an epoch with the new name');
is(verdict($node, 'rights'), 'intact|0', 'in which nothing is the matter');
like(as('app', q{SELECT tally.refresh('d')}), qr/^ERROR:  "public.d" is not attached/, 'of what is not attached');

# ---- partitions, beside the extension ---------------------------------------------

sub story
{
	my ($database) = @_;
	my $out = '';
	my @command = ('psql', '-XAtq', '-d', $node->connstr($database), '-f',
		"$FindBin::RealBin/../plain/partitions.sql");

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>&1');
	$out =~ s/^psql:[^:]*:(\d+): /$1: /mg;
	$out =~ s/^content-altered "event trigger .*\n//mg;
	return $out;
}

new_plain($node, 'plain');
$node->safe_psql('plain', 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO operator');
new_twin($node, 'twin');
my $twin = story('twin');
like($twin, qr/unsealed p p \["50"/, 'a story of partitions');
is(story('plain'), $twin, 'which both tell alike');

# ---- heads from outside ----------------------------------------------------------

$node->safe_psql('rights', q{SELECT tally.append('h', '1') FROM generate_series(1, 5)});
my $heads = $node->safe_psql('rights', q{SELECT json_agg(h) FROM tally.heads h WHERE chain = 'h'});
my %cut = (
	'truncated' => q{DELETE FROM tally.record r USING tally.chain c WHERE c.id = chain_id AND name = 'h' AND seq = 5},
	'rolled-back' => q{UPDATE tally.record r SET hash = sha256('') FROM tally.chain c
		WHERE c.id = chain_id AND name = 'h' AND seq = 5},
	'missing' => q{DELETE FROM tally.record r USING tally.chain c WHERE c.id = chain_id AND name = 'h';
		DELETE FROM tally.chain WHERE name = 'h'});
is($node->safe_psql('rights', "SELECT kind FROM tally.verify_against('$heads')"), '', 'heads of before hold');
for my $kind (sort keys %cut)
{
	like($node->safe_psql('rights', "BEGIN; SET LOCAL session_replication_role = replica; $cut{$kind};"
			. " SET LOCAL session_replication_role = origin;"
			. " SELECT kind FROM tally.verify_against('$heads') WHERE chain = 'h'; ROLLBACK"),
		qr/^\Q$kind\E$/m, "against a head that was kept: $kind");
}

# ---- a role that squats on a chain's lock -------------------------------------------

my $squatter = TallySession->new($node, dbname => 'rights', user => 'nobody');
$squatter->run(
	q{SELECT pg_advisory_lock(('x' || left(encode(sha256('tally h'), 'hex'), 16))::bit(64)::bigint)});
like(as('writer', q{SET lock_timeout = '200ms'; SELECT tally.append('h', '1')}),
	qr/canceling statement due to lock timeout/, 'whoever holds the lock keeps others from sealing');
like($node->safe_psql('rights', q{SELECT subject, state FROM tally.status WHERE item = 'lock'}),
	qr/^chain "h"\|held$/, 'which tally.status shows');
$squatter->run('SELECT pg_advisory_unlock_all()');
is(as('writer', q{SELECT chain FROM tally.append('h', '1')}), 'ok h', 'until he lets go');

# ---- TRUNCATE of a partition ---------------------------------------------------------

$node->safe_psql('rights', q{
	CREATE TABLE g (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE g1 PARTITION OF g FOR VALUES FROM (0) TO (10);
	CREATE TABLE g2 PARTITION OF g FOR VALUES FROM (10) TO (20);
	ALTER TABLE g OWNER TO app; ALTER TABLE g1 OWNER TO app; GRANT ALL ON g, g1, g2 TO PUBLIC});
like(as('app', q{SELECT tally.attach('g')}), qr/^ok/, 'a table with partitions, one of them of another owner');
like(as('app', q{TRUNCATE g1}),
	qr/^ERROR:  cannot truncate "public.g1": it is a partition of "public.g", which is attached to tally/,
	'a partition is not truncated by itself');
like($node->psql('rights', 'TRUNCATE g2') == 0 ? 'went' : 'refused', qr/refused/, 'nor by who owns it');
$node->safe_psql('rights', q{
	CREATE TABLE g3 PARTITION OF g FOR VALUES FROM (20) TO (30); ALTER TABLE g3 OWNER TO app;
	INSERT INTO g VALUES (1, 'x'), (21, 'x'), (22, 'x')});
is($node->safe_psql('rights', q{BEGIN; TRUNCATE g3; SELECT kind, key FROM tally.verify('g'); ROLLBACK}),
	qq{missing|21\nmissing|22}, 'one that came later can be; its rows are missing then');
like(as('nobody', q{SELECT tally.guard('g')}), qr/permission denied/, 'not everybody guards it');
like(as('app', q{SELECT tally.guard('d')}), qr/^ERROR:  (must be owner|"public.d" is not attached)/, 'nor any table');
is(as('app', q{SELECT tally.guard('g'); SELECT tally.guard('g')}) =~ s/\s+$//r, 'ok', 'tally.guard guards what came');
like(as('app', q{TRUNCATE g3}), qr/^ERROR:  cannot truncate "public.g3": it is a partition/, 'then it is refused, too');
$node->safe_psql('rights', 'ALTER TABLE g DETACH PARTITION g3');
like(as('app', q{TRUNCATE g3}),
	qr/drop the trigger: DROP TRIGGER "!tally_truncate" ON public.g3/, 'a partition that left says how to be rid of it');
like(as('app', q{DROP TRIGGER "!tally_truncate" ON g3; TRUNCATE g3}), qr/^ok/, 'which works');
like(as('app', q{SELECT tally.detach('g'); TRUNCATE g1}), qr/^ok/, 'a detach drops the trigger of partitions');
is($node->safe_psql('rights', q{SELECT tgrelid::regclass FROM pg_trigger
		WHERE tgname LIKE '!tally%' AND tgrelid IN ('g'::regclass, 'g1'::regclass, 'g2'::regclass)}),
	'g2', 'but of that of another owner');
like(as('app', q{SELECT tally.attach('g', label => 'h')}), qr/^ok/, 'with which it is attached again');
like(as('app', q{SELECT tally.detach('g')}), qr/^ok/, 'and detached');
like(as('app', q{SELECT tally.attach('g', label => 'i', append_only => false)}), qr/^ok/, 'once more');
$node->safe_psql('rights', q{CREATE TABLE g4 PARTITION OF g FOR VALUES FROM (30) TO (40); ALTER TABLE g4 OWNER TO app});
like(as('app', q{SELECT tally.alter('g', salted => true); TRUNCATE g4}),
	qr/^ERROR:  cannot truncate "public.g4": it is a partition/, 'an alter guards what came before it');

$node->stop;
done_testing();
