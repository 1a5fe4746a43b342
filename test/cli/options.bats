#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line itself: help, options, suggestions.
load helper

@test "without a command: the usage on standard error, status 2" {
  run --separate-stderr tally
  expect 2 ""
  [[ $stderr == "usage: tally COMMAND"* ]]
}

@test "--version" {
  run --separate-stderr tally --version
  expect 0
  [[ $output =~ ^tally\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "help of the command and of every command fits 80 columns" {
  run --separate-stderr tally --help
  expect 0
  commands=$(printf '%s\n' "$output" | sed -n 's/^  \([a-z]*\)  .*/\1/p')
  [ "$(echo $commands)" = "init append head log stat verify prove check consistency key checkpoint sink watch witness restore pg publish diagnose profile adopt" ]
  for command in $commands; do
    run --separate-stderr tally "$command" --help
    expect 0
    by_option=$output
    run --separate-stderr tally help "$command"
    expect 0 "$by_option" ""
    [[ $output == "usage: tally $command "* ]]
    [[ $output == *$'\n\noptions\n'* ]]
    [[ $output == *$'\n\nexample\n'* ]]
    [[ $output == *$'\n\nexit status\n'* ]]
    [[ $output == *$'\n\nmanual\n  tally-'"$command"'(1)' ]]
    [ -f "$SOURCE/doc/man/tally-$command.1.scd" ]
    # Of a group, each of its commands has all of that, and its own help.
    parts=$(grep -c '^usage: ' <<<"$output")
    for section in options example 'exit status' manual; do
      [ "$(grep -cx "$section" <<<"$output")" -eq "$parts" ]
    done
    for part in $(sed -n "s/^usage: tally $command \([a-z]*\) .*/\1/p" <<<"$output"); do
      [ "$parts" -gt 1 ] || break
      run --separate-stderr tally "$command" "$part" --help
      expect 0
      [[ $output == "usage: tally $command $part "* ]]
    done
    output=$by_option
    long=$(printf '%s\n' "$output" | awk 'length > 80')
    [ -z "$long" ]
  done
}

@test "--help wins over whatever else stands there before it" {
  run --separate-stderr tally append somewhere --chain x --help
  expect 0
  [[ $output == "usage: tally append "* ]]
  [ ! -e somewhere ]
}

@test "unknown commands: near ones are suggested, others are not" {
  refused 2 'unknown command "verfiy"; did you mean "verify"?' verfiy
  refused 2 'unknown command "apend"; did you mean "append"?' apend
  refused 2 'unknown command "hepl"; did you mean "help"?' hepl
  refused 2 'unknown command "ver"; did you mean "verify"?' ver
  refused 2 'unknown command "sabotage"; see "tally help"' sabotage
  refused 2 'unknown command "x"; see "tally help"' x
  refused 2 'unknown command ""; see "tally help"' ''
  refused 2 'unknown command "frobnicate"; see "tally help"' help frobnicate
  refused 2 'unknown option "--chain"; see "tally help"' --chain x
}

@test "unknown options: near ones are suggested, others are not" {
  refused 2 'unknown option "--chian"; did you mean "--chain"?' \
    append log --chian x 1
  refused 2 'unknown option "--jsno"; did you mean "--json"?' head log --jsno
  refused 2 'unknown option "--durable"; see "tally append --help"' \
    append log --chain x --durable 1
  refused 2 'unknown option "--zzz"; see "tally verify --help"' verify --zzz
  refused 2 'unknown option "-x"; see "tally verify --help"' verify -x
}

@test "a hostile argument does not drive the terminal" {
  refused 2 'unknown command "\u001b[31mred\u0007"; see "tally help"' \
    $'\e[31mred\a'
  refused 2 'unknown command "\u202eb\u009ba\xff"; see "tally help"' \
    $'\u202eb\xc2\x9ba\xff'
}

@test "operands: missing, empty, too many" {
  refused 2 'DIR is missing; see "tally append --help"' append --chain x
  refused 2 'DIR is empty; see "tally head --help"' head ''
  refused 2 'EVENT is empty; see "tally append --help"' append l --chain x ''
  refused 2 'unexpected argument "b"; see "tally stat --help"' stat a b
  refused 2 'FILE is missing; see "tally check --help"' check
}

@test "options: twice, without a value, with a value too many" {
  refused 2 '"--chain" is given twice; see "tally append --help"' \
    append log --chain a --chain=b 1
  refused 2 '"--json" is given twice; see "tally head --help"' \
    head log --json --json
  refused 2 '"--chain" needs a value: NAME; see "tally append --help"' \
    append log --chain
  refused 2 '"--chain" needs a value, not ""' append log --chain= 1
  refused 2 '"--json" takes no value; see "tally head --help"' \
    head log --json=yes
}

@test "options stand anywhere, with = or without; -- ends them" {
  make_log log
  run --separate-stderr tally append --chain=a log --json '{"a":1}'
  expect 0
  [ "$(jq -r .chain <<<"$output")" = a ]
  run --separate-stderr tally append log '{"a":2}' --chain a
  expect 0
  [[ $output == "2 "* ]]
  run --separate-stderr tally append --chain a -- log -5
  expect 0
  [[ $output == "3 "* ]]
  run --separate-stderr tally log log --chain a --json --from 3
  [ "$(jq .event <<<"$output")" = -5 ]
}

@test "values that are none" {
  refused 2 '"--limit" needs a number, not "ten"' log l --limit ten
  refused 2 '"--limit" needs a number, not "-1"' log l --limit -1
  refused 2 '"--limit" needs a number, not "18446744073709551616"' \
    log l --limit 18446744073709551616
  refused 2 \
    '"--segment-size" needs a number of bytes (64K, 256M, 1G), not "1Q"' \
    init l --segment-size 1Q
  refused 2 \
    '"--segment-size" needs a number of bytes (64K, 256M, 1G), not "0"' \
    init l --segment-size 0
  refused 2 \
    '"--segment-size" needs a number of bytes (64K, 256M, 1G), not "K"' \
    init l --segment-size K
  refused 2 '"--event-limit" needs a number of bytes (64K, 256M, 1G), not'`
    `' "99999999999999999999G"' init l --event-limit 99999999999999999999G
  refused 2 '"--since" needs a time (2026-11-21, 2026-11-21T01:26:18Z, 2h),'`
    `' not "yesterday"' log l --since yesterday
  refused 2 '"--until" needs a time (2026-11-21, 2026-11-21T01:26:18Z, 2h),'`
    `' not "2026-02-30"' log l --until 2026-02-30
  refused 2 '"--root" needs a root (SIZE:HEX), not "x:'"$(times 64 a)"'"' \
    verify l --root "x:$(times 64 a)"
  refused 2 '"--root" needs a root (64 hexadecimal digits), not "5:abc"' \
    verify l --root 5:abc
  refused 2 '"--durability" needs sync or buffered, not "maybe"' \
    append l --chain x --durability maybe 1
}

@test "settings that need or exclude each other" {
  refused 2 '"--chain" or "--chain-from" is missing; see'`
    `' "tally append --help"' append l 1
  refused 2 '"--id" and "--id-from" exclude each other; see'`
    `' "tally append --help"' append l --chain x --id a --id-from b 1
  refused 2 '"--id" needs EVENT; for lines there is "--id-from"; see'`
    `' "tally append --help"' append l --chain x --id a
  refused 2 '"--from" needs "--chain"; see "tally log --help"' log l --from 2
  refused 2 '"--to" needs "--chain"; see "tally log --help"' log l --to 2
  refused 2 '"--id" needs "--chain"; see "tally log --help"' log l --id a
  refused 2 "a chain's records are numbered from 1; see"`
    `' "tally log --help"' log l --chain x --from 0
  refused 2 '"--limit" needs at least 1; see "tally log --help"' \
    log l --limit 0
  refused 2 '"--id" and "--index" exclude each other; see'`
    `' "tally log --help"' log l --chain x --id a --index 1
  refused 2 '"--index" is about one record, not a range; see'`
    `' "tally log --help"' log l --index 1 --follow
  refused 2 '"--last" and "--from" exclude each other; see'`
    `' "tally log --help"' log l --chain x --last 1 --from 1
  refused 2 '"--root" needs the size, too: SIZE:HEX; see'`
    `' "tally verify --help"' verify l --root "$(times 64 a)"
  refused 2 '"--jobs" needs 1 to 1024; see "tally verify --help"' \
    verify l --jobs 0
  refused 2 '"--chain" is missing; see "tally prove --help"' prove l --seq 1
  refused 2 '"--seq" is missing; see "tally prove --help"' prove l --chain x
  refused 2 "a chain's records are numbered from 1; see"`
    `' "tally prove --help"' prove l --chain x --seq 0
}

@test "bash completes commands and the options of each" {
  # shellcheck disable=SC1091
  source "$SOURCE/tools/tally-completion.bash"
  complete_words() {
    COMP_WORDS=("$TALLY" "$@")
    COMP_CWORD=$#
    _tally
    echo "${COMPREPLY[*]}"
  }
  [ "$(complete_words ve)" = verify ]
  [ "$(complete_words help pr)" = 'prove profile' ]
  [ "$(complete_words append log --chain)" = '--chain --chain-from' ]
  [ "$(complete_words append log --durability b)" = buffered ]
  mkdir audit.log
  [ "$(complete_words head aud)" = audit.log ]
  # Groups: their commands, and the options of each alone.
  [ "$(complete_words pg '')" = 'verify export status sql' ]
  [ "$(complete_words sink s)" = send ]
  [ "$(complete_words pg verify x --ag)" = --against ]
  [ -z "$(complete_words pg status x --ag)" ]
  [ "$(complete_words key r)" = 'rotate retire' ]
  export TALLY_PROFILES=$SOURCE/profiles
  [ "$(complete_words verify chain --profile bre)" = 'breeze-v1 breeze-v2' ]
}

@test "bash completes every command, every one of a group, every option" {
  # shellcheck disable=SC1091
  source "$SOURCE/tools/tally-completion.bash"
  completed() {
    COMP_WORDS=("$TALLY" "$@")
    COMP_CWORD=$#
    _tally
    printf '%s\n' "${COMPREPLY[@]}" | sort
  }
  commands=$(tally help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
  [ "$(wc -l <<<"$commands")" -eq 20 ]
  diff <(completed '') <(printf '%s\nhelp\n' "$commands" | sort)
  for command in $commands; do
    usages=$(tally "$command" --help | sed -n 's/^usage: tally //p')
    if [ "$(wc -l <<<"$usages")" -eq 1 ]; then
      diff <(completed "$command" --) <(tally "$command" --help |
        sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort)
      continue
    fi
    parts=$(cut -d ' ' -f 2 <<<"$usages" | sort)
    diff <(completed "$command" '') <(printf '%s\n' "$parts")
    for part in $parts; do
      diff <(completed "$command" "$part" --) <(tally "$command" "$part" --help |
        sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort)
    done
  done
}
