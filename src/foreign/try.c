/* SPDX-License-Identifier: Apache-2.0 */
/* Trying a profile on one record, step by step, for whoever writes one. */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/text.h"
#include "foreign/reader.h"
#include "foreign/vary.h"
#include "log/sys.h"

/* Room for a digest in any encoding, with its prefix. */
#define ALL_FIRST ((size_t)1 << 16)
#define DIGEST_TEXT 400

struct trying {
	const struct tally_profile *profile;
	const struct tally_profile_test_options *options;
	struct tally_error *error;
	struct tally_reader reader;
	struct tally_judging judging;
	struct tally_canon_room room;
	struct tally_row row;
	struct tally_canon_text basis;
	struct tally_digest stored;
	bool has_stored;
	struct tally_profile_step steps[TALLY_STEPS_MAX];
	size_t begins[TALLY_STEPS_MAX]; /* of each step's bytes, in all */
	struct tally_canon_out all;     /* what every step gives, one by one */
	bool fits;
	unsigned hints;
};

static int
fail_memory(struct trying *t)
{
	return tally_fail(t->error, TALLY_E_MEMORY, "out of memory");
}

/* ---- the record ------------------------------------------------------- */

static int
find_record(struct trying *t)
{
	struct tally_reading reading = { 0 };
	struct tally_canon_text hash;
	uint64_t index = 0;
	size_t nodes;
	int r = tally_reader_next(&t->reader, &reading);

	while (r == 0 && index++ < t->options->index)
		r = tally_reader_next(&t->reader, &reading);
	if (r == TALLY_END)
		return tally_fail(t->error, r,
		    "the source has no record of index %llu",
		    (unsigned long long)t->options->index);
	if (r != 0)
		return r;
	r = TALLY_E_FORMAT;
	if (reading.line != NULL)
		r = tally_room_read(&t->room, reading.line, reading.len,
		    TALLY_CANON_READ_NAN, &nodes, NULL);
	if (r == TALLY_E_MEMORY)
		return fail_memory(t);
	if (r != 0 || t->room.nodes[0].type != TALLY_CANON_OBJECT)
		return tally_fail(t->error, TALLY_E_FORMAT,
		    "what is at index %llu is no record",
		    (unsigned long long)t->options->index);
	t->row.line = reading.line;
	t->row.room = &t->room;
	tally_row_pick(t->profile, &t->row);
	t->basis = tally_row_basis(t->profile, &t->row);
	hash = tally_row_text(&t->row, t->profile->hash);
	t->has_stored = tally_profile_digest(t->profile, hash.at, hash.len,
			    &t->stored) == 0;
	if (t->options->record != NULL)
		t->options->record(t->options->arg, reading.line, reading.len,
		    hash.at, hash.len);
	return 0;
}

/* ---- one rule --------------------------------------------------------- */

static void
format_digest(const struct trying *t, const struct tally_digest *digest,
    char out[DIGEST_TEXT])
{
	const struct tally_profile *profile = t->profile;
	size_t skip = profile->prefix.len < 200 ? profile->prefix.len : 0, len;

	memcpy(out, profile->prefix.at != NULL ? profile->prefix.at : "", skip);
	if (profile->encoding == TALLY_ENCODING_HEX) {
		tally_hex_format(digest->b, profile->digest_size, out + skip);
		out[skip + 2 * profile->digest_size] = '\0';
		return;
	}
	len = tally_base64_size(profile->digest_size);
	tally_base64_format(digest->b, profile->digest_size, out + skip);
	out[skip + len] = '\0';
	for (; profile->encoding == TALLY_ENCODING_BASE64URL && out[skip] != 0;
	     skip++) {
		if (out[skip] == '+')
			out[skip] = '-';
		else if (out[skip] == '/')
			out[skip] = '_';
		else if (out[skip] == '=')
			out[skip] = '\0';
	}
}

/* What each step gives by itself, into all; a step that ends a digest gives
 * the digest of what is inside. */
static int
build_steps(struct trying *t, const struct tally_input *input,
    const struct tally_canon_text *basis, bool *out_good)
{
	struct tally_input one = { .steps_len = 1 };
	struct tally_canon_out *all = &t->all;
	unsigned depth = 0;
	size_t i;
	int r = 0;

	*out_good = true;
	all->len = 0;
	for (i = 0; i < input->steps_len && r == 0; i++) {
		const struct tally_step *step = &input->steps[i];
		struct tally_profile_step *told = &t->steps[i];

		depth -= step->kind >= TALLY_STEP_END_HEX;
		memset(told, 0, sizeof(*told));
		told->path = step->path;
		told->depth = depth;
		told->nests = (step->kind == TALLY_STEP_BEGIN) -
		    (step->kind >= TALLY_STEP_END_HEX);
		depth += step->kind == TALLY_STEP_BEGIN;
		t->begins[i] = all->len;
		/* What a digest gives is in the whole input. */
		if (step->kind >= TALLY_STEP_BEGIN) {
			told->bytes = "";
			continue;
		}
		one.steps[0] = *step;
		r = tally_judge_build(&t->judging, &one, &t->row, basis, NULL);
		if (r == TALLY_E_EVENT || r == TALLY_E_LIMIT) {
			*out_good = false;
			r = 0;
			continue;
		}
		told->len = t->judging.out.len;
		told->bytes = ""; /* until all stays where it is */
		if (r == 0)
			r = tally_out_put(all, t->judging.out.at, told->len,
			    ALL_FIRST);
	}
	for (i = 0; i < input->steps_len && r == 0; i++) {
		if (t->steps[i].len > 0)
			t->steps[i].bytes = all->at + t->begins[i];
	}
	return r;
}

/* Where what we hash and what the system hashed are different. */
static void
compare_inputs(struct trying *t, const struct tally_input *input,
    const struct tally_profile_trial *trial)
{
	const struct tally_profile_test_options *options = t->options;
	size_t shorter = trial->input_len < options->against_len
	    ? trial->input_len
	    : options->against_len;
	size_t at = 0, i, end = 0;
	const char *path = "the end";
	char hint[400];

	while (at < shorter && trial->input[at] == options->against[at])
		at++;
	if (at == trial->input_len && at == options->against_len) {
		options->hint(options->arg,
		    "the bytes are those that the system hashed: the digest"
		    " or the stored hash is what differs");
		t->hints++;
		return;
	}
	for (i = 0; i < trial->steps_len; i++) {
		/* Of a digest, what it gives. */
		if (trial->steps[i].depth > 0)
			continue;
		end += trial->steps[i].len;
		if (input->steps[i].kind == TALLY_STEP_END_BYTES)
			end += t->profile->digest_size;
		if (input->steps[i].kind == TALLY_STEP_END_HEX)
			end += 2 * t->profile->digest_size;
		if (at < end) {
			path = trial->steps[i].path;
			break;
		}
	}
	(void)snprintf(hint, sizeof(hint),
	    "differs at byte %zu, in %s: ours \"%.*s\", the system's \"%.*s\"",
	    at, path,
	    (int)(trial->input_len - at < 40 ? trial->input_len - at : 40),
	    trial->input + at,
	    (int)(options->against_len - at < 40 ? options->against_len - at
						 : 40),
	    options->against + at);
	options->hint(options->arg, hint);
	t->hints++;
}

static int
tell_trial(struct trying *t, const struct tally_rule *rule,
    const struct tally_canon_text *basis, struct tally_profile_trial *trial)
{
	struct tally_digest digest;
	char text[DIGEST_TEXT];
	bool good;
	int r = build_steps(t, &rule->input, basis, &good);

	trial->steps = t->steps;
	trial->steps_len = rule->input.steps_len;
	if (r == 0 && good)
		r = tally_judge_hash(&t->judging, &rule->input, &t->row, basis,
		    &digest);
	if (r == 0 && good) {
		format_digest(t, &digest, text);
		trial->input = t->judging.out.at;
		trial->input_len = t->judging.out.len;
		trial->digest = text;
		trial->fits = t->has_stored &&
		    memcmp(digest.b, t->stored.b, t->profile->digest_size) == 0;
	}
	if (r != 0)
		return r == TALLY_E_MEMORY || r == TALLY_E_LIMIT
		    ? fail_memory(t)
		    : r;
	if (t->options->trial != NULL)
		t->options->trial(t->options->arg, trial);
	if (t->options->against != NULL && t->options->hint != NULL && good &&
	    !trial->is_trap)
		compare_inputs(t, &rule->input, trial);
	trial->digest = NULL;
	return 0;
}

static int
try_rule(struct trying *t, const struct tally_rule *rule, bool is_trap)
{
	static const struct tally_canon_text nothing = { "", 0 };
	struct tally_canon_text basis = rule->without_prev ? nothing : t->basis;
	struct tally_profile_trial trial = {
		.name = rule->name,
		.is_trap = is_trap,
		.applies = rule->when == TALLY_NO_FIELD ||
		    tally_row_is_null(&t->row, rule->when) == rule->when_null,
		.has_basis = basis.at != NULL,
	};
	int r = 0;

	if (trial.applies && trial.has_basis)
		r = tell_trial(t, rule, &basis, &trial);
	else if (t->options->trial != NULL)
		t->options->trial(t->options->arg, &trial);
	t->fits |= trial.fits && !is_trap;
	return r;
}

static void
count_hint(void *arg, const char *hint)
{
	struct trying *t = arg;

	t->hints++;
	t->options->hint(t->options->arg, hint);
}

static int
search_hints(struct trying *t)
{
	const struct tally_profile *profile = t->profile;
	unsigned count;
	int i, r = 0;

	for (i = 0; i < profile->eras_len && r == 0; i++) {
		const struct tally_rule *rule = &profile->eras[i];

		if (rule->when != TALLY_NO_FIELD &&
		    tally_row_is_null(&t->row, rule->when) != rule->when_null)
			continue;
		if (t->basis.at == NULL)
			continue;
		r = tally_vary(&t->judging, &rule->input, &t->row, &t->basis,
		    &t->stored, count_hint, t, &count);
		if (r == 0 && count == 0)
			r = tally_vary_order(&t->judging, &rule->input, &t->row,
			    &t->basis, &t->stored, count_hint, t);
	}
	return r == 0 ? 0 : fail_memory(t);
}

static int
try_all(struct trying *t)
{
	const struct tally_profile *profile = t->profile;
	int i, r = find_record(t);

	for (i = 0; i < profile->eras_len && r == 0; i++)
		r = try_rule(t, &profile->eras[i], false);
	for (i = 0; i < profile->traps_len && r == 0; i++)
		r = try_rule(t, &profile->traps[i], true);
	if (r != 0 || t->options->hint == NULL || t->fits)
		return r;
	if (!t->has_stored) {
		t->options->hint(t->options->arg,
		    "the stored hash is not what the digest gives: look at"
		    " \"hash\", \"digest\" and \"encoding\"");
		return 0;
	}
	r = search_hints(t);
	if (r == 0 && t->hints == 0)
		t->options->hint(t->options->arg,
		    "no other spelling of one or two steps fits, none left"
		    " out, none in another place: a field is missing, or a"
		    " value is not what it was");
	return r;
}

int
tally_profile_test(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_profile_test_options *options, bool *out_fits,
    struct tally_error *error)
{
	struct trying *t = tally_sys_alloc(sizeof(*t));
	int r;

	if (t == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	t->profile = profile;
	t->options = options;
	t->error = error;
	tally_reader_init(&t->reader, profile, source, error);
	if (tally_judging_init(&t->judging, profile) != 0)
		r = fail_memory(t);
	else
		r = try_all(t);
	if (r == 0)
		*out_fits = t->fits;
	tally_judging_wipe(&t->judging);
	tally_reader_wipe(&t->reader);
	tally_room_wipe(&t->room);
	tally_sys_free(t->all.at);
	tally_sys_free(t);
	return r;
}
