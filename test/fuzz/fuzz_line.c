/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes is, byte for byte, what encoding its fields gives. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge_name(const char *text, size_t len, size_t max)
{
	char plain[TALLY_CHAIN_MAX + 1], again[TALLY_CHAIN_TEXT_MAX];
	size_t plain_len, again_len;
	const char *what;

	if (tally_name_unescape(text, len, max, plain, &plain_len) != 0)
		abort();
	if (tally_name_escape(plain, plain_len, max, again, &again_len,
		&what) != 0)
		abort();
	if (again_len != len || memcmp(again, text, len) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char header[TALLY_HEADER_MAX], *again;
	struct tally_line line;
	size_t len;

	if (tally_line_decode(text, size, &line) != 0)
		return 0;
	judge_name(line.header.chain, line.header.chain_len, TALLY_CHAIN_MAX);
	if (line.header.id_len > 0)
		judge_name(line.header.id, line.header.id_len, TALLY_ID_MAX);
	if (line.body == TALLY_BODY_ELSEWHERE)
		judge_name(line.event, line.event_len, TALLY_CHAIN_MAX);
	len = tally_header_encode(&line.header, header);
	if (len != line.header_len + 1 || len > TALLY_HEADER_MAX ||
	    memcmp(header, text, line.header_len) != 0)
		abort();
	if (line.body != TALLY_BODY_EVENT)
		return 0;
	again = malloc(len + TALLY_LINE_EXTRA + line.event_len);
	if (again == NULL)
		return 0;
	len = tally_line_encode(header, len, &line.hash,
	    line.has_salt ? line.salt : NULL, line.event, line.event_len,
	    again);
	if (len != size || memcmp(again, text, len) != 0)
		abort();
	free(again);
	return 0;
}
