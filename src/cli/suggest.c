/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "suggest.h"

static size_t
min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * The distance of Damerau and Levenshtein (its restricted form): the fewest
 * letters to insert, remove, replace, or swap with the next one.
 */
static size_t
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[SUGGEST_WORD_MAX + 1][SUGGEST_WORD_MAX + 1];

	for (size_t i = 0; i <= a_len; i++)
		row[i][0] = i;
	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
			size_t best = row[i - 1][j - 1] + same;

			best = min(best, row[i - 1][j] + 1);
			best = min(best, row[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				best = min(best, row[i - 2][j - 2] + 1);
			row[i][j] = best;
		}
	}
	return row[a_len][b_len];
}

void
suggest_init(struct suggest *suggest, const char *given, size_t len)
{
	suggest->given = given;
	suggest->len = len;
	suggest->distance = SIZE_MAX;
	suggest->best = NULL;
}

void
suggest_offer(struct suggest *suggest, const char *word)
{
	size_t len = strlen(word);
	size_t near;
	size_t found;

	if (suggest->len == 0 || suggest->len > SUGGEST_WORD_MAX ||
	    len > SUGGEST_WORD_MAX)
		return;
	/* One letter in three may be wrong; "xyz" is like nothing. */
	near = min(suggest->len, len) / 3;
	if (near == 0)
		near = 1;
	found = distance(suggest->given, suggest->len, word, len);
	/* An abbreviation is near, whatever it leaves out. */
	if (suggest->len >= 2 && suggest->len < len &&
	    memcmp(suggest->given, word, suggest->len) == 0)
		found = min(found, near);
	if (found > near || found >= suggest->distance)
		return;
	suggest->distance = found;
	suggest->best = word;
}
