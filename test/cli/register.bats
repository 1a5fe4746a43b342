#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The register in S3, against a bucket that does as it is told
# (outside_peers.py s3): what is lost on the way, servers that keep no
# conditions, entries that are none; and publishers of copies of one log,
# killed at any moment.  tools/check-s3 has a real server.
load helper

teardown() {
  [ ! -s servers ] || while read -r pid; do kill "$pid" 2>/dev/null || true
  done <servers
}
setup() {
  begin_test
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  make_log log --origin example.org/audit
  events 1 3 | tally append log --chain c >/dev/null
  python3 "$SOURCE/test/cli/outside_peers.py" s3 bucket >url 2>peer.err &
  echo $! >>servers
  eventually test -s url
  configure
}
configure() { # [MEMBERS]
  echo KEY123:secret456 >s3.key
  printf '{"type":"s3","url":"%s/b","prefix":"r/","region":"default",
    "key_file":"s3.key"%s}\n' "$(cat url)" "$1" >s3.json
}
mode() { # [WORD [TIMES]]
  rm -f bucket/mode bucket/asked
  [ $# -eq 0 ] || echo "$*" >bucket/mode
}
checkpoint() { # DIR
  run --separate-stderr tally checkpoint "$1" --key key --register s3.json
}
grow() { # DIR EVENT
  echo "$2" | tally append "$1" --chain c >/dev/null
}
entry() { echo "bucket/r%$(printf %s example.org/audit | sha256sum |
  cut -c 1-64)"; }
# Nothing is signed, for this reason; what was signed before stands.
not_signed() { # STATUS WORDS
  local before

  before=$(cat log/public/checkpoint 2>/dev/null || true)
  checkpoint log
  expect "$1" ""
  # shellcheck disable=SC2154
  [[ $stderr == *$2*'nothing is signed' ]]
  [ "$(cat log/public/checkpoint 2>/dev/null || true)" = "$before" ]
}

@test "what is signed is registered, on condition; nobody is warned" {
  checkpoint log
  expect 0
  [ "$stderr" = "" ]
  [[ ${lines[0]} == *signed ]]
  cmp <(head -n 3 log/public/checkpoint) "$(entry)"
  grow log 4
  run --separate-stderr tally checkpoint log --key key --register s3.json --json
  expect 0
  [[ $output == *'"register_beside":false'* ]]
  cmp <(head -n 3 log/public/checkpoint) "$(entry)"
  checkpoint log
  expect 0
  [[ ${lines[0]} == *current ]]
  [ ! -e log/register ]
}

@test "of two hosts with copies of one log one signs" {
  cp -r log copy
  grow log '"here"'
  grow copy '"there"'
  checkpoint log
  expect 0
  checkpoint copy
  expect 1
  [[ $stderr == *'nothing was signed' ]]
  [ ! -e copy/public/checkpoint ]
  # Nor when it is the longer one.
  for n in 1 2 3; do grow copy $n; done
  checkpoint copy
  expect 1
  [[ ${lines[0]} == *rolled-back ]]
  grow log 5
  checkpoint log
  expect 0
}

@test "an answer that is lost: what is there says what happened" {
  for word in lost 500 late never 503 409 200; do
    for times in 1 2; do
      mode "$word" "$times"
      grow log "\"$word\""
      checkpoint log
      expect 0
      [[ ${lines[0]} == *signed ]]
      cmp <(head -n 3 log/public/checkpoint) "$(entry)"
      grep -q "PUT .* \($word\|$word\)" bucket/asked
    done
  done
  # The beginning of an origin.
  for word in lost 500 late never 503 409 200; do
    rm -rf log "$(entry)" bucket/r%conditions
    make_log log --origin example.org/audit
    grow log 1
    mode "$word" 1
    checkpoint log
    expect 0
    cmp <(head -n 3 log/public/checkpoint) "$(entry)"
  done
}

@test "a server that never answers: an error, and the next one goes on" {
  checkpoint log
  expect 0
  for word in lost 500 never 503 200; do
    grow log "\"$word\""
    mode "$word"
    case $word in
    # It was carried out, and that is read.
    lost | 500)
      checkpoint log
      expect 0
      ;;
    *) not_signed 5 "" ;;
    esac
    mode
    checkpoint log
    expect 0
    cmp <(head -n 3 log/public/checkpoint) "$(entry)"
  done
}

@test "an answer that is lost, and somebody else's entry" {
  checkpoint log
  expect 0
  for word in mine rival; do
    cp "$(entry)" before
    cp log/public/checkpoint signed
    grow log "\"$word\""
    mode "$word" 1
    checkpoint log
    expect 1
    [[ $stderr == *'nothing was signed' ]]
    cmp log/public/checkpoint signed
    cp before "$(entry)"
    mode
    checkpoint log
    expect 0
  done
}

@test "a server that keeps no conditions is no register" {
  mode nonone
  not_signed 5 'was written although its condition (If-None-Match: *) does not'
  mode nomatch
  not_signed 5 'was written although its condition (If-Match) does not hold'
  mode stern
  not_signed 5 'the server does not know conditional writes'
  # A conflict with another request is no refusal: was the condition looked at?
  mode busy
  not_signed 5 'answers 409: ConditionalRequestConflict'
  [ ! -e "$(entry)" ]
  # Nor is one that gives all contents one ETag.
  mode one
  not_signed 5 'the server does not tell contents apart'
  # Also one that kept them before.
  mode
  checkpoint log
  expect 0
  grow log 4
  cp "$(entry)" before
  mode nomatch
  not_signed 5 'was written although its condition (If-Match) does not hold'
  cmp before "$(entry)"
  mode
  checkpoint log
  expect 0
}

@test "a daemon's register is tried before each checkpoint" {
  printf '{"state":"state","interval_s":0.2,"beat_s":0.1,"logs":[{"name":"a",
    "log":"log","key":"key","register":%s}]}' "$(cat s3.json)" >watch.json
  "$TALLY" watch watch.json 2>said & echo $! >>servers
  eventually test -s log/public/checkpoint
  size=$(sed -n 2p log/public/checkpoint)
  grown() { [ "$(sed -n 2p log/public/checkpoint)" -gt "$size" ]; }
  eventually grown
  mode nomatch
  eventually grep -q 'PUT conditions 200' bucket/asked
  sleep 0.5
  cp log/public/checkpoint before
  sleep 1
  cmp before log/public/checkpoint
  mode
  changed() { ! cmp -s before log/public/checkpoint; }
  eventually changed
}

# The object "conditions" is nobody's entry; whoever cleans up may remove it.
@test "a daemon goes on where what is tried is gone, or takes other ETags" {
  printf '{"state":"state","interval_s":0.2,"beat_s":0.1,"logs":[{"name":"a",
    "log":"log","key":"key","register":%s}]}' "$(cat s3.json)" >watch.json
  "$TALLY" watch watch.json 2>said & echo $! >>servers
  eventually test -s log/public/checkpoint
  for word in gone bare gone quoted; do
    case $word in
    gone) rm bucket/r%conditions ;;
    bare) mode bare ;;
    quoted) mode ;;
    esac
    size=$(sed -n 2p log/public/checkpoint)
    eventually bash -c \
      '[ "$(sed -n 2p log/public/checkpoint)" -gt '"$((size + 4)) ]"
  done
  ! grep -q 'is no register' said
}

@test "a daemon that can register nothing adds no record for each time it tried" {
  records() { tally stat log | sed -n 's/^records *\([0-9]*\).*/\1/p'; }
  printf '{"state":"state","interval_s":0.1,"beat_s":2,"logs":[{"name":"a",
    "log":"log","key":"key","register":%s}]}' "$(cat s3.json)" >watch.json
  "$TALLY" watch watch.json 2>said & echo $! >>servers
  eventually test -s log/public/checkpoint
  mode nomatch
  size=$(records)
  # Until its first beat.
  eventually bash -c "$(declare -f records tally); [ \$(records) -gt $size ]"
  sleep 3
  [ $(($(records) - size)) -le 4 ]
}

@test "a server that hangs is not waited for again and again" {
  checkpoint log
  expect 0
  grow log 4
  configure ',"timeout_s":1'
  mode hung
  not_signed 5 "$(cat url)"
  [ "$(grep -c hung bucket/asked)" -eq 1 ]
  mode
  checkpoint log
  expect 0
}

@test "ETags with quotes and without" {
  mode bare
  checkpoint log
  expect 0
  grow log 4
  checkpoint log
  expect 0
  mode
  grow log 5
  checkpoint log
  expect 0
  cmp <(head -n 3 log/public/checkpoint) "$(entry)"
}

@test "a bucket that keeps versions needs a word" {
  mode versions
  not_signed 2 'keeps versions, where some servers do not keep conditions'
  configure ',"versioned":true'
  checkpoint log
  expect 0
}

@test "what the server says is told, and nothing is signed" {
  checkpoint log
  expect 0
  grow log 4
  mode redirect
  not_signed 5 'answers 301: PermanentRedirect'
  mode 403
  not_signed 5 'answers 403: AccessDenied'
  mode noetag
  not_signed 5 'is given without an ETag'
  mode garbage
  not_signed 3 'is no checkpoint of "example.org/audit"'
  mode
  printf 'x%.0s' {1..5000} >"$(entry)"
  not_signed 3 'is no checkpoint of "example.org/audit"'
  head -n 3 log/public/checkpoint >"$(entry)"
  # An end that would be read as none.
  (head -n 3 log/public/checkpoint && printf 'closed \0x\n') >"$(entry)"
  not_signed 3 'is no checkpoint of "example.org/audit"'
  head -n 3 log/public/checkpoint >"$(entry)"
  # Another origin's.
  sed 1s/audit/other/ "$(entry)" >x && mv x "$(entry)"
  not_signed 3 'is no checkpoint of "example.org/audit"'
  # Somebody removed it.
  rm "$(entry)"
  checkpoint log
  expect 2 ""
  [[ $stderr == *'is behind "public/checkpoint"'* ]]
  rm -r log/public
  checkpoint log
  expect 2 ""
  [[ $stderr == *'the log was signed before, and the register'* ]]
  [ ! -e "$(entry)" ]
}

@test "a slow answer is waited for, and not for ever" {
  checkpoint log
  expect 0
  grow log 4
  mode slow 1
  checkpoint log
  expect 0
  grow log 5
  configure ',"timeout_s":1'
  # It was carried out: that is read.
  mode slow 1
  checkpoint log
  expect 0
  kill "$(cat servers)"
  : >servers
  grow log 6
  not_signed 5 "$(cat url)"
}

@test "what the configuration lacks is said" {
  not_signed_for() { # MEMBERS WORDS
    echo "$1" >bad.json
    run --separate-stderr tally checkpoint log --key key --register bad.json
    expect 2 ""
    [[ $stderr == *$2* ]]
  }
  not_signed_for '{' 'of the register: '
  not_signed_for '{}' 'the register needs a string "type"'
  not_signed_for '{"type":"dir"}' 'a register of type "dir" is not known'
  not_signed_for '{"type":"s3"}' 'the register needs a string "url"'
  not_signed_for '{"type":"s3","url":"u"}' 'needs a string "region"'
  not_signed_for '{"type":"s3","url":"u","region":"r"}' 'a string "key_file"'
  echo nothing >s3.key
  not_signed_for '{"type":"s3","url":"u","region":"r","key_file":"s3.key"}' \
    'the first line of "s3.key" is not KEY:SECRET'
  configure
  not_signed_for "$(sed 's/}/,"timeout_s":0}/' s3.json)" '"timeout_s" of'
  not_signed_for "$(sed 's/}/,"versioned":1}/' s3.json)" '"versioned" of'
  not_signed_for "$(sed 's/}/,"plain":1}/' s3.json)" '"plain" of'
  # Without the prefix that was meant it would be another register.
  not_signed_for "$(sed 's/prefix/prefx/' s3.json)" \
    'the register knows no member "prefx"; see tally-checkpoint(1)'
  # Never a directory by mistake.
  run --separate-stderr tally checkpoint log --key key --register none.json
  expect 5 ""
  [ ! -e none.json ]
}

@test "the address is a bucket's, and of one bucket it is one" {
  at() { # URL [MEMBERS]
    configure "$2"
    sed -i 's|"url":"[^"]*"|"url":"'"$1"'"|' s3.json
    checkpoint log
  }
  for host in s3.example 127.example 127.0.0.1@s3.example 10.0.0.1; do
    at "http://$host/b"
    expect 2 ""
  done
  at http://s3.example/b
  [[ $stderr == *'is one without TLS, where whoever is in between answers'* ]]
  for url in s3.example/b ftp://s3.example/b 127.0.0.1:80/b /b; do
    at "$url"
    expect 2 ""
    [[ $stderr == *'does not begin with https://'* ]]
  done
  at https://KEY123:secret456@s3.example/b
  expect 2 ""
  [[ $stderr == *'has a user in it; the key belongs into "key_file"'* ]]
  [[ $stderr != *secret456* ]]
  for more in '?x=1' '#x'; do
    at "$(cat url)/b$more"
    expect 2 ""
    [[ $stderr == *"is more than a bucket's address"* ]]
  done
  at http://nobody.invalid/b ',"plain":true'
  expect 5 ""
  # With a slash more it is the same object.
  at "$(cat url)/b/"
  expect 0
  cmp <(head -n 3 log/public/checkpoint) "$(entry)"
  configure
  grow log 4
  checkpoint log
  expect 0
}

@test "the origin of a log that was put back ends for all hosts" {
  checkpoint log
  expect 0
  cp -r log yesterday
  grow log 4
  checkpoint log
  expect 0
  rm -r log
  cp -r yesterday log
  cp -r log other
  tally key generate key2 --name example.org/next --no-passphrase >key2.pub
  restore() {
    run --separate-stderr tally restore log --into "$1" --origin \
      example.org/next --key key2 --register s3.json --reason "disk lost"
  }
  mode never
  restore new
  expect 5 ""
  mode lost 1
  restore new
  expect 0
  [ "$(tail -n 1 "$(entry)")" = "closed example.org/next" ]
  # The same call again.
  restore new
  expect 0
  checkpoint other
  expect 2 ""
  [[ $stderr == *'any more: the log was put back, and goes on as'* ]]
  run --separate-stderr tally checkpoint new --key key2 --register s3.json
  expect 0
}

@test "a daemon's register is looked at before it is in force" {
  printf '{"state":"state","logs":[{"name":"a","log":"log","key":"key",
    "register":"s3.json"}]}' >watch.json
  run --separate-stderr tally watch watch.json --once
  expect 0
  cmp <(head -n 3 log/public/checkpoint) "$(entry)"
  echo '{"type":"s3"}' >s3.json
  refused 2 'the log "a": the register needs a string "url"' watch watch.json
  sed -i 's/"s3.json"/{"type":"x"}/' watch.json
  refused 2 'the log "a": a register of type "x" is not known; there is "s3"' \
    watch watch.json
  sed -i 's/{"type":"x"}/7/' watch.json
  refused 2 'the log "a": it needs "log", "key" and "register"' watch watch.json
}

@test "from a directory to S3 and back, and one register is in force" {
  at_dir() {
    run --separate-stderr tally checkpoint log --key key --register register
  }
  moving_steps "$(cat url)/b/r"
  at_dir
  expect 0
  # Again, over what the first time left.
  for n in 1 2; do
    grow log "\"to $n\""
    sh forth
    at_dir
    expect 3 ""
    checkpoint log
    expect 0
    # Once more, although it is done: nothing is lost.
    cp "$(entry)" before
    run sh forth
    [ "$status" -ne 0 ]
    cmp before "$(entry)"
    grow log "\"back $n\""
    at_dir
    expect 3 ""
    checkpoint log
    expect 0
    sh back
    grow log "\"there $n\""
    checkpoint log
    expect 3 ""
    at_dir
    expect 0
    cp -r register before_it
    run sh back
    [ "$status" -ne 0 ]
    diff -r register before_it
    rm -r before_it
  done
}

@test "a register that is moved halfway goes on when it is done again" {
  moving_steps "$(cat url)/b/r"
  run tally checkpoint log --key key --register register
  expect 0
  # The server does not answer, nor do it; then it does it, and the answer is
  # lost.
  mode never
  run sh forth
  [ "$status" -ne 0 ]
  mode
  sh forth
  checkpoint log
  expect 0
  for word in never lost; do
    grow log "\"$word\""
    checkpoint log
    expect 0
    mode "$word"
    run sh back
    [ "$status" -ne 0 ]
    mode
    sh back
    run tally checkpoint log --key key --register register
    expect 0
    sh forth
  done
  checkpoint log
  expect 0
}

@test "publishers of copies, killed at any moment, sign one history" {
  python3 "$SOURCE/test/outside/register_storm.py" "$TALLY" s3.json 6
}

# The object "conditions" has another ETag with each publisher who learns.
@test "publishers of copies, and ETags that each write makes anew" {
  mode fresh
  python3 "$SOURCE/test/outside/register_storm.py" "$TALLY" s3.json 8
}

# As above, with a server that keeps conditions where they are tried, and
# nowhere else: the storm would see a fork.
@test "publishers of copies, and a server that lies: the test sees the fork" {
  mode sly
  run python3 "$SOURCE/test/outside/register_storm.py" "$TALLY" s3.json 20
  [ "$status" -eq 3 ]
  [[ $output == *FORKED* ]]
}
