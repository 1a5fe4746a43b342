/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/orders.h"
#include "core/text.h"

#define PREFIX "tally-order/v1\n"
#define AFTER ":{\"after\":\""
#define BY "\",\"by\":\""
#define SIG ",\"sig\":\""
#define SIG_LEN (sizeof(SIG) - 1 + 2 * TALLY_SIGN_SIZE + 2)
#define MESSAGE_MAX \
	(sizeof(PREFIX) + TALLY_KEY_NAME_MAX + 1 + TALLY_ORDER_EVENT_MAX)

static const char *const kinds[] = {
	[TALLY_ORDER_KEY] = "{\"key\"",
	[TALLY_ORDER_ERASED] = "{\"erased\"",
	[TALLY_ORDER_PRUNED] = "{\"pruned\"",
	[TALLY_ORDER_RESTORED] = "{\"restored\"",
};

static const char *const changes[] = {
	[TALLY_KEY_ORDER_ADD] = "add",
	[TALLY_KEY_ORDER_ROTATE] = "rotate",
	[TALLY_KEY_ORDER_RETIRE] = "retire",
};

/* ---- reading ---------------------------------------------------------- */

/* What is left to be read. */
static bool
take(struct tally_span *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len || memcmp(text->at, word, len) != 0)
		return false;
	text->at += len;
	text->len -= len;
	return true;
}

static bool
take_hex(struct tally_span *text, uint8_t *out, size_t out_len)
{
	if (text->len < 2 * out_len ||
	    tally_hex_parse(text->at, 2 * out_len, true, out, out_len) != 0)
		return false;
	text->at += 2 * out_len;
	text->len -= 2 * out_len;
	return true;
}

enum tally_order_kind
tally_order_kind(const char *event, size_t len)
{
	for (size_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct tally_span text = { event, len };

		if (take(&text, kinds[i]))
			return (enum tally_order_kind)i;
	}
	return TALLY_ORDER_NONE;
}

int
tally_order_parse(const char *event, size_t len, struct tally_order *out)
{
	struct tally_span text = { event, len }, sig;
	uint8_t by[4];

	memset(out, 0, sizeof(*out));
	out->kind = tally_order_kind(event, len);
	if (out->kind == TALLY_ORDER_NONE || len > TALLY_ORDER_EVENT_MAX ||
	    len < SIG_LEN)
		return TALLY_E_FORMAT;
	sig.at = event + len - SIG_LEN;
	sig.len = SIG_LEN;
	if (!take(&sig, SIG) ||
	    !take_hex(&sig, out->signature, TALLY_SIGN_SIZE) ||
	    !take(&sig, "\"}"))
		return TALLY_E_FORMAT;
	text.len -= SIG_LEN;
	if (!take(&text, kinds[out->kind]) || !take(&text, AFTER) ||
	    !take_hex(&text, out->after.b, TALLY_HASH_SIZE) ||
	    !take(&text, BY) || !take_hex(&text, by, sizeof(by)) ||
	    !take(&text, "\"") || text.len == 0 ||
	    text.at[text.len - 1] != '}' || (text.len > 1 && text.at[0] != ','))
		return TALLY_E_FORMAT;
	out->by = (uint32_t)by[0] << 24 | (uint32_t)by[1] << 16 |
	    (uint32_t)by[2] << 8 | by[3];
	out->rest.at = text.at;
	out->rest.len = text.len - 1;
	return 0;
}

/* ---- signing ---------------------------------------------------------- */

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
put_hex(char *at, const uint8_t *bytes, size_t len)
{
	tally_hex_format(bytes, len, at);
	return at + 2 * len;
}

/* What is signed: event[0, len) is the order without sig, and without the
 * last '}'. */
static size_t
message_format(const char *origin, const char *event, size_t len,
    char out[MESSAGE_MAX])
{
	char *at = put_word(out, PREFIX);

	at = put_word(at, origin);
	*at++ = '\n';
	at = put(at, event, len);
	*at++ = '}';
	return (size_t)(at - out);
}

bool
tally_order_is_signed(const struct tally_order *order, const char *event,
    size_t len, const char *origin, const struct tally_vkey *vkey)
{
	char message[MESSAGE_MAX];
	size_t message_len;

	if (vkey->type != TALLY_VKEY_ED25519 || vkey->id != order->by ||
	    strcmp(vkey->name, origin) != 0 || len < SIG_LEN ||
	    len > TALLY_ORDER_EVENT_MAX)
		return false;
	message_len = message_format(origin, event, len - SIG_LEN, message);
	return tally_sign_check(vkey->key, message, message_len,
	    order->signature);
}

int
tally_order_format(const struct tally_order *order, const char *origin,
    const uint8_t seed[TALLY_SIGN_SEED_SIZE], char out[TALLY_ORDER_EVENT_MAX],
    size_t *out_len)
{
	const uint8_t by[4] = { (uint8_t)(order->by >> 24),
		(uint8_t)(order->by >> 16), (uint8_t)(order->by >> 8),
		(uint8_t)order->by };
	uint8_t signature[TALLY_SIGN_SIZE];
	char message[MESSAGE_MAX];
	size_t len;
	char *at;
	int result;

	if (order->rest.len > TALLY_ORDER_EVENT_MAX - 512 ||
	    strlen(origin) > TALLY_KEY_NAME_MAX)
		return TALLY_E_LIMIT;
	at = put_word(out, kinds[order->kind]);
	at = put_word(at, AFTER);
	at = put_hex(at, order->after.b, TALLY_HASH_SIZE);
	at = put_word(at, BY);
	at = put_hex(at, by, sizeof(by));
	*at++ = '"';
	at = put(at, order->rest.at, order->rest.len);
	*at++ = '}';
	len = message_format(origin, out, (size_t)(at - out), message);
	result = tally_sign_make(seed, message, len, signature);
	if (result != 0)
		return result;
	at = put_word(at, SIG);
	at = put_hex(at, signature, sizeof(signature));
	at = put_word(at, "\"}");
	*out_len = (size_t)(at - out);
	return 0;
}

/* ---- orders about keys ------------------------------------------------ */

size_t
tally_key_order_format(enum tally_key_order_change change,
    const struct tally_vkey *vkey, char out[TALLY_KEY_ORDER_MAX])
{
	char text[TALLY_VKEY_TEXT_MAX], escaped[2 * TALLY_VKEY_TEXT_MAX];
	size_t len = tally_vkey_format(vkey, text), escaped_len = 0;
	char *at = put_word(out, ",\"change\":\"");

	/* A key's name may hold what a JSON string escapes. */
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			escaped[escaped_len++] = '\\';
		escaped[escaped_len++] = text[i];
	}
	at = put_word(at, changes[change]);
	at = put_word(at, "\",\"key\":\"");
	at = put(at, escaped, escaped_len);
	*at++ = '"';
	return (size_t)(at - out);
}

/* Takes the escapes out; up to the '"' that ends the string. */
static bool
take_string(struct tally_span *text, char *out, size_t room, size_t *out_len)
{
	size_t at = 0, len = 0;

	while (at < text->len && text->at[at] != '"') {
		at += text->at[at] == '\\';
		if (at == text->len || len == room)
			return false;
		out[len++] = text->at[at++];
	}
	text->at += at;
	text->len -= at;
	*out_len = len;
	return true;
}

int
tally_key_order_parse(struct tally_hasher *hasher,
    const struct tally_order *order, enum tally_key_order_change *out_change,
    struct tally_vkey *out_vkey)
{
	char text[TALLY_VKEY_TEXT_MAX], again[TALLY_KEY_ORDER_MAX];
	struct tally_span rest = order->rest;
	size_t len, change;

	if (order->kind != TALLY_ORDER_KEY || !take(&rest, ",\"change\":\""))
		return TALLY_E_FORMAT;
	for (change = 0; change < sizeof(changes) / sizeof(changes[0]);
	     change++) {
		if (take(&rest, changes[change]))
			break;
	}
	if (change == sizeof(changes) / sizeof(changes[0]) ||
	    !take(&rest, "\",\"key\":\"") ||
	    !take_string(&rest, text, sizeof(text), &len) ||
	    tally_vkey_parse(hasher, text, len, out_vkey) != 0)
		return TALLY_E_FORMAT;
	*out_change = (enum tally_key_order_change)change;
	len = tally_key_order_format(*out_change, out_vkey, again);
	return len == order->rest.len && memcmp(again, order->rest.at, len) == 0
	    ? 0
	    : TALLY_E_FORMAT;
}

/* ---- orders to erase -------------------------------------------------- */

size_t
tally_erased_place_format(const struct tally_erased_place *place,
    char out[TALLY_ERASED_PLACE_MAX])
{
	char *at = put_word(out, "{\"chain\":\"");

	at = put(at, place->chain, place->chain_len);
	at = put_word(at, "\",\"hash\":\"");
	at = put_hex(at, place->hash.b, TALLY_HASH_SIZE);
	at = put_word(at, "\",\"index\":");
	at += tally_decimal_format(place->index, at);
	at = put_word(at, ",\"seq\":");
	at += tally_decimal_format(place->seq, at);
	*at++ = '}';
	return (size_t)(at - out);
}

/*
 * The bytes of a place cannot stand inside a string of the order, since a '"'
 * has a backslash before it there.
 */
bool
tally_order_names(const struct tally_order *order,
    const struct tally_erased_place *place)
{
	char text[TALLY_ERASED_PLACE_MAX];
	size_t len = tally_erased_place_format(place, text);

	if (order->kind != TALLY_ORDER_ERASED)
		return false;
	for (size_t at = 1; at + len < order->rest.len; at++) {
		char before = order->rest.at[at - 1];
		char behind = order->rest.at[at + len];

		if ((before == '[' || before == ',') &&
		    (behind == ']' || behind == ',') &&
		    memcmp(order->rest.at + at, text, len) == 0)
			return true;
	}
	return false;
}
