/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a record by the eras and the traps of its profile. */
#include <string.h>

#include "foreign/judge.h"
#include "log/sys.h"

/* Zones that there have been: whole quarters of an hour, 16 hours both ways. */
#define ZONE_STEP_US ((int64_t)900 * 1000000)
#define ZONE_MAX_US (64 * ZONE_STEP_US)

/* A search hashes up to 128 inputs: after so many in vain, only the zone that
 * was found last is tried. */
#define SEARCHES_MAX 2000

int
tally_judging_init(struct tally_judging *judging,
    const struct tally_profile *profile)
{
	memset(judging, 0, sizeof(*judging));
	judging->profile = profile;
	return tally_digester_open(&judging->digester, profile->digest);
}

void
tally_judging_wipe(struct tally_judging *judging)
{
	tally_digester_close(&judging->digester);
	tally_sys_free(judging->out.at);
	tally_sys_free(judging->made.at);
	tally_room_wipe(&judging->made_room);
}

int
tally_judge_hash(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    struct tally_digest *out)
{
	int r = tally_judge_build(judging, input, row, basis, NULL);

	if (r == 0)
		tally_digest_bytes(&judging->digester, judging->out.at,
		    judging->out.len, out);
	return r;
}

static int
matches(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_digest *stored, bool *out)
{
	struct tally_digest digest;
	int r = tally_judge_hash(judging, input, row, basis, &digest);

	if (r == 0)
		*out = memcmp(digest.b, stored->b, judging->digester.size) == 0;
	return r;
}

/* The same, with times as they are in some zone. */
static int
matches_in_zone(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_digest *stored, bool *out)
{
	int64_t shift = -ZONE_MAX_US;
	int r = 0;

	judging->shift_us = judging->zone_us;
	if (judging->zone_us != 0)
		r = matches(judging, input, row, basis, stored, out);
	if (r == 0 && !*out &&
	    judging->searches - judging->finds < SEARCHES_MAX) {
		judging->searches++;
		for (; shift <= ZONE_MAX_US && r == 0 && !*out;
		     shift += ZONE_STEP_US) {
			judging->shift_us = shift;
			r = matches(judging, input, row, basis, stored, out);
		}
		judging->finds += *out;
	}
	if (r == 0 && *out)
		judging->zone_us = judging->shift_us;
	judging->shift_us = 0;
	return r;
}

/* What the rule's record covers by a digest beside its own hash. */
static int
check(struct tally_judging *judging, const struct tally_rule *rule,
    const struct tally_row *row, const struct tally_canon_text *basis,
    bool *out)
{
	struct tally_canon_text text = tally_row_text(row, rule->check.field);
	struct tally_digest stored;

	*out = true;
	if (rule->check.field == TALLY_NO_FIELD)
		return 0;
	*out = false;
	if (tally_profile_digest(judging->profile, text.at, text.len,
		&stored) != 0)
		return 0;
	if (rule->any_zone)
		return matches_in_zone(judging, &rule->check.input, row, basis,
		    &stored, out);
	return matches(judging, &rule->check.input, row, basis, &stored, out);
}

static int
judge_rule(struct tally_judging *judging, const struct tally_rule *rule,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_digest *stored, enum tally_judgement *out)
{
	static const struct tally_canon_text nothing = { "", 0 };
	bool good = false;
	int r;

	if (rule->when != TALLY_NO_FIELD &&
	    tally_row_is_null(row, rule->when) != rule->when_null)
		return 0;
	if (rule->without_prev)
		basis = &nothing;
	else if (basis->at == NULL)
		return 0;
	r = matches(judging, &rule->input, row, basis, stored, &good);
	if (r == 0 && !good && rule->any_zone)
		r = matches_in_zone(judging, &rule->input, row, basis, stored,
		    &good);
	if (r == 0 && good) {
		r = check(judging, rule, row, basis, &good);
		*out = good ? TALLY_HOLDS : TALLY_CHECK_FAILS;
	}
	if (r == TALLY_E_EVENT || r == TALLY_E_LIMIT) {
		if (*out != TALLY_CHECK_FAILS)
			*out = TALLY_HAS_NO_FORM;
		r = 0;
	}
	return r;
}

static int
judge_traps(struct tally_judging *judging, const struct tally_row *row,
    const struct tally_canon_text *basis, const struct tally_digest *stored,
    int *era, int64_t *out_zone_us, enum tally_judgement *out)
{
	const struct tally_profile *profile = judging->profile;
	int i, r = 0;

	for (i = 0; i < profile->traps_len && r == 0; i++) {
		enum tally_judgement trap = TALLY_HOLDS_NOT;

		r = judge_rule(judging, &profile->traps[i], row, basis, stored,
		    &trap);
		if (trap != TALLY_HOLDS)
			continue;
		*out = TALLY_HOLDS_BY_TRAP;
		*era = i;
		if (profile->traps[i].any_zone)
			*out_zone_us = judging->zone_us;
		break;
	}
	return r;
}

int
tally_judge_row(struct tally_judging *judging, const struct tally_row *row,
    const struct tally_canon_text *basis, const struct tally_digest *stored,
    int *era, int64_t *out_zone_us, enum tally_judgement *out)
{
	const struct tally_profile *profile = judging->profile;
	int i, k, first = *era, r = 0;

	*out = TALLY_HOLDS_NOT;
	*out_zone_us = 0;
	for (i = 0; i < profile->eras_len && r == 0; i++) {
		k = (first + i) % profile->eras_len;
		r = judge_rule(judging, &profile->eras[k], row, basis, stored,
		    out);
		if (*out == TALLY_HOLDS || *out == TALLY_CHECK_FAILS) {
			*era = k;
			break;
		}
	}
	if (r == 0 && *out != TALLY_HOLDS)
		r = judge_traps(judging, row, basis, stored, era, out_zone_us,
		    out);
	return r;
}
