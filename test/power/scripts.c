/* SPDX-License-Identifier: Apache-2.0 */
/* Lives of a log; see world.h.  A segment holds 64 KiB. */
#include "world.h"

#define BY(who, n, size, where, flags) \
	{ \
		.verb = DO_APPEND, .handle = (who), .count = (n), \
		.bytes = (size), .chains = (where), .how = (flags) \
	}
#define APPEND(n, size, where, flags) BY(0, n, size, where, flags)

const struct step script_life[] = {
	{ .verb = DO_INIT },
	{ .verb = DO_OPEN },
	APPEND(1, 40, "a", SALTED),
	APPEND(1, 100, "b", IDS),
	APPEND(1, 600, "a", BUFFERED),
	APPEND(5, 150, "abc", BUFFERED | IDS),
	{ .verb = DO_SYNC },
	{ .verb = DO_READ },
	APPEND(3, 300, "c", IDS),
	APPEND(1, 80, "b", BUFFERED),
	{ .verb = DO_CLOSE },
	{ .verb = DO_OPEN },
	{ .verb = DO_REPEAT },
	APPEND(6, 9000, "ab", 0),
	APPEND(3, 9000, "c", IDS), /* rolls */
	APPEND(2, 9000, "a", BUFFERED),
	{ .verb = DO_PASS },
	APPEND(1, 50, "a", 0),
	{ .verb = DO_REPEAT },
	APPEND(2, 500, "bc", BUFFERED),
	{ .verb = DO_SYNC },
	APPEND(1, 1200, "c", BUFFERED),
	{ .verb = DO_CLOSE },
	{ .verb = DO_END },
};

const struct step script_roll[] = {
	{ .verb = DO_INIT },
	{ .verb = DO_OPEN },
	APPEND(5, 12000, "ab", 0),
	APPEND(1, 3000, "c", BUFFERED),
	APPEND(1, 12000, "a", BUFFERED), /* rolls */
	APPEND(1, 300, "b", BUFFERED),
	APPEND(1, 300, "b", 0),
	APPEND(4, 13000, "c", 0),
	APPEND(1, 14000, "a", 0), /* rolls */
	{ .verb = DO_CLOSE },
	{ .verb = DO_END },
};

const struct step script_short[] = {
	{ .verb = DO_INIT },
	{ .verb = DO_OPEN },
	APPEND(1, 40, "a", 0),
	APPEND(2, 100, "ab", IDS),
	APPEND(1, 60, "b", BUFFERED),
	{ .verb = DO_SYNC },
	{ .verb = DO_REPEAT },
	{ .verb = DO_READ },
	{ .verb = DO_PASS },
	APPEND(1, 60, "c", BUFFERED | SALTED),
	APPEND(1, 70, "a", 0),
	APPEND(5, 13000, "ab", 0),
	APPEND(1, 300, "b", 0), /* rolls */
	APPEND(1, 60, "c", BUFFERED),
	{ .verb = DO_CLOSE },
	{ .verb = DO_OPEN },
	APPEND(1, 60, "c", IDS),
	{ .verb = DO_CLOSE },
	{ .verb = DO_END },
};

/* Two processes take turns, with and without ids, over a roll. */
const struct step script_pair[] = {
	{ .verb = DO_INIT },
	{ .verb = DO_OPEN },
	BY(0, 2, 100, "ab", 0),
	{ .verb = DO_OPEN, .handle = 1 },
	BY(1, 1, 200, "a", IDS),
	BY(0, 2, 60, "bc", BUFFERED),
	BY(1, 1, 60, "a", BUFFERED | IDS),
	{ .verb = DO_SYNC },
	BY(0, 5, 12000, "ab", BUFFERED),
	BY(1, 1, 6000, "c", BUFFERED), /* rolls */
	{ .verb = DO_PASS },
	BY(0, 3, 90, "cab", IDS),
	{ .verb = DO_REPEAT, .handle = 1 },
	{ .verb = DO_READ, .handle = 1 },
	BY(1, 1, 90, "b", BUFFERED),
	{ .verb = DO_CLOSE },
	BY(1, 1, 40, "a", BUFFERED),
	{ .verb = DO_CLOSE, .handle = 1 },
	{ .verb = DO_END },
};
