#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# doc/systems.md: every command of it, in its order, against the example of each
# system; afterwards what it promises is so.
# shellcheck disable=SC2016 # scripts for another shell
load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export SOURCE TALLY_PROFILES=$SOURCE/profiles
  # The documents say "tally" and "psql".
  mkdir -p "$BATS_FILE_TMPDIR/bin"
  ln -s "$TALLY" "$BATS_FILE_TMPDIR/bin/tally"
  export PATH=$BATS_FILE_TMPDIR/bin:$PATH
}

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# The commands of some sections; files that they show are made.
commands() { # HEADING ...
  local heading

  for heading; do
    awk -v heading="## $heading" '
      /^## / { here = $0 == heading }
      !here { next }
      /^```json$/ { file = "watch.json"; printf "" >file; next }
      /^```console$/ { console = 1; next }
      /^```$/ { console = 0; file = ""; next }
      console && /^\$ / { print substr($0, 3); next }
      console { print "a line that is no command: " $0 >"/dev/stderr"; exit 1 }
      file != "" { print >file }
    ' "$SOURCE/doc/systems.md"
  done
}

# Runs them.  Looking at a broken chain ends with 1; all else with 0.
cat_walk() {
  cat <<'END'
walk() { # FILE
  while IFS= read -r -u 3 line; do
    status=0
    echo "\$ $line"
    eval "$line" || status=$?
    case $status$line in
      0* | '1tally diagnose '*) ;;
      *) echo "exit status $status" && return 1 ;;
    esac
    case $line in *' --apply') load ;; esac
  done 3<"$1"
}
END
}

# The same beside a server with the example's schema and load in database app;
# SCRIPT says what load is and, in after, what is to be so in the end.
walk_server() { # EXAMPLE HEADING SCRIPT
  if [ -n "$("$SOURCE/tools/check-pg" --obstacle)" ]; then
    skip "PostgreSQL's server headers are not installed"
  fi
  mkdir -p "$SOURCE/build"
  flock "$SOURCE/build/pg-root.lock" "$SOURCE/tools/pg-root" \
    "$SOURCE/build/pg/root" >/dev/null
  commands "$2" 'Heads outside, and alerts' >todo
  [ "$(grep -c . todo)" -ge 9 ]
  { echo 'set -eu'
    cat_walk
    echo 'sql() { psql -XAtq -v ON_ERROR_STOP=1 app "$@"; }'
    echo "bench() { pgbench -n \"\$@\" app >/dev/null 2>&1; }"
    echo "example=$SOURCE/examples/$1"
    echo "$3"
    echo 'psql -qc "CREATE DATABASE app"; sql -f $example/schema.sql; load'
    echo 'walk todo && after'
  } >script
  run --separate-stderr "$SOURCE/tools/pg-server" \
    --root "$SOURCE/build/pg/root" --preload -c max_connections=100 \
    --run 'bash script'
  if [ "$status" -ne 0 ]; then
    # shellcheck disable=SC2154
    printf '%s\n' "$output" "$stderr"
    return 1
  fi
}

@test "breeze" {
  walk_server breeze breeze '
    load() { bench -c 8 -t 25 -f $example/load.sql; }
    after() {
      sql -c "DELETE FROM audit_logs WHERE id = (SELECT min(id::text)::uuid FROM audit_logs)"
      tally pg verify dbname=app --quiet
      tally publish --pg dbname=app --into app.log
      sql -c "SET session_replication_role = replica" -c "DELETE FROM audit_logs
        WHERE id = (SELECT max(id::text)::uuid FROM audit_logs)"
      # The whole is verified once a day; now.
      jq ".whole_s = 0.000001" watch.json >now.json
      ! tally watch now.json --once
      grep -q missing alerts
    }'
  grep -q '^forked ' <<<"$output"
  grep -q '^app  intact' <<<"$output"
}

@test "claudemesh" {
  walk_server claudemesh claudemesh '
    load() { bench -c 2 -t 60 -f $example/load.sql; }
    after() { ! sql -c "DELETE FROM mesh.mesh" 2>/dev/null; }'
  grep -q '^forked ' <<<"$output"
}

@test "PageSpace" {
  walk_server pagespace PageSpace '
    load() { bench -c 8 -t 25 -f $example/load.sql; }
    after() {
      sql -c "UPDATE activity_logs SET \"pageId\" = NULL, \"driveId\" = NULL, \"userId\" = NULL"
      tally pg verify dbname=app --quiet
      ! sql -c "UPDATE activity_logs SET operation = '"'x'"'" 2>/dev/null
    }'
  grep -q '^forked ' <<<"$output"
}

@test "SciDEX" {
  walk_server scidex SciDEX '
    load() { bench -c 8 -t 25 -f $example/load.sql; }
    after() {
      sql -c "UPDATE hypotheses SET score = 0.5 WHERE id = (SELECT min(id) FROM hypotheses)"
      tally pg verify "dbname=app user=scidex_audit" --quiet
      tally publish --pg dbname=app --into app.log
      sql -c "SET session_replication_role = replica" -c "DELETE FROM tally.record r USING tally.chain c WHERE r.chain_id = c.id
        AND c.name = '"'scidex'"' AND seq > (SELECT seq - 5 FROM tally.head('"'scidex'"'))"
      ! tally pg verify dbname=app --against app.log >verdict
      grep -q ^truncated verdict
    }'
  grep -q '^forked ' <<<"$output"
}

@test "vouch" {
  mkdir .vouch
  log=.vouch/audit.log.jsonl
  echo '{"event":"old","actor":"alice"}' >$log
  load() {
    for _ in 1 2 3; do
      python3 "$SOURCE/examples/vouch/broken.py" $log 40 3>&- &
    done
    wait
  }
  load
  commands vouch >todo
  [ "$(grep -c . todo)" -ge 9 ]
  eval "$(cat_walk)"
  run --separate-stderr walk todo
  [ "$status" -eq 0 ] || { printf '%s\n' "$output" "$stderr" && return 1; }
  grep -q '^forked ' <<<"$output"
  grep -q '^kb  intact' <<<"$output"
  # Again, and again: what came since.
  load
  tally adopt $log --profile vouch --into kb.log --chain kb --apply
  tally verify $log --profile vouch --adopted kb.log --chain kb
  sed -i '50s/"n"/"m"/' $log
  run tally verify $log --profile vouch --adopted kb.log --chain kb
  expect 1
  grep -q '^content-altered  chain "kb"  seq 50 ' <<<"$output"
}

@test "each profile that ships has its section" {
  for profile in "$SOURCE"/profiles/*.json; do
    name=$(basename "$profile" .json)
    grep -Eq -- "--profile $name|\`$name\`" "$SOURCE/doc/systems.md" ||
      { echo "no $name" && return 1; }
  done
}
