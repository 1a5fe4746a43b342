#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""witness_storm.py TALLY KEY VKEY SECONDS LOG LOG

Two servers on one directory, each killed every few milliseconds and started
anew, and clients that ask them for checkpoints of two logs that are two
histories of one origin.  LOG is a directory that "tally log" wrote, and holds
cp.SIZE, its checkpoints.  Whatever was granted, or shown, must be of one of
them, and no size below one that had come out before the question.  Then
another state, until the time is up.  Prints states, kills and grants."""

import base64
import glob
import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time

TALLY, KEY, VKEY, SECONDS = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4]
CLIENTS = 4


def digest(data):
    return hashlib.sha256(data).digest()


def split(count):
    half = 1
    while 2 * half < count:
        half *= 2
    return half


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    half = split(len(leaves))
    return digest(b"\x01" + root(leaves[:half]) + root(leaves[half:]))


def consistency(old, leaves, whole):
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    half = split(len(leaves))
    if old <= half:
        return consistency(old, leaves[:half], whole) + [root(leaves[half:])]
    return consistency(old - half, leaves[half:], False) + [root(leaves[:half])]


class History:
    """The checkpoints of a log, and how one is asked for."""

    def __init__(self, folder):
        segment = os.path.join(folder, "log", "00000000000000000000.jsonl")
        with open(segment, "rb") as file:
            self.leaves = [
                bytes.fromhex(json.loads(line)["hash"]) for line in file
            ]
        self.notes = {}
        for path in glob.glob(os.path.join(folder, "cp.*")):
            with open(path, "rb") as file:
                self.notes[int(path.rsplit(".", 1)[1])] = file.read()
        self.sizes = sorted(self.notes)

    def body(self, old, size):
        proof = (
            consistency(old, self.leaves[:size], True)
            if 0 < old < size else []
        )
        lines = [b"old %d\n" % old]
        lines += [base64.b64encode(node) + b"\n" for node in proof]
        return b"".join(lines) + b"\n" + self.notes[size]


class Storm:
    """One state, from nothing to the last checkpoint."""

    def __init__(self, folder, histories):
        self.folder, self.histories = folder, histories
        self.lock = threading.Lock()
        self.out = 0  # the largest size that came out
        self.possible = set(range(len(histories)))
        self.kills = self.grants = 0
        self.wrong = None
        self.addresses = [None, None]
        self.stopping = False
        self.story = []
        subprocess.run([TALLY, "witness", "add", folder, "--key", VKEY],
                       check=True, stdout=subprocess.DEVNULL)

    def come_out(self, before, size, note, how):
        with self.lock:
            if size < before:
                self.wrong = f"{size} came out after {before}"
            self.possible &= {
                i for i, history in enumerate(self.histories)
                if size in history.notes and note.split(b"\n")[:3]
                == history.notes[size].split(b"\n")[:3]
            }
            if not self.possible:
                self.wrong = f"two histories, at {size}"
            self.out = max(self.out, size)
            self.grants += 1
            self.story.append((size, sorted(self.possible), how))

    def keep_server(self, i):
        with open(f"{self.folder}.err", "ab") as errors:
            while not self.stopping:
                server = subprocess.Popen(
                    [TALLY, "witness", "serve", self.folder, "--key", KEY,
                     "--listen", "127.0.0.1:0"],
                    stdout=subprocess.PIPE, stderr=errors)
                said = server.stdout.readline().decode()
                self.addresses[i] = said.removeprefix("listening on ").strip()
                time.sleep(random.uniform(0, 0.06))
                server.kill()
                server.wait()
                server.stdout.close()
                self.kills += 1

    def request(self, method, path, body=None):
        address = random.choice(self.addresses)
        if not address:
            return None, b""
        try:
            connection = http.client.HTTPConnection(
                address.removeprefix("http://"), timeout=10)
            connection.request(method, path, body=body)
            reply = connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return None, b""

    def client(self, mine):
        history, old = self.histories[mine % len(self.histories)], 0
        origin = history.notes[history.sizes[0]].split(b"\n")[0]
        latest = "/" + hashlib.sha256(origin).hexdigest() + "/checkpoint"
        while not self.wrong and self.out < history.sizes[-1]:
            before = self.out
            if random.random() < 0.2:
                status, note = self.request("GET", latest)
                if status == 200:
                    self.come_out(before, int(note.split(b"\n")[1]), note,
                                  f"shown to {mine}")
                continue
            above = [size for size in history.sizes if size >= old]
            if not above:
                return
            size = above[min(len(above) - 1, random.randrange(3))]
            status, said = self.request("POST", "/add-checkpoint",
                                        history.body(old, size))
            if status == 200:
                self.come_out(before, size, history.notes[size],
                              f"from {old} for {mine}")
                old = size
            elif status == 409:
                old = int(said)
            elif status == 422:
                old = random.choice([0, old])
            elif status is not None:
                self.wrong = f"status {status}: {said!r}"

    def run(self, until):
        keepers = [threading.Thread(target=self.keep_server, args=(i,))
                   for i in range(2)]
        clients = [threading.Thread(target=self.client, args=(i,), daemon=True)
                   for i in range(CLIENTS)]
        for thread in keepers + clients:
            thread.start()
        while any(c.is_alive() for c in clients) and time.time() < until:
            time.sleep(0.01)
        self.stopping = True
        for thread in keepers:
            thread.join()
        assert not self.wrong, (self.wrong, self.story[-9:])


def main():
    histories = [History(folder) for folder in sys.argv[5:]]
    until = time.time() + float(SECONDS)
    states = kills = grants = 0
    while time.time() < until:
        storm = Storm(f"storm{states}", histories)
        storm.run(until)
        states, kills = states + 1, kills + storm.kills
        grants += storm.grants
    print(states, kills, grants)


main()
