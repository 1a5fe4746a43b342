/* SPDX-License-Identifier: Apache-2.0 */
/* What was found, in words, and what it comes to. */
#include <stdio.h>
#include <string.h>

#include "foreign/walk.h"
#include "log/sys.h"

static const char *const reasons[] = {
	[TALLY_REASON_NO_RECORD] = "what is there is no record",
	[TALLY_REASON_TORN] = "the source ends within a record",
	[TALLY_REASON_HASH_FORM] =
	    "the stored hash or link is not what the digest gives",
	[TALLY_REASON_CONTENT] = "the record does not hash to what it stores",
	[TALLY_REASON_CHECK] =
	    "the record holds, but not the digest of its content",
	[TALLY_REASON_NO_FORM] =
	    "a field cannot be written as the profile wants it",
	[TALLY_REASON_OLD_ERA] =
	    "holds only by the rule of an era that was over",
	[TALLY_REASON_LEGACY] = "records from before the chain, without a hash",
	[TALLY_REASON_UNSEALED] = "a record without a hash within the chain",
	[TALLY_REASON_BEGINNING] =
	    "the first record names a predecessor, which is not there",
	[TALLY_REASON_NO_PARENT] =
	    "the predecessor that it names is not there: the record before it"
	    " was changed and hashed anew, or records were removed",
	[TALLY_REASON_GAP] =
	    "the predecessor that it names is not there, and the numbers have"
	    " a gap",
	[TALLY_REASON_LATER] = "stands before its predecessor",
	[TALLY_REASON_OTHER_CHAIN] = "its predecessor is in another chain",
	[TALLY_REASON_FORK] =
	    "a second successor of one record, but not all of them hold",
	[TALLY_REASON_FORK_BENIGN] =
	    "a second successor of one record; the parent and every branch"
	    " hold: two writers at once",
	[TALLY_REASON_TWICE] = "the record is there twice",
	[TALLY_REASON_SECOND_START] =
	    "begins the chain again, behind other records",
	[TALLY_REASON_RESEEDED] =
	    "re-seeded: a record that has a predecessor holds a seed, too; for"
	    " the system's own verifier the chain begins there, and what is"
	    " before it counts for nothing",
	[TALLY_REASON_NOTHING_HOLDS] =
	    "no record holds by this profile: another version, or an export"
	    " that respells; nothing can be said about tampering; \"tally"
	    " profile test\" shows what is hashed",
};

static void
trap_detail(const struct tally_rule *trap, uint64_t zone, char *out,
    size_t size)
{
	/* Minutes, as a trap leaves them: see walk.c. */
	long minutes = (long)(int64_t)zone;
	long absolute = minutes < 0 ? -minutes : minutes;

	if (trap->any_zone)
		snprintf(out, size, "%s: %s (UTC%c%02ld:%02ld)", trap->name,
		    trap->says, minutes < 0 ? '-' : '+', absolute / 60,
		    absolute % 60);
	else
		snprintf(out, size, "%s: %s", trap->name, trap->says);
}

void
tally_walk_detail(const struct tally_walk *w, const struct tally_found *found,
    char *out, size_t size)
{
	if (found->reason == TALLY_REASON_TRAP)
		trap_detail(&w->profile->traps[found->rule], found->other, out,
		    size);
	else if (found->kind == TALLY_FORKED &&
	    found->reason != TALLY_REASON_SECOND_START)
		snprintf(out, size, "%s (parent: index %llu)",
		    reasons[found->reason], (unsigned long long)found->other);
	else
		snprintf(out, size, "%s", reasons[found->reason]);
}

void
tally_walk_finding(const struct tally_walk *w, const struct tally_found *found,
    const char *detail, struct tally_finding *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = found->kind;
	out->seq = found->place.seq;
	out->seq_end = found->place.seq + 1;
	out->index = found->place.index;
	out->file = w->source->name;
	out->offset = found->place.offset;
	out->detail = detail;
	if (w->profile->chain != TALLY_NO_FIELD &&
	    found->place.chain < w->chains.len)
		out->chain = w->chains.names[found->place.chain].at;
	if (found->reason == TALLY_REASON_LEGACY)
		out->seq_end = found->place.seq + found->other;
}

bool
tally_walk_is_strange(const struct tally_walk *w, struct tally_found *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = TALLY_NOT_JUDGED;
	out->reason = TALLY_REASON_NOTHING_HOLDS;
	out->rule = -1;
	out->place.index = UINT64_MAX;
	out->place.chain = UINT32_MAX;
	return w->chained > 0 && w->holds == 0;
}

void
tally_walk_count(struct tally_verdict *verdict, enum tally_finding_kind kind)
{
	verdict->findings++;
	verdict->by_kind[kind]++;
}

void
tally_walk_conclude(const struct tally_walk *w, struct tally_verdict *verdict)
{
	int kind;

	verdict->records = w->records;
	verdict->size = w->records;
	verdict->chains = w->chains.len;
	verdict->not_covered = TALLY_UNCOVERED_LAST | TALLY_UNCOVERED_CHAINS;
	verdict->seconds = (double)(tally_sys_monotonic_us() - w->start_us) /
	    1e6;
	if (w->holds == 0 || verdict->by_kind[TALLY_NOT_JUDGED] > 0)
		verdict->verdict = TALLY_UNVERIFIABLE;
	for (kind = 0; kind < TALLY_KIND_COUNT; kind++) {
		if (verdict->by_kind[kind] > 0 &&
		    tally_finding_is_break((enum tally_finding_kind)kind))
			verdict->verdict = TALLY_TAMPERED;
	}
}
