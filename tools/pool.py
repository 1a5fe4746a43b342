# SPDX-License-Identifier: Apache-2.0
"""Runs commands, as many at a time as there are places.

A job takes a place, or several if it works in parallel itself.  It starts once
all jobs that it comes after have succeeded and its places are free; of those
that could, the one of the lowest rank.  After one that failed, it is dropped.
"""

import os
import signal
import subprocess
import tempfile
import time

# What a job that is told to end has for cleaning up behind itself.
GRACE_S = 15
POLL_S = 0.05
# The status of a job that came after one that failed.
NOT_RUN = "not run"


class Job:
    """A command, and what became of it.

    status: as of a subprocess, negative for a signal; late: it took longer than
    limit_s and was ended; seconds, cpu: what it took, by the clock and of
    processors (less what it left running behind itself).
    """

    def __init__(self, name, command, ended, *, rank=0, places=1, after=(),
                 limit_s=None, **popen):
        self.name = name
        self.command = command
        self.ended = ended
        self.rank = rank
        self.places = places
        self.after = after
        self.limit_s = limit_s
        self.popen = popen
        self.process = None
        self.status = None
        self.late = False

    def start(self):
        self.files = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.deadline = self.began + (self.limit_s or float("inf"))
        # In a session of its own, it can be ended with all that it started.
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self.files[0],
            stderr=self.files[1],
            start_new_session=True,
            **self.popen,
        )

    def kill(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def has_ended(self):
        """Looks after it, without waiting."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid == 0:
            if time.monotonic() > self.deadline:
                self.kill(signal.SIGKILL if self.late else signal.SIGTERM)
                self.late = True
                self.deadline = time.monotonic() + GRACE_S
            return False
        self.status = os.waitstatus_to_exitcode(status)
        self.process.returncode = self.status
        self.seconds = time.monotonic() - self.began
        self.cpu = usage.ru_utime + usage.ru_stime
        self.stdout, self.stderr = map(read_back, self.files)
        return True


def read_back(file):
    with file:
        file.seek(0)
        return file.read().decode("utf-8", errors="replace")


class Pool:
    """Where jobs wait, run, and are done."""

    def __init__(self, places):
        self.free = places
        self.waiting = []
        self.running = []
        self.done = []

    def add(self, job):
        self.waiting.append(job)
        return job

    def run(self):
        """Runs all jobs to their end."""
        try:
            while self.waiting or self.running:
                self.start_some()
                if not self.reap():
                    time.sleep(POLL_S)
        finally:
            self.end_all()

    def start_some(self):
        for job in list(self.waiting):
            if any(other.status not in (None, 0) for other in job.after):
                self.waiting.remove(job)
                job.status = NOT_RUN
        ready = [job for job in self.waiting
                 if all(other.status == 0 for other in job.after)]
        for job in sorted(ready, key=lambda job: job.rank):
            if job.places <= self.free:
                self.free -= job.places
                self.waiting.remove(job)
                self.running.append(job)
                job.start()

    def reap(self):
        ended = [job for job in self.running if job.has_ended()]
        for job in ended:
            self.free += job.places
            self.running.remove(job)
            self.done.append(job)
            job.ended(job)
        return ended

    def end_all(self):
        """Leaves nothing behind, should it be interrupted."""
        for job in self.running:
            job.kill(signal.SIGTERM)
        give_up = time.monotonic() + GRACE_S
        while self.running and time.monotonic() < give_up:
            self.running = [job for job in self.running if not job.has_ended()]
            time.sleep(POLL_S)
        for job in self.running:
            job.kill(signal.SIGKILL)
