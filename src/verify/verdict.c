/* SPDX-License-Identifier: Apache-2.0 */
/* The words for kinds and verdicts, the same everywhere. */
#include <tally/verify.h>

static const char *const kind_names[TALLY_KIND_COUNT] = {
	[TALLY_DAMAGED] = "damaged",
	[TALLY_CONTENT_ALTERED] = "content-altered",
	[TALLY_LINK_ALTERED] = "link-altered",
	[TALLY_MISSING] = "missing",
	[TALLY_INSERTED] = "inserted",
	[TALLY_REORDERED] = "reordered",
	[TALLY_FORKED] = "forked",
	[TALLY_DUPLICATE] = "duplicate",
	[TALLY_TRUNCATED] = "truncated",
	[TALLY_ROLLED_BACK] = "rolled-back",
	[TALLY_UNSEALED] = "unsealed",
	[TALLY_ERASED] = "erased",
	[TALLY_TORN_TAIL] = "torn-tail",
	[TALLY_LEGACY] = "legacy",
	[TALLY_NOT_JUDGED] = "unverifiable",
};

const char *
tally_finding_name(enum tally_finding_kind kind)
{
	if ((unsigned)kind >= TALLY_KIND_COUNT)
		return "unknown";
	return kind_names[kind];
}

bool
tally_finding_is_break(enum tally_finding_kind kind)
{
	switch (kind) {
	case TALLY_ERASED:
	case TALLY_TORN_TAIL:
	case TALLY_LEGACY:
	case TALLY_NOT_JUDGED:
		return false;
	default:
		return true;
	}
}

const char *
tally_verdict_name(enum tally_verdict_code verdict)
{
	switch (verdict) {
	case TALLY_INTACT:
		return "intact";
	case TALLY_TAMPERED:
		return "tampered";
	default:
		return "unverifiable";
	}
}
