#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally adopt --pg: a table that holds a foreign chain, adopted where it is or
# into a log.  The table, and the writer that forks, are examples/breeze's.
# shellcheck disable=SC2016 # scripts for another shell

load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export SOURCE TALLY_PROFILES=$SOURCE/profiles
  if [ -n "$("$SOURCE/tools/check-pg" --obstacle)" ]; then
    skip "PostgreSQL's server headers are not installed"
  fi
  mkdir -p "$SOURCE/build"
  flock "$SOURCE/build/pg-root.lock" "$SOURCE/tools/pg-root" \
    "$SOURCE/build/pg/root" >/dev/null
}

# Runs a script of bash beside a server with the forked table.
server() { # SCRIPT
  run --separate-stderr "$SOURCE/tools/pg-server" \
    --root "$SOURCE/build/pg/root" --preload --run "set -eu
DB=dbname=postgres
sql() { psql -XAtq -v ON_ERROR_STOP=1 \"\$@\"; }
adopt() { \"$TALLY\" adopt --pg \$DB --profile breeze-v1 \"\$@\"; }
sql -f $SOURCE/examples/breeze/schema.sql
pgbench -n -c 8 -t 50 -f $SOURCE/examples/breeze/load.sql >/dev/null 2>&1
$1"
  if [ "$status" -ne 0 ]; then
    printf '%s\n' "$output" "$stderr"
    return 1
  fi
}

@test "a table: the plan, the adoption, and that it is done once" {
  server '
    before=$(sql -c "SELECT md5(string_agg(a::text, chr(10) ORDER BY id)) FROM audit_logs a")
    sql -c "CREATE EXTENSION tally" -c "DROP TRIGGER audit_log_chain ON audit_logs"
    adopt --table audit_logs | tee plan
    grep -q "^plan      seal what was found, attach audit_logs by org_id, a chain" plan
    grep -q "^findings  .* forked$" plan
    [ -z "$(sql -c "SELECT * FROM tally.heads")" ]
    adopt --table audit_logs --apply 2>/dev/null | tee done
    grep -q "^adopted   as audit_logs on 20.*Z: since then its rows are proven" done
    grep -q "^before    by their own hashes, but for [1-9][0-9]* findings, of which chain adopted/audit_logs tells" done
    [ "$(sql -c "SELECT seq FROM tally.head('"'audit_logs/00000000-0000-4000-8000-000000000042'"')")" -eq 400 ]
    [ "$(sql -c "SELECT md5(string_agg(a::text, chr(10) ORDER BY id)) FROM audit_logs a")" = "$before" ]
    adopt --table audit_logs --apply 2>/dev/null >/dev/null
    [ "$(sql -c "SELECT seq FROM tally.head('"'adopted/audit_logs'"')")" -eq 1 ]
    adopt --table audit_logs | tail -n 2 | diff - <(tail -n 2 done)
    [ "$(sql -c "SELECT count(*) FROM tally.verify() WHERE kind <> '"'legacy'"'")" -eq 0 ]
    sql -c "SET session_replication_role = replica" -c "UPDATE audit_logs
      SET action = '"'x'"' WHERE id = (SELECT min(id::text)::uuid FROM audit_logs)"
    [ "$(sql -c "SELECT kind FROM tally.verify() WHERE kind <> '"'legacy'"'")" = content-altered ]
  '
}

@test "what is told of an adoption is what was found, whoever may append" {
  cat >forged.sql <<END
SELECT tally.append('adopted/audit_logs', '{"adopted": {"findings": {},
  "profile": {"digest": "$(printf %064d 0)"}}}');
END
  # What an administrator keeps there is none of it.
  cat >other.sql <<'END'
SELECT tally.append('adopted/audit_logs', '{"adopted": {"findings": {"a": "x"}}}');
SELECT tally.append('adopted/audit_logs', '[1]');
END
  cat >prefix.sql <<'END'
CREATE TABLE t (id int PRIMARY KEY);
SELECT tally.attach('t', prefix => 'adopted');
END
  server '
    sql -c "CREATE EXTENSION tally" -c "DROP TRIGGER audit_log_chain ON audit_logs" \
      -c "CREATE ROLE app LOGIN IN ROLE tally_writer"
    psql -XAtq "$DB user=app" -f forged.sql 2>said || true
    grep -q "ERROR:  chain \"adopted/audit_logs\" tells what was adopted" said
    [ -z "$(sql -c "SELECT chain FROM tally.heads WHERE chain LIKE '"'adopted%'"'")" ]
    ! sql -f prefix.sql 2>said
    grep -q "prefix \"adopted\" is that of chains which tell what was adopted" said
    sql -f other.sql >/dev/null
    adopt --table audit_logs --apply 2>/dev/null >done
    grep -q "^before    by their own hashes, but for [1-9][0-9]* findings, of which chain adopted/audit_logs tells" done
    [ "$(sql -c "SELECT seq FROM tally.head('"'adopted/audit_logs'"')")" -eq 3 ]
  '
}

@test "a table into a log: each row, and each that is changed since" {
  server '
    "$TALLY" init log >/dev/null
    adopt --into log --chain audit --apply --json >said
    [ "$(jq -c "[.records, .appended]" said)" = "[400,3]" ]
    "$TALLY" verify --pg $DB --profile breeze-v1 --adopted log --chain audit
    adopt --into log --chain other --apply --query "SELECT id, org_id, actor_type,
      actor_id, action, resource_type, resource_id, result, details::text, \"timestamp\",
      prev_checksum, checksum, pg_backend_pid() FROM audit_logs ORDER BY org_id, \"timestamp\", id" 2>said || [ $? -eq 6 ]
    grep -q "changed while it was read; stop its writer first" said
    [ -z "$("$TALLY" log log --chain other 2>/dev/null)" ]
    sql -c "UPDATE audit_logs SET details = NULL WHERE id = (SELECT id FROM audit_logs
      ORDER BY org_id, \"timestamp\", id OFFSET 9 LIMIT 1)" \
      -c "DELETE FROM audit_logs WHERE id = (SELECT id FROM audit_logs
      ORDER BY org_id, \"timestamp\", id OFFSET 19 LIMIT 1)"
    "$TALLY" verify --pg $DB --profile breeze-v1 --adopted log --chain audit --json >said ||
      [ $? -eq 1 ]
    [ "$(jq -c "[.findings[] | [.kind, .seq]]" said)" = "[[\"content-altered\",10],[\"missing\",20]]" ]
  '
}

@test "what is refused" {
  refused 2 '"--apply" needs either "--into" or "--table"; see "tally adopt --help"' \
    adopt --pg dbname=x --profile breeze-v1 --apply
  refused 2 '"--table" needs "--pg"; see "tally adopt --help"' \
    adopt chain --profile breeze-v1 --table t
  refused 2 '"--chain-by" needs "--table"; see "tally adopt --help"' \
    adopt --pg dbname=x --profile breeze-v1 --chain-by org
  server '
    adopt --table audit_logs --apply 2>said || [ $? -eq 4 ]
    grep -qx "tally: the database has no extension tally: CREATE EXTENSION tally" said
    sql -c "CREATE EXTENSION tally" -c "CREATE ROLE mallory LOGIN" \
      -c "GRANT SELECT ON audit_logs TO mallory"
    "$TALLY" adopt --pg "$DB user=mallory" --profile breeze-v1 --table audit_logs --apply 2>said ||
      [ $? -eq 5 ]
    grep -q "permission denied" said
    adopt --table nosuch --apply 2>said || [ $? -eq 5 ]
    grep -q "relation \"nosuch\" does not exist" said
  '
}
