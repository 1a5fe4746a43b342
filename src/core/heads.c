/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/heads.h"
#include "core/text.h"

static char *
put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static char *
put_word(char *at, const char *word)
{
	return put(at, word, strlen(word));
}

static char *
put_hash(char *at, const struct tally_hash *hash)
{
	tally_hex_format(hash->b, TALLY_HASH_SIZE, at);
	return at + 2 * TALLY_HASH_SIZE;
}

size_t
tally_head_leaf_format(const char *chain, size_t chain_len,
    const struct tally_hash *hash, uint64_t seq, char out[TALLY_HEAD_LEAF_MAX])
{
	char *at = put_word(out, "{\"chain\":\"");

	at = put(at, chain, chain_len);
	at = put_word(at, "\",\"hash\":\"");
	at = put_hash(at, hash);
	at = put_word(at, "\",\"seq\":");
	at += tally_decimal_format(seq, at);
	*at++ = '}';
	return (size_t)(at - out);
}

size_t
tally_heads_event_format(const struct tally_heads_event *event,
    char out[TALLY_HEADS_EVENT_MAX])
{
	char *at = put_word(out, "{\"chains\":");

	at += tally_decimal_format(event->chains, at);
	at = put_word(at, ",\"root\":\"");
	at = put_hash(at, &event->root);
	at = put_word(at, "\",\"size\":");
	at += tally_decimal_format(event->size, at);
	*at++ = '}';
	*at = '\0';
	return (size_t)(at - out);
}

/* The text between two words, the first of which stands at *at. */
static bool
take_between(const char *text, size_t len, size_t *at, const char *word,
    const char *next, size_t *out_begin, size_t *out_len)
{
	size_t word_len = strlen(word), next_len = strlen(next), end;

	if (len - *at < word_len || memcmp(text + *at, word, word_len) != 0)
		return false;
	*out_begin = *at + word_len;
	for (end = *out_begin; end + next_len <= len; end++) {
		if (memcmp(text + end, next, next_len) == 0) {
			*out_len = end - *out_begin;
			*at = end;
			return true;
		}
	}
	return false;
}

int
tally_heads_event_parse(const char *text, size_t len,
    struct tally_heads_event *out)
{
	static const char chains[] = "{\"chains\":", root[] = ",\"root\":\"",
			  size[] = "\",\"size\":", end[] = "}";
	char again[TALLY_HEADS_EVENT_MAX];
	size_t at = 0, begin, n;

	if (len >= TALLY_HEADS_EVENT_MAX ||
	    !take_between(text, len, &at, chains, root, &begin, &n) ||
	    tally_decimal_parse(text + begin, n, UINT64_MAX, &out->chains) !=
		0 ||
	    !take_between(text, len, &at, root, size, &begin, &n) ||
	    tally_hash_parse(text + begin, n, &out->root) != 0 ||
	    !take_between(text, len, &at, size, end, &begin, &n) ||
	    tally_decimal_parse(text + begin, n, UINT64_MAX, &out->size) != 0)
		return TALLY_E_FORMAT;
	/* An upper-case digit, or something behind it, is another text. */
	return tally_heads_event_format(out, again) == len &&
		memcmp(again, text, len) == 0
	    ? TALLY_OK
	    : TALLY_E_FORMAT;
}
