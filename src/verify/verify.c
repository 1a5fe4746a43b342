/* SPDX-License-Identifier: Apache-2.0 */
/* tally_verify: from a directory to a verdict. */
#include <string.h>

#include <tally/verify.h>

#include "core/fail.h"
#include "core/text.h"
#include "log/sys.h"
#include "verify/ids.h"
#include "verify/pool.h"

#define JOBS_MAX 64
#define JOBS_FEW 16

/* Chunks, two per thread, stay below 12 MiB in all. */
#define CHUNK_FEW ((size_t)192 << 10)
#define CHUNK_MANY ((size_t)48 << 10)
#define CHUNK_LEAST ((size_t)16 << 10)
#define SLACK ((size_t)16 << 10)

struct verification {
	struct tally_verify_options options;
	struct tally_snapshot snapshot;
	struct tally_chunk_plan plan;
	struct tally_report report;
	struct tally_big big;
	struct tally_judge judge;
	struct tally_scanner scanner; /* of the calling thread */
	struct tally_error *error;
	char only[TALLY_CHAIN_TEXT_MAX];
	unsigned jobs;
	int64_t start_us;
	bool resumed;
	char *candidate; /* for what is kept, until the verdict */
};

/* Checks the options and makes the plan. */
static int
plan(struct verification *v)
{
	struct tally_verify_options *options = &v->options;
	const char *what;
	int r;

	if (options->ids && options->resume != NULL)
		return tally_fail(v->error, TALLY_E_USAGE,
		    "ids cannot be compared by a verification that resumes");
	if (options->ids && options->keep != NULL)
		return tally_fail(v->error, TALLY_E_USAGE,
		    "ids cannot be compared by a verification that is kept");
	if (options->keep != NULL) {
		v->candidate = tally_resume_candidate(options->keep);
		if (v->candidate == NULL)
			return TALLY_E_MEMORY;
	}
	v->jobs = options->jobs != 0 ? options->jobs : tally_sys_processors();
	if (v->jobs > JOBS_MAX)
		v->jobs = JOBS_MAX;
	v->plan.snapshot = &v->snapshot;
	v->plan.ids = options->ids;
	v->plan.size = v->jobs <= JOBS_FEW ? CHUNK_FEW : CHUNK_MANY;
	v->plan.slack = SLACK;
	if (tally_sys_random(&v->plan.seed, sizeof(v->plan.seed)) != 0)
		v->plan.seed = (uint64_t)tally_sys_monotonic_us();
	if (options->chain == NULL)
		return 0;
	r = tally_name_escape(options->chain, options->chain_len,
	    TALLY_CHAIN_MAX, v->only, &v->plan.only_len, &what);
	if (r != 0)
		return tally_fail(v->error, TALLY_E_USAGE,
		    "the chain's name %s", what);
	v->plan.only = v->only;
	return 0;
}

/* A small log needs neither large chunks nor many threads. */
static void
fit(struct verification *v)
{
	uint64_t share = v->snapshot.bytes / v->jobs / 4;

	if (v->plan.size > share)
		v->plan.size = (size_t)share;
	if (v->plan.size < CHUNK_LEAST)
		v->plan.size = CHUNK_LEAST;
	if (v->jobs > v->snapshot.bytes / v->plan.size + 1)
		v->jobs = (unsigned)(v->snapshot.bytes / v->plan.size) + 1;
}

static int
prepare(struct verification *v)
{
	struct tally_judge *judge = &v->judge;
	int r;

	fit(v);
	v->plan.extents_end = v->snapshot.extents_len;
	v->report.snapshot = &v->snapshot;
	v->report.options = &v->options;
	v->report.keep = v->options.resume != NULL || v->options.keep != NULL;
	v->scanner.big = &v->big;
	judge->snapshot = &v->snapshot;
	judge->options = &v->options;
	judge->plan = &v->plan;
	judge->report = &v->report;
	judge->scanner = &v->scanner;
	judge->big = &v->big;
	judge->error = v->error;
	r = tally_hasher_open(&v->scanner.hasher);
	if (r == 0)
		r = tally_judge_init(judge);
	if (r == 0 && v->options.ids)
		r = tally_ids_new(&judge->ids, v->error);
	return r;
}

/* Has the log grown since, or does it hold more than may be read? */
static bool
has_more(struct verification *v, const char *dir)
{
	const struct tally_extent *last;
	struct tally_snapshot now = { .log_dir = -1 };
	struct tally_sys_stat stat;
	bool more;

	more = tally_snapshot_take(dir, &now, NULL) == 0 &&
	    now.bytes > v->snapshot.bytes;
	tally_snapshot_wipe(&now);
	if (more || v->snapshot.extents_len == 0)
		return more;
	last = &v->snapshot.extents[v->snapshot.extents_len - 1];
	return tally_sys_stat_at(v->snapshot.log_dir, last->name, &stat) == 0 &&
	    stat.size > last->bytes;
}

/* Is every chain's last record one that an outside head names? */
static bool
covers_last(const struct tally_judge *judge)
{
	const struct tally_chain *c;
	uint32_t i;

	for (i = 0; i < judge->chains.len; i++) {
		c = &judge->chains.items[i];
		if (c->seq != 0 &&
		    (c->watch == 0 ||
			judge->options->heads[c->watch - 1].seq != c->seq))
			return false;
	}
	return judge->options->heads_len > 0;
}

static unsigned
not_covered(struct verification *v, const char *dir)
{
	const struct tally_judge *judge = &v->judge;
	unsigned bits = TALLY_UNCOVERED_ORDER | TALLY_UNCOVERED_LAST |
	    TALLY_UNCOVERED_CHAINS;

	if (covers_last(judge)) {
		bits &= ~(unsigned)TALLY_UNCOVERED_LAST;
		if (v->options.heads_complete)
			bits &= ~(unsigned)TALLY_UNCOVERED_CHAINS;
	}
	if (v->options.has_root && v->options.root_size == judge->size &&
	    tally_hash_equal(&v->options.root, &judge->root))
		bits = 0;
	/* Other chains' lines were not hashed: they may be anything. */
	if (v->plan.only != NULL)
		bits |= TALLY_UNCOVERED_ORDER | TALLY_UNCOVERED_CHAINS |
		    TALLY_UNCOVERED_OTHER_CHAINS |
		    (covers_last(judge) ? 0 : TALLY_UNCOVERED_LAST);
	if (!v->options.ids)
		bits |= TALLY_UNCOVERED_IDS;
	if (judge->orders.without_key)
		bits |= TALLY_UNCOVERED_ORDERS;
	if (judge->served.is_unjudged)
		bits |= TALLY_UNCOVERED_CHECKPOINT;
	if (judge->cut || has_more(v, dir))
		bits |= TALLY_UNCOVERED_TAIL;
	return bits;
}

static void
fill_verdict(struct verification *v, const char *dir, struct tally_verdict *out)
{
	const struct tally_judge *judge = &v->judge;
	uint32_t i;

	memset(out, 0, sizeof(*out));
	out->records = judge->records;
	out->size = judge->size;
	for (i = 0; i < judge->chains.len; i++)
		out->chains += judge->chains.items[i].seq != 0;
	out->root = tally_frontier_root(&v->scanner.hasher, &judge->frontier);
	out->findings = v->report.findings;
	memcpy(out->by_kind, v->report.by_kind, sizeof(out->by_kind));
	out->not_covered = not_covered(v, dir);
	out->resumed = v->resumed;
	out->verdict = TALLY_INTACT;
	if (out->records == 0 || out->by_kind[TALLY_NOT_JUDGED] > 0)
		out->verdict = TALLY_UNVERIFIABLE;
	if (tally_report_breaks(&v->report) > 0)
		out->verdict = TALLY_TAMPERED;
	out->seconds = (double)(tally_sys_monotonic_us() - v->start_us) / 1e6;
}

/* Whoever lacked something has judged by what it did not have. */
static int
lacking(struct verification *v)
{
	if (tally_hasher_failed(&v->scanner.hasher))
		return tally_fail(v->error, TALLY_E_BUG, "libcrypto failed");
	return v->judge.no_memory ? TALLY_E_MEMORY : 0;
}

/* Behind the last chunk. */
static int
finish(struct verification *v)
{
	struct tally_judge *judge = &v->judge;
	int r = 0;

	if (v->snapshot.extents_len > 0)
		tally_judge_enter(judge, (uint32_t)v->snapshot.extents_len - 1);
	tally_steps_finish(judge);
	pthread_mutex_lock(&v->big.lock);
	r = lacking(v);
	if (r == 0)
		r = tally_judge_second(judge);
	if (r == 0 && judge->ids != NULL)
		r = tally_ids_finish(judge);
	pthread_mutex_unlock(&v->big.lock);
	if (r == 0)
		r = lacking(v);
	if (r == 0) {
		tally_sealed_finish(judge);
		tally_outside_finish(judge);
	}
	return r == 0 ? lacking(v) : r;
}

/* What is kept stays what it is until there is a verdict. */
static bool
is_kept_there(const struct verification *v)
{
	const struct tally_verify_options *options = &v->options;

	return options->keep != NULL && options->resume != NULL &&
	    strcmp(options->keep, options->resume) == 0;
}

/*
 * With something to keep, up to the last segment first: what is known there is
 * what is kept, once all is intact.
 */
static int
run_to_last(struct verification *v, struct tally_position *position)
{
	size_t all = v->snapshot.extents_len;
	bool has_erased;
	int r;

	if (v->options.keep == NULL)
		return 0;
	/* What an earlier verification left behind is not of this one. */
	if (!v->resumed || is_kept_there(v))
		tally_resume_remove(v->candidate);
	if (position->extent + 1 >= all)
		return 0;
	v->plan.extents_end = all - 1;
	r = tally_pool_run(&v->judge, v->jobs, v->start_us, position);
	v->plan.extents_end = all;
	v->judge.scanner = &v->scanner;
	if (r != 0)
		return r;
	/* Lines erased before here are held against their orders by this
	 * verification; the next one need not walk through all for them. */
	has_erased = v->judge.has_erased;
	v->judge.has_erased = false;
	r = tally_resume_save(&v->judge, v->candidate, position, true);
	v->judge.has_erased = has_erased;
	return r;
}

/* What is kept is of a log that was intact, or is what it was. */
static int
settle(struct verification *v, bool is_intact)
{
	const char *keep = v->options.keep, *resume = v->options.resume;
	int r = 0;

	if (keep != NULL && is_intact && v->snapshot.extents_len < 2)
		tally_resume_remove(keep);
	else if (keep != NULL && is_intact)
		r = tally_resume_promote(v->candidate, keep);
	else if (keep != NULL)
		tally_resume_remove(v->candidate);
	if (r != 0)
		return tally_fail(v->error, TALLY_E_IO,
		    "cannot write \"%s\": %s", keep, strerror(-r));
	if (resume != NULL && !is_kept_there(v))
		tally_resume_remove(resume);
	return 0;
}

/* For the next call, which goes on from there. */
static int
interrupt(struct verification *v, const struct tally_position *position)
{
	const char *resume = v->options.resume;

	if (!v->judge.cut)
		return tally_resume_save(&v->judge, resume, position, false);
	/* A writer sets the torn end aside and goes on there, in front of
	 * where this one stands: the next call begins anew. */
	tally_resume_remove(resume);
	return 0;
}

static int
run(struct verification *v)
{
	struct tally_position position = { 0 };
	int r, saved;

	if (v->options.resume != NULL) {
		r = tally_resume_load(&v->judge, v->options.resume, &position);
		if (r < 0)
			return r;
		v->resumed = r == 0;
	}
	r = run_to_last(v, &position);
	if (r == 0)
		r = tally_pool_run(&v->judge, v->jobs, v->start_us, &position);
	v->judge.scanner = &v->scanner;
	if (r == TALLY_PARTIAL && v->options.resume != NULL &&
	    !is_kept_there(v)) {
		saved = interrupt(v, &position);
		if (saved != 0)
			return saved;
	}
	return r != 0 ? r : finish(v);
}

static void
wipe(struct verification *v)
{
	tally_ids_free(v->judge.ids);
	tally_judge_wipe(&v->judge);
	tally_hasher_close(&v->scanner.hasher);
	tally_snapshot_wipe(&v->snapshot);
	tally_bytes_wipe(&v->report.kept);
	tally_sys_free(v->candidate);
	tally_sys_free(v->big.text);
	tally_sys_free(v->big.room.names);
	pthread_mutex_destroy(&v->big.lock);
	pthread_mutex_destroy(&v->report.lock);
	tally_sys_free(v);
}

int
tally_verify(const char *dir, const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error)
{
	struct verification *v = tally_sys_alloc(sizeof(*v));
	int r;

	if (v == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	if (options != NULL)
		v->options = *options;
	v->error = error;
	if (error != NULL)
		error->code = 0;
	v->start_us = tally_sys_monotonic_us();
	v->snapshot.log_dir = -1;
	v->judge.source.fd = -1;
	pthread_mutex_init(&v->big.lock, NULL);
	pthread_mutex_init(&v->report.lock, NULL);
	r = plan(v);
	if (r == 0)
		r = tally_served_read(&v->judge.served, dir);
	if (r == 0)
		r = tally_snapshot_take(dir, &v->snapshot, error);
	if (r == 0)
		r = prepare(v);
	if (r == 0)
		r = run(v);
	if (r == 0) {
		fill_verdict(v, dir, out_verdict);
		r = lacking(v);
		if (r == 0)
			r = settle(v, out_verdict->verdict == TALLY_INTACT);
	}
	if (r == TALLY_E_MEMORY)
		tally_fail(error, r, "out of memory");
	/* A worker whose hasher failed has nobody to tell why. */
	if (r == TALLY_E_BUG && error != NULL && error->code != r)
		tally_fail(error, r, "libcrypto failed");
	wipe(v);
	return r;
}
