/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a sink of any bytes: what is taken apart keeps the rules of the
 * format, and nothing is signed by a key that nobody holds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <tally/dispatch.h>

#include "core/checkpoint.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct tally_dispatch *dispatch)
{
	if (dispatch->verdict == TALLY_DISPATCH_SIGNED ||
	    dispatch->since > dispatch->size ||
	    dispatch->size > TALLY_CHECKPOINT_SIZE_MAX ||
	    dispatch->part > dispatch->parts ||
	    (dispatch->part == 0) != (dispatch->parts == 0) ||
	    (dispatch->parts == 0 && dispatch->heads_len > 0) ||
	    memchr(dispatch->note, '\0', dispatch->note_len) != NULL)
		abort();
	for (size_t i = 0; i < dispatch->heads_len; i++) {
		const struct tally_outside_head *head = &dispatch->heads[i];

		if (head->seq == 0 || head->chain_len == 0 ||
		    head->chain_len > TALLY_CHAIN_MAX ||
		    head->chain[head->chain_len] != '\0')
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nobody[TALLY_SIGN_PUBLIC_SIZE] = { 2 };
	static char text[TALLY_VKEY_TEXT_MAX + 1];
	static const char *const vkeys[] = { text };
	struct tally_dispatch dispatch;
	struct tally_hasher hasher;
	struct tally_vkey vkey;

	if (text[0] == '\0') {
		if (tally_hasher_open(&hasher) != 0)
			abort();
		tally_vkey_init(&hasher, "example.com/foo", 15,
		    TALLY_VKEY_ED25519, nobody, &vkey);
		text[tally_vkey_format(&vkey, text)] = '\0';
		tally_hasher_close(&hasher);
	}
	for (size_t n = 0; n <= 1; n++) {
		if (tally_dispatch_parse((const char *)data, size, vkeys, n,
			&dispatch, NULL) != 0)
			continue;
		check(&dispatch);
		tally_dispatch_wipe(&dispatch);
	}
	return 0;
}
