#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The verifiers that are not ours (doc/verify.py and the recipe in
# doc/independent.md) against real logs, intact and not.
load helper

# Chains and ids with odd names, salts, numbers that a parser would respell.
make_real_log() {
  make_log log
  tally append log --chain org/42 '{"n":9007199254740993,"x":1.10,"e":1e5}'
  tally append log --chain 'we"ird\näme/日' --id 'id "q" \' --salt '{"a":"\u00e9"}'
  tally append log --chain org/42 '"event\":{"'
  tally append log --chain org/42 --salt '{"v":1,"hash":"x","event":{"v":1}}'
  tally append log --chain we 'null'
  events 1 2 | tally append log --chain org/7
}

# The recipe as it stands in the document.
recipe() {
  sed -n '/^```sh/,/^```/p' "$SOURCE/doc/independent.md" | sed '1d;$d'
}

both() { # STATUS DIR
  run python3 "$SOURCE/doc/verify.py" "$2"
  echo "$output"
  [ "$status" -eq "$1" ]
  run sh recipe "$2"
  echo "$output"
  [ "$status" -eq "$1" ]
}

@test "both say intact, and Python finds the same root" {
  make_real_log
  recipe >recipe
  both 0 log
  [ "$output" = intact ]
  run python3 "$SOURCE/doc/verify.py" log
  [ "${lines[0]}" = 'intact: 8 records in 5 chains' ]
  [ "${lines[1]}" = \
    "root $(tally verify log --json | jq -r '"\(.size):\(.root)"')" ]
}

@test "both find a byte changed in an event, a header, a hash, a salt" {
  make_real_log
  recipe >recipe
  file=$(segment log)
  for text in '"event\":{"' '"time":"2' '"hash":"' '"salt":"' '"prev":"' \
    '"digest":"'; do
    rm -rf bad
    cp -r log bad
    flip "$(segment bad)" $(($(offset_of "$file" "$text") + ${#text} + 1))
    both 1 bad
  done
  rm -rf bad
  cp -r log bad
  flip "$(segment bad)" $(($(offset_of "$file" '"x":1.10') + 7))
  both 1 bad
}

@test "both find a line that is gone, repeated, or out of its place" {
  make_real_log
  recipe >recipe
  for edit in 2d 2p '2{h;d};4{G}'; do
    rm -rf bad
    cp -r log bad
    sed -i "$edit" "$(segment bad)"
    both 1 bad
  done
}

@test "they find in every byte of a record what tally finds" {
  make_log log
  tally append log --chain c --id i --salt '{"a":"b"}' >/dev/null
  tally append log --chain c '{"a":"c"}' >/dev/null
  file=$(segment log)
  from=$(head -n 1 "$file" | wc -c)
  to=$(head -n 2 "$file" | wc -c)
  python3 - "$SOURCE/doc" "$from" "$to" <<'PYTHON'
import contextlib, io, os, subprocess, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import verify
path = "log/log/00000000000000000000.jsonl"
with open(path, "rb") as file:
    good = file.read()
for at in range(int(sys.argv[2]), int(sys.argv[3])):
    bad = bytearray(good)
    bad[at] ^= 1
    with open(path, "wb") as file:
        file.write(bad)
    with contextlib.redirect_stdout(io.StringIO()):
        ours = verify.verify("log")
    theirs = subprocess.run([os.environ["TALLY"], "verify", "log", "--quiet"],
                            stdout=subprocess.DEVNULL).returncode
    if (ours, theirs) != (1, 1):
        sys.exit(f"byte {at}: {ours} and {theirs}")
PYTHON
}
