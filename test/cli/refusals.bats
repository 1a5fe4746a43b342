#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input and bad places: each has its exact message and its exit status.
load helper

# Appending this event is refused so.
bad_event() { # MESSAGE EVENT
  refused 2 "$1" append log --chain c -- "$2"
}

@test "events that are not JSON" {
  make_log log
  bad_event 'event: invalid literal at byte 0' 'nonsense'
  bad_event 'event: expected a value at byte 0' 'hello'
  bad_event 'event: unexpected end at byte 6' '{"a":1'
  bad_event 'event: expected a member name at byte 1' "{'a':1}"
  bad_event "event: expected ':' at byte 5" '{"a" 1}'
  bad_event "event: expected ',' or '}' at byte 7" '{"a":1 "b":2}'
  bad_event "event: expected ',' or ']' at byte 3" '[1 2]'
  bad_event 'event: leading zero at byte 0' '01'
  bad_event 'event: expected a digit at byte 3' '[1.]'
  bad_event 'event: invalid escape at byte 1' '"\x"'
  bad_event 'event: trailing bytes at byte 3' '{} {}'
  bad_event 'event: control character in a string at byte 1' $'"\t"'
  refused 4 'there is no chain "c"' head log c
}

@test "events of broken UTF-8, with a byte order mark, of lone surrogates" {
  make_log log
  bad_event 'event: invalid UTF-8 at byte 6' $'{"a":"\xff"}'
  bad_event 'event: invalid UTF-8 at byte 1' $'"\xc0\xaf"'
  bad_event 'event: invalid UTF-8 at byte 1' $'"\xed\xa0\x80"'
  bad_event 'event: byte order mark at byte 0' $'\xef\xbb\xbf{}'
  bad_event 'event: unpaired surrogate at byte 1' '"\ud800"'
  bad_event 'event: unpaired surrogate at byte 1' '"\udc00\ud800"'
  run --separate-stderr tally append log --chain c '"\ud83d\ude00"'
  expect 0
}

@test "events with a member given twice" {
  make_log log
  bad_event 'event: duplicate member "a" at byte 7' '{"a":1,"a":2}'
  bad_event 'event: duplicate member "\u0061" at byte 7' '{"a":1,"\u0061":2}'
  bad_event 'event: duplicate member "b" at byte 13' '{"a":[{"b":1,"b":2}]}'
}

@test "events nested 64 deep, and one deeper" {
  make_log log
  run --separate-stderr tally append log --chain c \
    "$(times 64 '[')$(times 64 ']')"
  expect 0
  bad_event 'event: nested deeper than 64 at byte 64' \
    "$(times 65 '[')$(times 65 ']')"
}

@test "an event of exactly the limit, and one byte more" {
  make_log log --event-limit 64K
  for name in exact spaced; do
    [ "$name" = exact ] || printf ' \t' >$name
    { printf '"'; times 65534 x; echo '"'; } >>$name
    run --separate-stderr tally append log --chain c <$name
    expect 0
  done
  { printf '"'; times 65535 x; echo '"'; } >longer
  run --separate-stderr tally append log --chain c <longer
  expect 2 "" 'tally: line 1: event: longer than 65536 bytes'
  # White space does not count, but there is an end to it, too.
  { printf 1; times 262143 ' '; echo; } >exact
  run --separate-stderr tally append log --chain c <exact
  expect 0
  { printf 1; times 262144 ' '; echo; } >longer
  run --separate-stderr tally append log --chain c <longer
  expect 2 "" 'tally: line 1: event: input longer than 262144 bytes'
}

@test "the default limit is a mebibyte" {
  make_log log
  { printf '"'; times 1048574 x; echo '"'; } >exact
  run --separate-stderr tally append log --chain c <exact
  expect 0
  { printf '"'; times 1048575 x; echo '"'; } >longer
  run --separate-stderr tally append log --chain c <longer
  expect 2 "" 'tally: line 1: event: longer than 1048576 bytes'
}

@test "names of chains, and ids, that are refused" {
  make_log log
  refused 2 "the chain's name holds a control character" \
    append log --chain $'a\tb' 1
  refused 2 "the chain's name holds a control character" \
    append log --chain $'a\x7f' 1
  refused 2 "the chain's name holds a control character" \
    append log --chain $'a\xc2\x9b31m' 1
  refused 2 "the chain's name is not valid UTF-8" append log --chain $'\xff' 1
  refused 2 "the chain's name is longer than 255 bytes" \
    append log --chain "$(times 256 x)" 1
  refused 2 'chains that begin with "tally:" are the log'"'s own" \
    append log --chain tally:log 1
  refused 2 'the id is longer than 128 bytes' \
    append log --chain c --id "$(times 129 x)" 1
  refused 2 'the id holds a control character' \
    append log --chain c --id $'a\nb' 1
  run --separate-stderr tally append log --chain "$(times 255 x)" \
    --id "$(times 128 x)" 1
  expect 0
}

@test "a missing log: every command says so, with status 4" {
  message='there is no log at "gone"; "tally init" makes one'
  refused 4 "$message" append gone --chain c 1
  refused 4 "$message" head gone
  refused 4 "$message" log gone
  refused 4 "$message" stat gone
  refused 4 "$message" prove gone --chain c --seq 1
  refused 4 "$message" verify gone
  refused 4 'cannot read "gone": no such file or directory' check gone
  mkdir empty
  refused 4 'there is no log at "empty"; "tally init" makes one' \
    append empty --chain c 1
}

@test "a log of a newer format: 5, and 3 for verify" {
  make_log log
  sed -i 's/"format":1/"format":2/' log/tally.json
  message='the log is of format 2, this version of tally reads format 1;'`
    `' use a newer one'
  refused 5 "$message" append log --chain c 1
  refused 5 "$message" head log
  refused 5 "$message" log log
  refused 3 "$message" verify log
}

# Runs the command as somebody who has no rights here; skips if that is
# impossible.
as_nobody() {
  if [ "$(id -u)" -ne 0 ]; then
    "$TALLY" "$@"
    return
  fi
  setpriv --reuid=65534 --regid=65534 --clear-groups "$TALLY" "$@"
}

@test "a directory without rights" {
  as_nobody --version >/dev/null 2>&1 || skip "nobody cannot run the command"
  mkdir -m 755 /tmp/tally-rights.$$
  cd /tmp/tally-rights.$$
  make_log log
  tally append log --chain c 1
  chmod 755 log log/log
  [ "$(id -u)" -eq 0 ] || chmod -R a-w log
  run --separate-stderr as_nobody init log2
  init_status=$status init_error=$stderr
  run --separate-stderr as_nobody append log --chain c 2
  append_status=$status append_error=$stderr
  chmod -R a+r log
  run --separate-stderr as_nobody head log
  head_status=$status
  run --separate-stderr as_nobody verify log --quiet
  verify_status=$status
  chmod 000 log
  run --separate-stderr as_nobody head log
  closed_status=$status closed_error=$stderr
  cd /
  chmod -R u+rwX /tmp/tally-rights.$$
  rm -r /tmp/tally-rights.$$
  if [ "$(id -u)" -eq 0 ]; then
    [ "$init_status" -eq 5 ]
    [ "$init_error" = 'tally: cannot make "log2": permission denied' ]
  fi
  [ "$append_status" -eq 5 ]
  [[ $append_error == 'tally: '*'permission denied'* ]]
  # To read and to verify takes no right to write.
  [ "$head_status" -eq 0 ]
  [ "$verify_status" -eq 0 ]
  [ "$closed_status" -eq 5 ]
  [ "$closed_error" = 'tally: cannot open "log": permission denied' ]
}

@test "output that cannot be written is noticed" {
  make_log log
  events 1 10 | tally append log --chain c >/dev/null
  tally prove log --chain c --seq 1 >proof
  for command in 'head log' 'log log' 'log log --json' 'stat log' \
    'verify log' 'verify log --json' 'prove log --chain c --seq 1' \
    '--version' '--help' 'help append'; do
    # shellcheck disable=SC2086
    run --separate-stderr bash -c '"$TALLY" "$@" >/dev/full' - $command
    expect 5 "" \
      'tally: cannot write to standard output: no space left on device'
  done
  run --separate-stderr bash -c '"$TALLY" head log >&-'
  expect 5 "" 'tally: cannot write to standard output: bad file descriptor'
}

@test "a receipt that cannot be written: the record is there, and it says so" {
  make_log log
  run --separate-stderr bash -c '"$TALLY" append log --chain c 1 >/dev/full'
  expect 5 "" 'tally: cannot write to standard output: no space left on device
tally: the record is in the log'
  events 1 5000 >in
  run --separate-stderr bash -c '"$TALLY" append log --chain d <in >/dev/full'
  expect 5 "" 'tally: cannot write to standard output: no space left on device
tally: lines up to 1000 are in the log'
  [ "$(tally head log d | cut -f 2)" -eq 1000 ]
  # A reader that goes away is such an error, not a sudden end.
  run --separate-stderr bash -c '
    set -o pipefail
    { echo 1; sleep 0.5; echo 2; } | "$TALLY" append log --chain e | exit 0'
  expect 5 "" 'tally: cannot write to standard output: broken pipe
tally: lines up to 1 are in the log'
}

@test "a closed standard output does not become a file of the log" {
  make_log log
  for command in 'append log --chain c 1' 'append log --chain c 2'; do
    # shellcheck disable=SC2086
    run bash -c '"$TALLY" "$@" >&- 2>&- <&-' - $command
    [ "$status" -eq 5 ]
  done
  run --separate-stderr tally verify log --quiet
  expect 0 "" ""
}

@test "standard input that cannot be read" {
  make_log log
  run --separate-stderr bash -c '"$TALLY" append log --chain c <&-'
  expect 5 "" \
    'tally: line 1: cannot read standard input: bad file descriptor'
  run --separate-stderr bash -c '"$TALLY" append log --chain c </'
  expect 5 "" 'tally: line 1: cannot read standard input: is a directory'
}

@test "a damaged log takes no append, and says what to do" {
  make_log log
  events 1 10 | tally append log --chain c >/dev/null
  flip "$(segment log)" "$(offset_of "$(segment log)" '"n":10')"
  rm -rf log/run log/index
  run --separate-stderr tally append log --chain c 1
  expect 5 ""
  [[ $stderr == 'tally: "log/00000000000000000000.jsonl" is damaged at byte '* ]]
  [[ $stderr == *'"tally verify" says more' ]]
  run --separate-stderr tally verify log --quiet
  expect 1
}

# Runs a script with a small file system of its own at "small"; skips if that
# is impossible here.
with_small_disk() { # SCRIPT
  mkdir -p small
  unshare -m true 2>/dev/null || skip "no mount namespaces here"
  unshare -m sh -c 'mount -t tmpfs -o size=2M tmpfs small' 2>/dev/null ||
    skip "cannot mount a tmpfs here"
  run --separate-stderr unshare -m bash -c \
    "mount -t tmpfs -o size=2M tmpfs small; $1"
}

@test "a full disk: what has a receipt is there, and it goes on later" {
  events 1 20000 >in
  with_small_disk '
    "$TALLY" init small/log >/dev/null
    "$TALLY" append small/log --chain c <in >out
    echo "$?" >status
    "$TALLY" verify small/log --json | jq -c "[.verdict,.records]"
    "$TALLY" head small/log c | cut -f 2
    rm -rf small/log/index
    "$TALLY" append small/log --chain c --json 1 | jq .seq'
  expect 0
  [ "$(cat status)" -eq 5 ]
  count=$(wc -l <out)
  [ "$count" -gt 0 ]
  [ "$output" = "[\"intact\",$((count + 1))]
$count
$((count + 1))" ]
  [ "$stderr" = "tally: line $((count + 1)): cannot append to the log: no"`
    `" space left on the device
tally: line $((count + 1)) and the ones behind it were not appended" ]
}

@test "a read-only file system: append is refused, reading works" {
  with_small_disk '
    "$TALLY" init small/log >/dev/null
    mount -o remount,ro small
    "$TALLY" append small/log --chain c 1
    echo "$?"
    "$TALLY" head small/log | cut -f 1
    "$TALLY" verify small/log --quiet
    "$TALLY" init small/log2
    echo "$?"'
  expect 0
  [ "$output" = '5
tally:log
5' ]
  [[ ${stderr_lines[0]} == 'tally: '*': read-only file system' ]]
  [ "${stderr_lines[1]}" = \
    'tally: cannot make "small/log2": read-only file system' ]
}
