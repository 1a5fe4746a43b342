# SPDX-License-Identifier: Apache-2.0
# Completion of tally for bash; source it, or install it as
# bash-completion/completions/tally.  It asks the command for its own words,
# so it is never out of date.
# shellcheck shell=bash

_tally() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local words

  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] &&
    [ "$previous" = help ]; }; then
    words="help $("${COMP_WORDS[0]}" help 2>/dev/null |
      sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p')"
  elif [ "$previous" = --durability ]; then
    words='sync buffered'
  elif [[ $current == -* ]]; then
    words=$("${COMP_WORDS[0]}" help "${COMP_WORDS[1]}" 2>/dev/null |
      sed -n 's/^  \(--[a-z-]*\) .*/\1/p')
  else
    # Logs, proofs and files of heads: what a file name can be.
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o filenames -F _tally tally
