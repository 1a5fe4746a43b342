/* SPDX-License-Identifier: Apache-2.0 */
/* What was found, and where: small, until it is told. */
#ifndef TALLY_FOREIGN_FOUND_H
#define TALLY_FOREIGN_FOUND_H

#include <stdint.h>

#include <tally/verify.h>

enum tally_reason {
	TALLY_REASON_NONE = 0,
	TALLY_REASON_NO_RECORD, /* damaged */
	TALLY_REASON_TORN,
	TALLY_REASON_HASH_FORM,
	TALLY_REASON_CONTENT,
	TALLY_REASON_CHECK,
	TALLY_REASON_NO_FORM,
	TALLY_REASON_OLD_ERA,
	TALLY_REASON_TRAP,
	TALLY_REASON_LEGACY,
	TALLY_REASON_UNSEALED,
	TALLY_REASON_BEGINNING, /* the first record has a predecessor */
	TALLY_REASON_NO_PARENT,
	TALLY_REASON_GAP,
	TALLY_REASON_LATER,
	TALLY_REASON_OTHER_CHAIN,
	TALLY_REASON_FORK,
	TALLY_REASON_FORK_BENIGN,
	TALLY_REASON_TWICE,
	TALLY_REASON_SECOND_START,
	TALLY_REASON_RESEEDED,
	TALLY_REASON_NOTHING_HOLDS,
};

/* Where a record is. */
struct tally_place {
	uint64_t index;
	uint64_t offset;
	uint64_t seq;
	uint32_t chain; /* UINT32_MAX: not known */
};

struct tally_found {
	struct tally_place place;
	uint64_t other; /* index of another record; of a legacy era, its size;
			   of a trap, what varied */
	enum tally_finding_kind kind;
	enum tally_reason reason;
	int rule;
};

#endif
