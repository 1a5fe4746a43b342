/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adopting (doc/design/foreign.md): the source is verified by its profile,
 * then read again, and what the log does not have yet is appended, part by
 * part, with what was found.  Last comes the event in tally:log that says so:
 * without it an adoption was interrupted, and the same call goes on.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/fail.h"
#include "foreign/adopt.h"
#include "foreign/adopt_said.h"
#include "foreign/walk.h"
#include "log/own.h"
#include "log/sys.h"

#define DETAIL_MAX 480
/* Parts that are being made are appended, full or not, beyond that. */
#define PARTS_BYTES ((size_t)16 << 20)
#define OWN "tally:log"

struct adopt {
	struct tally_adopting adopting;
	struct tally_adopt_source source;
	struct tally_walk walk;
	struct tally_spool found; /* struct tally_found, by place */
	const struct tally_found *next;
	struct tally_spool seen; /* digests of the records that were judged */
	struct tally_adopt_said said;
	bool apply;
};

/* ---- what is found ---------------------------------------------------- */

static int
keep_digest(void *arg, const struct tally_reading *reading)
{
	struct adopt *a = arg;
	struct tally_hash digest = tally_adopting_digest(&a->adopting, reading);

	return tally_spool_add(&a->seen, &digest, a->adopting.error);
}

static int
diagnose(struct adopt *a, const struct tally_adoption *adoption,
    struct tally_adopted *out, struct tally_error *error)
{
	static const struct tally_verify_options none = { 0 };
	const struct tally_walk_seen seen = { keep_digest, a };
	struct tally_found found;
	int r = tally_walk(&a->walk, adoption->profile, &a->source.source,
	    adoption->options != NULL ? adoption->options : &none, NULL, &seen,
	    error);

	if (r != 0)
		return r;
	if (tally_walk_is_strange(&a->walk, &found))
		return tally_fail(error, TALLY_E_USAGE,
		    "no record holds by this profile: it is not the one to"
		    " adopt them by");
	tally_spool_init(&a->found, sizeof(found));
	while (r == 0) {
		r = tally_links_next(&a->walk.links, &found);
		if (r != 0)
			break;
		tally_walk_count(&out->diagnosis, found.kind);
		r = tally_spool_add(&a->found, &found, error);
	}
	if (r != TALLY_END)
		return r;
	tally_walk_conclude(&a->walk, &out->diagnosis);
	tally_walk_judged(&a->walk);
	tally_spool_rewind(&a->found);
	tally_spool_rewind(&a->seen);
	return 0;
}

static int
next_found(struct adopt *a)
{
	const void *entry = NULL;
	int r = tally_spool_next(&a->found, &entry, a->adopting.error);

	a->next = r == 0 ? entry : NULL;
	return r == TALLY_END ? 0 : r;
}

/* Notes what was found in the record with this index; note: or forgets it. */
static int
note_found(struct adopt *a, struct tally_era *era, uint64_t index, bool note)
{
	char detail[DETAIL_MAX];
	int r = 0;

	while (r == 0 && a->next != NULL && a->next->place.index <= index) {
		if (note && a->next->place.index == index) {
			tally_walk_detail(&a->walk, a->next, detail,
			    sizeof(detail));
			r = tally_era_note(&a->adopting.eras, era,
			    tally_finding_name(a->next->kind), detail);
		}
		if (r == 0)
			r = next_found(a);
	}
	return r;
}

/* ---- records ---------------------------------------------------------- */

static int
append_parts(struct tally_adopting *a)
{
	int r = 0;

	for (uint32_t i = 0; i < a->chains.len && r == 0; i++)
		r = tally_era_append(&a->eras, &a->era[i]);
	return r;
}

static int
refuse_other(struct tally_adopting *a, const struct tally_era *era)
{
	return tally_fail(a->error, TALLY_E_CONFLICT,
	    "record %llu of chain \"%s\" is not what was adopted; \"tally"
	    " verify --adopted\" says more",
	    (unsigned long long)era->count, era->chain);
}

static int
seal(struct adopt *a, struct tally_era *era, const struct tally_hash *digest)
{
	struct tally_eras *eras = &a->adopting.eras;
	int r = tally_era_add(eras, era, digest, &a->adopting.hash);

	if (r == 0)
		r = note_found(a, era, a->adopting.index, true);
	if (r == 0 && tally_era_is_full(eras, era))
		r = tally_era_append(eras, era);
	if (r == 0 && eras->bytes > PARTS_BYTES)
		r = append_parts(&a->adopting);
	return r;
}

static const char *
name_of(const struct tally_adoption *adoption)
{
	if (adoption->from != NULL)
		return adoption->from;
	return adoption->path != NULL ? adoption->path : "";
}

static int
refuse_changed(const struct adopt *a)
{
	return tally_fail(a->adopting.error, TALLY_E_BUSY,
	    "\"%s\" changed while it was read; stop its writer first",
	    name_of(a->adopting.adoption));
}

/* What is sealed is what was judged, though the source is read twice; a plan
 * may stand beside a writer. */
static int
check_judged(struct adopt *a, const struct tally_hash *digest)
{
	const void *judged;
	int r = tally_spool_next(&a->seen, &judged, a->adopting.error);

	if (r == TALLY_END ||
	    (r == 0 && memcmp(judged, digest, sizeof(*digest)) != 0))
		return refuse_changed(a);
	return r;
}

/*
 * What is adopted is the beginning of its chain, so the chain has no other
 * records; but those that were appended to one that goes on, in which the
 * source has got records of its own since.
 */
static int
check_begin(struct adopt *a, struct tally_era *era)
{
	struct tally_eras *eras = &a->adopting.eras;
	struct tally_head head;
	int r;

	if (eras->log == NULL || a->said.time_us > 0)
		return 0;
	r = tally_log_head(eras->log, era->chain, era->chain_len, &head,
	    eras->error);
	if (r == 0)
		r = tally_era_look(eras, era, 1);
	else
		return r == TALLY_END ? 0 : r;
	if (r == 0 && era->sealed_len == 0)
		r = tally_fail(eras->error, TALLY_E_CONFLICT,
		    "chain \"%s\" has records already, and none of an"
		    " adoption; choose another with \"--chain\"",
		    era->chain);
	return r;
}

/* The same of all chains, before anything is appended to any.  What is no
 * record goes into the first. */
static int
check_begins(struct adopt *a)
{
	static const struct tally_canon_text none = { "", 0 };
	const struct tally_chain_table *chains = &a->walk.chains;
	struct tally_era *era;
	int r = 0;

	for (uint32_t i = 0; i < chains->len && r == 0; i++) {
		const struct tally_canon_text key = { chains->names[i].at,
			chains->names[i].len };

		r = tally_adopting_era(&a->adopting, &key, &era);
		if (r == 0)
			r = check_begin(a, era);
	}
	if (r == 0 && a->adopting.out->diagnosis.by_kind[TALLY_DAMAGED] > 0)
		r = tally_adopting_era(&a->adopting, &none, &era);
	return r;
}

/* A chain of the log of which the source has nothing: was it adopted? */
static int
check_gone(void *arg, struct tally_era *era)
{
	struct adopt *a = arg;
	int r = tally_era_look(&a->adopting.eras, era, 1);

	return r != 0 || era->sealed_len == 0
	    ? r
	    : tally_fail(a->adopting.error, TALLY_E_CONFLICT,
		  "chain \"%s\" was adopted, and the source has no record of"
		  " it any more; \"tally verify --adopted\" says more",
		  era->chain);
}

/* May this source go into this log?  Asked before anything is appended. */
static int
check_log(struct adopt *a)
{
	struct tally_adopting *adopting = &a->adopting;
	struct tally_log *log = adopting->eras.log;
	int r = log == NULL ? 0
			    : tally_adopt_said_find(&a->said,
				  adopting->adoption, log, adopting->error);

	if (r == 0)
		r = check_begins(a);
	return r == 0 && log != NULL
	    ? tally_adopt_gone(adopting, &a->said, check_gone, a)
	    : r;
}

static int
take(struct tally_adopting *adopting, struct tally_era *era,
    const struct tally_hash *digest)
{
	struct adopt *a = adopting->arg;
	int r = a->apply ? check_judged(a, digest) : 0;

	if (r == 0)
		r = tally_era_look(&adopting->eras, era, 1);
	if (r == 0 && era->count == 1)
		r = check_begin(a, era);
	if (r != 0)
		return r;
	if (era->sealed_len == 0)
		return a->apply ? seal(a, era, digest) : 0;
	if (!tally_hash_equal(tally_era_sealed(era), digest))
		return refuse_other(adopting, era);
	tally_era_slide(era, 1);
	adopting->out->before++;
	return note_found(a, era, adopting->index, false);
}

/* Nothing that was adopted may be missing at the end of the source. */
static int
check_ends(struct tally_adopting *a)
{
	struct tally_era *era;
	int r = 0;

	for (uint32_t i = 0; i < a->chains.len && r == 0; i++) {
		era = &a->era[i];
		/* After an append the window is behind; it was at the end. */
		if (!era->at_end)
			r = tally_era_look(&a->eras, era, 1);
		tally_adopting_trim(a);
		if (r == 0 && era->sealed_len > 0)
			r = tally_fail(a->error, TALLY_E_CONFLICT,
			    "of chain \"%s\" more was adopted than the source"
			    " has now",
			    era->chain);
	}
	return r;
}

/* ---- the event in tally:log ------------------------------------------- */

int
tally_adopt_event(const struct tally_adoption *adoption,
    const struct tally_adopted *out, char **out_text, struct tally_error *error)
{
	const struct tally_verdict *verdict = &out->diagnosis;
	json_t *findings = json_object(), *event;
	struct tally_hash profile = adoption->profile->text_digest;
	char digest[TALLY_HASH_TEXT_SIZE], by[TALLY_HASH_TEXT_SIZE];

	for (int i = 0; i < TALLY_KIND_COUNT; i++) {
		if (verdict->by_kind[i] > 0)
			(void)json_object_set_new(findings,
			    tally_finding_name((enum tally_finding_kind)i),
			    json_integer((json_int_t)verdict->by_kind[i]));
	}
	tally_hash_format(&out->digest, digest);
	tally_hash_format(&profile, by);
	event = json_pack("{s{sI ss so ss ss s{ss ss} sI ss}}", "adopted",
	    "chains", (json_int_t)out->chains, "digest", digest, "findings",
	    findings, "from",
	    adoption->from != NULL ? adoption->from : adoption->path, "into",
	    adoption->chain, "profile", "digest", by, "name",
	    adoption->profile->name, "records", (json_int_t)out->records,
	    "verdict", tally_verdict_name(verdict->verdict));
	*out_text = event == NULL ? NULL : json_dumps(event, JSON_COMPACT);
	json_decref(event);
	return *out_text != NULL
	    ? 0
	    : tally_fail(error, TALLY_E_USAGE,
		  "the source's name is no UTF-8: give it another");
}

/* Does tally:log say it already? */
static int
is_said(struct tally_log *log, const char *event, bool *out,
    struct tally_error *error)
{
	struct tally_range range = { .chain = OWN,
		.chain_len = sizeof(OWN) - 1 };
	struct tally_cursor *cursor;
	struct tally_record record;
	int r = tally_cursor_open(log, &range, &cursor, error);

	*out = false;
	if (r != 0)
		return r;
	while (!*out && (r = tally_cursor_next(cursor, &record, error)) == 0)
		*out = record.event_len == strlen(event) &&
		    memcmp(record.event, event, record.event_len) == 0;
	tally_cursor_close(cursor);
	return r == TALLY_END ? 0 : r;
}

static int
say(struct adopt *a, struct tally_log *log, struct tally_error *error)
{
	struct tally_adopted *out = a->adopting.out;
	struct tally_append request = { .chain = OWN,
		.chain_len = sizeof(OWN) - 1 };
	char *event = NULL;
	bool said = false;
	int r = tally_adopt_event(a->adopting.adoption, out, &event, error);

	if (r != 0)
		return r;
	request.event = event;
	request.event_len = strlen(event);
	r = tally_log_sync(log, error);
	if (r == 0)
		r = is_said(log, event, &said, error);
	if (r == 0 && !said) {
		r = tally_log_append_own(log, &request, 1, TALLY_SYNC, NULL,
		    error);
		out->appended += r == 0;
	}
	free(event);
	return r;
}

/* ---- the whole -------------------------------------------------------- */

static int
run(struct adopt *a, const struct tally_adoption *adoption,
    struct tally_log *log, struct tally_adopted *out, struct tally_error *error)
{
	int r = tally_adopting_open(&a->adopting, adoption, log, out, error);

	a->adopting.arg = a;
	if (r == 0)
		r = tally_adopt_source_open(&a->source, adoption, a->apply,
		    error);
	if (r == 0)
		r = tally_adopt_source_begin(&a->source, adoption, error);
	if (r == 0)
		r = diagnose(a, adoption, out, error);
	if (r == 0)
		r = check_log(a);
	if (r == 0)
		r = next_found(a);
	if (r == 0)
		r = tally_adopt_source_begin(&a->source, adoption, error);
	if (r != 0)
		return r;
	r = tally_adopting_walk(&a->adopting, &a->source.source, take);
	if (r == 0)
		r = check_ends(&a->adopting);
	if (r == 0 && a->apply)
		r = append_parts(&a->adopting);
	out->appended = a->adopting.eras.appended;
	if (r == 0 && a->apply &&
	    (out->records != a->walk.records ||
		!tally_adopt_source_is_same(&a->source)))
		r = refuse_changed(a);
	if (r == 0 && a->apply)
		r = say(a, log, error);
	return r;
}

static int
adopt(const struct tally_adoption *adoption, struct tally_log *log, bool apply,
    struct tally_adopted *out, struct tally_error *error)
{
	struct adopt *a = tally_sys_alloc(sizeof(*a));
	int r;

	if (a == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	a->apply = apply;
	a->source.fd = a->source.lock = -1;
	tally_spool_init(&a->found, sizeof(struct tally_found));
	tally_spool_init(&a->seen, sizeof(struct tally_hash));
	r = run(a, adoption, log, out, error);
	tally_walk_close(&a->walk);
	tally_spool_wipe(&a->found);
	tally_spool_wipe(&a->seen);
	tally_adopt_said_wipe(&a->said);
	tally_adopt_source_close(&a->source);
	tally_adopting_close(&a->adopting);
	tally_sys_free(a);
	return r;
}

int
tally_adopt_plan(const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_adopted *out, struct tally_error *error)
{
	return adopt(adoption, log, false, out, error);
}

int
tally_adopt(const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_adopted *out, struct tally_error *error)
{
	return adopt(adoption, log, true, out, error);
}
