/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/jcs.h"
#include "core/text.h"
#include "pgclient/render.h"

int
tally_pg_renderer_init(struct tally_pg_renderer *renderer,
    struct tally_pg_arena *arena, const struct tally_pg_epoch *epoch,
    int *fields)
{
	size_t n = (size_t)epoch->ncolumns;
	struct tally_pg_text text = { 0 };

	renderer->epoch = epoch;
	renderer->fields = fields;
	renderer->order = tally_pg_arena_get(arena, n * sizeof(int));
	renderer->names = tally_pg_arena_get(arena, n * sizeof(char *));
	if (renderer->order == NULL || renderer->names == NULL)
		return TALLY_E_MEMORY;
	/* Columns are few, and mostly nearly in order. */
	for (int i = 0; i < epoch->ncolumns; i++) {
		const char *name = epoch->columns[i].name;
		int at = i;

		for (; at > 0; at--) {
			const char *other =
			    epoch->columns[renderer->order[at - 1]].name;

			if (tally_jcs_compare(other, strlen(other), name,
				strlen(name)) <= 0)
				break;
			renderer->order[at] = renderer->order[at - 1];
		}
		renderer->order[at] = i;
	}
	for (size_t i = 0; i < n; i++) {
		const char *name = epoch->columns[renderer->order[i]].name;

		tally_pg_text_reset(&text);
		tally_pg_text_put(&text, ",");
		(void)tally_pg_text_quote(&text, name, strlen(name));
		tally_pg_text_put(&text, ":");
		renderer->names[i] = text.failed
		    ? NULL
		    : tally_pg_arena_string(arena, text.at);
		if (renderer->names[i] == NULL)
			text.failed = true;
	}
	tally_pg_text_put(&text, "");
	if (!text.failed) {
		tally_pg_text_reset(&text);
		tally_pg_text_put(&text, "},\"table\":");
		(void)tally_pg_text_quote(&text, epoch->label,
		    strlen(epoch->label));
		tally_pg_text_put(&text, "}");
	}
	renderer->tail = text.failed ? NULL
				     : tally_pg_arena_string(arena, text.at);
	renderer->tail_len = text.len;
	tally_pg_text_wipe(&text);
	return renderer->tail == NULL ? TALLY_E_MEMORY : 0;
}

void
tally_pg_rendered_wipe(struct tally_pg_rendered *rendered)
{
	tally_pg_text_wipe(&rendered->event);
	tally_pg_text_wipe(&rendered->key);
	tally_pg_text_wipe(&rendered->chain);
}

static bool
write_event(const struct tally_pg_renderer *renderer,
    const struct tally_pg_field *fields, struct tally_pg_text *event)
{
	bool first = true;

	tally_pg_text_put(event, "{\"row\":{");
	for (int i = 0; i < renderer->epoch->ncolumns; i++) {
		const struct tally_pg_field
		    *field = &fields[renderer->fields[renderer->order[i]]];

		if (field->at == NULL)
			continue;
		/* The first goes without its comma. */
		tally_pg_text_put(event, renderer->names[i] + first);
		first = false;
		if (field->len > TALLY_EVENT_MAX ||
		    !tally_pg_text_quote(event, field->at, field->len) ||
		    event->len > TALLY_EVENT_MAX)
			return false;
	}
	tally_pg_text_add(event, renderer->tail, renderer->tail_len);
	return event->len <= TALLY_EVENT_MAX;
}

static void
shorten(struct tally_hasher *hasher, struct tally_pg_text *key)
{
	struct tally_hash hash;
	char hex[TALLY_HASH_TEXT_SIZE];

	if (key->len <= TALLY_PG_KEY_MAX)
		return;
	hash = tally_hash_bytes(hasher, key->at, key->len);
	tally_hash_format(&hash, hex);
	tally_pg_text_reset(key);
	tally_pg_text_put(key, "#");
	tally_pg_text_put(key, hex);
}

/* The text of one column, or a JSON array of the texts of several. */
static void
put_key(struct tally_hasher *hasher, const struct tally_pg_field *values,
    int count, struct tally_pg_text *key)
{
	tally_pg_text_reset(key);
	tally_pg_text_put(key, "");
	if (count == 1 && values[0].at != NULL) {
		tally_pg_text_add(key, values[0].at, values[0].len);
		shorten(hasher, key);
		return;
	}
	for (int i = 0; i < count; i++) {
		tally_pg_text_put(key, i == 0 ? "[" : ",");
		if (values[i].at == NULL)
			tally_pg_text_put(key, "null");
		else
			(void)tally_pg_text_quote(key, values[i].at,
			    values[i].len);
	}
	tally_pg_text_put(key, "]");
	shorten(hasher, key);
}

static void
put_chain(struct tally_hasher *hasher, const char *prefix,
    const struct tally_pg_field *value, struct tally_pg_text *chain)
{
	char escaped[TALLY_CHAIN_TEXT_MAX];
	char hex[TALLY_HASH_TEXT_SIZE];
	struct tally_hash hash;
	const char *what;
	size_t prefix_len = strlen(prefix);
	size_t len;

	tally_pg_text_reset(chain);
	tally_pg_text_put(chain, prefix);
	if (value == NULL || value->at == NULL)
		return;
	if (value->len > 0 && value->len < TALLY_CHAIN_MAX) {
		tally_pg_text_put(chain, "/");
		tally_pg_text_add(chain, value->at, value->len);
		if (chain->failed ||
		    tally_name_escape(chain->at, chain->len, TALLY_CHAIN_MAX,
			escaped, &len, &what) == 0)
			return;
		chain->len = prefix_len;
	}
	hash = tally_hash_bytes(hasher, value->at, value->len);
	tally_hash_format(&hash, hex);
	tally_pg_text_put(chain, "#");
	tally_pg_text_put(chain, hex);
}

int
tally_pg_render(const struct tally_pg_renderer *renderer,
    struct tally_hasher *hasher, const struct tally_pg_field *fields,
    struct tally_pg_rendered *out)
{
	const struct tally_pg_epoch *epoch = renderer->epoch;
	struct tally_pg_field values[TALLY_PG_KEYS_MAX];

	tally_pg_text_reset(&out->event);
	if (!write_event(renderer, fields, &out->event)) {
		tally_pg_text_reset(&out->event);
		tally_pg_text_put(&out->event, "{}");
	}
	for (int i = 0; i < epoch->nkeys; i++)
		values[i] = fields[renderer->fields[epoch->keys[i]]];
	put_key(hasher, values, epoch->nkeys, &out->key);
	put_chain(hasher, epoch->prefix,
	    epoch->chain_by < 0 ? NULL
				: &fields[renderer->fields[epoch->chain_by]],
	    &out->chain);
	return out->event.failed || out->key.failed || out->chain.failed
	    ? TALLY_E_MEMORY
	    : 0;
}

struct tally_hash
tally_pg_op_commitment(struct tally_hasher *hasher, const char *op,
    const uint8_t *salt, const char *event, size_t len)
{
	static const uint8_t none[TALLY_SALT_SIZE];
	static const uint8_t domain = 0x02;

	tally_hash_begin(hasher);
	tally_hash_add(hasher, &domain, 1);
	tally_hash_add(hasher, salt != NULL ? salt : none, TALLY_SALT_SIZE);
	tally_hash_add(hasher, op, strlen(op));
	tally_hash_add(hasher, event + 1, len - 1);
	return tally_hash_end(hasher);
}

/* ---- COPY in text ----------------------------------------------------- */

static char
unescaped(char c)
{
	static const char from[] = "bfnrtv";
	static const char to[] = "\b\f\n\r\t\v";
	const char *at = c == '\0' ? NULL : strchr(from, c);

	return at == NULL ? c : to[at - from];
}

int
tally_pg_row_split(char *row, size_t len, struct tally_pg_field *fields,
    int max)
{
	char *p = row;
	char *end = row + len;
	int count = 0;

	if (len > 0 && end[-1] == '\n')
		end--;
	while (count < max) {
		char *stop = memchr(p, '\t', (size_t)(end - p));
		char *escape;
		char *to;

		if (stop == NULL)
			stop = end;
		fields[count].at = p;
		fields[count].len = (size_t)(stop - p);
		escape = memchr(p, '\\', (size_t)(stop - p));
		if (escape != NULL && stop - p == 2 && p[1] == 'N') {
			fields[count].at = NULL;
			fields[count].len = 0;
		} else if (escape != NULL) {
			for (to = escape; escape < stop; escape++) {
				if (*escape == '\\' && escape + 1 < stop)
					*to++ = unescaped(*++escape);
				else
					*to++ = *escape;
			}
			fields[count].len = (size_t)(to - p);
		}
		count++;
		if (stop == end)
			return count;
		p = stop + 1;
	}
	return max + 1;
}

uint64_t
tally_pg_tid_parse(const struct tally_pg_field *field)
{
	char text[32] = "";
	char *end;
	uint64_t block;

	if (field->at == NULL || field->len >= sizeof(text) || field->len < 2)
		return 0;
	memcpy(text, field->at, field->len);
	block = strtoull(text + 1, &end, 10);
	return block << 16 | (*end == ',' ? strtoull(end + 1, NULL, 10) : 0);
}

/* ---- deletions -------------------------------------------------------- */

static const char deletion[] = "{\"op\":\"delete\",\"row\":";

bool
tally_pg_is_deletion(const char *event, size_t len)
{
	return len >= sizeof(deletion) - 1 &&
	    memcmp(event, deletion, sizeof(deletion) - 1) == 0;
}

bool
tally_pg_deletion_key(const char *event, size_t len,
    const struct tally_pg_epoch *epoch, struct tally_hasher *hasher,
    struct tally_pg_text *out_key)
{
	struct tally_pg_field values[TALLY_PG_KEYS_MAX];
	struct tally_pg_text tail = { 0 };
	struct tally_pg_arena arena = { NULL };
	const char *row = event + sizeof(deletion) - 1;
	size_t row_len;
	bool fits;

	if (!tally_pg_is_deletion(event, len))
		return false;
	row_len = len - (sizeof(deletion) - 1);
	tally_pg_text_put(&tail, ",\"table\":");
	(void)tally_pg_text_quote(&tail, epoch->label, strlen(epoch->label));
	tally_pg_text_put(&tail, "}");
	fits = !tail.failed && row_len > tail.len &&
	    memcmp(row + row_len - tail.len, tail.at, tail.len) == 0;
	if (fits)
		row_len -= tail.len;
	tally_pg_text_wipe(&tail);
	for (int i = 0; fits && i < epoch->nkeys; i++) {
		char *room = tally_pg_arena_get(&arena, row_len + 1);
		size_t got = 0;

		values[i].at = NULL;
		if (room != NULL &&
		    tally_event_member(row, row_len,
			epoch->columns[epoch->keys[i]].name, room, row_len + 1,
			&got) == 0)
			values[i].at = room;
		values[i].len = got;
	}
	if (fits)
		put_key(hasher, values, epoch->nkeys, out_key);
	tally_pg_arena_wipe(&arena);
	return fits;
}
