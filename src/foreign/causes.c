/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence is weighed in the open: each judgement says why, and nothing that a
 * forger could have made is called certain.  A hash without a key proves no
 * innocence: whoever can write the table can write a branch that holds.
 */
#include <string.h>

#include "foreign/causes.h"

/* So many records in a row that do not hold are rather a rule than a hand. */
#define STREAK_LONG 64
#define STREAK_SHORT 8

/* A chain is begun twice by a race only while it is new. */
#define NEW_SEQ 64

/* Of so many a trait that they share is no accident. */
#define TRAIT_MIN 3

static void
set(struct tally_symptom *out, enum tally_cause cause, enum tally_sure sure,
    const char *why)
{
	out->cause = cause;
	out->sure = sure;
	out->why = why;
}

/* A trait that all records have that do not hold, and no other; or NULL. */
static const char *
trait_of(const struct tally_graph *graph)
{
	static const char *const says[TALLY_TRAITS] = {
		"all records with a number that has a point or an exponent"
		" fail, and no others: numbers were spelled in another way",
		"all records with text beyond ASCII fail, and no others: text"
		" was spelled in another way",
		"all records with escapes in their text fail, and no others:"
		" text was spelled in another way",
	};
	int i;

	for (i = 0; i < TALLY_TRAITS && graph->bad >= TRAIT_MIN; i++) {
		if (graph->trait_bad[i] == graph->bad &&
		    graph->trait_good[i] == 0)
			return says[i];
	}
	return NULL;
}

static void
judge_content(const struct tally_graph *graph, const struct tally_found *found,
    struct tally_symptom *out)
{
	const struct tally_streak *streak = tally_graph_streak(graph,
	    found->place.chain, found->place.seq);
	const struct tally_run *run = tally_graph_run(graph,
	    found->place.index);
	const char *trait = trait_of(graph);

	if (trait != NULL)
		set(out, TALLY_CAUSE_DRIFT, TALLY_LIKELY, trait);
	else if (streak != NULL && streak->count >= STREAK_LONG)
		set(out, TALLY_CAUSE_RULE, TALLY_LIKELY,
		    "it stands among 64 or more in a row that all fail: another"
		    " rule was in force for them, or another key");
	else if (streak != NULL && streak->count >= STREAK_SHORT)
		set(out, TALLY_CAUSE_RULE, TALLY_POSSIBLE,
		    "it stands among 8 or more in a row that all fail: another"
		    " rule, or a change to all of them");
	else if (run != NULL && run->edge == TALLY_EDGE_LOOSE)
		set(out, TALLY_CAUSE_EDIT, TALLY_LIKELY,
		    "neither its content nor its link is what was hashed");
	else
		set(out, TALLY_CAUSE_EDIT, TALLY_LIKELY,
		    "its neighbours hold and its links fit: what is hashed was"
		    " changed since");
}

static void
judge_orphan(const struct tally_graph *graph, const struct tally_found *found,
    struct tally_symptom *out)
{
	const struct tally_run *run = tally_graph_run(graph,
	    found->place.index);

	if (run != NULL && !run->first_holds)
		set(out, TALLY_CAUSE_EDIT, TALLY_LIKELY,
		    "it does not hold either: its link was changed");
	else
		set(out, TALLY_CAUSE_DELETION, TALLY_POSSIBLE,
		    "its predecessor was removed, or the record before it was"
		    " changed and hashed anew; only an outside head tells");
}

static void
judge_fork(const struct tally_found *found, struct tally_symptom *out)
{
	if (found->reason == TALLY_REASON_FORK_BENIGN)
		set(out, TALLY_CAUSE_RACE, TALLY_LIKELY,
		    "the parent and every branch hold: two writers read one"
		    " head");
	else if (found->reason == TALLY_REASON_FORK)
		set(out, TALLY_CAUSE_INSERTION, TALLY_POSSIBLE,
		    "not all of the fork holds: a race, behind which something"
		    " was changed or put in");
	else if (found->place.seq <= NEW_SEQ)
		set(out, TALLY_CAUSE_RACE, TALLY_LIKELY,
		    "the chain was new: two writers found it empty");
	else
		set(out, TALLY_CAUSE_RULE, TALLY_POSSIBLE,
		    "the writer lost sight of the chain and began anew, or"
		    " somebody wants what is before it to be forgotten");
}

static void
judge_place(const struct tally_found *found, struct tally_symptom *out)
{
	switch (found->reason) {
	case TALLY_REASON_BEGINNING:
		set(out, TALLY_CAUSE_DELETION, TALLY_LIKELY,
		    "the chain began with another record; retention, if it is"
		    " known to have run");
		break;
	case TALLY_REASON_GAP:
		set(out, TALLY_CAUSE_DELETION, TALLY_CERTAIN,
		    "a record was linked to, and both it and its number are"
		    " gone");
		break;
	case TALLY_REASON_LATER:
		set(out, TALLY_CAUSE_REORDERING, TALLY_CERTAIN,
		    "its predecessor is there, behind it: the order in which"
		    " records are read is not that in which they were linked");
		break;
	case TALLY_REASON_OTHER_CHAIN:
		set(out, TALLY_CAUSE_INSERTION, TALLY_LIKELY,
		    "it was written for another chain");
		break;
	case TALLY_REASON_TWICE:
		set(out, TALLY_CAUSE_INSERTION, TALLY_LIKELY,
		    "a copy: a write that was repeated, or a restore over it");
		break;
	case TALLY_REASON_UNSEALED:
		set(out, TALLY_CAUSE_INSERTION, TALLY_LIKELY,
		    "written past the chain, or its hash was taken away");
		break;
	case TALLY_REASON_RESEEDED:
		set(out, TALLY_CAUSE_EDIT, TALLY_POSSIBLE,
		    "no writer of this system does that");
		break;
	default:
		break;
	}
}

void
tally_cause_find(const struct tally_graph *graph,
    const struct tally_found *found, struct tally_symptom *out)
{
	out->cause = TALLY_CAUSE_NONE;
	out->sure = TALLY_POSSIBLE;
	out->why = NULL;
	switch (found->reason) {
	case TALLY_REASON_CONTENT:
	case TALLY_REASON_CHECK:
		judge_content(graph, found, out);
		break;
	case TALLY_REASON_NO_PARENT:
		judge_orphan(graph, found, out);
		break;
	case TALLY_REASON_FORK:
	case TALLY_REASON_FORK_BENIGN:
	case TALLY_REASON_SECOND_START:
		judge_fork(found, out);
		break;
	case TALLY_REASON_TRAP:
		set(out,
		    found->kind == TALLY_NOT_JUDGED ? TALLY_CAUSE_DRIFT
						    : TALLY_CAUSE_RULE,
		    TALLY_CERTAIN, "it holds, to the bit, by a known mistake");
		break;
	case TALLY_REASON_OLD_ERA:
		set(out, TALLY_CAUSE_RULE, TALLY_POSSIBLE,
		    "an old writer was still running, or a forger used the"
		    " weaker rule");
		break;
	case TALLY_REASON_NO_FORM:
		set(out, TALLY_CAUSE_DRIFT, TALLY_LIKELY,
		    "what is stored cannot have been hashed in this form");
		break;
	case TALLY_REASON_HASH_FORM:
		set(out, TALLY_CAUSE_EDIT, TALLY_POSSIBLE,
		    "no writer stores such a hash");
		break;
	case TALLY_REASON_NOTHING_HOLDS:
		set(out, TALLY_CAUSE_RULE, TALLY_LIKELY,
		    "nobody changes every record: the profile, a parameter, the"
		    " key or the export is wrong");
		break;
	default:
		judge_place(found, out);
	}
}

const char *
tally_cause_name(enum tally_cause cause)
{
	static const char *const names[TALLY_CAUSE_COUNT] = { "", "race",
		"edit", "deletion", "insertion", "reordering", "encoding-drift",
		"wrong-rule" };

	return cause < TALLY_CAUSE_COUNT ? names[cause] : "";
}

const char *
tally_sure_name(enum tally_sure sure)
{
	return sure == TALLY_CERTAIN ? "certain"
	    : sure == TALLY_LIKELY   ? "likely"
				     : "possible";
}
