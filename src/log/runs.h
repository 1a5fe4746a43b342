/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: immutable files of sorted keys in index/, each of the records of a
 * range [from, to).  Together they tile [0, covered).  A lookup asks every run
 * (there are a few dozen at most); four of one level are merged into one.
 * Each is a file, see runfile.h.
 */
#ifndef TALLY_LOG_RUNS_H
#define TALLY_LOG_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#include "log/page.h"

/* A record that a key leads to: its index, and its offset in its segment. */
struct tally_keyed {
	uint64_t key;
	uint64_t index;
	uint64_t offset;
};

struct tally_run {
	uint64_t from, to;
	uint64_t count;
	unsigned bits;
	struct tally_paged file;
};

struct tally_runs {
	struct tally_run *run; /* ascending, without gaps from 0 */
	size_t count, capacity;
};

/*
 * Opens the runs of [0, covered).  TALLY_END if they do not tile it.
 * Close them in any case.
 */
TALLY_MUST_CHECK int
tally_runs_open(int index_dir, const struct tally_sip_key *secret,
    uint64_t covered, struct tally_runs *out, struct tally_error *error);

void
tally_runs_close(struct tally_runs *runs);

/* Writes a run of these keys (it sorts them) and adds it to the runs. */
TALLY_MUST_CHECK int
tally_runs_add(int index_dir, const struct tally_sip_key *secret,
    struct tally_runs *runs, uint64_t to, struct tally_keyed *keys,
    size_t count, struct tally_error *error);

/*
 * Merges the last runs where four are of one level; the result is synced, the
 * merged files are still there.  *out_merged says whether anything was.
 */
TALLY_MUST_CHECK int
tally_runs_merge(int index_dir, const struct tally_sip_key *secret,
    struct tally_runs *runs, bool *out_merged, struct tally_error *error);

/* Removes the files of runs that are not among these. */
void
tally_runs_prune(int index_dir, const struct tally_runs *runs);

TALLY_MUST_CHECK int
tally_runs_sync(const struct tally_runs *runs, uint64_t from,
    struct tally_error *error);

/*
 * Calls fn for every entry of the key, newest run first; fn's result, if not
 * TALLY_END, ends the search and is returned.  TALLY_END if nothing was found.
 */
typedef int
tally_key_fn(void *arg, const struct tally_keyed *key);

TALLY_MUST_CHECK int
tally_runs_find(const struct tally_runs *runs, uint64_t key, tally_key_fn *fn,
    void *arg, struct tally_error *error);

#endif
