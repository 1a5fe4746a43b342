#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The README's first screen, command by command, against what it says they
# print; hashes, instants and durations differ and are masked.
load helper

mask() {
  sed -E -e 's/[0-9a-f]{64}/HASH/g' \
    -e 's/[0-9-]{10}T[0-9:.]{15}Z/TIME/g' \
    -e 's/^(seconds +)[0-9.]+/\1SECONDS/'
}

# What stands between ```console and ```.
session() {
  sed -n '/^```console$/,/^```$/p' "$SOURCE/README.md" | sed '1d;$d'
}

@test "every command of the first screen prints what the README shows" {
  session | grep -c '^\$ ' | grep -qx 6
  while IFS= read -r line; do
    [[ $line == '$ '* ]] || continue
    printf '%s\n' "$line"
    eval "${line#\$ }" 2>&1 || true
  done < <(session) >printed
  diff <(session | mask) <(mask <printed)
}

@test "the README names what is there" {
  grep -o '](\([^)]*\))' "$SOURCE/README.md" | tr -d '])(' |
    while read -r path; do
      [ -e "$SOURCE/$path" ] || { echo "no $path" && exit 1; }
    done
}

@test "the C of the README compiles" {
  { printf '#include <tally/tally.h>\nint f(struct tally_log *log);\n'
    printf 'int f(struct tally_log *log)\n{\nint result;\n'
    printf 'struct tally_receipt receipt;\nstruct tally_error error;\n'
    sed -n '/^```c$/,/^```$/p' "$SOURCE/README.md" |
      sed -e '1d;$d' -e '/^#include/d'
    printf 'return result;\n}\n'
  } >snippet.c
  cc -std=c11 -Wall -Wextra -Werror -I"$SOURCE/include" -c snippet.c
}
