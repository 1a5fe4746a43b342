#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many processes on one log.
load helper

@test "8 processes, one chain and chains of their own: no gap, no fork" {
  make_log log
  for p in 1 2 3 4 5 6 7 8; do
    seq 300 | sed "s/.*/{\"p\":$p,\"n\":&,\"c\":\"own\\/$p\"}\n"`
      `"{\"p\":$p,\"n\":&,\"c\":\"shared\"}/" >"in.$p"
    "$TALLY" append log --chain-from c --json <"in.$p" >"out.$p" 3>&- &
    pids[p]=$!
  done
  for p in 1 2 3 4 5 6 7 8; do
    wait "${pids[p]}"
    [ "$(wc -l <"out.$p")" -eq 600 ]
  done
  # Each number of the shared chain was given out once.
  jq -r 'select(.chain == "shared") | .seq' out.? | sort -n |
    cmp - <(seq 2400)
  # Each process finds its own events in the order in which it sent them.
  for p in 1 8; do
    tally log log --chain shared --json |
      jq "select(.event.p == $p) | .event.n" | cmp - <(seq 300)
  done
  # Every receipt is a record.
  jq -r '"\(.index) \(.hash)"' out.? | sort -n >receipts
  cat log/log/*.jsonl | jq -r .hash | tail -n +2 |
    awk '{ print NR " " $0 }' | cmp - receipts
  run --separate-stderr tally verify log --ids --json
  expect 0
  [ "$(jq -c '[.verdict,.records,.chains]' <<<"$output")" = \
    '["intact",4801,10]' ]
  python3 "$SOURCE/doc/verify.py" log
}

@test "processes that are killed: every receipt is in the log" {
  make_log log
  for p in 1 2 3 4; do
    yes "{\"p\":$p}" | "$TALLY" append log --chain shared >"out.$p" \
      2>/dev/null 3>&- &
    pids[p]=$!
  done
  for p in 1 2 3 4; do
    eventually test -s "out.$p"
  done
  sleep 0.5
  for p in 1 2 3 4; do
    kill -KILL "${pids[p]}"
    wait "${pids[p]}" || true
  done
  run --separate-stderr tally append log --chain shared '{"after":true}'
  expect 0
  # A receipt may be cut in its middle; a whole one is in the log.
  cat out.? | grep -Ex '[0-9]+ [0-9a-f]{64}' | sort >receipts
  [ -s receipts ]
  tally log log --chain shared --json | jq -r '"\(.seq) \(.hash)"' |
    sort >records
  [ "$(comm -23 receipts records | wc -l)" -eq 0 ]
  run --separate-stderr tally verify log --quiet
  expect 0
  # Somebody may have died in the middle of a write: set aside, and no break.
  [ -z "$(printf '%s' "$output" | grep -v '^torn-tail  chain "tally:log"')" ]
  python3 "$SOURCE/doc/verify.py" log
}

@test "verify and readers beside a writer" {
  make_log log
  yes '{"a":1}' | head -n 200000 | "$TALLY" append log --chain c \
    --durability buffered >out 3>&- &
  pid=$!
  for _ in 1 2 3 4 5; do
    tally verify log --quiet
    tally head log >/dev/null
    tally log log --last 3 >/dev/null
    tally stat log >/dev/null
  done
  wait "$pid"
  [ "$(wc -l <out)" -eq 200000 ]
  run --separate-stderr tally verify log --quiet
  expect 0 "" ""
}
