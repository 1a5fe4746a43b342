/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletions.
 *
 * When a row is gone, only the event can tell of which row it is the deletion:
 * the record's key is not hashed.
 */
#include "postgres.h"

#include "hasher.h"
#include "render.h"
#include "verify_deletion.h"

#include "core/jcs.h"

static const char head[] = "{\"op\":\"delete\",\"row\":";

bool
tally_deletion_is(const char *event)
{
	return strncmp(event, head, sizeof(head) - 1) == 0;
}

static void
append_quoted(StringInfo out, const char *text, Size len)
{
	enlargeStringInfo(out, tally_jcs_measure(text, len));
	out->len += tally_jcs_quote(text, len, out->data + out->len);
	out->data[out->len] = '\0';
}

/* What stands behind "row"; palloc'd. */
static char *
tail_of(const struct tally_epoch *epoch)
{
	StringInfoData tail;

	initStringInfo(&tail);
	appendStringInfoString(&tail, ",\"table\":");
	append_quoted(&tail, epoch->label, strlen(epoch->label));
	appendStringInfoChar(&tail, '}');
	return tail.data;
}

/*
 * The text of a key column, or NULL; room holds as many bytes as the row, and
 * one.
 */
static const char *
get_member(const char *row, Size row_len, const char *name, char *room,
		   Size *out_len)
{
	size_t		len;

	if (tally_event_member(row, row_len, name, room, row_len + 1, &len) != 0)
		return NULL;
	*out_len = len;
	return room;
}

/* As render.c writes it. */
static void
write_key(const char *row, Size row_len, const struct tally_epoch *epoch,
		  StringInfo key)
{
	char	   *room = palloc(row_len + 1);
	const char *text = NULL;
	Size		len = 0;
	int			i;

	resetStringInfo(key);
	for (i = 0; i < epoch->nkeys; i++)
	{
		text = get_member(row, row_len, epoch->columns[epoch->keys[i]].name,
						  room, &len);

		if (epoch->nkeys == 1 && text !=NULL)
			break;
		appendStringInfoChar(key, i == 0 ? '[' : ',');
		if (text == NULL)
			appendStringInfoString(key, "null");
		else
			append_quoted(key, text, len);
	}
	if (epoch->nkeys == 1 && text !=NULL)
		appendBinaryStringInfo(key, text, (int) len);
	else
		appendStringInfoChar(key, ']');
	pfree(room);
}

static void
shorten_key(StringInfo key)
{
	struct tally_hash hash;
	char text[	TALLY_HASH_TEXT_SIZE];

	if (key->len <= TALLY_KEY_MAX)
		return;
	hash = tally_hash_bytes(tally_hasher_get(), key->data, key->len);
	tally_hash_format(&hash, text);
	resetStringInfo(key);
	appendStringInfo(key, "#%s", text);
}

bool
tally_deletion_key(const char *event, const struct tally_epoch *epoch,
				   StringInfo out_key)
{
	const char *row = event + sizeof(head) - 1;
	char	   *tail;
	Size		len;
	Size		tail_len;
	bool		fits;

	if (!tally_deletion_is(event))
		return false;
	tail = tail_of(epoch);
	tail_len = strlen(tail);
	len = strlen(row);
	fits = len > tail_len && strcmp(row + len - tail_len, tail) == 0;
	pfree(tail);
	if (!fits)
		return false;
	write_key(row, len - tail_len, epoch, out_key);
	shorten_key(out_key);
	return true;
}
