#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""register_storm.py TALLY CONFIG LIVES: publishers of copies of one log, as on
several hosts, killed at any moment, with one register.

In each life the copies part where nothing was signed, or where one checkpoint
was, and each goes on otherwise.  Afterwards no size may have two roots under
signatures, one history alone is signed, and its log goes on.  Exit status 3: a
fork was signed.  Works in the current directory, which has "key", a key without
a passphrase, and "log"; each life has a register of its own, under a prefix behind
that of the configuration."""

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
ROUNDS = 3

tally, config, lives = sys.argv[1], sys.argv[2], int(sys.argv[3])
seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
print(f"# SEED={seed}")
dice = random.Random(seed)
roots, signers, kills, lock = {}, {}, [0], threading.Lock()


def forked(why):
    print(f"FORKED: {why}", flush=True)
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
        [tally, "checkpoint", copy, "--key", "key", "--register", "life.json",
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


def live(life):
    """One life; returns whether it was as it has to be."""
    roots.clear()
    signers.clear()
    with open(config) as file:
        members = json.load(file)
    members["prefix"] = f"{members.get('prefix', '')}life{seed}-{life}/"
    with open("life.json", "w") as file:
        json.dump(members, file)
    copies = [f"copy{n}" for n in range(COPIES)]
    for name in copies + ["first"]:
        shutil.rmtree(name, ignore_errors=True)
    shutil.copytree("log", "first")
    if life % 2:
        append("first")
        publish("first")
        signers.clear()
    common = set(roots)
    for name in copies:
        shutil.copytree("first", name)
    for _ in range(ROUNDS):
        storm(copies)
    # Whoever's history went out goes on, and nobody else.
    going = []
    for name in copies:
        append(name)
        status, out, err = publish(name)
        if status == 0:
            going.append(name)
        elif status != 1 or "nothing was signed" not in err:
            print(f"{name}: status {status}: {out}{err}")
            return False
    told = {name for name, sizes in signers.items() if sizes - common}
    if len(told) > 1:
        forked(f"{sorted(told)} were signed")
    return len(going) == 1 and told == set(going)


def storm(copies):
    """Each copy gets a record, and publishers, some of which are killed."""
    for name in copies:
        append(name)
    threads = [threading.Thread(target=publish, args=(
        name, dice.uniform(0.001, 0.3) if dice.random() < 0.6 else None))
        for name in copies for _ in range(PUBLISHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


signed = 0
for number in range(lives):
    if not live(number):
        print(f"life {number}: {roots} of {signers}")
        sys.exit(1)
    signed += len(roots)
print(f"# {signed} signed, {kills[0]} publishers killed")
