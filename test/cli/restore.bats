#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally restore: a log that was cut or put back goes on under another name.
load helper

# A log of which 12 records went out, put back to the state of 7.
put_back() {
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  tally key generate key2 --name example.org/audit2 --no-passphrase >key2.pub
  events 1 5 | tally append log --chain c >/dev/null
  checkpoint log key >/dev/null 2>&1
  cp -r log yesterday
  events 6 9 | tally append log --chain c >/dev/null
  checkpoint log key >/dev/null 2>&1
  cp log/public/checkpoint outside
  rm -r log
  mv yesterday log
  rm -rf log/run log/index
}
checkpoint() { # LOG KEY
  tally checkpoint "$1" --key "$2" --register register
}
restore() {
  tally restore log --into new --origin example.org/audit2 --key key2 \
    --register register --reason "the disk was lost" "$@"
}

@test "restore: the old origin ends, and the new log says where it comes from" {
  put_back
  run --separate-stderr checkpoint log key
  expect 1
  root=$(tally verify log --json | jq -r .root)
  cp -r log kept
  run --separate-stderr restore --outside outside
  expect 0 "was      $(sed -n 2p outside):$(sed -n 3p outside | base64 -d |
    xxd -p -c 32)
found    7:$root
goes on  example.org/audit2, by tally:log 2" ""
  diff -r kept/log log/log
  # The order, and who signed it.
  tally log new --chain tally:log --json | sed -n 2p | jq .event >order
  [ "$(jq -r '.restored.from|[.origin,.size,.root]|@csv' order)" = \
    "\"example.org/audit\",7,\"$root\"" ]
  jq -r .restored.outside order | head -n -1 | cmp - outside
  [ "$(jq -r .restored.reason order)" = "the disk was lost" ]
  tally verify new --key key2.pub >/dev/null
  run tally verify new --key key2.pub --json
  [ "$(jq -c '.not_covered|contains(["orders"])' <<<"$output")" = false ]
  # Nothing is signed under the old origin again, whatever the log becomes.
  events 6 90 | tally append log --chain c >/dev/null
  refused 2 'nothing is signed under the origin "example.org/audit" any more:'`
    `' the log was put back, and goes on as "example.org/audit2"' \
    checkpoint log --key key --register register
  rm -r log/public
  run --separate-stderr checkpoint log key
  expect 2 ""
  # The new one goes its way.
  events 1 3 | tally append new --chain c >/dev/null
  checkpoint new key2 >/dev/null 2>&1
  tally prove new --chain c --seq 3 | tally check - --key key2.pub >/dev/null
}

@test "restore: again is the same, and under a third name it is refused" {
  put_back
  restore >/dev/null
  head=$(tally head new tally:log)
  run --separate-stderr restore
  expect 0
  [ "$(tally head new tally:log)" = "$head" ]
  tally key generate key3 --name example.org/three --no-passphrase >/dev/null
  refused 2 'the log goes on as "example.org/audit2" already' restore log \
    --into third --origin example.org/three --key key3 --register register \
    --reason x
  [ ! -e third ]
  # As if it was killed when the old origin had ended.
  rm -r new
  run --separate-stderr restore --json
  expect 0
  [ "$(jq -r '[.size,.outside_size,.origin,.seq]|@csv' <<<"$output")" = \
    '7,12,"example.org/audit2",2' ]
  events 1 1 | tally append new --chain c >/dev/null
  run --separate-stderr restore
  expect 2 "" 'tally: "new" is a log already, with records of its own'
  # Another order, or a record, is not where the log comes from.
  rm -r new
  make_log new --origin example.org/audit2
  tally key generate more --name example.org/audit2 --no-passphrase >/dev/null
  tally key add new --key key2 --new more >/dev/null
  run --separate-stderr restore
  expect 2 "" 'tally: "new" is a log already, with records of its own'
  rm -r new
  make_log new --origin example.org/audit2
  events 1 1 | tally append new --chain c >/dev/null
  run --separate-stderr restore
  expect 2 "" 'tally: "new" is a log already, with records of its own'
}

@test "restore: what is refused" {
  put_back
  cp -r log good
  refused 2 '"--reason" is missing; see "tally restore --help"' restore log \
    --into new --origin example.org/audit2 --key key2
  refused 2 'the key'"'"'s name is "example.org/audit", and the new origin'`
    `' "example.org/audit2"; they must be one' restore log --into new \
    --origin example.org/audit2 --key key --reason x --register register
  refused 2 'the new origin must be another than "example.org/audit"' \
    restore log --into new --origin example.org/audit --key key --reason x \
    --register register
  head -n 2 outside >bad
  run --separate-stderr restore --outside bad
  expect 3 ""
  cp log/public/checkpoint older
  run --separate-stderr restore --outside older
  expect 2 "" 'tally: the register holds size 12 as the last, and the'`
    `' checkpoint that was given is of size 7, or has another root'
  mkdir empty
  refused 2 'the register does not know "example.org/audit": nothing went out'`
    `' under it, or with another register' restore log --into new \
    --origin example.org/audit2 --key key2 --reason x --register empty
  [ ! -e new ]
  # Nor does the old origin end for one under which nothing can be signed.
  cp -r register before
  tally key generate key5 --name localhost/x --no-passphrase >/dev/null
  refused 2 'nothing is signed under the origin "localhost/x"' restore log \
    --into new --origin localhost/x --key key5 --reason x --register register
  tally key generate key6 --name example.org/w --witness --no-passphrase \
    >/dev/null
  refused 2 'the key "example.org/w" is a witness'"'"'s, which signs no log' \
    restore log --into new --origin example.org/w --key key6 --reason x \
    --register register
  [ ! -e new ]
  diff -r before register
  # A log that is what went out has nothing to be restored.
  make_log whole --origin example.org/whole
  tally key generate key4 --name example.org/whole --no-passphrase >/dev/null
  events 1 5 | tally append whole --chain c >/dev/null
  checkpoint whole key4 >/dev/null 2>&1
  tally append whole --chain c 1 >/dev/null
  refused 2 'the log is what went out, size 7: it goes on under its own name' \
    restore whole --into new --origin example.org/audit2 --key key2 --reason x \
    --register register
}

# Whoever took an origin that is in use, or ended, had two logs that are locked
# out: the old one, which ends, and the new one, which is not what went out.
@test "restore: under an origin that the register knows it is refused" {
  put_back
  make_log other --origin example.org/audit2
  checkpoint other key2 >/dev/null 2>&1
  cp -r register before
  run --separate-stderr restore
  expect 2 "" 'tally: the register knows "example.org/audit2" already, size 2:'`
    `' the new origin must be one under which nothing went out'
  [ ! -e new ]
  diff -r before register
  checkpoint other key2 >/dev/null 2>&1
  # One that ended itself, nor.
  tally key generate key3 --name example.org/three --no-passphrase >/dev/null
  tally restore log --into three --origin example.org/three --key key3 \
    --register register --reason x >/dev/null
  cp -r three old
  checkpoint three key3 >/dev/null 2>&1
  rm -r three
  mv old three
  run --separate-stderr tally restore three --into back \
    --origin example.org/audit --key key --register register --reason x
  expect 2 "" 'tally: the register knows "example.org/audit" already, size 12:'`
    `' the new origin must be one under which nothing went out'
  tally key generate key4 --name example.org/four --no-passphrase >/dev/null
  tally restore three --into four --origin example.org/four --key key4 \
    --register register --reason x >/dev/null
  checkpoint four key4 >/dev/null 2>&1
  # Begun and not signed, by a publisher that was killed, it is new.
  rm -rf register new
  cp -r before register
  rm -r register/"$(printf %s example.org/audit2 | sha256sum | cut -c 1-64)"
  restore >/dev/null
  printf 'example.org/audit2\n0\n%s\n' \
    "$(printf '' | openssl dgst -sha256 -binary | base64)" \
    >register/"$(printf %s example.org/audit2 | sha256sum | cut -c 1-64)"
  restore >/dev/null
  checkpoint new key2 >/dev/null 2>&1
}

@test "restore: killed anywhere, the same call goes on, and nothing is signed" {
  put_back
  cp -r register before
  for ms in 0 1 2 3 4 5 6 8 10 12 15 20; do
    rm -rf new register
    cp -r before register
    timeout -s KILL "0.0$(printf %02d "$ms")" "$TALLY" restore log --into new \
      --origin example.org/audit2 --key key2 --register register \
      --reason "the disk was lost" >/dev/null 2>&1 || true
    run checkpoint log key
    [ "$status" -ne 0 ]
    restore >/dev/null
    tally verify new --key key2.pub >/dev/null
    [ "$(tally head new tally:log | cut -f 2)" = 2 ]
  done
}

@test "restore: a place that will not do ends no origin" {
  local before

  put_back
  before=$(cat register/*)
  # A log of somebody's, one of records, a directory that is not empty, a file,
  # one below nothing, and one below a file.
  make_log theirs --origin example.org/audit2
  events 1 2 | tally append theirs --chain c >/dev/null
  make_log other --origin example.org/other
  mkdir full
  : >full/x
  : >file
  for place in theirs other full file none/new file/new log; do
    run --separate-stderr tally restore log --into "$place" \
      --origin example.org/audit2 --key key2 --register register --reason x
    [ "$status" -ne 0 ]
    [ "$output" = "" ]
    [ "$(cat register/*)" = "$before" ] || {
      echo "the origin ended for \"$place\""
      return 1
    }
  done
  # An empty directory will.
  mkdir new
  restore >/dev/null
  [ "$(cat register/*)" != "$before" ]
  tally verify new --key key2.pub >/dev/null
}
