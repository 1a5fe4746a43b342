#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally diagnose: causes, the graph of forks, the neighbourhood of a break.
load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export TALLY_PROFILES=$SOURCE/profiles
  export FOREIGN=$SOURCE/test/vectors/foreign
}

# A chain of vouch's kind.  Each word is a record: its name, behind "<" the
# name of its predecessor (the record before, if there is none; "-" begins a
# chain), and behind "!" what was done to it since.
chain() { # WORD ...
  python3 - "$@" <<'END'
import hashlib, json, sys
hashes, last, lines = {}, "0" * 64, []
for n, word in enumerate(sys.argv[1:]):
    word, _, deed = word.partition("!")
    name, has, parent = word.partition("<")
    prev = last if not has else "0" * 64 if parent == "-" else \
        hashes.get(parent, hashlib.sha256(parent.encode()).hexdigest())
    data = {"n": 0.5} if deed.startswith("real") or name.startswith("r") else {}
    o = {"id": name, "created_at": f"2026-01-01T00:00:{n:02d}Z", "data": data,
         "prev_hash": prev}
    text = lambda: json.dumps(o, sort_keys=True, separators=(",", ":"))
    hashed = text().replace("0.5", "0.50") if deed == "drift" else text()
    o["hash"] = last = hashes[name] = hashlib.sha256(
        (prev + hashed).encode()).hexdigest()
    if deed == "edit":
        o["id"] = "changed"
    if deed != "gone":
        lines.append(text())
print("\n".join(lines))
END
}

diagnosis() { # STATUS FILE
  run --separate-stderr tally diagnose "$2" --profile vouch --json
  expect "$1"
  # One object, and all its parts.
  jq -e '.symptoms and .forks and .near and .graph and .causes' \
    <<<"$output" >/dev/null
}
symptoms() {
  jq -r '.symptoms[] | "\(.finding.kind) \(.finding.seq) \(.cause) \(.sure)"' \
    <<<"$output"
}
forks() {
  jq -r '.forks[] | "\(.parent.seq) \(.width) \(.benign) \(.healed) \(.records)"+
    " \(.seconds) \([.branches[] | "\(.seq):\(.records):\(.last_seq):\(.holds)"]
    | join(" "))"' <<<"$output"
}

@test "a sound chain has neither symptoms nor forks nor a picture" {
  chain a b c >log
  diagnosis 0 log
  [ "$(jq -c '[.symptoms, .forks, .near, .verdict, .records, .holds]' \
    <<<"$output")" = '[[],[],[],"intact",3,3]' ]
  : >log
  diagnosis 3 log
}

@test "a race that heals, and one that is open" {
  chain a b c 'd<b' e f >log
  diagnosis 1 log
  [ "$(symptoms)" = 'forked 4 race likely' ]
  [ "$(forks)" = '2 2 true true 1 0 3:1:3:true 4:3:6:true' ]
  chain a b c 'd<b' >log
  diagnosis 1 log
  [ "$(forks)" = '2 2 true false 1 0 3:1:3:true 4:1:4:true' ]
}

@test "two writers, each on its own branch, side by side" {
  chain a 'b1' 'c1<a' 'b2<b1' 'c2<c1' 'b3<b2' 'c3<c2' 'c4' 'c5' >log
  diagnosis 1 log
  [ "$(symptoms)" = 'forked 3 race likely' ]
  # Until b3, the sixth, it is two lines: from c1 on four records, and c3.
  [ "$(forks)" = '1 2 true true 4 3 2:3:6:true 3:5:9:true' ]
}

@test "forks of forks, and a wide one" {
  chain a b 'c<a' 'd<a' 'e<d' 'f<d' g >log
  diagnosis 1 log
  [ "$(symptoms)" = 'forked 3 race likely
forked 4 race likely
forked 6 race likely' ]
  [ "$(forks)" = '1 3 true true 2 1 2:1:2:true 3:1:3:true 4:4:7:true
4 2 true true 1 0 5:1:5:true 6:2:7:true' ]
  # shellcheck disable=SC2046
  chain a $(seq -f 'x%g<a' 1 12) >log
  diagnosis 1 log
  [ "$(jq -c '.forks[0] | [.width, (.branches | length)]' <<<"$output")" = \
    '[12,8]' ]
}

@test "a branch that does not hold, and a parent that does not" {
  chain a b c 'd<b!edit' e >log
  diagnosis 1 log
  [ "$(symptoms)" = 'content-altered 4 edit likely
forked 4 insertion possible' ]
  [ "$(forks)" = '2 2 false true 1 0 3:1:3:true 4:2:5:false' ]
  chain a 'b!edit' c 'd<b' e >log
  diagnosis 1 log
  [ "$(forks)" = '2 2 false true 1 0 3:1:3:true 4:2:5:true' ]
  [ "$(jq -c '.forks[0].parent' <<<"$output")" = \
    '{"index":1,"seq":2,"holds":false}' ]
  # What does not hold before the fork is no branch's fault.
  chain 'a!edit' b c 'd<b' e >log
  diagnosis 1 log
  [ "$(forks)" = '2 2 true true 1 0 3:1:3:true 4:2:5:true' ]
}

# A chain of two eras, the old one without a separator.  Each word is a record:
# its name, behind "<" that of its predecessor, behind "!" its era, if old.
eras() { # WORD ...
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v0", "input": [{"prev": "text"}, {"field": "a"}]},
          {"name": "v1", "input": [{"prev": "text"}, "|", {"field": "a"}]}]}
END
  python3 - "$@" <<'END'
import hashlib, json, sys
hashes, last = {}, None
for word in sys.argv[1:]:
    word, old, _ = word.partition("!")
    name, has, parent = word.partition("<")
    prev = hashes[parent] if has else last
    text = (prev or "") + ("" if old else "|") + name
    last = hashes[name] = hashlib.sha256(text.encode()).hexdigest()
    print(json.dumps({"a": name, "p": prev, "h": last}))
END
}
judged_eras() { # HOLDS REASON
  run --separate-stderr tally diagnose log --profile ./p.json --json
  expect 1
  [ "$(jq -r '.symptoms[] | select(.finding.kind == "forked") |
    .finding.detail' <<<"$output")" = "$2" ]
  [ "$(jq -c '[.forks[] | .benign, .parent.holds, .branches[].holds]' \
    <<<"$output")" = "$1" ]
}

@test "a branch that holds only by an era that is over makes no fork benign" {
  good='a second successor of one record; the parent and every branch hold:'
  good+=' two writers at once (parent: index '
  bad='a second successor of one record, but not all of them hold (parent: index '
  eras 'a!' b c 'd<b' e >log
  judged_eras '[true,true,true,true]' "${good}1)"
  # The era is not over yet: an old writer, and a new one.
  eras 'a!' 'b!' 'c<a' d >log
  judged_eras '[true,true,true,true]' "${good}0)"
  eras 'a!' b c 'd<b!' e >log
  judged_eras '[false,true,true,false]' "${bad}1)"
  eras 'a!' b c 'd<b' 'e!' >log
  judged_eras '[false,true,true,false]' "${good}1)"
  # The sibling that came first, and the parent.
  eras 'a!' b 'c!' 'd<b' >log
  judged_eras '[false,true,false,true]' "${bad}1)"
  eras 'a!' b 'c!' d 'e<c' >log
  judged_eras '[false,false,true,true]' "${bad}2)"
  # What names a record that is not there is no better for its old rule.
  eras 'a!' b c 'd!' >log
  sed -i 3d log
  run --separate-stderr tally diagnose log --profile ./p.json --json
  [ "$(symptoms)" = 'content-altered 3 wrong-rule possible
link-altered 3 deletion possible' ]
}

@test "edit, deletion, insertion, reordering, a beginning" {
  chain a 'b!edit' c >log
  diagnosis 1 log
  [ "$(symptoms)" = 'content-altered 2 edit likely' ]
  chain a b 'c!gone' d >log
  diagnosis 1 log
  [ "$(symptoms)" = 'link-altered 3 deletion possible' ]
  chain a b 'c<nowhere!edit' d >log
  diagnosis 1 log
  [ "$(symptoms)" = 'content-altered 3 edit likely
link-altered 3 edit likely' ]
  chain a b c >log
  sed -n '2p' log >>log
  diagnosis 1 log
  [ "$(symptoms)" = 'duplicate 4 insertion likely' ]
  { sed -n 1p log; sed -n 3p log; sed -n 2p log; } >moved
  diagnosis 1 moved
  [ "$(symptoms)" = 'reordered 2 reordering certain' ]
  sed 1d log | head -n 2 >cut
  diagnosis 1 cut
  [ "$(symptoms)" = 'missing 1 deletion likely' ]
  chain a 'b<-' c >log
  diagnosis 1 log
  [ "$(symptoms)" = 'forked 2 race likely' ]
  [ "$(forks)" = 'null 2 true true 1 0 1:1:1:true 2:2:3:true' ]
}

@test "drift: what fails has a trait that nothing else has" {
  chain a 'r1!drift' b 'r2!drift' c 'r3!drift' d >log
  diagnosis 1 log
  [ "$(symptoms | sort -u | cut -d ' ' -f 1,3-)" = \
    "content-altered encoding-drift likely
content-altered encoding-drift likely
content-altered encoding-drift likely" ]
  [[ $(jq -r '.symptoms[0].why' <<<"$output") == \
    'all records with a number that has a point'* ]]
  # One that has it and holds: then it is not that.
  chain a 'r1!drift' b 'r2!drift' c 'r3!drift' r4 >log
  diagnosis 1 log
  [ "$(jq -r '.symptoms[].cause' <<<"$output" | sort -u)" = edit ]
}

@test "many in a row are another rule" {
  # shellcheck disable=SC2046
  chain a $(seq -f 'b%g!edit' 1 8) c >log
  diagnosis 1 log
  [ "$(symptoms | cut -d ' ' -f 3- | sort | uniq -c | sed 's/^ *//')" = \
    '8 wrong-rule possible' ]
  # shellcheck disable=SC2046
  chain a $(seq -f 'b%g!edit' 1 70) c >log
  diagnosis 1 log
  [ "$(symptoms | cut -d ' ' -f 3- | sort | uniq -c | sed 's/^ *//')" = \
    '70 wrong-rule likely' ]
  # shellcheck disable=SC2046
  chain $(seq -f 'b%g!edit' 1 5) >log
  diagnosis 3 log
  [ "$(symptoms)" = 'unverifiable null wrong-rule likely' ]
  [ "$(jq -c '.forks' <<<"$output")" = '[]' ]
}

@test "text: what a person reads" {
  chain a b c 'd<b' e 'f!edit' g >log
  run --separate-stderr tally diagnose log --profile vouch
  expect 1
  [ "$(sed 's/^seconds .*/seconds/; s/log:[0-9]*/log:N/' <<<"$output")" = \
'forked  seq 4  index 3  log:N  a second successor of one record; the parent and every branch hold: two writers at once (parent: index 1)
    race, likely: the parent and every branch hold: two writers read one head
content-altered  seq 6  index 5  log:N  the record does not hash to what it stores
    edit, likely: its neighbours hold and its links fit: what is hashed was changed since
fork  behind seq 2 (holds), 2 branches, healed after 1 record, 0.000 s
    from seq 3: 1 record, the last one seq 3; all hold
    from seq 4: 4 records, the last one seq 7; not all hold
near the break
  1           a start
  2           <- 1
  3           <- 2
      4       <- 2  forked
      5       <- 4
      6       <- 5  content-altered
      7       <- 6
verdict   tampered
records   7, of which 6 hold
chains    1
findings  2
  race, likely: 1
  edit, likely: 1
forks     1, 0 of them benign, 0 open at the end
  from index 3 to index 3, up to 2 branches, healed after 1 record at most
seconds' ]
}

@test "more than ten, with --all and without" {
  # shellcheck disable=SC2046
  chain a $(seq -f 'x%g<a' 1 14) >log
  run --separate-stderr tally diagnose log --profile vouch
  expect 1
  [ "$(grep -c '^forked' <<<"$output")" -eq 10 ]
  grep -qx 'and more findings; "--all" or "--json" prints them' <<<"$output"
  grep -qx '    and 6 more' <<<"$output"
  run --separate-stderr tally diagnose log --profile vouch --all
  expect 1
  [ "$(grep -c '^forked' <<<"$output")" -eq 13 ]
  lacks 'and more findings' <(echo "$output")
}

@test "the picture: near which break, and what it shows" {
  # shellcheck disable=SC2046
  chain $(seq -f 'a%g' 1 20) 'b<a5' $(seq -f 'c%g' 1 20) 'd<c2' e >log
  run --separate-stderr tally diagnose log --profile vouch --json --around 3
  expect 1
  [ "$(jq -c '[.near[] | [.seq, .parent_seq, .far, .finding]]' \
    <<<"$output")" = '[[5,null,true,null],[18,17,false,null],'`
`'[19,18,false,null],[20,19,false,null],[21,5,false,"forked"],'`
`'[22,21,false,null],[23,22,false,null],[24,23,false,null]]' ]
  run --separate-stderr tally diagnose log --profile vouch --json --at 41 \
    --around 1 --svg near.svg
  expect 1
  [ "$(jq -c '[.near[].seq]' <<<"$output")" = '[23,41,42,43]' ]
  python3 - near.svg <<'END'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
ns = "{http://www.w3.org/2000/svg}"
assert root.tag == ns + "svg"
texts = [t.text for t in root.iter(ns + "text")][1:]
assert texts == ["23", "41", "42", "43"], texts
assert len(list(root.iter(ns + "path"))) == 3
fills = [c.get("fill") for c in root.iter(ns + "circle")]
assert fills == ["#bbbbbb", "#3f8f5f", "#c0392b", "#3f8f5f"], fills
END
  run --separate-stderr tally diagnose log --profile vouch --at 3 --svg x
  expect 2
  [ "$stderr" = 'tally: there is no finding at index 3' ]
  [ ! -e x ]
  run --separate-stderr tally diagnose log --profile vouch --svg /nowhere/x
  expect 5
  [ "$stderr" = 'tally: cannot write "/nowhere/x": no such file or directory' ]
}

@test "a chain's name cannot break out of the picture" {
  jq -c '.forked_chain[] | .mesh_id = "<&\"\u0007x>"' \
    "$FOREIGN/claudemesh.json" >log
  # Its name is hashed: nothing holds, and nothing is drawn.
  run --separate-stderr tally diagnose log --profile claudemesh --svg x.svg
  expect 3
  python3 - >log <<'END'
import hashlib, json
prev, name = None, "<&\"\u0007x>"
for i in range(3):
    h = hashlib.sha256(str(i).encode()).hexdigest()
    print(json.dumps({"c": name, "i": i, "p": None if i != 1 else prev, "h": h}))
    prev = h
END
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "chain": "c", "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"field": "i"}]}]}
END
  run --separate-stderr tally diagnose log --profile ./p.json --svg x.svg
  expect 1
  python3 -c 'import xml.etree.ElementTree as t; t.parse("x.svg")'
}

@test "the call" {
  chain a b >log
  refused 2 '"--profile" is missing; see "tally diagnose --help"' diagnose log
  refused 2 '"--around" needs 1 to 1000; see "tally diagnose --help"' \
    diagnose log --profile vouch --around 1001
  refused 4 'cannot open "nolog": no such file or directory' \
    diagnose nolog --profile vouch
}
