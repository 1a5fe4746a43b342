#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally head, tally log and tally stat.
load helper

# Ten records of chain a, five of chain "b c", one with an id.
make_two_chains() {
  make_log log
  events 1 5 | tally append log --chain a >/dev/null
  events 1 5 | tally append log --chain 'b c' >/dev/null
  events 6 10 | tally append log --chain a >/dev/null
  tally append log --chain a --id the-id '{"id":true}' >/dev/null
}

@test "head: every chain in the order of its first record, tabs between" {
  make_two_chains
  run --separate-stderr tally head log
  expect 0
  [ "$(cut -f 1,2 <<<"$output")" = "$(printf 'tally:log\t1\na\t11\nb c\t5')" ]
  [ "$(cut -f 3 <<<"$output" | grep -Ecx '[0-9a-f]{64}')" -eq 3 ]
  [ "$(cut -f 4 <<<"$output" | tail -n 1)" = \
    "$(grep '"b c"' "$(segment log)" | tail -n 1 | jq -r .time)" ]
}

@test "head: one chain, and as JSON" {
  make_two_chains
  run --separate-stderr tally head log 'b c' --json
  expect 0
  [ "${#lines[@]}" -eq 1 ]
  line=$(grep '"b c"' "$(segment log)" | tail -n 1)
  [ "$(jq -c . <<<"$output")" = "$(jq -c '{chain,seq,hash,time}' <<<"$line")" ]
  run --separate-stderr tally head log --json
  expect 0
  [ "$(jq -r .chain <<<"$output" | paste -sd ,)" = 'tally:log,a,b c' ]
  refused 4 'there is no chain "zz"' head log zz
}

@test "log: columns with tabs, in the order of the log" {
  make_two_chains
  run --separate-stderr tally log log
  expect 0
  [ "${#lines[@]}" -eq 17 ]
  [ "$(cut -f 1 <<<"$output" | paste -sd ,)" = "$(seq -s , 0 16)" ]
  [ "$(cut -f 2,4,5 <<<"${lines[6]}")" = "$(printf '1\tb c\t{"n":1}')" ]
  [ "$(cut -f 3 <<<"${lines[6]}")" = \
    "$(sed -n 7p "$(segment log)" | jq -r .time)" ]
}

@test "log --json: the stored lines, byte for byte" {
  make_log log --segment-size 64K
  events 1 500 | tally append log --chain a >/dev/null
  tally log log --json >out
  cat log/log/*.jsonl | cmp - out
  tally log log --json --chain a --from 250 --limit 3 >out
  sed -n 251,253p <(cat log/log/*.jsonl) | cmp - out
}

@test "log: a chain, a range, a limit, the last ones" {
  make_two_chains
  numbers() { tally log log "$@" | cut -f 2 | paste -sd ,; }
  [ "$(numbers --chain a)" = "$(seq -s , 11)" ]
  [ "$(numbers --chain a --from 3 --to 5)" = 3,4,5 ]
  [ "$(numbers --chain a --from 9 --to 99)" = 9,10,11 ]
  [ "$(numbers --chain a --limit 2)" = 1,2 ]
  [ "$(numbers --chain a --last 2)" = 10,11 ]
  [ "$(numbers --chain a --last 99)" = "$(seq -s , 11)" ]
  [ "$(numbers --chain a --from 12)" = "" ]
  [ "$(tally log log --last 3 | cut -f 1 | paste -sd ,)" = 14,15,16 ]
  [ "$(tally log log --limit 1 | cut -f 4)" = tally:log ]
  refused 4 'there is no chain "zz"' log log --chain zz
}

@test "log: one record by its index, by its id" {
  make_two_chains
  run --separate-stderr tally log log --index 6 --json
  expect 0 "$(sed -n 7p "$(segment log)")" ""
  run --separate-stderr tally log log --chain a --id the-id --json
  expect 0 "$(tail -n 1 "$(segment log)")" ""
  refused 4 'there is no record with index 17' log log --index 17
  refused 4 'there is no id "no-id" in chain "a"' log log --chain a --id no-id
  refused 4 'there is no id "the-id" in chain "b c"' \
    log log --chain 'b c' --id the-id
}

@test "log: found as well without the index and the shared state" {
  make_two_chains
  rm -rf log/index log/run
  [ "$(tally log log --chain a --last 1 | cut -f 2)" -eq 11 ]
  rm -rf log/index log/run
  run --separate-stderr tally log log --chain a --id the-id --json
  expect 0 "$(tail -n 1 "$(segment log)")" ""
}

@test "log: --since and --until" {
  make_log log
  tally append log --chain a 1
  sleep 0.05
  middle=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
  sleep 0.05
  tally append log --chain a 2
  [ "$(tally log log --chain a --since "$middle" | cut -f 5)" = 2 ]
  [ "$(tally log log --chain a --until "$middle" | cut -f 5)" = 1 ]
  [ "$(tally log log --chain a --since 1h | wc -l)" -eq 2 ]
  [ "$(tally log log --until 1h | wc -l)" -eq 0 ]
  [ "$(tally log log --since 1970-01-01 | wc -l)" -eq 3 ]
  [ "$(tally log log --since '9000-01-01 10:00' | wc -l)" -eq 0 ]
  # Seconds and an offset: the same instant.
  at=$(tail -n 1 "$(segment log)" | jq -r .time)
  [ "$(tally log log --since "$at" | wc -l)" -eq 1 ]
  [ "$(tally log log --since "${at%Z}+00:00" | wc -l)" -eq 1 ]
}

@test "log --follow: what comes is printed, a signal ends it with 130" {
  make_log log
  for signal in TERM INT; do
    env --default-signal=INT "$TALLY" log log --follow --last 0 >out 3>&- &
    pid=$!
    sleep 0.3
    tally append log --chain a '{"s":1}' >/dev/null
    eventually has_lines out 1
    events 1 50 | tally append log --chain b >/dev/null
    eventually has_lines out 51
    kill -s "$signal" "$pid"
    result=0
    wait "$pid" || result=$?
    [ "$result" -eq 130 ]
    [ "$(wc -l <out)" -eq 51 ]
  done
}

@test "log --follow: a chain that begins later" {
  make_log log
  "$TALLY" log log --follow --chain late --json >out 3>&- &
  pid=$!
  sleep 0.3
  events 1 3 | tally append log --chain early >/dev/null
  events 1 3 | tally append log --chain late >/dev/null
  eventually has_lines out 3
  kill "$pid"
  wait "$pid" || true
  [ "$(jq -r .chain out | sort -u)" = late ]
}

@test "log --follow ends with --limit, and quietly with its reader" {
  make_log log
  events 1 5 | tally append log --chain a >/dev/null
  run --separate-stderr timeout 60 "$TALLY" log log --follow --limit 2
  expect 0
  [ "${#lines[@]}" -eq 2 ]
  run --separate-stderr timeout 60 bash -c \
    '"$TALLY" log log --follow | head -n 1; echo "${PIPESTATUS[0]}"'
  expect 0
  [ "${lines[1]}" -eq 141 ]
  [ "$stderr" = "" ]
}

@test "log on a terminal: a table that fits, and nothing that drives it" {
  need_terminal
  make_log log
  tally append log --chain $'evil\u202e/\u200bname' \
    $'{"esc":"\\u001b[2J","c1":"\xc2\x9b2J","del":"\x7f","rtl":"\u202e"}'
  tally append log --chain wide "\"$(times 300 w)\""
  tally append log --chain cjk "\"$(printf '日%.0s' {1..100})\""
  TERM=xterm script -qec 'stty cols 80; "$TALLY" log log' /dev/null |
    tr -d '\r' >out
  lacks $'[\x01-\x08\x0b-\x1f\x7f]' out
  lacks $'\u202e\|\u200b\|\xc2\x9b' out
  grep -q 'INDEX.*SEQ.*TIME.*CHAIN.*EVENT' out
  grep -qF 'evil\u202e/' out
  [ "$(LC_ALL=C.UTF-8 awk '{ print length }' <(grep -a wide out))" -eq 80 ]
  grep -a wide out | grep -q '\.\.\.$'
  # Elsewhere nothing is cut off, and the event is still the same JSON.
  tally log log --index 1 | cut -f 5 >event
  [ "$(jq -r .c1 event)" = $'\u009b2J' ]
  grep -qF '"c1":"\u009b2J","del":"\u007f","rtl":"\u202e"' event
  [ "$(tally log log --index 2 | cut -f 5 | wc -c)" -eq 303 ]
}

@test "colours on a terminal only, and not with NO_COLOR or a dumb one" {
  need_terminal
  make_log log
  TERM=xterm script -qec '"$TALLY" verify log' /dev/null >out
  grep -q $'\e\[32mintact' out
  TERM=xterm NO_COLOR=1 script -qec '"$TALLY" verify log' /dev/null >out
  lacks $'\e' out
  TERM=dumb script -qec '"$TALLY" verify log' /dev/null >out
  lacks $'\e' out
  tally verify log >out
  lacks $'\e' out
}

@test "stat: text and JSON" {
  make_two_chains
  run --separate-stderr tally stat log
  expect 0
  grep -q '^records    17, durable 17, ' <<<"$output"
  grep -q '^chains     3$' <<<"$output"
  grep -q "^segments   1, $(wc -c <"$(segment log)") bytes$" <<<"$output"
  grep -q '^health     ok$' <<<"$output"
  run --separate-stderr tally stat log --json
  expect 0
  [ "$(jq -c '[.records,.durable,.chains,.segments,.poisoned,.health]' \
    <<<"$output")" = '[17,17,3,1,false,"ok"]' ]
  jq -e '.rate > 0 and .rate_recent > 0 and .format == 1' <<<"$output"
  [ "$(jq -r .id <<<"$output")" = "$(jq -r .id log/tally.json)" ]
}
