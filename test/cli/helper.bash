# SPDX-License-Identifier: Apache-2.0
# Sourced by every file of tests.  $TALLY is the command; each test runs in a
# directory of its own.
bats_require_minimum_version 1.5.0

# What each test begins with; a file whose setup does more calls it first.
begin_test() {
  : "${TALLY:?is the command to test}"
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  cd "$BATS_TEST_TMPDIR" || return 1
  unset NO_COLOR
}
setup() {
  begin_test
}

tally() { "$TALLY" "$@"; }

# An empty log; its file of records.
make_log() { # DIR [OPTION ...]
  tally init "$@" >/dev/null
}
segment() { # DIR
  printf '%s/log/00000000000000000000.jsonl\n' "$1"
}

# Events {"n":FROM} ... {"n":TO}, one per line.
events() { # FROM TO
  seq "$1" "$2" | sed 's/.*/{"n":&}/'
}

# So many times one character.
times() { # COUNT CHARACTER
  head -c "$1" /dev/zero | tr '\0' "$2"
}

# Skips where no pseudo-terminal can be made.
need_terminal() {
  script -qec true /dev/null >/dev/null 2>&1 ||
    skip "no terminal can be made here"
}

# The last "run --separate-stderr" ended so, and said exactly this.
expect() { # STATUS [STDOUT [STDERR]]
  local bad=0

  # shellcheck disable=SC2154
  if [ "$status" -ne "$1" ]; then
    echo "exit status $status, not $1"
    bad=1
  fi
  if [ $# -ge 2 ] && [ "$output" != "$2" ]; then
    echo "standard output is not:"
    printf '%s\n' "$2"
    bad=1
  fi
  # shellcheck disable=SC2154
  if [ $# -ge 3 ] && [ "$stderr" != "$3" ]; then
    echo "standard error is not:"
    printf '%s\n' "$3"
    bad=1
  fi
  if [ "$bad" -ne 0 ]; then
    echo "--- standard output"
    printf '%s\n' "$output"
    echo "--- standard error"
    printf '%s\n' "$stderr"
  fi
  return "$bad"
}

# A run that is refused prints nothing but its message.
refused() { # STATUS MESSAGE ARGUMENT ...
  local want=$1 message=$2

  shift 2
  run --separate-stderr tally "$@"
  expect "$want" "" "tally: $message"
}

# Puts another character in the place of one byte.
flip() { # FILE OFFSET
  local old new=x

  old=$(dd if="$1" bs=1 skip="$2" count=1 status=none)
  [ "$old" != x ] || new=y
  printf %s "$new" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Where in a file a text first stands.
offset_of() { # FILE TEXT
  LC_ALL=C grep -obaF -- "$2" "$1" | head -n 1 | cut -d : -f 1
}

# Waits until a command succeeds, a minute at most: other tests run too.
eventually() { # COMMAND ...
  local tries

  for ((tries = 0; tries < 1200; tries++)); do
    if "$@" >/dev/null 2>&1; then
      return 0
    fi
    sleep 0.05
  done
  echo "never: $*"
  return 1
}

has_lines() { # FILE COUNT
  [ "$(wc -l <"$1")" -ge "$2" ]
}

# No line of a file matches.  ("! grep" does not fail a test.)
lacks() { # PATTERN FILE
  if LC_ALL=C grep -aq -- "$1" "$2"; then
    echo "\"$2\" holds $(printf %q "$1")"
    return 1
  fi
}

# The steps of doc/outside.md that move a register, for a bucket's address: into
# the files "forth" and "back".  SED: what is other with this server.
moving_steps() { # ADDRESS [SED]
  sed -n '/^\*\*Moving\*\* /,/^## /p' "$SOURCE/doc/outside.md" |
    sed -e "s|https://s3.example/registers/tally|$1|" -e s/eu-1/default/ \
      -e "${2-}" | awk '
      /^```/ { n += /^```sh/; on = /^```sh/; next }
      on && n == 1 { print >"forth"; print >"back" }
      on && n == 2 { print >"forth" }
      on && n == 3 { print >"back" }'
  grep -q 'ask "$entry"' forth
  grep -q 'ask moved' back
}
