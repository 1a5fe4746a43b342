#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally watch: what it finds, how it tells, and that it survives.
load helper

teardown() {
  [ ! -s servers ] || while read -r pid; do kill "$pid" 2>/dev/null || true
  done <servers
}

make_signed() {
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 9 | tally append log --chain org/42 >/dev/null
}
# More members of the configuration as JSON, such as "interval_s":1
configure() { # [MEMBERS]
  cat >hook <<'END'
#!/bin/sh
cat >>told
echo >>told
END
  chmod +x hook
  printf '{"state":"state","alerts":[{"type":"exec","command":["./hook"]}],
    "logs":[{"name":"audit","log":"log","key":"key","register":"register",
    "sinks":[{"name":"usb","type":"file","path":"heads"}]}]%s}\n' \
    "${1:+,$1}" >watch.json
}
once() { tally watch watch.json --once; }
told() { # FILTER
  jq -r "$1" told
}
start() {
  "$TALLY" watch watch.json >out 2>err &
  watcher=$!
  echo $watcher >>servers
}
published() { # SIZE
  [ "$(sed -n 2p log/public/checkpoint)" = "$1" ]
}
roll_back() {
  rm -r log
  cp -r yesterday log
  rm -rf log/run log/index
}
# What went out holds one record more than the log.
once_and_roll_back() { # CHAIN
  cp -r log yesterday
  tally append log --chain "$1" 1 >/dev/null
  once
  roll_back
}

@test "what is refused" {
  refused 2 '"none", line -1: unable to open none: No such file or directory' \
    watch none
  echo '{}' >watch.json
  refused 2 '"watch.json" has no string "state", the daemon'"'"'s directory' \
    watch watch.json
  echo '{"state":"state"}' >watch.json
  refused 2 'there are no "logs" to watch, or more than 256' watch watch.json
  echo '{"state":"state","logs":[{"name":"a"}]}' >watch.json
  refused 2 'the log "a": it needs "log", "key" and "register"' watch watch.json
  echo '{"state":"state","alerts":[{"type":"owl"}],"logs":[{}]}' >watch.json
  refused 2 'an alert'"'"'s "type" is none of exec, webhook, sendmail, syslog, table' \
    watch watch.json
  echo '{"state":"state","alerts":[{"type":"exec"}],"logs":[{}]}' >watch.json
  refused 2 'an alert of type "exec" needs "command"' watch watch.json
  echo '{"state":"state","alerts":[{"type":"exec","command":"a"}],"logs":[{}]}' \
    >watch.json
  refused 2 'an alert of type "exec" needs "command", an array of 1 to 16'`
    `' strings' watch watch.json
  echo '{"state":"state","alerts":[{"type":"sendmail","to":1}],"logs":[{}]}' \
    >watch.json
  refused 2 'an alert of type "sendmail" needs "to", a string' watch watch.json
  echo '{"state":"state","alerts":{"type":"syslog"},"logs":[{}]}' >watch.json
  refused 2 '"alerts" is no array' watch watch.json
  configure
  refused 4 'there is no open alert "7"' watch watch.json --ack 7
}

@test "a cycle publishes, sends, verifies, and nobody is told anything" {
  make_signed
  configure
  run once
  [ "$status" -eq 0 ]
  [[ $output == 'audit  intact  verified 20'* ]]
  published 11
  [ "$(wc -l <heads)" = 1 ]
  [ ! -e told ]
  jq -e '.seen_size == 11' state/audit/state.json
}

@test "a log that was cut: chain and seq, told once, also over a restart" {
  make_signed
  configure
  once
  cp -r log yesterday
  events 1 3 | tally append log --chain org/42 >/dev/null
  once
  roll_back
  run once
  [ "$status" -eq 1 ]
  [[ $output == 'audit  broken'* ]]
  told 'select(.chain == "org/42") | "\(.kind) \(.seq) \(.sink)"' >found
  grep -qx 'truncated 12 usb' found
  told 'select(.chain == null) | .kind' | grep -qx truncated
  count=$(wc -l <told)
  once || true
  once || true
  [ "$(wc -l <told)" = "$count" ]
}

@test "an order that the key did not sign; a key that took over from another" {
  make_signed
  configure '"whole_s":0.001'
  once
  # One who can write, and has no key, names ours.
  own=$(tally key generate mine --name example.org/audit --no-passphrase)
  python3 - "$(cut -d + -f 2 key.pub)" "$own" <<'PY'
import hashlib, json, sys
path = "log/log/00000000000000000000.jsonl"
last = [r for r in map(json.loads, open(path)) if r["chain"] == "tally:log"][-1]
compact = lambda v: json.dumps(v, separators=(",", ":"))
event = compact({"key": {"after": last["hash"], "by": sys.argv[1],
    "change": "add", "key": sys.argv[2]}, "sig": "a" * 128})
header = compact({"chain": "tally:log", "digest": hashlib.sha256(b"\x02" +
    bytes(16) + event.encode()).hexdigest(), "prev": last["hash"],
    "seq": last["seq"] + 1, "time": last["time"], "v": 1})
h = hashlib.sha256(b"\x00" + header.encode()).hexdigest()
open(path, "a").write(header[:-1] + ',"hash":"' + h + '","event":' + event + "}\n")
PY
  rm -rf log/run log/index
  run once
  [ "$status" -eq 1 ]
  [ "$(told 'select(.break) | "\(.kind) \(.chain) \(.seq)"')" = \
    'inserted tally:log 2' ]
  # The key that took over is not the one that the log began with.
  rm -rf log state told heads register
  tally init log --origin example.org/audit >/dev/null
  tally key rotate log --key key --new "$own" >/dev/null
  sed -i 's/"key":"key"/"key":"mine"/' watch.json
  run once
  [ "$status" -eq 1 ]
  [ "$(told 'select(.break) | "\(.kind) \(.seq)"')" = 'inserted 2' ]
  rm -rf state told heads
  sed -i 's|"key":"mine"|&,"keys":["'"$(head -n 1 key.pub)"'"]|' watch.json
  run once
  [ "$status" -eq 0 ]
  [ ! -e told ]
  sed -i 's|"keys":\[.*"\],"reg|"keys":[1],"reg|' watch.json
  refused 2 'the log "audit": "keys" is no array of public keys' \
    watch watch.json --once
}

@test "a chain that was written anew, and an index that was left as it was" {
  make_signed
  events 1 900 | tally append log --chain long >/dev/null
  configure '"whole_s":0.001'
  jq -c 'del(.logs[].sinks)' watch.json >without
  mv without watch.json
  once
  # All of org/42 from its second record on; no line changes its length.
  python3 - <<'PY'
import hashlib, json
path = "log/log/00000000000000000000.jsonl"
out, prev = [], None
compact = lambda v: json.dumps(v, separators=(",", ":"))
for line in open(path):
    r = json.loads(line)
    if r["chain"] == "org/42":
        event = '{"n":0}' if r["seq"] == 2 else compact(r["event"])
        header = compact({"chain": "org/42", "digest": hashlib.sha256(b"\x02" +
            bytes(16) + event.encode()).hexdigest(), "prev": prev or r["prev"],
            "seq": r["seq"], "time": r["time"], "v": 1})
        prev = hashlib.sha256(b"\x00" + header.encode()).hexdigest()
        line = header[:-1] + ',"hash":"' + prev + '","event":' + event + "}\n"
    out.append(line)
open(path, "w").write("".join(out))
PY
  rm -rf log/run
  run once
  [ "$status" -eq 1 ]
  told 'select(.break) | "\(.kind) \(.chain) \(.seq)"' |
    grep -qx 'rolled-back org/42 2'
}

@test "what a whole verification reached of another log is begun anew" {
  make_signed
  configure '"slice_s":0.000001'
  events 1 20000 | tally append log --chain org/42 >/dev/null
  once
  [ -s state/audit/resume ]
  printf x >>state/audit/resume
  configure
  run once
  [ "$status" -eq 0 ]
  [[ $output == 'audit  intact  verified 20'* ]]
  [ ! -e told ]
}

@test "repeated until it is acknowledged, and over when a whole one is good" {
  make_signed
  configure '"repeat_s":0.001,"whole_s":0.001'
  once
  cp log/log/0*.jsonl good
  sed -i 's/"event":{"n":4}/"event":{"n":5}/' \
    log/log/00000000000000000000.jsonl
  once || true
  told 'select(.kind == "content-altered") | "\(.chain) \(.seq)"' |
    grep -qx 'org/42 4'
  told .evidence | grep -q 'log/00000000000000000000.jsonl'
  id=$(told 'select(.kind == "content-altered") | .id' | head -n 1)
  count() { told "select(.id == $id) | .id" | wc -l; }
  before=$(count)
  once || true
  [ "$(count)" -gt "$before" ]
  tally watch watch.json --ack "$id"
  before=$(count)
  once || true
  once || true
  [ "$(count)" = "$before" ]
  # It stays broken until the whole log is good.
  run once
  [ "$status" -eq 1 ]
  cp good log/log/00000000000000000000.jsonl
  rm -rf log/run log/index
  for alert in $(jq -r '.alerts[].id' state/alerts.json); do
    tally watch watch.json --ack "$alert"
  done
  once || true
  run once
  [ "$status" -eq 0 ]
  [[ $output == 'audit  intact'* ]]
}

@test "what no way took is told again" {
  make_signed
  configure
  once
  printf '#!/bin/sh\nexit 1\n' >hook
  once_and_roll_back c
  once || true
  [ ! -e told ]
  jq -e '[.alerts[] | select(.sent_us == 0)] | length > 0' state/alerts.json
  configure
  once || true
  [ -s told ]
}

@test "never verified, until the whole was; in slices" {
  make_signed
  events 1 60000 | tally append log --chain many >/dev/null
  configure '"slice_s":0.000001'
  run once
  [[ $output == 'audit  never-verified  verified never' ]]
  configure '"slice_s":100'
  run once
  [[ $output == 'audit  intact'* ]]
}

@test "a sink that fails is told after a time, and when it is over it is over" {
  make_signed
  configure '"grace_s":0.001'
  sed -i 's/"heads"/"mount\/heads"/' watch.json
  once
  once
  [ "$(told 'select(.kind == "sink-fails") | .sink' | head -n 1)" = usb ]
  mkdir mount
  rm state/audit/sinks/usb/state
  once
  once
  jq -e '.alerts | length == 0' state/alerts.json
  # Emptied: it lost what it had.
  : >mount/heads
  sed -i 's/"grace_s":0.001/"grace_s":0.001,"whole_s":0.001/' watch.json
  once
  told .kind | grep -qx sink-lost
}

@test "the daemon: metrics, reload, stop, and appends go on" {
  make_signed
  configure '"interval_s":0.1,"metrics":"127.0.0.1:0"'
  start
  eventually published 11
  tally append log --chain c 1 >/dev/null
  eventually published 13
  eventually grep -q '^metrics on ' out
  url=$(sed 's/^metrics on //' out)
  curl -sf "$url" >metrics
  grep -qx 'tally_state{target="audit",state="intact"} 1' metrics
  grep -q '^tally_sink_lag_records{target="audit",sink="usb"} ' metrics
  run --separate-stderr once
  expect 2 "" 'tally: another daemon has the state "state"'
  # Nonsense leaves the old configuration in force.
  cp watch.json good.json
  echo '{' >watch.json
  kill -HUP $watcher
  eventually grep -q 'the old configuration stays' err
  tally append log --chain c 2 >/dev/null
  eventually published 15
  sed 's/"audit"/"other"/' good.json >watch.json
  kill -HUP $watcher
  eventually test -e state/other/state.json
  kill $watcher
  wait $watcher
}

@test "killed at any moment, nothing is forgotten" {
  make_signed
  configure '"interval_s":0.01'
  once
  cp -r log yesterday
  events 1 3 | tally append log --chain org/42 >/dev/null
  once
  roll_back
  for turn in $(seq 10); do
    timeout -s KILL "0.0$turn" "$TALLY" watch watch.json >/dev/null 2>&1 ||
      true
    jq -e . state/alerts.json >/dev/null || [ ! -e state/alerts.json ]
  done
  once || true
  told 'select(.chain == "org/42") | "\(.kind) \(.seq)"' |
    grep -qx 'truncated 12'
}

@test "systemd is told" {
  make_signed
  configure '"interval_s":0.1'
  python3 - notify >notified <<'PY' &
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
while True:
    print(sock.recv(4096).decode(), flush=True)
PY
  echo $! >>servers
  eventually test -S notify
  NOTIFY_SOCKET=notify "$TALLY" watch watch.json >out 2>err &
  watcher=$!
  echo $watcher >>servers
  eventually grep -qx READY=1 notified
  eventually grep -qx 'STATUS=1 logs, 0 broken' notified
  eventually grep -qx WATCHDOG=1 notified
  kill $watcher
  wait $watcher
  eventually grep -qx STOPPING=1 notified
}

@test "mail, and a webhook" {
  make_signed
  configure
  printf '#!/bin/sh\necho "$@" >mailed\ncat >>mailed\n' >sendmail
  chmod +x sendmail
  python3 "$SOURCE/test/cli/outside_peers.py" webhook posted >peer &
  echo $! >>servers
  eventually test -s peer
  jq --arg url "$(cat peer)" '.alerts += [{"type": "sendmail",
    "path": "./sendmail", "to": "audit@example.org"},
    {"type": "webhook", "url": $url}]' watch.json >new.json
  mv new.json watch.json
  once
  once_and_roll_back c
  once || true
  grep -qx -- '-i -- audit@example.org' mailed
  grep -q '^Subject: tally: audit: truncated' mailed
  cmp <(jq -S . posted) <(jq -S . told)
}

# A host that has the sink, the public key, and no way to the log.
configure_outside() { # [MEMBERS]
  local more="{${1-}}"

  configure
  jq --arg key "$(cat key.pub)" '{state: "ostate", alerts: .alerts, logs: [
    {name: "far", origin: "example.org/audit", key: $key,
     sinks: [{name: "usb", type: "file", path: "heads"}]}]} + '"$more" \
    watch.json >outside.json
}

@test "from outside: heads agree with each other, and keep coming" {
  make_signed
  configure_outside
  outside() { tally watch outside.json --outside --once; }
  run outside
  [ "$output" = 'far  never-verified  verified never' ]
  once
  run outside
  [[ $output == 'far  intact'* ]]
  tally append log --chain org/42 1 >/dev/null
  once
  cp heads good
  outside
  [ ! -e told ]
  # They stop coming.
  configure_outside 'silence_s: 0.001'
  outside
  outside
  [ "$(told .kind | sort -u)" = silent ]
  told .evidence | grep -q '^no new head since .*, size 13$'
  # They come again.
  tally append log --chain org/42 2 >/dev/null
  once
  configure_outside
  outside
  jq -e '.alerts | length == 0' ostate/alerts.json
  # The log was replaced, with its key in the wrong hand, and grown.
  rm -r log told state register
  make_log log --origin example.org/audit
  events 50 61 | tally append log --chain org/42 >/dev/null
  once || true
  run outside
  [ "$status" -eq 1 ]
  told 'select(.break) | "\(.kind) \(.chain)"' |
    grep -q '^forked\|^rolled-back'
  # The sink was cut.
  cp good heads
  outside || true
  told .kind | grep -qx sink-lost
}

@test "from outside: nothing to publish is not silent; no publisher is" {
  make_signed
  configure_outside 'interval_s: 0.2, silence_s: 8'
  configure '"interval_s":0.2,"beat_s":1'
  start
  eventually test -s heads
  "$TALLY" watch outside.json --outside >oout 2>oerr 3>&- &
  echo $! >>servers
  published_more() { [ "$(sed -n 2p log/public/checkpoint)" -gt "$1" ]; }
  eventually published_more 14
  sleep 6
  [ ! -e told ]
  tally verify log --key "$(cat key.pub)" >/dev/null
  kill $watcher
  wait $watcher
  is_silent() { told .kind | grep -qx silent; }
  eventually is_silent || is_silent
  [ "$(told .kind | sort -u)" = silent ]
  # With 0 nothing beats.
  configure '"beat_s":0'
  jq -c '.grown_us = 1' state/audit/state.json >old
  mv old state/audit/state.json
  size=$(sed -n 2p log/public/checkpoint)
  once
  published "$size"
}

@test "alert rules, dashboard and unit hold" {
  jq -e '.panels | length > 3' "$SOURCE/doc/watch/dashboard.json"
  # Every metric that they name is there.
  grep -oh 'tally_[a-z_]*' "$SOURCE"/doc/watch/* | sort -u >named
  grep -oh '"tally_[a-z_]*"' "$SOURCE/src/watch/metrics.c" | tr -d '"' >there
  echo tally_state >>there
  [ "$(sort -u there | comm -13 - named)" = "" ]
  if command -v systemd-analyze >/dev/null; then
    for unit in tally-watch.service tally-publish@.service; do
      sed "s|/usr/bin/tally|$TALLY|" "$SOURCE/doc/watch/$unit" >"$unit"
      systemd-analyze verify "./${unit/@/@app}" 2>verified || true
      [ "$(grep -c 'tally-[a-z@]*.service:[0-9]' verified)" = 0 ]
    done
  fi
}

# Two hooks: one takes what it is told into a file, the other one fails.
two_ways() { # FIRST SECOND
  jq --arg a "$1" --arg b "$2" '.alerts = [{type: "exec", command: ["./" + $a]},
    {type: "exec", command: ["./" + $b]}]' watch.json >new.json
  mv new.json watch.json
}
hooks() {
  printf '#!/bin/sh\ncat >>told\necho >>told\n' >hook
  printf '#!/bin/sh\n[ -e works ] || exit 1\ncat >>later\n' >failing
  chmod +x hook failing
}

@test "ways that change places were told what they were told" {
  make_signed
  configure
  hooks
  two_ways hook failing
  once
  once_and_roll_back org/42
  run once
  expect 1
  count=$(grep -c . told)
  [ "$count" -gt 0 ]
  [ ! -e later ]
  # The one that failed is told, and only that one.
  two_ways failing hook
  touch works
  run once
  expect 1
  [ "$(grep -c . told)" = "$count" ]
  [ -s later ]
  # No address is shown.
  ! grep -q 'hook\|failing' state/alerts.json
  # The same way twice is two ways.
  two_ways hook hook
  run once
  expect 1
  [ "$(grep -c . told)" = "$((2 * count))" ]
}

@test "a state from when ways had numbers" {
  make_signed
  configure
  hooks
  two_ways hook failing
  once
  once_and_roll_back org/42
  run once
  expect 1
  count=$(grep -c . told)
  jq '.alerts[].told |= {"0 exec": ([.[]] | first)}' state/alerts.json >old
  mv old state/alerts.json
  touch works
  run once
  expect 1
  [ "$(grep -c . told)" = "$count" ]
  [ -s later ]
  ! grep -q '0 exec' state/alerts.json
}

@test "a way that is new was told nothing that an older one had by its number" {
  make_signed
  configure
  hooks
  two_ways hook failing
  jq 'del(.alerts[1])' watch.json >one.json
  cp watch.json two.json
  cp one.json watch.json
  once
  once_and_roll_back org/42
  run once
  expect 1
  # There was a second way then, and it is none of those of now.
  jq '.alerts[].told |= ([.[]] | first | {"0 exec": ., "1 exec": .})' \
    state/alerts.json >old
  mv old state/alerts.json
  run once
  expect 1
  cp two.json watch.json
  touch works
  run once
  expect 1
  [ -s later ]
}

@test "hooks do not get the passphrase" {
  make_signed
  configure
  printf '#!/bin/sh\nenv >seen\n' >hook
  once
  once_and_roll_back org/42
  TALLY_PASSPHRASE=secret run once
  expect 1
  grep -q '^PATH=' seen
  lacks TALLY_PASSPHRASE seen
}

@test "promtool: rules, their tests, and the metrics of a daemon hold" {
  run "$SOURCE/tools/promtool" --version
  [ "$status" -ne 77 ] || skip "$output"
  [ "$status" -eq 0 ]
  promtool() { "$SOURCE/tools/promtool" "$@"; }
  promtool check rules "$SOURCE/doc/watch/alerts.yml"
  promtool test rules "$SOURCE/doc/watch/alerts_test.yml"
  # Each rule has a test.
  sed -n 's/^ *- alert: //p' "$SOURCE/doc/watch/alerts.yml" >rules
  while read -r rule; do
    grep -q "alertname: $rule" "$SOURCE/doc/watch/alerts_test.yml"
  done <rules
  make_signed
  configure '"interval_s":0.1,"metrics":"127.0.0.1:0"'
  start
  eventually published 11
  eventually test -s state/audit/state.json
  eventually grep -q '^metrics on ' out
  curl -sf "$(sed 's/^metrics on //' out)" >metrics
  grep -qx 'tally_verified_size{target="audit"} 11' metrics
  run promtool check metrics <metrics
  [ "$status" -eq 0 ]
  [ "$output" = "" ]
  kill $watcher
  wait $watcher
}

@test "an acknowledgement that comes while alerts are sent is not lost" {
  make_signed
  configure '"repeat_s":0.001'
  once
  once_and_roll_back c
  once || true
  # It is told again, and whoever is told says that he knows.
  cat >hook <<'END'
#!/bin/sh
"$TALLY" watch watch.json --ack "$(jq .id)"
END
  once || true
  once || true
  jq -e '.alerts | length > 0 and all(.acknowledged)' state/alerts.json
  [ "$(ls state/ack)" = "" ]
}

@test "many breaks are named up to a number, and the rest is one alert" {
  make_signed
  configure '"whole_s":0.001'
  events 1 150 | tally append log --chain many >/dev/null
  once
  sed -i 's/"event":{"n":/"event":{"m":/' log/log/00000000000000000000.jsonl
  run once
  [ "$status" -eq 1 ]
  [ "$(jq -c 'select(.chain)' told | wc -l)" = 100 ]
  told 'select(.kind == "more-breaks") | .evidence' >more
  [ "$(wc -l <more)" = 1 ]
  grep -q '^there are more breaks than the 100 that are named; one is' more
}

@test "a break stays while a sink that showed it cannot be read" {
  make_signed
  configure '"whole_s":0.001'
  once
  cp -r log yesterday
  cp -r register register.old
  events 1 3 | tally append log --chain org/42 >/dev/null
  once
  # All that only this machine knows is put back.
  roll_back
  rm -r register state/audit/state.json
  mv register.old register
  run once
  [ "$status" -eq 1 ]
  for alert in $(jq -r '.alerts[].id' state/alerts.json); do
    tally watch watch.json --ack "$alert"
  done
  mv heads away
  mkdir heads
  once || true
  run once
  [ "$status" -eq 1 ]
  [[ $output == 'audit  broken'* ]]
}

@test "from outside: not intact while a sink cannot be read" {
  make_signed
  configure_outside
  once
  mkdir unreadable
  jq '.logs[0].sinks += [{name: "bad", type: "file", path: "unreadable"}]' \
    outside.json >new.json
  mv new.json outside.json
  run tally watch outside.json --outside --once
  [ "$output" = 'far  never-verified  verified never' ]
  [ "$(told '"\(.kind) \(.sink)"')" = 'sink-fails bad' ]
}

@test "alerts that are none are not forgotten silently" {
  make_signed
  configure
  mkdir state
  echo '{"alerts":{},"next":1}' >state/alerts.json
  refused 2 '"state/alerts.json" does not hold alerts' watch watch.json --once
  [ "$(cat state/alerts.json)" = '{"alerts":{},"next":1}' ]
}

@test "a program is told although no file can be made" {
  case $TALLY in /tmp/*) skip "the command itself is in /tmp" ;; esac
  unshare -rm sh -c 'mount -t tmpfs -o ro none /tmp' 2>/dev/null ||
    skip "nothing can be mounted here"
  make_signed
  configure
  once
  once_and_roll_back c
  # shellcheck disable=SC2016
  unshare -rm sh -c 'mount -t tmpfs -o ro none /tmp &&
    exec "$TALLY" watch watch.json --once' || [ $? -eq 1 ]
  [ -s told ]
}

@test "without a register the sinks still show that a log was put back" {
  make_signed
  configure '"whole_s":0.001'
  once
  cp -r log yesterday
  events 1 3 | tally append log --chain org/42 >/dev/null
  once
  roll_back
  rm -r register state/audit/state.json
  echo x >register
  run once
  [ "$status" -eq 1 ]
  told 'select(.kind == "failed") | .evidence' | grep -q '^cannot publish'
  told 'select(.chain == "org/42") | "\(.kind) \(.seq) \(.sink)"' |
    grep -qx 'truncated 12 usb'
}

@test "a sink that is slow takes a part of a cycle, and goes on in the next" {
  make_signed
  configure
  python3 "$SOURCE/test/cli/outside_peers.py" webhook posted >peer &
  echo $! >>servers
  eventually test -s peer
  jq --arg url "$(cat peer)" '.logs[0].sinks += [{name: "hook",
    type: "webhook", url: $url}]' watch.json >new.json
  mv new.json watch.json
  touch posted.down
  for n in 1 2 3 4 5; do
    tally append log --chain c "$n" >/dev/null
    once
  done
  rm posted.down
  touch posted.slow
  due() {
    jq -c '.next_try_us = 0' state/audit/sinks/hook/state >due
    mv due state/audit/sinks/hook/state
  }
  due
  once
  count=$(wc -l <posted)
  [ "$count" -ge 1 ]
  [ "$count" -le 2 ]
  rm posted.slow
  due
  once
  [ "$(wc -l <posted)" = 5 ]
}

@test "from outside: two heads of a chain under one checkpoint" {
  make_signed
  configure_outside
  once
  # The key signs for somebody else that the chain is shorter.
  object=$(sed 's/^{"dispatch"://; s/,"signature":"[^"]*"}$//' heads)
  object=${object/'"seq":9}'/'"seq":8}'}
  printf 'tally-dispatch/v1\n%s' "$object" >message
  openssl pkeyutl -sign -inkey key -rawin -in message -out signature
  printf '{"dispatch":%s,"signature":"%s"}\n' "$object" \
    "$(base64 -w 0 signature)" >>heads
  run tally watch outside.json --outside --once
  [ "$status" -eq 1 ]
  [ "$(told 'select(.break) | "\(.kind) \(.chain) \(.seq) \(.evidence)"')" = \
    'forked org/42 9 two heads of it were signed for size 11' ]
}

# Whoever stands between a log and its witness can say what he wants.
@test "a witness that refuses without evidence makes no break" {
  make_signed
  tally key generate w.key --name witness.example/w --witness \
    --no-passphrase >w.pub
  printf '409\n9999\n' >says
  python3 "$SOURCE/test/cli/outside_peers.py" refusing says >peer &
  echo $! >>servers
  eventually test -s peer
  printf 'log %s\nwitness w %s %s\nquorum w\n' "$(cat key.pub)" \
    "$(cat w.pub)" "$(cat peer)" >policy
  configure '"grace_s":0.000001'
  sed -i 's/"type":"file","path":"heads"/"type":"witnesses","policy":"policy"/' \
    watch.json
  run once
  expect 0
  [ "$(told '"\(.kind) \(.break) \(.sink)"')" = 'sink-fails false usb' ]
  [[ $(told .evidence) == *'says that it saw size 9999, and the checkpoint'* ]]
  # What the log's own key signed is evidence, whoever shows it.
  cp -r log yesterday
  tally append log --chain org/42 1 >/dev/null
  run once
  cp log/public/checkpoint says.shown
  roll_back
  # Its register is put back, too.
  rm -r state told
  head -n 3 log/public/checkpoint \
    >"register/$(printf %s example.org/audit | sha256sum | cut -c 1-64)"
  run once
  expect 1
  told '"\(.kind) \(.break) \(.evidence)"' >kinds
  grep '^rolled-back true .*, and shows a checkpoint of size' kinds
}
