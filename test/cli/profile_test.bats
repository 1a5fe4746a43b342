#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally profile: list, show, and test, which says why nothing fits.
load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export TALLY_PROFILES=$SOURCE/profiles
  export FOREIGN=$SOURCE/test/vectors/foreign
}

@test "list: all that ship, and one that is wrong" {
  run --separate-stderr tally profile list
  expect 0
  [ "$(wc -l <<<"$output")" -eq "$(ls "$TALLY_PROFILES"/*.json | wc -l)" ]
  grep -qx 'scidex  *SciDEX audit_chain (unconfirmed)' <<<"$output"
  run --separate-stderr tally profile list --json
  expect 0
  [ "$(jq -r '.[].name' <<<"$output" | paste -sd' ')" = "breeze-v1 breeze-v2"`
    `" claudemesh pagespace-activity pagespace-security scidex vouch" ]
  mkdir some
  cp "$TALLY_PROFILES/vouch.json" some
  echo '{"profile": 2}' >some/bad.json
  TALLY_PROFILES=some run --separate-stderr tally profile list
  expect 2 'vouch                 vouch .vouch/audit.log.jsonl' \
    'tally: "bad": profile: "profile" must be 1, the version of the format'
  TALLY_PROFILES=nowhere run --separate-stderr tally profile list
  expect 4 '' 'tally: cannot read "nowhere": no such file or directory'
}

@test "show: the text of a profile, once it is right" {
  run --separate-stderr tally profile show vouch
  expect 0 "$(cat "$TALLY_PROFILES/vouch.json")" ''
  refused 4 "no profile \"$TALLY_PROFILES/x.json\": no such file or directory" \
    profile show x
  echo '{' >x.json
  run --separate-stderr tally profile show ./x.json
  expect 2
  refused 2 'NAME is missing; see "tally profile show --help"' profile show
}

tested() { # STATUS ARGUMENT ...
  local want=$1

  shift
  run --separate-stderr tally profile test "$@" --json
  expect "$want"
  jq -e '.record and .stored and .rules and (.hints | type == "array")' \
    <<<"$output" >/dev/null
}

@test "what fits: the bytes are those that the vectors have" {
  jq -c '.valid_chain[]' "$FOREIGN/claudemesh.json" >chain
  for n in 0 1 2; do
    tested 0 chain --profile claudemesh --index "$n"
    [ "$(jq -r '.rules[0].input_hex' <<<"$output" | xxd -r -p)" = \
      "$(sed -n "$((n + 1))p" chain | jq -r ._hash_input)" ]
    [ "$(jq -r '.rules[0].digest' <<<"$output")" = \
      "$(jq -r .stored <<<"$output")" ]
    # The steps, one behind the other, are all of it.
    [ "$(jq -r '[.rules[0].steps[].hex] | add' <<<"$output")" = \
      "$(jq -r '.rules[0].input_hex' <<<"$output")" ]
    [ "$(jq -c .hints <<<"$output")" = '[]' ]
  done
  refused 4 'the source has no record of index 3' profile test chain \
    --profile claudemesh --index 3
  jq -r '.valid_lines[]' "$FOREIGN/vouch.json" >chain
  tested 0 chain --profile vouch --index 2
  jq -c '.candidate_int8_be[]' "$FOREIGN/scidex.json" >chain
  tested 0 chain --profile scidex
  tested 3 chain --profile scidex --set seq=decimal
  [ "$(jq -r '.hints[]' <<<"$output")" = \
    'fits with "as": "int64" at eras[0].input[2]' ]
}

@test "text, as a person reads it" {
  jq -c '.candidate_decimal_ascii[]' "$FOREIGN/scidex.json" >chain
  run --separate-stderr tally profile test chain --profile scidex --index 1
  expect 3
  hashed=$(jq -r .chain_hash <<<"$(sed -n 2p chain)")
  [ "${lines[1]}" = "stored  $hashed" ]
  [ "${lines[2]}" = 'era v1' ]
  [ "${lines[5]}" = \
    '  eras[0].input[2]                0x0000000000000002' ]
  [[ ${lines[6]} == '  hashed  0x'* ]]
  [[ ${lines[7]} == '  digest  '*'  does not fit' ]]
  [ "${lines[8]}" = 'hint  fits with "as": "text" at eras[0].input[2]' ]
}

# Each of these mistakes in a profile is named, and where it is.
@test "a mistake in one step, or in two, is found" {
  jq -c '.valid_chain[]' "$FOREIGN/claudemesh.json" >chain
  wrong() { # FILTER INDEX HINT
    jq "$1" "$TALLY_PROFILES/claudemesh.json" >p.json
    tested 3 chain --profile ./p.json --index "$2"
    jq -r '.hints[]' <<<"$output" | grep -qxF "$3" || {
      jq -r '.hints[]' <<<"$output"
      return 1
    }
  }
  form='.eras[0].input[8].as'
  at='.eras[0].input[10].as'
  wrong "$form = \"python\"" 1 'fits with "as": "js-utf16" at eras[0].input[8]'
  wrong "$form = \"jsonb\"" 1 'fits with "as": "js-utf16" at eras[0].input[8]'
  wrong "$at = \"time-us\"" 1 'fits with "as": "time-ms" at eras[0].input[10]'
  wrong '.eras[0].input[6].null = ""' 2 \
    'fits with "null": "null" at eras[0].input[6]'
  wrong '.eras[0].input[3] = ":"' 0 \
    'fits with the character 0x7c at eras[0].input[3]'
  wrong '.eras[0].input[5] = "||"' 0 \
    'fits with the character 0x7c at eras[0].input[5]'
  wrong '.eras[0].input += ["\n"]' 0 \
    'fits with nothing in its place at eras[0].input[11]'
  wrong '.start.basis = ""' 0 \
    'fits with "genesis" in the place of the link at eras[0].input[0]'
  wrong "$form = \"python\" | $at = \"time-us\"" 1 "fits with \"as\":"`
    `" \"js-utf16\" at eras[0].input[8] and \"as\": \"time-ms\" at"`
    `" eras[0].input[10]"
  wrong '.eras[0].input |= .[:9]' 0 "no other spelling of one or two steps"`
    `" fits, none left out, none in another place: a field is missing, or a"`
    `" value is not what it was"
  # A field too much, with its separator; the order of steps.
  wrong '.eras[0].input |= .[:4] + ["|", {"field": "id"}] + .[4:]' 1 \
    'fits without eras[0].input[4] and eras[0].input[5]'
  wrong '.eras[0].input |= .[:4] + [{"field": "id"}] + .[4:]' 1 \
    'fits without eras[0].input[4]'
  wrong '.eras[0].input |= [.[0,1,4,3,2], .[5:][]]' 1 \
    "fits with eras[0].input[2] and eras[0].input[4] in each other's place"
  wrong '.eras[0].input |= [.[4,1,0,3,2], .[5:][]]' 1 \
    'fits with eras[0].input[0] in the place of eras[0].input[4]'
  wrong '.eras[0].input |= [.[2,1,4,3,0], .[5:][]]' 1 \
    'fits with eras[0].input[4] in the place of eras[0].input[0]'
  wrong '.digest = "sha512"' 0 "the stored hash is not what the digest gives:"`
    `" look at \"hash\", \"digest\" and \"encoding\""
  # A zone, which is no step's doing.
  jq -c '.created_at = "2026-04-15T14:00:00.000+00:00"' <<<"$(head -n 1 chain)" \
    >moved
  tested 3 moved --profile claudemesh
  jq -r '.hints[]' <<<"$output" |
    grep -qxF 'fits with the time zone UTC-02:00 at eras[0].input[10]'
}

@test "against the bytes that the system hashed: where they differ" {
  jq -c '.valid_chain[]' "$FOREIGN/claudemesh.json" >chain
  sed -n 2p chain | jq -jr ._hash_input >bytes
  tested 0 chain --profile claudemesh --index 1 --against bytes
  [ "$(jq -r '.hints[0]' <<<"$output")" = "the bytes are those that the system"`
    `" hashed: the digest or the stored hash is what differs" ]
  sed -i 's/"b":1.5/"b":1.50/' bytes
  tested 0 chain --profile claudemesh --index 1 --against bytes
  [[ $(jq -r '.hints[0]' <<<"$output") == "differs at byte "*", in"*\
"eras[0].input[8]: ours \"}}|2026-04-15T12:00:01.250Z\", the system's \"0}}|"* ]]
  # Digests inside: what they give counts.
  jq '.eras[0].input = [{digest: ["x"]}, "|", {field: "mesh_id"}]' \
    "$TALLY_PROFILES/claudemesh.json" >p.json
  { printf x | sha256sum | cut -c 1-64 | tr -d '\n'; printf '|msh_8'; } >bytes
  tested 3 chain --profile ./p.json --against bytes
  [[ $(jq -r '.hints[0]' <<<"$output") == \
    'differs at byte 69, in eras[0].input[2]: ours "7Q2xJ0"'* ]]
  [ "$(jq -c '[.rules[0].steps[] | [.depth, .digest]]' <<<"$output")" = \
    '[[0,1],[1,0],[0,-1],[0,0],[0,0]]' ]
}

@test "what has a value is not taken for one that had none" {
  jq -c '.writer_side_undefined_bug | {id: 1, mesh_id: "m",
    event_type: "state_set", actor_member_id: "a",
    payload: {key: "k", value: 7}, prev_hash: "genesis", hash: .writer_hash,
    created_at: "2026-01-01T00:00:00.000Z"}' "$FOREIGN/claudemesh.json" >chain
  tested 3 chain --profile claudemesh
  [ "$(jq -c '[.rules[].fits]' <<<"$output")" = '[false,false]' ]
}

@test "anchors: what is signed of a chain's head is what a profile writes" {
  jq -c '.anchor | {hash: .sha256_digest, prev: null} +
    (.canonical | fromjson), {hash: .empty_chain_digest, prev: null} +
    (.empty_chain_canonical | fromjson)' "$FOREIGN/breeze.json" >anchors
  # In the order in which breeze writes them, not sorted.
  jq -n '{profile: 1, name: "anchor", digest: "sha256", hash: "hash",
    prev: "prev", start: {prev: null, basis: ""}, eras: [{name: "v1",
    input: ([["{\"v\":", "v"], [",\"orgId\":", "orgId"],
      [",\"headChainSeq\":", "headChainSeq"],
      [",\"headChainChecksum\":", "headChainChecksum"],
      [",\"entryCount\":", "entryCount"], [",\"anchoredAt\":", "anchoredAt"]] |
      map(.[0], {field: .[1], as: "js-utf16"}) + ["}"])}]}' >p.json
  for n in 0 1; do
    tested 0 anchors --profile ./p.json --index "$n"
  done
  tested 0 anchors --profile ./p.json
  jq -r '.rules[0].input_hex' <<<"$output" | xxd -r -p >text
  [ "$(cat text)" = "$(jq -r .anchor.canonical "$FOREIGN/breeze.json")" ]
  # The head that it names is the last one of the chain.
  [ "$(jq -r '.headChainChecksum' <<<"$(sed -n 1p anchors)")" = \
    "$(jq -r '.v2_side_table.chain[-1].chain_checksum' "$FOREIGN/breeze.json")" ]
  jq -r .anchor.signature_b64 "$FOREIGN/breeze.json" | base64 -d >signature
  { echo '-----BEGIN PUBLIC KEY-----'
    jq -r .anchor.ed25519_spki_b64 "$FOREIGN/breeze.json"
    echo '-----END PUBLIC KEY-----'; } >key.pem
  openssl pkeyutl -verify -rawin -pubin -inkey key.pem -in text \
    -sigfile signature
  # PageSpace's is sorted, and keyed.
  jq -c '.anchor_hmac.canonical | fromjson | . + {hash: ("0" * 64), prev: null}' \
    "$FOREIGN/pagespace.json" >anchors
  jq -n '{profile: 1, name: "anchor", digest: "sha256", hash: "hash",
    prev: "prev", start: {prev: null, basis: ""}, eras: [{name: "v1",
    input: [{object: {version: "version", source: "source", head: "head",
      chainSeq: "chainSeq", anchoredAt: "anchoredAt"},
      as: "js-property"}]}]}' >p.json
  tested 3 anchors --profile ./p.json
  jq -r '.rules[0].input_hex' <<<"$output" | xxd -r -p >text
  [ "$(cat text)" = "$(jq -r .anchor_hmac.canonical "$FOREIGN/pagespace.json")" ]
  [ "$(openssl dgst -sha256 -hmac "$(jq -r .anchor_hmac.secret \
    "$FOREIGN/pagespace.json")" -r text | cut -c 1-64)" = \
    "$(jq -r .anchor_hmac.hmac_sha256_hex "$FOREIGN/pagespace.json")" ]
}

# What a form writes for the field "x" of each record.
written() { # FORM
  jq -n --arg form "$1" '{profile: 1, name: "f", digest: "sha256", hash: "h",
    prev: "p", start: {prev: null, basis: ""},
    eras: [{name: "v1", input: [{field: "x", as: $form}]}]}' >form.json
  local n count

  count=$(wc -l <documents)
  for ((n = 0; n < count; n++)); do
    run --separate-stderr tally profile test documents --profile ./form.json \
      --index "$n" --json
    jq -r '.rules[0].input_hex' <<<"$output" | xxd -r -p
    echo
  done
}

@test "vectors: four orders of keys, numbers of JavaScript, text of jsonb" {
  jq -c '.key_order_trap | {x: .input}' "$FOREIGN/pagespace.json" >documents
  for pair in js-property:pagespace_stableStringify \
    js-utf16:claudemesh_canonicalJson python:python_sort_keys \
    jsonb:postgres_jsonb_text; do
    [ "$(written "${pair%:*}")" = \
      "$(jq -r ".key_order_trap.${pair#*:}" "$FOREIGN/pagespace.json")" ]
  done
  # jq would respell what is a vector of spelling.
  jq -r '.number_format_vectors_js | keys_unsorted[] | "{\"x\":\(.)}"' \
    "$FOREIGN/pagespace.json" >documents
  [ "$(written js-utf16)" = "$(jq -r '.number_format_vectors_js[]' \
    "$FOREIGN/pagespace.json")" ]
  jq -r '.jsonb_text_vectors[] | "{\"x\":\(.json)}"' "$FOREIGN/breeze.json" \
    >documents
  [ "$(written jsonb)" = "$(jq -r '.jsonb_text_vectors[].jsonb_text' \
    "$FOREIGN/breeze.json")" ]
}

@test "vectors: claudemesh's own test, and an actor that is null or \"null\"" {
  jq -c '.pinned_from_canonical_test[] | {id: 1, mesh_id: .mesh,
    event_type: .event, actor_member_id: .actor, payload,
    prev_hash: .prev, hash, created_at: .createdAt}' \
    "$FOREIGN/claudemesh.json" >chain
  tested 0 chain --profile claudemesh
  for actor in null '"null"'; do
    jq -c --argjson a "$actor" '.actor_member_id = $a' chain >one
    tested 3 one --profile claudemesh
    jq -r '.rules[0].digest' <<<"$output"
  done >sums
  [ "$(sort -u sums | wc -l)" -eq 1 ]
}
