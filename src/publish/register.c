/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the entries of a register say.  There is one text for one meaning, so a
 * kind compares texts.
 */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "publish/register.h"

#define CLOSED "closed "
#define ENTRY_MAX \
	(TALLY_CHECKPOINT_TEXT_MAX + sizeof(CLOSED) + TALLY_KEY_NAME_MAX)
/* A text that a kind cut off there is no entry. */
_Static_assert(ENTRY_MAX < TALLY_REGISTER_ENTRY_MAX, "an entry has room");

/* Takes the line "closed <origin>" off an entry's end; false if there is
 * none.  successor gets a NUL. */
static bool
take_closed(const char *text, size_t *len,
    char successor[TALLY_KEY_NAME_MAX + 1])
{
	const char *line = text;
	size_t line_len;

	for (int i = 0; i < 3 && line != NULL; i++) {
		line = memchr(line, '\n', *len - (size_t)(line - text));
		line = line == NULL ? NULL : line + 1;
	}
	if (line == NULL)
		return false;
	line_len = *len - (size_t)(line - text);
	if (line_len <= sizeof(CLOSED) ||
	    memchr(line, '\n', line_len) != line + line_len - 1 ||
	    memchr(line, '\0', line_len) != NULL ||
	    memcmp(line, CLOSED, sizeof(CLOSED) - 1) != 0 ||
	    line_len - sizeof(CLOSED) > TALLY_KEY_NAME_MAX)
		return false;
	memcpy(successor, line + sizeof(CLOSED) - 1, line_len - sizeof(CLOSED));
	successor[line_len - sizeof(CLOSED)] = '\0';
	*len = (size_t)(line - text);
	return true;
}

/* successor NULL: the origin goes on.  Returns the length. */
static size_t
format_entry(const struct tally_checkpoint *entry, const char *successor,
    char out[TALLY_REGISTER_ENTRY_MAX])
{
	size_t len = tally_checkpoint_format(entry, out);

	if (successor != NULL)
		len += (size_t)snprintf(out + len,
		    TALLY_REGISTER_ENTRY_MAX - len, CLOSED "%s\n", successor);
	return len;
}

/* successor is empty unless the origin was closed. */
static int
read_any_entry(struct tally_register *reg, const char *origin,
    struct tally_checkpoint *out, char successor[TALLY_KEY_NAME_MAX + 1],
    struct tally_error *error)
{
	char text[TALLY_REGISTER_ENTRY_MAX];
	size_t len;
	int result = reg->read(reg, origin, text, &len, error);

	if (result != 0)
		return result;
	successor[0] = '\0';
	(void)take_closed(text, &len, successor);
	if (tally_checkpoint_parse(text, len, out) != 0 || out->extended ||
	    strcmp(out->origin, origin) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the register's entry in \"%s\" is no checkpoint of \"%s\";"
		    " nothing is signed",
		    reg->name, origin);
	return TALLY_OK;
}

int
tally_register_read(struct tally_register *reg, const char *origin,
    struct tally_checkpoint *out, struct tally_error *error)
{
	char successor[TALLY_KEY_NAME_MAX + 1];
	int result = read_any_entry(reg, origin, out, successor, error);

	if (result != 0 || successor[0] == '\0')
		return result;
	return tally_fail(error, TALLY_E_USAGE,
	    "nothing is signed under the origin \"%s\" any more: the log was"
	    " put back, and goes on as \"%s\"",
	    origin, successor);
}

/* Did the origin end for another successor? */
static int
check_closed(const char *closed, const char *successor,
    struct tally_error *error)
{
	return closed[0] != '\0' && successor != NULL &&
		strcmp(closed, successor) != 0
	    ? tally_fail(error, TALLY_E_USAGE,
		  "the log goes on as \"%s\" already", closed)
	    : TALLY_OK;
}

int
tally_register_find(struct tally_register *reg, const char *origin,
    struct tally_checkpoint *out, const char *successor,
    struct tally_error *error)
{
	char closed[TALLY_KEY_NAME_MAX + 1];
	int result = read_any_entry(reg, origin, out, closed, error);

	return result == 0 ? check_closed(closed, successor, error) : result;
}

int
tally_register_swap(struct tally_register *reg,
    const struct tally_checkpoint *last, const struct tally_checkpoint *next,
    struct tally_error *error)
{
	char was[TALLY_REGISTER_ENTRY_MAX], text[TALLY_REGISTER_ENTRY_MAX];
	size_t was_len = last == NULL ? 0 : format_entry(last, NULL, was);
	size_t len = format_entry(next, NULL, text);
	struct tally_checkpoint now;
	int result = reg->swap(reg, next->origin, last == NULL ? NULL : was,
	    was_len, text, len, error);

	if (result != TALLY_END)
		return result;
	/* Another entry, the end, or no entry at all. */
	result = tally_register_read(reg, next->origin, &now, error);
	return result < 0 ? result : TALLY_END;
}

int
tally_register_end(struct tally_register *reg,
    const struct tally_checkpoint *last, const char *successor,
    struct tally_error *error)
{
	char was[TALLY_REGISTER_ENTRY_MAX], text[TALLY_REGISTER_ENTRY_MAX];
	size_t was_len = format_entry(last, NULL, was);
	size_t len = format_entry(last, successor, text);
	char closed[TALLY_KEY_NAME_MAX + 1];
	struct tally_checkpoint now;
	int result = reg->swap(reg, last->origin, was, was_len, text, len,
	    error);

	if (result != TALLY_END)
		return result;
	result = read_any_entry(reg, last->origin, &now, closed, error);
	if (result == 0)
		result = check_closed(closed, successor, error);
	if (result != 0)
		return result;
	if (closed[0] == '\0' || now.size != last->size ||
	    !tally_hash_equal(&now.root, &last->root))
		return TALLY_END;
	/* Closed already: whoever did it may have been killed before that was
	 * on stable storage. */
	return reg->swap(reg, last->origin, text, len, text, len, error);
}
