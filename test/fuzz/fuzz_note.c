/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes, keys and checkpoints of any bytes.  What is read is written again as
 * it was; nothing is signed by a key that nobody holds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checkpoint.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_key(struct tally_hasher *hasher, const char *text, size_t len)
{
	char again[TALLY_VKEY_TEXT_MAX];
	struct tally_vkey vkey;

	if (tally_vkey_parse(hasher, text, len, &vkey) != 0)
		return;
	if (tally_vkey_format(&vkey, again) != len ||
	    memcmp(again, text, len) != 0)
		abort();
}

static void
try_text(const char *text, size_t len)
{
	char again[TALLY_CHECKPOINT_TEXT_MAX];
	struct tally_checkpoint checkpoint;
	size_t again_len;

	if (tally_checkpoint_parse(text, len, &checkpoint) != 0)
		return;
	again_len = tally_checkpoint_format(&checkpoint, again);
	if (again_len > len || memcmp(again, text, again_len) != 0 ||
	    checkpoint.extended != (again_len < len))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nobody[TALLY_SIGN_PUBLIC_SIZE] = { 2 };
	static struct tally_hasher hasher;
	static struct tally_vkey vkey;
	const char *text = (const char *)data;
	struct tally_note note;

	if (hasher.ctx == NULL) {
		if (tally_hasher_open(&hasher) != 0)
			abort();
		tally_vkey_init(&hasher, "x", 1, TALLY_VKEY_ED25519, nobody,
		    &vkey);
	}
	try_key(&hasher, text, size);
	try_text(text, size);
	if (tally_note_parse(text, size, &note) != 0)
		return 0;
	if (note.text.at != text || note.text.len + 1 + note.lines.len != size)
		abort();
	try_text(note.text.at, note.text.len);
	if (tally_note_check(&note, &vkey, NULL) == TALLY_SIGNED)
		abort();
	return 0;
}
