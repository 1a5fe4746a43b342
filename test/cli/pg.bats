#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally pg, against servers of their own that have the extension.
# shellcheck disable=SC2016 # scripts for another shell

load helper
load server

# Functions that scripts call.
# shellcheck disable=SC2034
SERVER_FUNCTIONS="tables tracked backfilled altered types event_triggers deed_database judge_deeds kinds"

# Tracked tables, and an attached one beside them.
# shellcheck disable=SC2317
tracked() {
  cat <<'SQL'
CREATE EXTENSION tally;
CREATE TABLE t (id int, v text);
CREATE TABLE u (id int, org int);
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE gone (id int);
SELECT tally.track('t');
SELECT tally.track('u', chain_by => 'org', salted => true, actor => true);
SELECT tally.attach('a');
SELECT tally.track('gone');
INSERT INTO t VALUES (1, 'one'), (2, 'two');
UPDATE t SET v = 'three' WHERE id = 2;
DELETE FROM t;
TRUNCATE t;
INSERT INTO u SELECT g, g % 2 FROM generate_series(1, 10) g;
INSERT INTO a VALUES (1), (2);
INSERT INTO gone VALUES (1);
SELECT tally.untrack('gone');
DROP TABLE gone;
SQL
}

# Attached tables whose old rows were sealed: one summed, one with updates, one
# salted, one altered since.
# shellcheck disable=SC2317
backfilled() {
  cat <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION tally;
CREATE TABLE b (id int PRIMARY KEY, org int, note text);
INSERT INTO b SELECT g, g % 2, 'old' || g FROM generate_series(1, 20) g;
SELECT tally.attach('b', chain_by => 'org', only_when => 'id <> 20');
CALL tally.backfill('b');
INSERT INTO b SELECT g, g % 2, 'new' || g FROM generate_series(21, 30) g;
CREATE TABLE m (id int PRIMARY KEY, note text);
INSERT INTO m SELECT g, 'old' || g FROM generate_series(1, 10) g;
SELECT tally.attach('m', append_only => false);
CALL tally.backfill('m');
UPDATE m SET note = 'changed' WHERE id < 4;
DELETE FROM m WHERE id = 9;
CREATE TABLE s (id int PRIMARY KEY, note text);
INSERT INTO s SELECT g, 'old' || g FROM generate_series(1, 10) g;
SELECT tally.attach('s', salted => true);
CALL tally.backfill('s', rest => 0);
INSERT INTO s VALUES (11, 'new');
CREATE TABLE k (id int PRIMARY KEY, note text);
INSERT INTO k SELECT g, 'old' || g FROM generate_series(1, 10) g;
SELECT tally.attach('k', keep_event => true);
CALL tally.backfill('k');
SQL
}

# Tables that were altered, or attached anew otherwise: fewer columns, a condition,
# another key, another label; a condition over fields of values; other types, where
# events are kept.
# shellcheck disable=SC2317
altered() {
  cat <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION tally;
CREATE TABLE e (id int PRIMARY KEY, v text, w text);
SELECT tally.attach('e');
INSERT INTO e SELECT g, 'v' || g, 'w' || g FROM generate_series(1, 6) g;
SELECT tally.alter('e', exclude => '{w}');
UPDATE e SET w = 'other' WHERE id = 2;
INSERT INTO e SELECT g, 'v' || g FROM generate_series(7, 9) g;
CREATE TABLE c (id int PRIMARY KEY, v text);
SELECT tally.attach('c', append_only => false, salted => true);
INSERT INTO c SELECT g, 'v' || g FROM generate_series(1, 6) g;
SELECT tally.alter('c', only_when => 'id > 3');
UPDATE c SET v = 'other' WHERE id IN (2, 5);
INSERT INTO c SELECT g, 'v' || g FROM generate_series(7, 9) g;
CREATE TABLE k (id int PRIMARY KEY, n int NOT NULL UNIQUE, v text);
SELECT tally.attach('k', append_only => false);
INSERT INTO k SELECT g, g + 100, 'v' || g FROM generate_series(1, 6) g;
SELECT tally.detach('k');
ALTER TABLE k DROP CONSTRAINT k_pkey, ADD PRIMARY KEY (n);
SELECT tally.attach('k', append_only => false);
UPDATE k SET v = 'other' WHERE n = 102;
DELETE FROM k WHERE n = 103;
INSERT INTO k SELECT g, g + 100, 'v' || g FROM generate_series(7, 9) g;
CREATE TABLE g (id int PRIMARY KEY, v text);
SELECT tally.attach('g', append_only => false);
INSERT INTO g SELECT g, 'v' || g FROM generate_series(1, 6) g;
SELECT tally.detach('g');
SELECT tally.attach('g', append_only => false, label => 'g2');
UPDATE g SET v = 'other' WHERE id = 2;
CREATE TABLE h (id int PRIMARY KEY, v text);
SELECT tally.attach('h');
INSERT INTO h SELECT g, 'v' || g FROM generate_series(1, 6) g;
SELECT tally.detach('h');
SELECT tally.attach('h', label => 'h2');
INSERT INTO h SELECT g, 'v' || g FROM generate_series(7, 9) g;
CREATE TYPE pair AS (a int, "B" text);
CREATE TABLE f (id int PRIMARY KEY, p pair, ps pair[]);
SELECT tally.attach('f', only_when => $$(p).a > 1 AND (ps[1])."B" <> 'x'$$);
INSERT INTO f SELECT g, ROW(g, 'v')::pair, ARRAY[ROW(1, 'y')::pair] FROM generate_series(1, 6) g;
CREATE TABLE t (id int PRIMARY KEY, a int, "b""c" text, d text);
SELECT tally.attach('t', keep_event => true, append_only => false);
INSERT INTO t SELECT g, g, 'b' || g, 'd' || g FROM generate_series(1, 6) g;
UPDATE t SET d = 'changed' WHERE id = 2;
DELETE FROM t WHERE id = 3;
ALTER TABLE t ALTER a TYPE text USING a || 'x';
UPDATE t SET d = 'again' WHERE id = 4;
INSERT INTO t SELECT g, g, 'b' || g, 'd' || g FROM generate_series(7, 9) g;
CREATE TABLE z (id int PRIMARY KEY, a int, b text);
SELECT tally.attach('z', keep_event => true, salted => true);
INSERT INTO z SELECT g, g, 'b' || g FROM generate_series(1, 6) g;
ALTER TABLE z ALTER a TYPE bigint;
SQL
}

# shellcheck disable=SC2317
types() {
  cat <<'SQL'
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE t (id int PRIMARY KEY, b bool, i2 int2, i8 int8, n numeric(12,3),
  f4 float4, f8 float8, c char(5), v varchar(9), x text, by bytea, d date,
  ti time, tz timetz, ts timestamp, tt timestamptz, iv interval, u uuid,
  ip inet, ci cidr, mac macaddr, bi bit(3), vb bit varying(5), j json, jb jsonb,
  xm xml, m money, pt point, po polygon, r int4range, mr int4multirange,
  ar text[], a2 int[][], mo mood, pa pair, pos positive, tsv tsvector,
  lsn pg_lsn, o oid, "Odd ""name" text);
SELECT tally.attach('t');
INSERT INTO t VALUES (1, true, -3, 9007199254740993, 12.340, 0.1, 1/3.0::float8,
  'ab', 'vé', E'tab\tline\nback\\', '\x00ff10', '2026-02-03', '01:02:03.5',
  '01:02:03+02', '2026-01-02 03:04:05.6', '2026-01-02 03:04:05+05', '1 mon -2 days 3:04',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.1.2.3/8', '10.0.0.0/8',
  '08:00:2b:01:02:03', '101', '11', '{"a": 1}', '{"b": [1, 2]}', '<a>1</a>',
  12.5, '(1,2.5)', '((0,0),(1,1),(1,0))', '[1,5)', '{[1,3),[7,9)}',
  ARRAY['x y', NULL, 'q"'], '{{1,2},{3,4}}', 'ok', ROW(1, 'p,q'), 7,
  'fat cat', '16/B374D848', 42, '\N');
INSERT INTO t (id, d, tt, f8) VALUES (2, 'infinity', '-infinity', 'NaN');
INSERT INTO t (id, x) VALUES (3, '');
SQL
}

# shellcheck disable=SC2317
event_triggers() { # DISABLE | ENABLE ALWAYS
  local name

  for name in start end drop rewrite; do
    echo "ALTER EVENT TRIGGER tally_ddl_$name $1;"
  done
}

# One small database for one deed; SQL of the deed; what made the tables.
# shellcheck disable=SC2317
deed_database() { # NAME SQL TABLES
  sql -c "CREATE DATABASE $1"
  "$3" | PGDATABASE=$1 sql
  echo "SET session_replication_role = replica;
SET client_min_messages = warning;
$(event_triggers DISABLE)
ALTER TABLE tally.record DISABLE TRIGGER guard;
ALTER TABLE tally.event DISABLE TRIGGER guard;
ALTER TABLE tally.chain DISABLE TRIGGER guard;
ALTER TABLE tally.attachment DISABLE TRIGGER guard;
$2;
ALTER TABLE tally.record ENABLE TRIGGER guard;
ALTER TABLE tally.event ENABLE TRIGGER guard;
ALTER TABLE tally.chain ENABLE TRIGGER guard;
ALTER TABLE tally.attachment ENABLE TRIGGER guard;
$(event_triggers 'ENABLE ALWAYS')" | PGDATABASE=$1 sql
}

# Each line of the file "deeds", in a database of its own: both verifiers find
# the same.
# shellcheck disable=SC2317
judge_deeds() { # TABLES
  local bad=0 i=0 status expected deed

  while IFS= read -r deed; do
    i=$((i + 1))
    deed_database d$i "$deed" "$1" </dev/null
    tally pg verify dbname=d$i --json >said </dev/null
    status=$?
    kinds <said >ours
    psql -XAtd d$i -c "SELECT kind, chain, seq, source, key FROM tally.verify()" </dev/null | sort >theirs
    expected=0
    if grep -qv "^unverifiable\|^legacy" theirs; then
      expected=1
    elif grep -q "^unverifiable" theirs; then
      expected=3
    fi
    if [ $status -ne $expected ] || ! diff theirs ours; then
      echo "status $status, not $expected: $deed"
      bad=1
    fi
    sql -c "DROP DATABASE d$i" </dev/null
  done <deeds
  return $bad
}

# Kind, chain, seq, source, key of each finding, of JSON.
# shellcheck disable=SC2317
kinds() {
  jq -r '.findings[] | [.kind, .chain // "", .seq // "", .source // "", .key // ""] | join("|")' | sort
}

@test "what is intact is intact, with any number of connections" {
  server '
    { tables; types; } | sql
    for jobs in 1 2 7; do
      tally pg verify $DB --jobs $jobs --json | jq -c "del(.seconds)"
    done
    tally pg verify $DB --quiet
    echo "status $?"'
  local line='{"findings":[],"verdict":"intact","records":241,"chains":9,"size":241,"root":null,"not_covered":["last","chains","ids"]}'
  expect 0 "$line
$line
$line
status 0"
}

@test "the object is that of tally verify" {
  server '
    tables | sql
    tally init empty >/dev/null
    tally pg verify $DB --json | jq -c "keys" >database
    tally verify empty --json | jq -c "keys" >file
    cmp database file'
  expect 0 "" ""
}

@test "every deed is found as by the verifier in the server" {
  cat >deeds <<'SQL'
UPDATE a SET who = 'm' WHERE id = 7
DELETE FROM a WHERE id = 8
INSERT INTO a VALUES (900, 1, 'x')
UPDATE u SET v = 'z' WHERE id = 4
INSERT INTO u VALUES (901, 'n', 'v')
DELETE FROM p WHERE id = 40
TRUNCATE s
DROP TABLE a
UPDATE a SET org = 2 WHERE id = 7
UPDATE tally.record SET digest = hash WHERE seq = 5 AND key = '15'
UPDATE tally.record SET hash = digest WHERE seq = 5 AND key = '15'
UPDATE tally.record SET prev = digest WHERE seq = 5 AND key = '15'
UPDATE tally.record SET "time" = "time" + interval '1 s' WHERE key = '15'
UPDATE tally.record SET salt = NULL WHERE seq = 3 AND salt IS NOT NULL
DELETE FROM tally.record WHERE key IN ('12', '15')
UPDATE tally.record SET key = '99' WHERE key = '15' AND event_id IS NULL
UPDATE tally.record SET key = NULL WHERE key = '15' AND event_id IS NULL
UPDATE tally.record SET epoch = NULL WHERE key = '15' AND event_id IS NULL
UPDATE tally.record SET epoch = 424242 WHERE key = '15' AND event_id IS NULL
UPDATE tally.record SET epoch = 424242 WHERE key IS NOT NULL AND event_id IS NULL
UPDATE tally.record SET epoch = (SELECT epoch FROM tally.attachment WHERE label = 's') WHERE key = '15' AND event_id IS NULL
UPDATE tally.record SET key = CASE key WHEN '15' THEN '12' ELSE '15' END WHERE key IN ('12', '15') AND event_id IS NULL
UPDATE tally.record SET key = '99' WHERE key = '15'
UPDATE tally.record SET epoch = 424242 WHERE event_id IS NOT NULL AND key IS NOT NULL
UPDATE tally.record SET key = NULL WHERE event_id IS NOT NULL AND key IS NOT NULL
UPDATE tally.record SET epoch = NULL WHERE event_id IS NOT NULL AND key IS NOT NULL
UPDATE tally.record SET seq = 700 WHERE key = '30' AND event_id IS NULL
UPDATE tally.record SET chain_id = 999 WHERE key = '33' AND event_id IS NULL
UPDATE tally.chain SET name = 'a/77' WHERE name = 'a/1'
DELETE FROM tally.record WHERE chain_id = (SELECT id FROM tally.chain WHERE name = 'a/1')
UPDATE tally.event SET event = '{}' WHERE event LIKE '%"id":"5",%'
DELETE FROM tally.event WHERE event = '{"v":1}'
INSERT INTO tally.event VALUES (100000, '{}')
DELETE FROM tally.attachment WHERE label = 'a'
UPDATE tally.attachment SET label = 'b' WHERE label = 'a'
ALTER TABLE a DISABLE TRIGGER "!tally_capture"
ALTER TABLE a DISABLE TRIGGER "!tally_truncate"
DROP TRIGGER "!tally_capture" ON a
DROP TRIGGER "!tally_truncate" ON a
DROP TRIGGER "!tally_truncate" ON p1
ALTER TABLE p1 DISABLE TRIGGER "!tally_truncate"
ALTER TABLE a RENAME who TO whom
ALTER TABLE a ALTER who TYPE varchar
ALTER TABLE p1 DISABLE TRIGGER ALL
UPDATE tally.event SET event = replace(event, 'public.a', 'public.b') WHERE event LIKE '{"attach"%"public.a"%'
UPDATE tally.chain SET name = 'gone' WHERE name = 'tally:log'
UPDATE pg_event_trigger SET evttags = NULL WHERE evtname = 'tally_ddl_end'
SQL
  server 'judge_deeds tables'
  expect 0 "" ""
}

@test "what is done to tracked tables is found as by the verifier in the server" {
  cat >deeds <<'SQL'
SELECT 1
UPDATE tally.event SET event = replace(event, 'three', 'THREE')
DELETE FROM tally.event WHERE event LIKE '{"op":"delete"%'
UPDATE tally.record SET event_id = NULL WHERE seq = 2 AND epoch IS NOT NULL AND key IS NULL
UPDATE tally.record SET epoch = (SELECT epoch FROM tally.attachment WHERE label = 'public.u') WHERE seq = 2 AND key IS NULL AND epoch IS NOT NULL
UPDATE tally.record SET key = '1' WHERE seq = 2 AND key IS NULL AND epoch IS NOT NULL
UPDATE tally.record SET digest = hash WHERE seq = 3 AND epoch IS NOT NULL AND key IS NULL
DELETE FROM tally.record WHERE seq = 2 AND epoch IS NOT NULL AND key IS NULL
ALTER TABLE t DISABLE TRIGGER "!tally_track_delete"
ALTER TABLE t ENABLE REPLICA TRIGGER "!tally_track_update"
DROP TRIGGER "!tally_track_truncate" ON t
CREATE TABLE child () INHERITS (t)
ALTER TABLE t SET UNLOGGED
ALTER TABLE t RENAME v TO w
ALTER TABLE t ALTER v TYPE varchar
DROP TABLE t
DELETE FROM tally.attachment WHERE label LIKE '%t'
UPDATE tally.attachment SET label = 'x' WHERE label LIKE '%t'
UPDATE tally.event SET event = replace(event, 'public.t', 'public.b') WHERE event LIKE '{"track"%'
SQL
  server 'judge_deeds tracked'
  expect 0 "" ""
}

@test "what is done to old rows that were sealed is found as in the server" {
  cat >deeds <<'SQL'
SELECT 1
UPDATE b SET note = 'm' WHERE id = 3
DELETE FROM b WHERE id = 4
INSERT INTO b VALUES (-1, 1, 'smuggled')
UPDATE b SET note = note WHERE id = 3
UPDATE m SET note = note WHERE id = 5
UPDATE s SET note = note WHERE id = 5
UPDATE k SET note = note WHERE id = 5
DELETE FROM tally.record WHERE key = '7' AND salt IS NULL AND event_id IS NULL
UPDATE m SET note = 'm' WHERE id = 5
DELETE FROM m WHERE id = 6
UPDATE m SET note = 'm' WHERE id = 2
UPDATE s SET note = 'm' WHERE id = 5
DELETE FROM s WHERE id = 6
UPDATE k SET note = 'm' WHERE id = 5
UPDATE tally.record SET digest = hash WHERE key = '7' AND salt IS NULL AND event_id IS NULL
UPDATE tally.record SET seq = 99 WHERE key = '5' AND salt IS NULL AND event_id IS NULL
DELETE FROM tally.record WHERE key = '3' AND chain_id = (SELECT id FROM tally.chain WHERE name = 's')
UPDATE tally.event SET event = replace(event, 'public.b', 'public.x') WHERE event LIKE '{"backfill"%public.b"%'
UPDATE tally.event SET event = replace(event, 'old4', 'x') WHERE event LIKE '{"op":"backfill"%'
SQL
  server 'judge_deeds backfilled'
  expect 0 "" ""
}

@test "what a later epoch allows is told as by the verifier in the server" {
  cat >deeds <<'SQL'
SELECT 1
UPDATE e SET w = 'm' WHERE id = 3
UPDATE e SET v = 'm' WHERE id = 3
DELETE FROM e WHERE id = 4
DELETE FROM e WHERE id = 8
INSERT INTO e VALUES (10, 'x')
UPDATE c SET v = 'm' WHERE id = 1
UPDATE c SET v = 'm' WHERE id = 6
DELETE FROM c WHERE id IN (1, 4, 8)
INSERT INTO c VALUES (-1, 'x'), (10, 'x')
UPDATE k SET v = 'm' WHERE n IN (101, 102, 107)
DELETE FROM k WHERE n IN (101, 102, 107)
UPDATE g SET v = 'm' WHERE id IN (1, 2)
DELETE FROM g WHERE id IN (1, 2)
UPDATE h SET v = 'm' WHERE id IN (1, 7)
DELETE FROM h WHERE id IN (1, 7)
UPDATE tally.record SET epoch = (SELECT epoch FROM tally.attachment WHERE label = 'e') WHERE seq = 3 AND key = '3' AND salt IS NULL
UPDATE tally.record SET key = '77' WHERE key = '3'
UPDATE t SET d = 'm' WHERE id IN (1, 2, 4, 7)
UPDATE t SET "b""c" = 'm' WHERE id IN (1, 2, 4, 7)
UPDATE t SET a = 'm' WHERE id IN (1, 2)
UPDATE t SET a = 'm' WHERE id IN (4, 7)
DELETE FROM t WHERE id IN (1, 2, 4, 7)
INSERT INTO t VALUES (3, 'x'), (10, 'x')
UPDATE tally.record SET key = '77' WHERE key = '5' AND event_id IS NOT NULL
UPDATE tally.event SET event = replace(event, 'b5', 'm') WHERE event LIKE '%b5%'
UPDATE z SET b = 'm' WHERE id = 1
UPDATE z SET a = 9 WHERE id = 1
DELETE FROM z WHERE id = 1
UPDATE f SET p = ROW(9, 'm') WHERE id IN (1, 2)
UPDATE f SET p = ROW(0, 'm') WHERE id IN (1, 2)
INSERT INTO f VALUES (11, ROW(0, 'x'), ARRAY[ROW(1, 'y')::pair]), (12, ROW(2, 'x'), ARRAY[ROW(1, 'y')::pair])
SQL
  server 'judge_deeds altered'
  expect 0 "" ""
}

@test "what a type's values are called now is no tampering" {
  cat >deeds <<'SQL'
SELECT 1
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'
ALTER TYPE mood ADD VALUE 'new'
ALTER TYPE pair ADD ATTRIBUTE c int
ALTER TYPE pair RENAME ATTRIBUTE a TO z
DELETE FROM pg_enum WHERE enumlabel = 'sad'
ALTER TYPE inner_pair ADD ATTRIBUTE o text
SQL
  server '
    shapes() {
      echo "CREATE EXTENSION tally; SET allow_system_table_mods = on;"
      types | sed "/^CREATE TABLE t/,\$d"
      echo "CREATE TYPE inner_pair AS (n numeric(5,2), ms mood[]);
        CREATE DOMAIN moods AS inner_pair[];
        CREATE TABLE t (id int PRIMARY KEY, m mood, p pair[]);
        CREATE TABLE n (id int PRIMARY KEY, d moods, r int4range);
        SELECT tally.attach(\$\$t\$\$); SELECT tally.attach(\$\$n\$\$);
        INSERT INTO t VALUES (1, \$\$ok\$\$, ARRAY[ROW(1, \$\$x\$\$)::pair]), (2, NULL, NULL);
        INSERT INTO n VALUES (1, ARRAY[ROW(1.25, \$\${ok}\$\$)::inner_pair]::moods, \$\$[1,3)\$\$);
        SET allow_system_table_mods = on;"
    }
    judge_deeds shapes'
  expect 0 "" ""
}

@test "ids that stand twice" {
  server '
    tables | sql
    sql -c "SELECT tally.append(\$\$deploys\$\$, \$\${}\$\$, \$\$d\$\$ || g) FROM generate_series(2, 5) g"
    tally pg verify $DB --ids --json | jq -c "[.verdict, .not_covered]"
    sql -c "ALTER TABLE tally.record DISABLE TRIGGER guard" \
      -c "DROP INDEX tally.record_id" \
      -c "UPDATE tally.record SET id = \$\$d2\$\$ WHERE id = \$\$d4\$\$" \
      -c "ALTER TABLE tally.record ENABLE TRIGGER guard"
    tally pg verify $DB --ids --json | jq -c ".findings[] | [.kind, .chain, .seq, .detail]"
    tally pg verify $DB --ids --chain a/1 --quiet; echo "status $?"'
  expect 0 '["intact",["last","chains"]]
["link-altered","deploys",4,"its header does not hash to its hash"]
["duplicate","deploys",4,"its id is that of record 2"]
status 0'
}

@test "one chain, and none" {
  server '
    tables | sql
    tally pg verify $DB --chain a/1 --json | jq -c "[.verdict, .records, .chains, .not_covered]"
    tally pg verify $DB --chain nope
    echo "status $?"'
  expect 0 '["intact",30,1,["last","chains","ids","other-chains"]]
status 4' 'tally: the database has no chain "nope"'
}

@test "heads that were kept outside" {
  server '
    tables | sql
    psql -XAtc "SELECT json_build_object(\$\$chain\$\$, chain, \$\$seq\$\$, seq, \$\$hash\$\$, encode(hash, \$\$hex\$\$)) FROM tally.heads" | tr -d " " >heads
    tally pg verify $DB --heads heads --json | jq -c "[.verdict, .not_covered]"
    sql -c "ALTER TABLE tally.record DISABLE TRIGGER guard" \
      -c "SET session_replication_role = replica" \
      -c "DELETE FROM tally.record WHERE key = \$\$90\$\$ AND event_id IS NULL" \
      -c "DELETE FROM a WHERE id = 90" \
      -c "ALTER TABLE tally.record ENABLE TRIGGER guard"
    tally pg verify $DB --quiet; echo "status $?"
    tally pg verify $DB --heads heads --json | jq -c ".findings[] | [.kind, .chain, .seq]"
    sed "s/\(\"chain\":\"a.2\".*\"hash\":\"\)..../\10000/" heads >other
    tally pg verify $DB --heads other --json | jq -c ".findings[] | [.kind, .chain, .seq]"'
  expect 0 '["intact",["chains","ids"]]
status 0
["truncated","a/0",30]
["rolled-back","a/2",30]
["truncated","a/0",30]'
}

@test "a right that is missing is named; rows that nobody shows are not missing" {
  server '
    tables | sql
    sql -c "CREATE ROLE auditor LOGIN"
    tally pg verify "$DB user=auditor"; echo "status $?"
    sql -c "GRANT tally_reader TO auditor" \
      -c "GRANT SELECT ON ALL TABLES IN SCHEMA tally TO auditor"
    tally pg verify "$DB user=auditor" --json | jq -r ".verdict, .findings[].detail" | sort
    sql -c "GRANT SELECT ON a, u, s, p, p1, p2 TO auditor"
    tally pg verify "$DB user=auditor" --quiet; echo "status $?"
    sql -c "ALTER TABLE u ENABLE ROW LEVEL SECURITY"
    tally pg verify "$DB user=auditor" --json >said; echo "status $?"
    jq -r ".verdict, .findings[].detail" said'
  expect 0 'status 5
15 records cannot be compared with their rows: no right to read its rows: GRANT SELECT ON public.s
50 records cannot be compared with their rows: no right to read its rows: GRANT SELECT ON public.p1
76 records cannot be compared with their rows: no right to read its rows: GRANT SELECT ON public.u
90 records cannot be compared with their rows: no right to read its rows: GRANT SELECT ON public.a
unverifiable
status 0
status 3
unverifiable
76 records cannot be compared with their rows: the database: query would be affected by row-level security policy for table "u"' \
    'tally: no right to read the tables of schema tally: GRANT tally_reader and SELECT ON ALL TABLES IN SCHEMA tally to the role, and SELECT on the attached tables'
}

@test "partitions that were retired, tables that were rewritten" {
  server '
    found() { tally pg verify $DB --json | jq -c ".findings[] | [.kind, .chain, .seq, .detail]"; }
    sql <<SQL
CREATE EXTENSION tally;
CREATE TABLE p (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (2) TO (3);
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (3) TO (4);
SELECT tally.attach(\$\$p\$\$, chain_by => \$\$at\$\$);
INSERT INTO p SELECT g, 1 + g % 3 FROM generate_series(1, 9) g;
CREATE TABLE r (id int PRIMARY KEY, note int);
INSERT INTO r VALUES (-1), (-2);
SELECT tally.attach(\$\$r\$\$, exclude => \$\${note}\$\$);
INSERT INTO r VALUES (1), (2);
SELECT tally.retire(\$\$p1\$\$);
SELECT tally.retire(\$\$p2\$\$);
DROP TABLE p1;
SET tally.ddl = seal;
ALTER TABLE r ALTER note TYPE bigint;
SQL
    found
    echo "SET session_replication_role = replica; INSERT INTO r VALUES (3);" | sql
    found | grep unsealed
    echo "SET tally.ddl = seal; ALTER TABLE r ALTER note TYPE int;" | sql
    found
    { event_triggers DISABLE; echo "DROP TABLE p3;"; event_triggers "ENABLE ALWAYS"; } | sql
    found | grep missing | sort'
  expect 0 '["unverifiable","tally:log",6,"no record seals 2 rows of table \"public.r\", which may have needed none when it was rewritten"]
["unsealed","r",null,"no record seals the row, which was written after tally:log/7 had attached the table"]
["unsealed","tally:log",8,"no record seals 3 rows of table \"public.r\", of which 2 at most needed none when it was rewritten"]
["missing","p/3",1,"its row is not there"]
["missing","p/3",2,"its row is not there"]
["missing","p/3",3,"its row is not there"]'
}

@test "a label that went from one table to another" {
  server '
    sql <<SQL
CREATE EXTENSION tally;
CREATE TABLE one (id int PRIMARY KEY, v text);
SELECT tally.attach(\$\$one\$\$, label => \$\$x\$\$);
INSERT INTO one VALUES (1, \$\$a\$\$), (2, \$\$b\$\$), (3, \$\$c\$\$);
SELECT tally.detach(\$\$one\$\$);
DELETE FROM one WHERE id = 1;
UPDATE one SET v = \$\$z\$\$ WHERE id = 2;
INSERT INTO one VALUES (9, \$\$after\$\$);
CREATE TABLE other (LIKE one INCLUDING ALL);
SELECT tally.attach(\$\$other\$\$, label => \$\$x\$\$);
INSERT INTO other VALUES (1, \$\$n\$\$);
SQL
    tally pg verify $DB --json | jq -c ".verdict, (.findings[] | [.kind, .chain, .seq, .detail])"'
  expect 0 '"unverifiable"
["unverifiable","x",2,"the row is another than was sealed; its table was detached by tally:log/3"]
["unverifiable",null,null,"the rows of 1 records are not there; the table was detached by tally:log/3"]'
}

@test "beside writers the snapshot is one" {
  server '
    tables | sql
    for w in 1 2 3 4; do
      { for i in $(seq 400); do
          echo "INSERT INTO a VALUES ($w$(printf %06d $i), $w % 3, \$\$w\$\$);"
          echo "UPDATE u SET v = \$\$$w-$i\$\$ WHERE id = $((w * 7 + 1));"
        done; } | sql &
    done
    for i in 1 2 3 4 5 6; do
      tally pg verify $DB --jobs 3 --json | jq -c "[.verdict, .findings]"
    done
    wait
    tally pg verify $DB --json | jq -c "[.verdict, .records]"'
  expect 0 "$(for _ in 1 2 3 4 5 6; do echo '["intact",[]]'; done)
[\"intact\",3037]"
}

@test "who waits for a lock is interrupted" {
  server '
    tables | sql
    { echo "BEGIN; LOCK TABLE a;"; sleep 60; } | psql -Xq &
    writer=$!
    until [ "$(psql -XAtc "SELECT count(*) FROM pg_locks WHERE mode = \$\$AccessExclusiveLock\$\$ AND granted")" -ge 1 ]; do sleep 0.1; done
    "$TALLY" pg verify $DB & verifier=$!
    until [ "$(psql -XAtc "SELECT count(*) FROM pg_locks WHERE NOT granted")" -ge 1 ]; do sleep 0.1; done
    kill -TERM $verifier
    wait $verifier; echo "status $?"
    kill $writer'
  expect 0 "status 130" "tally: interrupted"
}

@test "an export is a log that others accept" {
  server '
    tables | sql
    tally pg export $DB copy --chain a/1
    tally verify copy --json | jq -c "[.verdict, .records, .chains]"
    python3 "$SOURCE/doc/verify.py" copy | sed -n 1p
    psql -XAtc "SELECT encode(hash, \$\$hex\$\$) FROM tally.head(\$\$a/1\$\$)" >theirs
    tally head copy a/1 | cut -f 3 | cmp - theirs
    tally pg export $DB copy --chain a/1; echo "status $?"
    tally pg export $DB updates --chain u
    tally verify updates --json | jq -c "[.verdict, ([.findings[].kind] | unique)]"'
  expect 0 '30 records, 30 with their events
["intact",35,2]
intact: 35 records in 2 chains
status 2
76 records, 50 with their events
["unverifiable",["unverifiable"]]' 'tally: cannot write "copy": File exists'
}

@test "no export of a chain that does not hold" {
  server '
    tables | sql
    sql -c "ALTER TABLE tally.record DISABLE TRIGGER guard" \
      -c "UPDATE tally.record SET digest = hash WHERE key = \$\$7\$\$ AND event_id IS NULL AND chain_id = (SELECT id FROM tally.chain WHERE name = \$\$a/1\$\$)"
    tally pg export $DB copy --chain a/1; echo "status $?"
    test ! -e copy/tally.json'
  expect 0 "status 3" \
    'tally: chain "a/1" does not hold at record 3; "tally pg verify" says more'
}

@test "status: the configuration against the catalog" {
  server '
    tables | sql
    tally pg status $DB | grep -v "^cluster\|^server"; echo "status ${PIPESTATUS[0]}"
    { event_triggers DISABLE
      echo "ALTER TABLE a DISABLE TRIGGER \"!tally_capture\";"
      event_triggers "ENABLE ALWAYS"; } | sql
    tally pg status $DB --json >said; echo "status $?"
    jq -c ".findings[] | [.kind, .source]" said'
  expect 0 'database  postgres
tally     extension
chains    8
attached  4
findings  0
status 0
status 1
["content-altered","a"]'
}

@test "no server, no tables, no such thing" {
  server '
    tally pg verify "dbname=nope"; echo "status $?"
    tally pg verify $DB; echo "status $?"
    tally pg verfy $DB; echo "status $?"
    tally pg; echo "status $?"'
  expect 0 'status 5
status 4
status 2
status 2' 'tally: cannot connect: database "nope" does not exist
tally: database "postgres" has no tables of tally; "CREATE EXTENSION tally" makes them
tally: unknown command "pg verfy"; did you mean "pg verify"?
tally: "pg" needs a command; see "tally pg --help"'
}

@test "the tables are enough, without the extension" {
  server '
    tables | sql
    sql -c "SET allow_system_table_mods = on" -c "DELETE FROM pg_extension WHERE extname = \$\$tally\$\$"
    tally pg status $DB | grep "^tally"
    tally pg verify $DB --quiet; echo "status $?"
    sql -c "SET session_replication_role = replica" -c "DELETE FROM a WHERE id = 3"
    tally pg verify $DB --json | jq -c ".findings[] | [.kind, .key]"'
  expect 0 'tally     tables alone
status 0
["missing","3"]'
}

@test "plain SQL: its script, judged and exported from outside, and the way to the extension" {
  server '
    sql -c "CREATE ROLE \"the \"\"owner\"\"\"" -c "CREATE ROLE runner LOGIN IN ROLE \"the \"\"owner\"\"\"" \
      -c "GRANT CREATE ON DATABASE postgres TO \"the \"\"owner\"\"\"" \
      -c "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO \"the \"\"owner\"\"\""
    tally pg sql --schema-owner "the \"owner\"" >script
    sed -n "/^BEGIN;/p;\$p" script
    PGUSER=runner sql -f script 2>/dev/null
    psql -XAtc "SELECT DISTINCT proowner::regrole FROM pg_proc WHERE pronamespace = \$\$tally\$\$::regnamespace"
    PGUSER=runner sql -f script 2>&1 | sed -n "s/.*ERROR: *//p"
    tables | grep -v "^CREATE EXTENSION\|tally.track" | sql
    judge() { tally pg verify $DB --jobs 2 --json | jq -c "[.verdict, (.findings | map(.kind) | unique)]"
      psql -XAtc "SELECT verdict, findings FROM tally.verify_summary()"; }
    judge
    tally pg export $DB copy --chain a/1
    tally verify copy --json | jq -c "[.verdict, .records]"
    sql -c "CREATE TABLE kept AS SELECT who FROM a WHERE id = 5" \
      -c "SET session_replication_role = replica; UPDATE a SET who = NULL WHERE id = 5; DELETE FROM s WHERE id = 4; INSERT INTO p VALUES (99, \$\$2026-01-03\$\$)"
    judge
    sql -c "SET session_replication_role = replica; UPDATE a SET who = (SELECT who FROM kept) WHERE id = 5; INSERT INTO s VALUES (4, 4, \$\$t\$\$); DELETE FROM p WHERE id = 99"
    tally pg sql --to-extension | sql
    psql -XAtc "SELECT extname FROM pg_extension WHERE extname = \$\$tally\$\$"
    sql -c "INSERT INTO u VALUES (901, \$\$k\$\$, \$\$by the extension\$\$)"
    tally pg sql --from-extension --schema-owner "the \"owner\"" | sql 2>/dev/null
    sql -c "INSERT INTO u VALUES (902, \$\$k\$\$, \$\$by plain SQL\$\$)"
    psql -XAtc "SELECT count(*) FROM pg_extension WHERE extname = \$\$tally\$\$"
    judge'
  expect 0 'BEGIN;
COMMIT;
"the ""owner"""
schema "tally" exists
["intact",[]]
intact|0
30 records, 30 with their events
["intact",35]
["tampered",["content-altered","missing","unsealed"]]
tampered|3
tally
0
["intact",[]]
intact|0'
}

@test "plain SQL: what is refused" {
  run --separate-stderr "$TALLY" pg sql --from-extension --to-extension
  expect 2 '' 'tally: --from-extension and --to-extension exclude each other; see "tally pg sql --help"'
  server '
    sql -c "CREATE EXTENSION tally"
    tally pg sql | sql 2>&1 | sed -n "s/.*ERROR: *//p"
    tally pg sql --to-extension | sql 2>&1 | sed -n "s/.*ERROR: *//p"
    sql -c "CREATE DATABASE two" -c "CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0"
    tally pg sql --from-extension | PGDATABASE=two sql 2>&1 | sed -n "s/.*ERROR: *//p"
    tally pg sql | PGDATABASE=latin sql 2>&1 | sed -n "s/.*ERROR: *//p"
    PGDATABASE=two sql -c "CREATE SCHEMA tally"
    tally pg sql | PGDATABASE=two sql 2>&1 | sed -n "s/.*ERROR: *//p"
    tally pg sql >/dev/full; echo "status $?"'
  expect 0 'the extension tally is installed in this database
schema "tally" is not one of plain SQL
the extension tally is not installed in this database
the encoding of database "latin" is LATIN1, not UTF8
schema "tally" exists
status 5' 'tally: cannot write to standard output: no space left on device'
}
