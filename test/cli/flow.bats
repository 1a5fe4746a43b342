#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a newcomer does: the README's six commands, and the demonstration.
load helper

@test "init, append, head, verify, one byte changed with dd, verify" {
  run --separate-stderr tally init audit.log
  expect 0
  run --separate-stderr tally append audit.log --chain org/42 \
    '{"actor":"alice","action":"login"}'
  expect 0
  hash=${output#1 }
  run --separate-stderr tally head audit.log org/42
  expect 0
  [[ $output == "$(printf 'org/42\t1\t%s\t20' "$hash")"* ]]
  run --separate-stderr tally verify audit.log
  expect 0
  [ "${lines[0]}" = 'verdict   intact' ]
  file=$(segment audit.log)
  printf m | dd of="$file" bs=1 seek="$(offset_of "$file" alice)" \
    conv=notrunc status=none
  grep -q '"actor":"mlice"' "$file"
  run --separate-stderr tally verify audit.log
  expect 1
  [[ ${lines[0]} == 'content-altered  chain "org/42"  seq 1  index 1  '* ]]
  [ "${lines[1]}" = 'verdict   tampered' ]
}

@test "the demonstration runs on this machine's own input" {
  run --separate-stderr "$SOURCE/tools/demo" "$TALLY"
  expect 0
  [ "$stderr" = "" ]
  grep -q '^content-altered  chain "' <<<"$output"
  grep -q '^truncated ' <<<"$output"
  run --separate-stderr "$SOURCE/tools/demo" --keep kept "$TALLY"
  expect 0
  [ -f kept/audit.log/tally.json ]
  run --separate-stderr "$SOURCE/tools/demo" --keep kept "$TALLY"
  expect 2
}
