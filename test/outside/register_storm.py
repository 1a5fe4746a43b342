#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""register_storm.py TALLY CONFIG ROUNDS: publishers of copies of one log that
never was signed, as on several hosts, killed at any moment, with one register.

Each copy goes on otherwise.  Afterwards no size may have two roots under
signatures, one history alone is signed, and its log goes on.  Exit status 3: a
fork was signed.  Works in the current directory, which has "key", a key without
a passphrase, and "log", of which the copies are made."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

COPIES = 4
PUBLISHERS = 2  # of each copy at once

tally, config, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
print(f"# SEED={seed}")
dice = random.Random(seed)
roots, signers, kills, lock = {}, {}, [0], threading.Lock()


def forked(why):
    print(f"FORKED: {why}")
    os._exit(3)


def hear(note, copy):
    """A signature is there: what it says counts for ever."""
    if "\n\n" not in note:
        return
    _, size, root = note.split("\n")[:3]
    with lock:
        if roots.setdefault(int(size), root) != root:
            forked(f"size {size}: {roots[int(size)]} and {root}")
        signers.setdefault(copy, set()).add(int(size))


def look(copy):
    try:
        with open(f"{copy}/public/checkpoint") as file:
            hear(file.read(), copy)
    except FileNotFoundError:
        pass


def publish(copy, patience=None):
    done = subprocess.Popen(
        [tally, "checkpoint", copy, "--key", "key", "--register", config,
         "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = done.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        done.kill()
        out, err = done.communicate()
        kills[0] += 1
    look(copy)
    for line in out.splitlines():
        try:
            hear(json.loads(line).get("checkpoint", ""), copy)
        except json.JSONDecodeError:
            pass  # killed while it wrote
    return done.returncode, out, err


def append(copy):
    subprocess.run([tally, "append", copy, "--chain", "c"], check=True,
                   input=json.dumps({"of": copy, "n": dice.random()}),
                   stdout=subprocess.DEVNULL, text=True)


copies = [f"copy{n}" for n in range(COPIES)]
for name in copies:
    shutil.copytree("log", name)
for _ in range(rounds):
    for name in copies:
        append(name)
    threads = [threading.Thread(target=publish, args=(
        name, dice.uniform(0.001, 0.3) if dice.random() < 0.6 else None))
        for name in copies for _ in range(PUBLISHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

# Whoever's history went out goes on, and nobody else.
going = []
for name in copies:
    append(name)
    status, out, err = publish(name)
    if status == 0:
        going.append(name)
    elif status != 1 or "nothing was signed" not in err:
        print(f"{name}: status {status}: {out}{err}")
        sys.exit(1)
print(f"# {len(roots)} signed, {kills[0]} killed, {going} goes on, of {signers}")
if len(signers) > 1:
    forked(f"{sorted(signers)} were signed")
if len(going) != 1 or set(signers) != set(going):
    sys.exit(1)
