/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "foreign/out.h"
#include "log/sys.h"

#define GROWN_FIRST ((size_t)1 << 16)

int
tally_out_reserve(struct tally_canon_out *out, size_t need, size_t first)
{
	size_t capacity = out->capacity == 0 ? first : out->capacity;
	char *at;

	if (need > TALLY_OUT_MAX)
		return TALLY_E_LIMIT;
	while (capacity - out->len < need)
		capacity *= 2;
	if (capacity > TALLY_OUT_MAX)
		return TALLY_E_LIMIT;
	if (capacity == out->capacity)
		return 0;
	at = tally_sys_realloc(out->at, capacity);
	if (at == NULL)
		return TALLY_E_MEMORY;
	out->at = at;
	out->capacity = capacity;
	return 0;
}

int
tally_out_put(struct tally_canon_out *out, const char *text, size_t len,
    size_t first)
{
	int r = tally_out_reserve(out, len, first);

	if (r == 0)
		tally_canon_put(out, text, len);
	return r;
}

int
tally_out_grow(struct tally_canon_out *out)
{
	return tally_out_reserve(out,
	    out->capacity == 0 ? 1 : out->capacity - out->len + 1, GROWN_FIRST);
}

void
tally_out_wipe(struct tally_canon_out *out)
{
	tally_sys_free(out->at);
	memset(out, 0, sizeof(*out));
}
