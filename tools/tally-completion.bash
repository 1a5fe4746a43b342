# SPDX-License-Identifier: Apache-2.0
# Completion of tally for bash; source it, or install it as
# bash-completion/completions/tally.  It asks the command for its own words,
# so it is never out of date.
# shellcheck shell=bash

# The words that may stand behind a command: "pg verify", "key add".
_tally_actions() { # TALLY COMMAND
  "$1" help "$2" 2>/dev/null |
    sed -n "s/^\\(usage:\\|      \\) tally $2 \\([a-z|]*\\) .*/\\2/p" | tr '|' '\n'
}

_tally() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local tally=${COMP_WORDS[0]} command=${COMP_WORDS[1]} actions='' words
  local help=(help "$command")

  COMPREPLY=()
  if [ "$COMP_CWORD" -gt 1 ] && [ "$command" != help ]; then
    actions=$(_tally_actions "$tally" "$command")
    # Each command of a group has options of its own.
    if [ -n "$actions" ] && [ "$COMP_CWORD" -gt 2 ]; then
      help=("$command" "${COMP_WORDS[2]}" --help)
    fi
  fi
  if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] &&
    [ "$previous" = help ]; }; then
    words="help $("$tally" help 2>/dev/null |
      sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p')"
  elif [ "$previous" = --durability ]; then
    words='sync buffered'
  elif [ "$previous" = --profile ]; then
    words=$("$tally" profile list 2>/dev/null | sed 's/[[:space:]].*//')
    mapfile -t COMPREPLY < <(compgen -W "$words" -f -- "$current")
    return
  elif [[ $current == -* ]]; then
    words=$("$tally" "${help[@]}" 2>/dev/null |
      sed -n 's/^  \(--[a-z-]*\) .*/\1/p')
  elif [ "$COMP_CWORD" -eq 2 ] && [ -n "$actions" ]; then
    words=$actions
  else
    # Logs, proofs and files of heads: what a file name can be.
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o filenames -F _tally tally
