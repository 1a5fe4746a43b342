/* SPDX-License-Identifier: Apache-2.0 */
/* Findings about chains, in words. */
#include "verify/judge.h"

static void
count(struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_where *where)
{
	if (kind == TALLY_REORDERED)
		judge->moved++;
	if (kind == TALLY_DAMAGED || kind == TALLY_LINK_ALTERED ||
	    kind == TALLY_INSERTED || kind == TALLY_REORDERED ||
	    kind == TALLY_FORKED || kind == TALLY_DUPLICATE)
		judge->sealed.is_disturbed = true;
	if (where == NULL || where->extent + 1 >= judge->snapshot->extents_len)
		return;
	if (kind == TALLY_INSERTED || kind == TALLY_FORKED ||
	    kind == TALLY_DUPLICATE)
		judge->extra++;
}

void
tally_tell_chain(struct tally_judge *judge, enum tally_finding_kind kind,
    uint32_t chain, uint64_t seq, const struct tally_where *where,
    const char *detail)
{
	const struct tally_chain *c = &judge->chains.items[chain];
	struct tally_notice notice = {
		.kind = kind,
		.chain = c->name,
		.chain_len = c->name_len,
		.seq = seq,
		.where = where,
		.detail = detail,
	};

	count(judge, kind, where);
	tally_report_tell(judge->report, &notice);
}

void
tally_tell_step(struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_step *step, const char *detail)
{
	tally_tell_chain(judge, kind, step->chain, step->seq, &step->where,
	    detail);
}

void
tally_gap_tell(struct tally_judge *judge, const struct tally_gap *gap)
{
	const struct tally_chain *c = &judge->chains.items[gap->chain];
	struct tally_notice notice = {
		.kind = TALLY_MISSING,
		.chain = c->name,
		.chain_len = c->name_len,
		.seq = gap->begin,
		.seq_end = gap->end,
		.where = &gap->where,
		.no_index = true,
		.detail = gap->end - gap->begin == 1
		    ? "the record before this one in its chain is not there"
		    : "the records before this one in its chain are not there",
	};

	judge->sealed.is_disturbed = true;
	if (gap->extent + 1 < judge->snapshot->extents_len)
		judge->missing += gap->end - gap->begin;
	tally_report_tell(judge->report, &notice);
}

void
tally_lost_tell(struct tally_judge *judge, const struct tally_lost *lost,
    uint32_t chain, uint64_t seq)
{
	struct tally_notice notice = {
		.kind = lost->kind,
		.seq = seq,
		.where = &lost->where,
		.detail = lost->kind == TALLY_DAMAGED
		    ? "the bytes are no record"
		    : "the header does not hash to the hash in its line",
	};

	if (chain != TALLY_CHAIN_NONE) {
		notice.chain = judge->chains.items[chain].name;
		notice.chain_len = judge->chains.items[chain].name_len;
	} else if (lost->name_len > 0) {
		notice.chain = lost->name;
		notice.chain_len = lost->name_len;
	}
	judge->sealed.is_disturbed = true;
	/* Without a place it is a line too many. */
	if (chain == TALLY_CHAIN_NONE &&
	    lost->where.extent + 1 < judge->snapshot->extents_len)
		judge->extra++;
	tally_report_tell(judge->report, &notice);
}
