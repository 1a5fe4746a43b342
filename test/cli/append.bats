#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally init and tally append: what they take, print and leave.
load helper

@test "init makes a log and names its origin" {
  run --separate-stderr tally init log
  expect 0
  [[ $output =~ ^made\ \"log\",\ origin\ localhost/[0-9a-f]{32}$ ]]
  [ -f "$(segment log)" ]
  run --separate-stderr tally init other --origin example.org/audit
  expect 0 'made "other", origin example.org/audit' ""
  [ "$(jq -r .origin other/tally.json)" = example.org/audit ]
}

@test "init takes an empty directory, and nothing else" {
  mkdir empty full
  touch full/file
  run --separate-stderr tally init empty
  expect 0
  refused 2 'there is a log at "empty" already' init empty
  run --separate-stderr tally init full
  expect 2 ""
  [[ $stderr == 'tally: "full" '* ]]
  refused 5 'cannot make "no/log": no such file or directory' init no/log
}

@test "init: sizes and origins that no log accepts" {
  refused 2 'a segment size is 64 KiB to 1 TiB' init log --segment-size 63K
  refused 2 'an event limit is at most 16 MiB' init log --event-limit 17M
  refused 2 'an event limit is at most 16 MiB' init log --event-limit 8G
  refused 2 'an origin is 1 to 255 bytes of UTF-8 without white space,'`
    `' control characters and "+"' init log --origin 'a b'
  [ ! -e log ]
  run --separate-stderr tally init log --segment-size 64K --event-limit 16M
  expect 0
}

@test "one event: a receipt with seq and hash" {
  make_log log
  run --separate-stderr tally append log --chain org/42 '{"actor": "alice"}'
  expect 0
  [[ $output =~ ^1\ [0-9a-f]{64}$ ]]
  hash=${output#1 }
  line=$(tail -n 1 "$(segment log)")
  [ "$(jq -r .hash <<<"$line")" = "$hash" ]
  [[ $line == *'"event":{"actor":"alice"}}' ]]
  run --separate-stderr tally append log --chain org/42 '{}'
  [[ $output =~ ^2\ [0-9a-f]{64}$ ]]
  [ "$(tail -n 1 "$(segment log)" | jq -r .prev)" = "$hash" ]
}

@test "one event: a receipt as JSON, with exactly these members" {
  make_log log
  run --separate-stderr tally append log --chain 'a"b\c' --json '1'
  expect 0
  [ "$(jq -c keys_unsorted <<<"$output")" = \
    '["chain","seq","index","hash","time"]' ]
  [ "$(jq -c '[.chain,.seq,.index]' <<<"$output")" = '["a\"b\\c",1,1]' ]
  [[ $(jq -r .hash <<<"$output") =~ ^[0-9a-f]{64}$ ]]
  line=$(tail -n 1 "$(segment log)")
  [ "$(jq -r .time <<<"$output")" = "$(jq -r .time <<<"$line")" ]
}

@test "events are kept as given, less insignificant white space" {
  make_log log
  tally append log --chain a '
    { "n": 9007199254740993, "x": 1.10, "\u0061": [ 1 , "\u00e9 " ] } '
  line=$(tail -n 1 "$(segment log)")
  [[ $line == *',"event":{"n":9007199254740993,"x":1.10,'`
    `'"\u0061":[1,"\u00e9 "]}}' ]]
}

@test "lines: a receipt each, the last one may lack its line feed" {
  make_log log
  run --separate-stderr bash -c \
    'printf "{\"a\":1}\n{\"a\":2}\r\n{\"a\":3}" | "$TALLY" append log --chain c'
  expect 0
  [ "${#lines[@]}" -eq 3 ]
  [[ ${lines[2]} =~ ^3\ [0-9a-f]{64}$ ]]
  [ "$(tally log log --chain c | wc -l)" -eq 3 ]
}

@test "lines: none at all is nothing to do" {
  make_log log
  run --separate-stderr tally append log --chain c </dev/null
  expect 0 "" ""
}

@test "lines: more than a batch" {
  make_log log
  events 1 3333 >in
  tally append log --chain c <in >out
  [ "$(wc -l <out)" -eq 3333 ]
  cut -d ' ' -f 1 out | cmp - <(seq 3333)
  tally log log --chain c | cut -f 5 | cmp - in
}

@test "lines: a bad one stops with its number, what came before stands" {
  make_log log
  { events 1 1500; echo 'no json'; events 1502 1600; } >in
  run --separate-stderr tally append log --chain c <in
  expect 2
  [ "${#lines[@]}" -eq 1500 ]
  [ "$stderr" = 'tally: line 1501: event: invalid literal at byte 0' ]
  [ "$(tally head log c | cut -f 2)" -eq 1500 ]
  run --separate-stderr tally verify log --quiet
  expect 0 "" ""
}

@test "lines: a bad first one leaves nothing" {
  make_log log
  printf '{\n1\n' >in
  run --separate-stderr tally append log --chain c <in
  expect 2 "" 'tally: line 1: event: unexpected end at byte 1'
  refused 4 'there is no chain "c"' head log c
}

@test "lines: an empty one is no event, a NUL is no JSON" {
  make_log log
  printf '1\n\n2\n' >in
  run --separate-stderr tally append log --chain c <in
  expect 2
  [ "$stderr" = 'tally: line 2: an empty line is no event' ]
  printf '{"a":\0}\n' >in
  run --separate-stderr tally append log --chain c <in
  expect 2 "" 'tally: line 1: event: expected a value at byte 5'
  printf '"\0"\n' >in
  run --separate-stderr tally append log --chain c <in
  expect 2 "" 'tally: line 1: event: control character in a string at byte 1'
}

@test "lines: one that is endless ends before memory does" {
  make_log log --event-limit 64K
  run --separate-stderr bash -c '
    # A sanitizer maps terabytes.
    grep -aq "__[at]san_init" "$TALLY" || ulimit -v 600000
    { echo 1; yes 1111111 | tr -d "\n"; } | "$TALLY" append log --chain c'
  expect 2
  [ "${#lines[@]}" -eq 1 ]
  [ "$stderr" = 'tally: line 2: event: input longer than 262144 bytes' ]
}

@test "lines: a receipt does not wait for more input" {
  make_log log
  mkfifo in
  "$TALLY" append log --chain c <in >out 3>&- &
  pid=$!
  exec 7>in
  printf '{"a":1}\n{"a":' >&7
  eventually has_lines out 1
  printf '2}\n' >&7
  eventually has_lines out 2
  exec 7>&-
  wait "$pid"
}

@test "lines: interrupted, it ends with 130 and what was submitted stands" {
  make_log log
  mkfifo in
  for signal in TERM INT; do
    env --default-signal=INT "$TALLY" append log --chain c <in >out 3>&- &
    pid=$!
    exec 7>in
    echo '{"a":1}' >&7
    eventually has_lines out 1
    kill -s "$signal" "$pid"
    result=0
    wait "$pid" || result=$?
    exec 7>&-
    [ "$result" -eq 130 ]
  done
  [ "$(tally head log c | cut -f 2)" -eq 2 ]
}

@test "--chain-from: each event names its chain, --chain is the default" {
  make_log log
  printf '%s\n' '{"org":"a/1"}' '{"org":"b"}' '{"x":{"org":"no"}}' \
    '{"org":7}' '{"org":"a\u002f1"}' >in
  run --separate-stderr tally append log --chain-from org --chain rest \
    --json <in
  expect 0
  [ "$(jq -r '"\(.chain) \(.seq)"' <<<"$output" | paste -sd ,)" = \
    'a/1 1,b 1,rest 1,rest 2,a/1 2' ]
}

@test "--chain-from: an event without the member, no event, a bad name" {
  make_log log
  printf '{"org":"a"}\n{"gro":"b"}\n' >in
  run --separate-stderr tally append log --chain-from org <in
  expect 2
  [ "${#lines[@]}" -eq 1 ]
  [ "$stderr" = 'tally: line 2: the event has no text member "org"' ]
  echo '{"org":"a"' >in
  run --separate-stderr tally append log --chain-from org <in
  expect 2 "" 'tally: line 1: event: unexpected end at byte 10'
  echo '{"gro":"a"' >in
  run --separate-stderr tally append log --chain-from org <in
  expect 2 "" 'tally: line 1: event: unexpected end at byte 10'
  echo '{"org":"a\u0000b"}' >in
  run --separate-stderr tally append log --chain-from org <in
  expect 2 "" "tally: line 1: the chain's name holds a control character"
  echo '{"org":""}' >in
  run --separate-stderr tally append log --chain-from org <in
  expect 2 "" "tally: line 1: the chain's name is empty"
  echo "{\"org\":\"$(times 256 x)\"}" >in
  run --separate-stderr tally append log --chain-from org <in
  expect 2 "" "tally: line 1: the event's member \"org\" is too long for"`
    `" a name"
  refused 2 'the event has no text member "org"' append log --chain-from org 1
}

@test "--id: a repeat gets the first receipt, another event is refused" {
  make_log log
  first=$(tally append log --chain c --id req-1 --json '{"a":1}')
  tally append log --chain c '{"b":1}'
  run --separate-stderr tally append log --chain c --id req-1 --json '{"a": 1}'
  expect 0 "$first" ""
  refused 2 'the id "req-1" is taken by another event in chain "c"' \
    append log --chain c --id req-1 '{"a":2}'
  run --separate-stderr tally append log --chain d --id req-1 '{"a":2}'
  expect 0
  [ "$(tally head log c | cut -f 2)" -eq 2 ]
}

@test "--id-from: a stream can be repeated; a conflict names the line" {
  make_log log
  printf '%s\n' '{"u":"1"}' '{"u":"2"}' '{"u":"3"}' >in
  tally append log --chain c --id-from u <in >first
  tally append log --chain c --id-from u <in >second
  cmp first second
  printf '%s\n' '{"u":"4"}' '{"u":"2","x":1}' '{"u":"5"}' >in
  run --separate-stderr tally append log --chain c --id-from u <in
  expect 2
  [[ $output == "4 "* ]]
  [ "$stderr" = \
    'tally: line 2: the id "2" is taken by another event in chain "c"' ]
  echo '{"x":1}' >in
  run --separate-stderr tally append log --chain c --id-from u <in
  expect 2 "" 'tally: line 1: the event has no text member "u"'
}

@test "--salt: each record has a salt of its own" {
  make_log log
  printf '1\n1\n' | tally append log --chain c --salt
  [ "$(tail -n 2 "$(segment log)" | jq -r .salt | sort -u |
    grep -Ecx '[0-9a-f]{32}')" -eq 2 ]
  run --separate-stderr tally verify log --quiet
  expect 0
}

@test "--durability buffered: receipts, and all of it is there in the end" {
  make_log log
  events 1 2500 >in
  tally append log --chain c --durability buffered <in >out
  [ "$(wc -l <out)" -eq 2500 ]
  tally append log --chain c --durability=sync 1
  [ "$(tally head log c | cut -f 2)" -eq 2501 ]
}

@test "segments roll at their size" {
  make_log log --segment-size 64K
  for _ in 1 2 3 4 5; do
    events 1 200 | tally append log --chain c >/dev/null
  done
  [ "$(find log/log -name '*.jsonl' | wc -l)" -ge 3 ]
  run --separate-stderr tally verify log --json
  expect 0
  [ "$(jq -c '[.verdict,.records]' <<<"$output")" = '["intact",1001]' ]
}

# As "rm -rf log; cp -r yesterday log" does where log/log gets its old inode again.
@test "append: a log that was put back with its run/ goes on" {
  make_log log
  events 1 3 | tally append log --chain c >/dev/null
  cp -r log yesterday
  events 4 6 | tally append log --chain c >/dev/null
  # Its files have inodes that the old ones did not have.
  cp -r yesterday again
  mv again/log/* log/log/
  rm -r log/run
  mv again/run log/run
  events 7 7 | tally append log --chain c >/dev/null
  run --separate-stderr tally verify log --json
  expect 0
  [ "$(tally log log --chain c | wc -l)" -eq 4 ]
}
