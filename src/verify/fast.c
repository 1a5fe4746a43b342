/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usual line, judged quickly.
 *
 * 1. Every byte of an accepted line was compared with a literal, or with text
 *    that is known to be well formed, or was parsed strictly: so the line
 *    decodes, and has one spelling only.
 * 2. No byte of the text is changed when tally_fast_line returns.
 */
#include <string.h>

#include "verify/fast.h"
#include "verify/salvage.h"

#define HASH_LEN ((size_t)2 * TALLY_HASH_SIZE)
#define SALT_LEN ((size_t)2 * TALLY_SALT_SIZE)
#define TIME_LEN ((size_t)TALLY_TIME_TEXT_SIZE - 1)
#define PREFIX_LEN ((size_t)1 + TALLY_SALT_SIZE) /* of a commitment */

/* Where a line is at. */
struct fast {
	char *at;
	char *end; /* of the line, less "}\n" */
};

#define TAKE(fast, literal) take(fast, literal, sizeof(literal) - 1)

static inline bool
take(struct fast *fast, const char *literal, size_t len)
{
	if ((size_t)(fast->end - fast->at) < len ||
	    memcmp(fast->at, literal, len) != 0)
		return false;
	fast->at += len;
	return true;
}

static inline bool
take_len(struct fast *fast, size_t len, char **out)
{
	if ((size_t)(fast->end - fast->at) < len)
		return false;
	*out = fast->at;
	fast->at += len;
	return true;
}

/* A chain that was met in this chunk, by its name, up to the quote. */
static struct tally_local *
take_chain(struct fast *fast, struct tally_chunk *chunk, uint64_t seed)
{
	struct tally_local *local;
	uint64_t key;
	uint32_t at;
	size_t len;
	char *end;

	len = (size_t)(fast->end - fast->at);
	if (len > TALLY_CHAIN_TEXT_MAX)
		len = TALLY_CHAIN_TEXT_MAX;
	/* A name with an escaped quote is found by nobody, and is slow. */
	end = memchr(fast->at, '"', len);
	if (end == NULL)
		return NULL;
	len = (size_t)(end - fast->at);
	key = tally_chains_key(seed, fast->at, len);
	for (at = (uint32_t)key & chunk->slots_mask; chunk->slots[at] != 0;
	     at = (at + 1) & chunk->slots_mask) {
		local = &chunk->locals[chunk->slots[at] - 1];
		if (local->key == key && local->name_len == len &&
		    memcmp(local->name, fast->at, len) == 0) {
			fast->at = end;
			return local;
		}
	}
	return NULL;
}

/* The digits of exactly this number. */
static bool
take_seq(struct fast *fast, uint64_t seq)
{
	uint64_t value = 0;
	const char *begin = fast->at;

	while (fast->at < fast->end && *fast->at >= '0' && *fast->at <= '9' &&
	    fast->at - begin < 17)
		value = value * 10 + (uint64_t)(*fast->at++ - '0');
	return fast->at > begin && *begin != '0' && value == seq &&
	    seq <= TALLY_SEQ_MAX;
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "2026-11-21T01:26:" as before and "18.123456Z", or any time, parsed. */
static bool
take_time(struct fast *fast, char known[TALLY_MINUTE_LEN])
{
	const char *t;
	char *text;
	int64_t time_us;
	unsigned digits;

	if (!take_len(fast, TIME_LEN, &text))
		return false;
	t = text + TALLY_MINUTE_LEN;
	digits = (unsigned)is_digit(t[1]) & is_digit(t[3]) & is_digit(t[4]) &
	    is_digit(t[5]) & is_digit(t[6]) & is_digit(t[7]) & is_digit(t[8]);
	if (memcmp(text, known, TALLY_MINUTE_LEN) == 0 && t[0] >= '0' &&
	    t[0] <= '5' && t[2] == '.' && t[9] == 'Z' && digits)
		return true;
	if (tally_time_parse_strict(text, &time_us) != 0)
		return false;
	memcpy(known, text, TALLY_MINUTE_LEN);
	return true;
}

/* Between the name and the stored hash. */
static bool
take_header(struct fast *fast, struct tally_chunk *chunk,
    struct tally_fast *out, char **out_digest)
{
	char *prev;

	if (!TAKE(fast, "\",\"digest\":\"") ||
	    !take_len(fast, HASH_LEN, out_digest))
		return false;
	out->id_len = 0;
	if (TAKE(fast, "\",\"id\":\"")) {
		out->id = fast->at;
		out->id_len = tally_name_measure(fast->at,
		    (size_t)(fast->end - fast->at), TALLY_ID_MAX);
		fast->at += out->id_len;
		if (out->id_len == 0)
			return false;
	}
	return TAKE(fast, "\",\"prev\":\"") &&
	    take_len(fast, HASH_LEN, &prev) &&
	    memcmp(prev, out->local->last_text, HASH_LEN) == 0 &&
	    TAKE(fast, "\",\"seq\":") &&
	    take_seq(fast, out->local->last_seq + 1) &&
	    TAKE(fast, ",\"time\":\"") && take_time(fast, chunk->minute) &&
	    TAKE(fast, "\",\"v\":1");
}

/* H(0x00 || header), the header being text[0, len) and a "}". */
static struct tally_hash
hash_header(struct tally_hasher *hasher, char *text, size_t len)
{
	struct tally_hash hash;
	char before = text[-1], behind = text[len];

	text[-1] = 0x00;
	text[len] = '}';
	hash = tally_hash_bytes(hasher, text - 1, len + 2);
	text[-1] = before;
	text[len] = behind;
	return hash;
}

/* H(0x02 || salt || event); there is more than that before every event. */
static struct tally_hash
hash_event(struct tally_hasher *hasher, const uint8_t *salt, char *event,
    size_t len)
{
	char kept[PREFIX_LEN], *begin = event - PREFIX_LEN;
	struct tally_hash hash;

	memcpy(kept, begin, PREFIX_LEN);
	begin[0] = 0x02;
	memcpy(begin + 1, salt, TALLY_SALT_SIZE);
	hash = tally_hash_bytes(hasher, begin, PREFIX_LEN + len);
	memcpy(begin, kept, PREFIX_LEN);
	return hash;
}

static bool
is_hash(const char *text, const struct tally_hash *hash)
{
	struct tally_hash stored;

	return tally_hex_parse(text, HASH_LEN, true, stored.b,
		   sizeof(stored.b)) == 0 &&
	    tally_hash_equal(&stored, hash);
}

/* Between the stored hash and the event. */
static bool
take_salt(struct fast *fast, uint8_t salt[TALLY_SALT_SIZE])
{
	static const uint8_t none[TALLY_SALT_SIZE];
	char *text;

	memcpy(salt, none, TALLY_SALT_SIZE);
	if (TAKE(fast, "\",\"salt\":\"") &&
	    (!take_len(fast, SALT_LEN, &text) ||
		tally_hex_parse(text, SALT_LEN, true, salt, TALLY_SALT_SIZE) !=
		    0 ||
		memcmp(salt, none, TALLY_SALT_SIZE) == 0))
		return false;
	return TAKE(fast, "\",\"event\":") && fast->at < fast->end;
}

int
tally_fast_line(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_scanner *scanner, char *text, size_t len,
    struct tally_fast *out, bool *out_held)
{
	struct fast fast = { text, text + len - 2 };
	uint8_t salt[TALLY_SALT_SIZE];
	struct tally_line line = { .body = TALLY_BODY_EVENT };
	struct tally_hash digest;
	char *digest_text, *hash_text;
	size_t header_len;

	*out_held = false;
	if (len < TALLY_LINE_SHORTEST || text[len - 2] != '}' ||
	    !TAKE(&fast, TALLY_BEGIN))
		return 0;
	out->local = take_chain(&fast, chunk, plan->seed);
	if (out->local == NULL || out->local->last_text == NULL ||
	    !take_header(&fast, chunk, out, &digest_text))
		return 0;
	header_len = (size_t)(fast.at - text);
	if (!TAKE(&fast, ",\"hash\":\"") ||
	    !take_len(&fast, HASH_LEN, &hash_text) || !take_salt(&fast, salt))
		return 0;
	out->hash_text = hash_text;
	out->hash = hash_header(&scanner->hasher, text, header_len);
	if (!is_hash(hash_text, &out->hash))
		return 0;
	line.event = fast.at;
	line.event_len = (size_t)(fast.end - fast.at);
	digest = hash_event(&scanner->hasher, salt, fast.at, line.event_len);
	if (!is_hash(digest_text, &digest))
		return 0;
	return tally_line_judge_event(scanner, &line, false, out_held);
}
