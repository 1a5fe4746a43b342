/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnosing a source: symptoms, forks, the neighbourhood of a break. */
#include <string.h>

#include "core/fail.h"
#include "foreign/causes.h"
#include "foreign/forks.h"
#include "foreign/near.h"
#include "foreign/walk.h"
#include "log/sys.h"

#define DETAIL_MAX 480
#define SORT_BYTES ((size_t)16 << 20)
#define AROUND 8

struct doctor {
	const struct tally_diagnose_options *options;
	struct tally_walk walk;
	struct tally_graph graph;
	struct tally_neighbourhood near;
	struct tally_diagnosis *out;
	struct tally_error *error;
};

static void
tell_symptom(struct doctor *d, const struct tally_found *found)
{
	struct tally_symptom symptom;
	char detail[DETAIL_MAX];

	tally_walk_detail(&d->walk, found, detail, sizeof(detail));
	tally_walk_finding(&d->walk, found, detail, &symptom.finding);
	tally_walk_count(&d->out->verdict, found->kind);
	tally_cause_find(&d->graph, found, &symptom);
	d->out->by_cause[symptom.cause][symptom.sure]++;
	tally_near_take(&d->near, found);
	if (d->options->symptom != NULL)
		d->options->symptom(d->options->arg, &symptom);
}

static const char *
chain_name(const struct doctor *d, uint32_t chain)
{
	return d->walk.profile->chain != TALLY_NO_FIELD
	    ? d->walk.chains.names[chain].at
	    : NULL;
}

static int
tell_symptoms(struct doctor *d)
{
	struct tally_found found;
	int r;

	if (tally_walk_is_strange(&d->walk, &found)) {
		tell_symptom(d, &found);
		return 0;
	}
	while ((r = tally_links_next(&d->walk.links, &found)) == 0)
		tell_symptom(d, &found);
	return r == TALLY_END ? 0 : r;
}

static void
tell_fork(struct doctor *d, struct tally_forked *forked)
{
	struct tally_diagnosis *out = d->out;
	struct tally_fork *fork = &forked->fork;

	fork->chain = chain_name(d, forked->chain);
	if (out->forks++ == 0 || forked->second_index < out->first_fork)
		out->first_fork = forked->second_index;
	if (forked->second_index > out->last_fork)
		out->last_fork = forked->second_index;
	out->benign += fork->benign;
	out->open += !fork->healed;
	if (fork->width > out->widest)
		out->widest = fork->width;
	if (fork->healed && fork->records > out->longest)
		out->longest = fork->records;
	if (d->options->fork != NULL)
		d->options->fork(d->options->arg, fork);
}

static int
tell_forks(struct doctor *d)
{
	struct tally_sort *sort = NULL;
	struct tally_sort_key key;
	struct tally_forked forked;
	const void *item;
	size_t len;
	int r = tally_sort_new(&sort, SORT_BYTES, d->error);

	if (r == 0)
		r = tally_forks_find(&d->graph, sort, d->error);
	if (r == 0)
		r = tally_sort_end(sort, d->error);
	while (r == 0) {
		r = tally_sort_next(sort, &key, &item, &len, d->error);
		if (r != 0)
			break;
		memcpy(&forked, item, sizeof(forked));
		tell_fork(d, &forked);
	}
	tally_sort_free(sort);
	return r == TALLY_END ? 0 : r;
}

static int
examine(struct doctor *d, struct tally_profile *profile,
    const struct tally_profile_source *source)
{
	struct tally_verify_options how = {
		.progress = d->options->progress,
		.arg = d->options->arg,
	};
	int r = tally_walk(&d->walk, profile, source, &how, &d->graph, NULL,
	    d->error);

	if (r == 0 && tally_graph_finish(&d->graph) != 0)
		r = tally_fail(d->error, TALLY_E_MEMORY, "out of memory");
	if (r == 0)
		r = tell_symptoms(d);
	if (r == 0 && d->walk.holds > 0)
		r = tell_forks(d);
	if (r != 0)
		return r;
	if (d->options->has_at && !d->near.found)
		return tally_fail(d->error, TALLY_E_USAGE,
		    "there is no finding at index %llu",
		    (unsigned long long)d->options->at);
	if (d->options->near != NULL && d->near.found)
		tally_near_tell(&d->near, &d->graph,
		    chain_name(d, d->near.centre.chain), d->options->near,
		    d->options->arg);
	d->out->holds = d->walk.holds;
	d->out->is_cut = d->graph.cut;
	tally_walk_conclude(&d->walk, &d->out->verdict);
	return 0;
}

int
tally_profile_diagnose(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_diagnose_options *options,
    struct tally_diagnosis *out_diagnosis, struct tally_error *error)
{
	struct doctor *d = tally_sys_alloc(sizeof(*d));
	struct tally_diagnosis out;
	int r;

	if (d == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	memset(&out, 0, sizeof(out));
	d->options = options;
	d->out = &out;
	d->error = error;
	d->near.has_at = options->has_at;
	d->near.at = options->at;
	d->near.around = options->around > 0 ? options->around : AROUND;
	if (d->near.around > 1000)
		d->near.around = 1000;
	r = examine(d, profile, source);
	if (r == 0)
		*out_diagnosis = out;
	tally_walk_close(&d->walk);
	tally_graph_wipe(&d->graph);
	tally_sys_free(d);
	return r;
}
