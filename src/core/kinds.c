/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/kinds.h"

/* The first of a log, and nowhere else. */
static const char first[] = "created";

static const char *const kinds[] = {
	/* Of any log. */
	"adopted", "carried", "erased", "key", "pruned", "restored", "torn",
	/* Of a database, in what was exported from one. */
	"alter", "attach", "backfill", "detach", "origin", "retire", "rewrite",
	"track", "untrack"
};

static bool
is(const struct tally_span *kind, const char *word)
{
	return kind->len == strlen(word) &&
	    memcmp(kind->at, word, kind->len) == 0;
}

bool
tally_log_kind_is_known(const char *event, size_t len, uint64_t seq,
    struct tally_span *out_kind)
{
	const char *quote;

	out_kind->at = event;
	out_kind->len = 0;
	if (len < 4 || event[0] != '{' || event[1] != '"')
		return false;
	quote = memchr(event + 2, '"', len - 2);
	if (quote == NULL)
		return false;
	out_kind->at = event + 2;
	out_kind->len = (size_t)(quote - event) - 2;
	/* What any of them says is an object. */
	if (len - out_kind->len < 6 || memcmp(quote, "\":{", 3) != 0)
		return false;
	if (is(out_kind, first))
		return seq == 1;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (is(out_kind, kinds[i]))
			return true;
	}
	return false;
}
