# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the stories share.
set -euo pipefail
export LC_ALL=C.UTF-8

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
  bold=$'\033[1m' plain=$'\033[0m'
else
  bold='' plain=''
fi

tally() { "$TALLY" "$@"; }

say() { printf '\n%s\n' "$*"; }

fail() {
  echo "story: $*" >&2
  exit 1
}

# Prints a command as a person would type it, then runs it.
show() {
  printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"
  "$@"
}

# The same, and the exit status must be this one.
gives() { # STATUS COMMAND ...
  local want=$1 status=0

  shift
  show "$@" || status=$?
  echo "(exit status $status)"
  [ "$status" -eq "$want" ] || fail "expected exit status $want: $*"
}

sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

# SQL from a file of the example.
play() { # FILE
  printf '\n%s$ psql -f %s%s\n' "$bold" "$1" "$plain"
  sql -f "$EXAMPLE/$1"
}

# Sessions that run a pgbench script at once; what it counted.
load() { # SESSIONS TRANSACTIONS FILE
  printf '\n%s$ pgbench -c %s -t %s -f %s%s\n' "$bold" "$1" "$2" "$3" "$plain"
  pgbench -n -c "$1" -j 2 -t "$2" -f "$EXAMPLE/$3" 2>pgbench.log |
    grep -E 'actually|^tps' || { cat pgbench.log >&2; fail "pgbench failed"; }
}

# What happened to a chain: one fork, and the end of the diagnosis.  The findings
# are in verdict.json.
diagnose() { # FILE, or --pg CONNINFO; --profile NAME
  printf '\n%s$ tally diagnose %s%s\n' "$bold" "$*" "$plain"
  tally diagnose "$@" >diagnosis || true
  grep -m 1 -A 2 '^fork ' diagnosis || true
  echo ...
  sed -n '/^verdict/,$p' diagnosis
  tally verify "$@" --json >verdict.json || true
}

# How many findings of a kind the last --json verdict in verdict.json has.
findings() { # KIND
  jq --arg kind "$1" '[.findings[] | select(.kind == $kind)] | length' verdict.json
}
