#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally verify --profile: the chains of other systems, sound and hostile.
load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export TALLY_PROFILES=$SOURCE/profiles
  export FOREIGN=$SOURCE/test/vectors/foreign
}

# What is in a file of vectors, one record a line; a string is a line itself.
records() { # SYSTEM FILTER
  jq -c "$2" "$FOREIGN/$1.json"
}
lines() { # SYSTEM FILTER
  jq -r "$2" "$FOREIGN/$1.json"
}

# Verifying "chain" gives this status, count and findings ("kind seq").
judged() { # STATUS PROFILE[,NAME=VALUE] RECORDS [FINDING ...]
  local want=$1 profile=${2%%,*} records=$3 have with=()

  [ "$profile" = "$2" ] || with=(--set "${2#*,}")
  shift 3
  run --separate-stderr tally verify chain --profile "$profile" "${with[@]}" \
    --json
  expect "$want"
  [ "$(jq .records <<<"$output")" -eq "$records" ]
  have=$(jq -r '.findings[] | "\(.kind) \(.seq)"' <<<"$output")
  [ "$have" = "$(printf '%s\n' "$@")" ] || {
    printf 'found:\n%s\nnot:\n' "$have"
    printf '%s\n' "$@"
    return 1
  }
}

detail() { jq -r '.findings[0].detail' <<<"$output"; }

# ---- vouch ------------------------------------------------------------------

@test "vouch: sound lines, also older ones, respelled ones, blank lines" {
  for what in valid_lines valid_lines_pre_kb_id same_events_whitespace_reserialised \
    blank_lines_ignored; do
    lines vouch ".${what}[]" >chain
    judged 0 vouch 3
  done
  lines vouch '.tail_truncated_lines[]' >chain
  judged 0 vouch 1
}

@test "vouch: text, and what is not covered" {
  lines vouch '.valid_lines[]' >chain
  run --separate-stderr tally verify chain --profile vouch
  expect 0
  [ "$(sed 's/^seconds .*/seconds/' <<<"$output")" = 'verdict   intact
records   3
chains    1
findings  0
seconds
not covered
  the last record of each chain and what stood behind it
  whole chains, removed or added' ]
}

@test "what is data makes no line that looks like a verdict" {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "chain": "c", "hash": "h",
 "prev": "p", "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"prev": "text"}, {"field": "a"}]}]}
END
  python3 - >chain <<'END'
import hashlib, json
h = lambda t: hashlib.sha256(t.encode()).hexdigest()
c = "x\nverdict   intact\x1b[2K\x85\u2028y"
first = h("a")
for a, p in ("a", None), ("b", first), ("d", first):
    print(json.dumps({"c": c, "a": a, "p": p, "h": h((p or "") + a)}))
END
  shown='x\u000averdict   intact\u001b[2K\u0085\u2028y'
  for command in verify diagnose; do
    run --separate-stderr tally "$command" chain --profile ./p.json
    expect 1
    [ "$(grep -c '^verdict' <<<"$output")" -eq 1 ]
    [[ $output == "forked  chain \"$shown\"  seq 3  index 2  "* ]]
  done
  [[ $output == *"near the break, chain \"$shown\""* ]]
  name=$'f\nverdict   intact'
  cp chain "$name"
  run --separate-stderr tally verify "$name" --profile ./p.json
  [ "$(grep -c '^verdict' <<<"$output")" -eq 1 ]
  tally init log >/dev/null
  name=$'n\nverdict   intact'
  cp chain "$name"
  run --separate-stderr tally adopt "$name" --profile ./p.json --into log
  expect 0
  [[ $output == 'source    n\u000averdict   intact'$'\n'* ]]
}

@test "more chains than memory holds: that is said" {
  (ulimit -v 100000 && tally --version) >/dev/null 2>&1 ||
    skip "this build needs more memory for nothing"
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "chain": "c", "hash": "h",
 "prev": "p", "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"field": "c"}]}]}
END
  python3 - >chain <<'END'
import hashlib
for i in range(400000):
    c = str(i)
    print('{"c":"%s","p":null,"h":"%s"}' % (c, hashlib.sha256(c.encode()).hexdigest()))
END
  for command in verify diagnose; do
    run --separate-stderr bash -c \
      "ulimit -v 100000; '$TALLY' $command chain --profile ./p.json"
    expect 5 ''
    [[ $stderr =~ ^'tally: out of memory at record '([0-9]+)': what is kept of '([0-9]+)' chains needs more than there is'$ ]]
    [ "${BASH_REMATCH[1]}" -gt 10000 ]
  done
  tally verify chain --profile ./p.json --quiet
}

@test "vouch: a fork is told from an edit" {
  lines vouch '.forked_lines[]' >chain
  judged 1 vouch 3 'forked 3'
  [ "$(detail)" = "a second successor of one record; the parent and every"`
    `" branch hold: two writers at once (parent: index 0)" ]
  sed -i '3s/carol/mallory/' chain
  judged 1 vouch 3 'content-altered 3' 'forked 3'
  [[ $(jq -r '.findings[1].detail' <<<"$output") == *'not all of them hold'* ]]
  lines vouch '.tampered_lines[]' >chain
  judged 1 vouch 3 'content-altered 1'
}

@test "vouch: a parent that was changed makes no fork benign" {
  lines vouch '.forked_lines[]' | sed '1s/alice/malice/' >chain
  judged 1 vouch 3 'content-altered 1' 'forked 3'
  [[ $(jq -r '.findings[1].detail' <<<"$output") == *'not all of them hold'* ]]
}

@test "vouch: torn tail and legacy prefix are no breaks" {
  lines vouch '.torn_tail_lines[]' | head -c -1 >chain
  judged 0 vouch 1 'torn-tail null'
  lines vouch '.legacy_prefix_lines[]' >chain
  judged 0 vouch 4 'legacy 1'
  sed -n '2p' chain >first
  sed -n '1p' chain >legacy
  { cat first legacy; sed -n '3,$p' chain; } >moved
  mv moved chain
  judged 1 vouch 4 'unsealed 2'
}

@test "vouch: removed, repeated, swapped, damaged" {
  lines vouch '.valid_lines[]' >sound
  sed 2d sound >chain
  judged 1 vouch 2 'link-altered 2'
  sed 1d sound >chain
  judged 1 vouch 2 'missing 1'
  sed 2p sound >chain
  judged 1 vouch 4 'duplicate 3'
  sed 1p sound >chain
  judged 1 vouch 4 'duplicate 2'
  { sed -n 1p sound; sed -n 3p sound; sed -n 2p sound; } >chain
  judged 1 vouch 3 'reordered 2'
  sed '2s/.*/what is this/' sound >chain
  judged 1 vouch 3 'damaged null' 'link-altered 2'
}

@test "a profile that does not fit says nothing about tampering" {
  records claudemesh '.valid_chain[] | .created_at = "2026-01-01T00:00:00Z"' >chain
  judged 3 claudemesh 3 'unverifiable null'
  [[ $(detail) == 'no record holds by this profile'* ]]
  : >chain
  judged 3 claudemesh 0
}

# ---- claudemesh -------------------------------------------------------------

@test "claudemesh: sound, forked, edited, cut" {
  records claudemesh '.valid_chain[]' >chain
  judged 0 claudemesh 3
  records claudemesh '.forked_chain[]' >chain
  judged 1 claudemesh 4 'forked 3'
  [[ $(detail) == *'two writers at once (parent: index 0)' ]]
  records claudemesh '.tampered_chain[]' >chain
  judged 1 claudemesh 3 'content-altered 2'
  records claudemesh '.tail_truncated_chain[]' >chain
  judged 0 claudemesh 2
  records claudemesh '.first_row_deleted[]' >chain
  judged 1 claudemesh 2 'missing 1'
}

@test "claudemesh: two meshes in one file; a record moved between them" {
  records claudemesh '.valid_chain[]' >a
  records claudemesh '.separator_collision[0] | {id: 9, mesh_id, event_type,
    actor_member_id, payload: {}, prev_hash: "genesis", hash,
    created_at: "2026-01-01T00:00:00.000Z"}' >b
  cat a b >chain
  judged 0 claudemesh 4
  [ "$(jq .chains <<<"$output")" -eq 2 ]
  sed '3s/msh_7Q2xJ0/m/' chain >moved
  mv moved chain
  judged 1 claudemesh 4 'content-altered 1' 'inserted 1'
}

@test "claudemesh: a member that was undefined is a trap with a name" {
  records claudemesh '.writer_side_undefined_bug | {id: 1, mesh_id: "m",
    event_type: "state_set", actor_member_id: "a", payload: {key: "k"},
    prev_hash: "genesis", hash: .writer_hash,
    created_at: "2026-01-01T00:00:00.000Z"}' >chain
  judged 3 claudemesh 1 'unverifiable 1'
  [[ $(detail) == 'undefined-value: '* ]]
  sed -i 's/"k"}/"j"}/' chain
  judged 3 claudemesh 1 'unverifiable null'
}

@test "claudemesh: what its joins cannot tell apart, no verifier can" {
  records claudemesh '.separator_collision[] | {id: 1, mesh_id, event_type,
    actor_member_id, payload: (.payload // {}), prev_hash: "genesis", hash,
    created_at: "2026-01-01T00:00:00.000Z"}' >both
  for n in 1 2; do
    sed -n "${n}p" both >chain
    judged 0 claudemesh 1
  done
  [ "$(jq -r .hash both | sort -u | wc -l)" -eq 1 ]
}

# ---- breeze -----------------------------------------------------------------

# jsonb as its text, which is what an export has.
BREEZE='.details = (if .details == null then null elif .id[0:1] == "2" then
  $t else .details end) | .timestamp = .timestamp_us'
breeze() { # FILTER
  jq -c --arg t "$(jq -r '.v1_in_row.rows[1]._payload' "$FOREIGN/breeze.json" |
    sed 's/.*|success|\(.*\)|[^|]*$/\1/')" "$1 | $BREEZE" "$FOREIGN/breeze.json"
}
breeze2() { # CHAIN
  jq -c "$1" "$FOREIGN/breeze.json" >links
  breeze '.v2_side_table.audit_rows[]' >rows
  jq -nc --slurpfile rows rows --slurpfile links links '
    $links[] as $l | ($rows[] | select(.id == $l.audit_id)) + $l'
}

@test "breeze v1: sound, forked, edited" {
  breeze '.v1_in_row.rows[]' >chain
  judged 0 breeze-v1 3
  breeze '.v1_in_row | (.rows[], .forked_extra_row)' >chain
  judged 1 breeze-v1 4 'forked 4'
  [[ $(detail) == *'two writers at once'* ]]
  breeze '.v1_in_row.rows[]' | sed '3s/denied/success/' >chain
  judged 1 breeze-v1 3 'content-altered 3'
}

@test "breeze v2: sound, pruned, the middle removed, content changed" {
  breeze2 '.v2_side_table.chain[]' >chain
  judged 0 breeze-v2 3
  breeze2 '.v2_side_table.prefix_pruned.chain[]' >chain
  judged 0 breeze-v2 2
  breeze2 '.v2_side_table.middle_deleted.chain[]' >chain
  judged 1 breeze-v2 2 'missing 2'
  breeze '.v2_side_table.audit_rows[1]' >>chain
  judged 1 breeze-v2 3 'missing 2' 'unsealed 3'
  breeze2 '.v2_side_table.tail_truncated.chain[]' >chain
  judged 0 breeze-v2 2
  breeze2 '.v2_side_table.chain[]' | sed '2s/device/service/' >chain
  judged 1 breeze-v2 3 'content-altered 2'
  [ "$(detail)" = "the record holds, but not the digest of its content" ]
}

@test "breeze: hashed in the session's time zone, which is found" {
  jq -c '.v1_in_row.timezone_trap.checksums_same_rows' \
    "$FOREIGN/breeze.json" >sums
  breeze '.v1_in_row.rows[]' | jq -sc --slurpfile s sums 'to_entries[] |
    .value + {checksum: $s[0][.key],
      prev_checksum: (if .key == 0 then null else $s[0][.key - 1] end)}' >chain
  # All of them by the trap: they hold, and it is not said that they do not.
  judged 3 breeze-v1 3 'unverifiable 1' 'unverifiable 2' 'unverifiable 3'
  [[ $(detail) == 'session-time-zone: '*' (UTC-06:00)' ]]
  sed -i '2s/success/failure/' chain
  judged 1 breeze-v1 3 'unverifiable 1' 'content-altered 2' 'unverifiable 3'
}

# ---- PageSpace --------------------------------------------------------------

@test "PageSpace activity_logs: sound, forked, hashed over nothing" {
  records pagespace '.activity_v2.chain[]' >sound
  cp sound chain
  judged 0 pagespace-activity 3
  records pagespace '.activity_v2 | (.chain[0:2][], .forked_third_row,
    .chain[2])' >chain
  judged 1 pagespace-activity 4 'forked 3'
  { cat sound; records pagespace '.activity_v2.weak_fallback_row'; } >chain
  judged 1 pagespace-activity 4 'link-altered 4'
  [[ $(detail) == 'weak-empty-basis: '* ]]
}

@test "PageSpace activity_logs: a seed where a predecessor is begins nothing" {
  seed=$(times 64 7)
  records pagespace '.activity_v2.chain[]' >sound
  # Nothing is hashed anew: the seed is the row's own link.
  jq -c 'if .chainSeq == 2 then .chainSeed = .previousLogHash else . end' \
    sound >chain
  judged 1 pagespace-activity 3 'link-altered 2'
  [[ $(detail) == 're-seeded: '* ]]
  # Hashed over the seed.
  sed 's/.*/&/' sound | jq -c --arg s "$seed" 'if .chainSeq == 2 then
    .chainSeed = $s else . end' >chain
  text=$(sed -n 2p sound | jq -r ._serialized)
  sum=$(printf %s "$seed$text" | sha256sum | cut -c 1-64)
  jq -c --arg h "$sum" 'if .chainSeq == 2 then .logHash = $h elif
    .chainSeq == 3 then .previousLogHash = $h else . end' chain >moved
  mv moved chain
  run --separate-stderr tally verify chain --profile pagespace-activity --json
  expect 1
  [ "$(jq -r '[.findings[] | select(.seq == 2) | .kind] | join(" ")' \
    <<<"$output")" = 'link-altered' ]
}

@test "PageSpace activity_logs: the eras, and none that was over" {
  records pagespace '.activity_v1_array_replacer_no_pii.hash_with_seed as $h |
    .activity_v2.chain[0] | .logHash = $h' >chain
  judged 0 pagespace-activity 1
  records pagespace '.activity_v0_array_replacer_with_pii.hash_with_seed as $h |
    .activity_v2.chain[0] | .logHash = $h | .actorEmail = "a@example.com" |
    .userId = "u_1"' >chain
  judged 0 pagespace-activity 1
}

@test "PageSpace security_audit_log: both eras, and one behind the other" {
  for chain in security_legacy security_emission_era security_dual_era; do
    records pagespace ".$chain.chain[]" >chain
    judged 0 pagespace-security 3
  done
  records pagespace '.security_emission_era.chain[]' |
    sed '2s/drive-42/drive-43/' >chain
  judged 1 pagespace-security 3 'content-altered 2'
}

# ---- SciDEX -----------------------------------------------------------------

@test "SciDEX: both candidates, each by its own value of the parameter only" {
  records scidex '.candidate_int8_be[]' >chain
  judged 0 scidex 3
  [ "$stderr" = "tally: the profile \"scidex\" is unconfirmed: its rule is a"`
    `" guess that no record of the system has borne out yet" ]
  judged 3 scidex,seq=decimal 3 'unverifiable null'
  records scidex '.candidate_decimal_ascii[]' >chain
  judged 3 scidex 3 'unverifiable null'
  judged 0 scidex,seq=decimal 3
  sed -i 2d chain
  judged 1 scidex,seq=decimal 2 'missing 2'
  refused 2 'profile: there is no parameter "sq"' verify chain \
    --profile scidex --set sq=decimal
  refused 2 'profile: parameters.seq: there is no value "hex"' verify chain \
    --profile scidex --set seq=hex
  refused 2 "\"--set\" needs NAME=VALUE: \"seq\": a name, \"=\" and a value,"`
    `" or several with commas" verify chain --profile scidex --set seq
}

# ---- the call ---------------------------------------------------------------

@test "a profile that is wrong: the message says where" {
  base=$(cat "$TALLY_PROFILES/claudemesh.json")
  wrong() { # FILTER MESSAGE
    jq "$1" <<<"$base" >p.json
    refused 2 "profile: $2" verify chain --profile ./p.json
  }
  : >chain
  wrong '.profile = 2' '"profile" must be 1, the version of the format'
  wrong '.nmae = 1' 'unknown member "nmae"'
  wrong 'del(.name)' '"name" is missing'
  wrong '.name = 7' 'name: expected text'
  wrong '.digest = "md4"' 'digest: unknown digest "md4"; there are sha256, sha1, sha384, sha512, sha3-256, md5'
  wrong 'del(.hash)' '"hash" is missing'
  wrong '.hash = ""' 'the name of a field is empty'
  wrong '.encoding = "octal"' "encoding: unknown encoding \"octal\"; there are"`
    `" hex, base64, base64url"
  wrong '.encoding = {as: "hex", prefix: 1}' 'encoding.prefix: expected text'
  wrong '.types = {payload: "xml"}' 'types.payload: expected "text" or "json"'
  wrong '.types = {pay: "json"}' 'types.pay: no field has this name'
  wrong '.hash = "/a/b/c/d/e"' 'a field inside of more than 3 others'
  wrong '.parameters = {p: {default: "a", values: {a: 1}}}' \
    'parameters.p: "says" is missing'
  wrong '.parameters = {p: {says: "s", default: "b", values: {a: 1}}}' \
    'parameters.p: "values" lack the default "b"'
  wrong '.eras[0].input[1] = {parameter: "p"}' \
    '{"parameter": NAME} names none of "parameters"'
  wrong '.eras[0].input[1] = {digest: []}' \
    'eras[0].input[1].digest: expected an array that is not empty'
  wrong '.eras[0].input[1] = {digest: ["x", {field: "f", as: "hexx"}]}' \
    "eras[0].input[1].digest[1].as: unknown filter \"hexx\"; there are text,"`
    `" hex, base64, int64, int32, time-s, time-ms, time-us, epoch-s, epoch-ms,"`
    `" epoch-us, js-property, js-utf16, python, jsonb"
  wrong '.eras[0].input[1] = {digest: ["x"], as: "raw"}' \
    'eras[0].input[1]: "as" is "hex" or "bytes"'
  wrong '.eras[0].input[1] = {digest: [{digest: [{digest: [{digest:
    [{digest: ["x"]}]}]}]}]}' "eras[0].input[1].digest[0].digest[0].digest[0]"`
    `".digest[0]: more than 4 digests deep"
  wrong '.eras[0].input[1] = {object: {}, as: "python"}' \
    'eras[0].input[1]: "object" must be an object of 1 to 64 members'
  wrong '.eras[0].input[1] = {object: {a: 1}, as: "python"}' "eras[0].input[1]"`
    `".a: expected the name of a field, or {\"prev\": true}"
  wrong '.eras[0].input[1] = {object: {a: {field: "f", as: "hex"}},
    as: "python"}' \
    'eras[0].input[1].a: a member takes a time, an epoch or a form of JSON'
  wrong '.eras[0].input[1] = {field: "f", undefined: ["a"]}' \
    'eras[0].input[1].undefined: goes with a form of JSON only'
  wrong '.traps = [{name: "t", says: "s", input: ["x"], zone: "UTC"}]' \
    'traps[0]: "kind" is missing'
  wrong '.traps[0].zone = "UTC"' 'traps[0]: "zone" of a trap can only be "any"'
  wrong '.eras[0].zone = "any"' 'eras[0]: "zone" of a trap can only be "any"'
  wrong '.start = 1' 'start: expected an object'
  wrong '.start.prev = 1' 'start: "prev" must be null or text'
  wrong 'del(.eras)' 'eras: expected an array that is not empty'
  wrong '.eras[0].input = []' \
    'eras[0].input: expected an array that is not empty'
  wrong '.eras[0].input[2].as = "hexx"' "eras[0].input[2].as: unknown filter"`
    `" \"hexx\"; there are text, hex, base64, int64, int32, time-s, time-ms,"`
    `" time-us, epoch-s, epoch-ms, epoch-us, js-property, js-utf16, python, jsonb"
  wrong '.eras[0].input[0].prev = "raw"' \
    'eras[0].input[0]: "prev" is "text" or "hex"'
  wrong '.eras[0].input[3] = {}' "eras[0].input[3]: expected text, or an"`
    `" object with \"prev\", \"field\", \"record\", \"object\" or \"digest\""
  wrong '.eras[0].input[3] = {record: "yaml"}' \
    'eras[0].input[3].record: unknown form "yaml"'
  wrong '.eras[0].when = {field: "a"}' \
    'eras[0].when: "null" must be true or false'
  wrong '.traps = [{name: "t", input: ["x"], kind: "unverifiable"}]' \
    'traps[0]: "says" is missing'
  wrong '.traps = [{name: "t", says: "s", input: ["x"], kind: "fine"}]' \
    'traps[0]: "kind" is "link-altered" or "unverifiable"'
  printf '{"a":1,' >p.json
  run --separate-stderr tally verify chain --profile ./p.json
  expect 2
  [[ $stderr == 'tally: profile: line 1, column '* ]]
}

@test "no such profile, no such file, options of a log" {
  refused 4 "no profile \"$TALLY_PROFILES/nosuch.json\": no such file or directory" \
    verify chain --profile nosuch
  refused 4 'cannot open "chain": no such file or directory' \
    verify chain --profile vouch
  : >chain
  refused 2 "\"--profile\" goes with \"--pg\", \"--query\", \"--csv\", \"--set\","`
    `" \"--quiet\" and \"--json\" only; see \"tally verify --help\"" \
    verify chain --profile vouch --ids
  refused 2 "\"--profile\" is missing; see \"tally verify --help\"" \
    verify chain --csv
  refused 2 "\"--profile\" needs either FILE or \"--pg CONNINFO\"; see"`
    `" \"tally verify --help\"" verify --profile vouch
  refused 2 "\"--profile\" needs either FILE or \"--pg CONNINFO\"; see"`
    `" \"tally verify --help\"" verify chain --pg x --profile vouch
  refused 2 "\"--query\" goes with \"--pg\" only; see \"tally verify --help\"" \
    verify chain --profile vouch --query 'SELECT 1'
  refused 2 'DIR is missing; see "tally verify --help"' verify
}

@test "the profile that doc/profiles.md writes, on what its program writes" {
  awk '/Its profile:$/ { on = 1 } on && /^```$/ { exit } on && take { print }
    on && /^```json$/ { take = 1 }' "$SOURCE/doc/profiles.md" >doors.json
  python3 - >chain <<'END'
import hashlib, json
last = "none"
for n in range(1, 6):
    did = {"door": "open", "café": [1.0, n]}
    text = json.dumps(did, sort_keys=True, separators=(",", ":"))
    total = hashlib.sha256(f"{last}\n{n}\nalice\n{text}".encode()).hexdigest()
    print(json.dumps({"n": n, "who": "alice", "did": did, "last": last,
                      "sum": total}))
    last = total
END
  judged 0 ./doors.json 5
  sed -i 3d chain
  judged 1 ./doors.json 4 'missing 3'
}
