#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""witness_race.py STATE-FILE ROUNDS ADDRESS... -- REQUEST...

Each round puts the state back to what it is now, and sends all requests at
once over connections that stand, round robin over the servers.  Each request
grows the log from that same size to another one, so exactly one may be
granted; and what was granted is what the state holds.  Prints how many rounds
it were."""

import http.client
import os
import sys
import threading


def main():
    state, rounds = sys.argv[1], int(sys.argv[2])
    split = sys.argv.index("--")
    servers, names = sys.argv[3:split], sys.argv[split + 1 :]
    bodies = [open(name, "rb").read() for name in names]
    begin = open(state, "rb").read()
    barrier = threading.Barrier(len(bodies) + 1)
    statuses = [0] * len(bodies)

    def send(i):
        connection = http.client.HTTPConnection(servers[i % len(servers)])
        connection.connect()
        for _ in range(rounds):
            barrier.wait()
            connection.request("POST", "/add-checkpoint", body=bodies[i])
            reply = connection.getresponse()
            reply.read()
            statuses[i] = reply.status
            barrier.wait()

    threads = [
        threading.Thread(target=send, args=(i,), daemon=True)
        for i in range(len(bodies))
    ]
    for thread in threads:
        thread.start()
    for number in range(rounds):
        with open(state + ".again", "wb") as file:
            file.write(begin)
        os.rename(state + ".again", state)
        barrier.wait()
        barrier.wait()
        granted = [i for i, status in enumerate(statuses) if status == 200]
        assert len(granted) == 1, (number, statuses)
        assert all(s in (200, 409) for s in statuses), (number, statuses)
        size = bodies[granted[0]].split(b"\n\n", 1)[1].split(b"\n")[1]
        held = open(state, "rb").read().split(b"\n")[1]
        assert held == size, (number, held, size)
    print(rounds)


main()
