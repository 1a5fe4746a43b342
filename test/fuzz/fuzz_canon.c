/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is read can be written or is refused; what was written is read
 * again, and is its own canonical form.  The first byte chooses the form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/canon.h"

#define NODES 65536
#define TEXT ((size_t)1 << 20)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tally_canon_node nodes[NODES];
static uint32_t order[NODES];
static struct tally_canon_room room = { nodes, order, NODES, { { 0 } } };

static int
canonical(enum tally_canon_form form, const char *text, size_t len, char *to,
    size_t *out_len)
{
	struct tally_canon_style style = { .form = form };
	struct tally_canon_out out = { to, 0, TEXT, false };
	size_t count;
	int r;

	r = tally_canon_read(text, len, TALLY_CANON_READ_NAN, &room, &count,
	    NULL);
	if (r == 0)
		r = tally_canon_write(text, &room, 0, &style, &out, NULL);
	*out_len = out.len;
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char first[TEXT], second[TEXT];
	size_t first_len, second_len;
	enum tally_canon_form form;

	if (size == 0)
		return 0;
	form = (enum tally_canon_form)(data[0] & 3);
	if (canonical(form, (const char *)data + 1, size - 1, first,
		&first_len) != 0)
		return 0;
	if (canonical(form, first, first_len, second, &second_len) != 0 ||
	    second_len != first_len || memcmp(first, second, first_len) != 0)
		abort();
	return 0;
}
