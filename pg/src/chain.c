/* SPDX-License-Identifier: Apache-2.0 */
/* A chain's name from a row (doc/format.md, section 6). */
#include "postgres.h"

#include "chain.h"
#include "core/text.h"
#include "hasher.h"

/* What "/<value>" or "#<64 hex>" leaves of a name's 255 bytes. */
#define PREFIX_MAX (TALLY_CHAIN_MAX - 1 - 2 * TALLY_HASH_SIZE)

static bool
is_legal(const char *name, Size len)
{
	char		escaped[TALLY_CHAIN_TEXT_MAX];
	size_t		escaped_len;
	const char *fault;

	return tally_name_escape(name, len, TALLY_CHAIN_MAX, escaped,
							 &escaped_len, &fault) == 0;
}

static void
append_hash(StringInfo out, const char *value, Size value_len)
{
	struct tally_hash hash;
	char		hex[TALLY_HASH_TEXT_SIZE];

	hash = tally_hash_bytes(tally_hasher_get(), value, value_len);
	tally_hasher_check();
	tally_hash_format(&hash, hex);
	appendStringInfoChar(out, '#');
	appendBinaryStringInfo(out, hex, TALLY_HASH_TEXT_SIZE - 1);
}

void
tally_chain_name(const char *prefix, const char *value, Size value_len,
				 StringInfo out)
{
	int			prefix_len;

	resetStringInfo(out);
	appendStringInfoString(out, prefix);
	if (value == NULL)
		return;
	prefix_len = out->len;
	/* Nothing that is too long is copied for nothing. */
	if (value_len > 0 && value_len < TALLY_CHAIN_MAX)
	{
		appendStringInfoChar(out, '/');
		appendBinaryStringInfo(out, value, value_len);
		if (is_legal(out->data, out->len))
			return;
		out->len = prefix_len;
	}
	append_hash(out, value, value_len);
}

/* Why a prefix is refused, or NULL. */
static const char *
prefix_fault(const char *prefix)
{
	char		escaped[TALLY_CHAIN_TEXT_MAX];
	size_t		escaped_len;
	size_t		len = strlen(prefix);
	const char *fault;

	if (len > PREFIX_MAX)
		return "is longer than 190 bytes";
	if (tally_name_escape(prefix, len, TALLY_CHAIN_MAX, escaped, &escaped_len,
						  &fault) != 0)
		return fault;
	if (strpbrk(prefix, "/#") != NULL)
		return "holds \"/\" or \"#\"";
	if (strncmp(prefix, "tally:", strlen("tally:")) == 0)
		return "begins with \"tally:\"";
	if (strcmp(prefix, "adopted") == 0)
		return "is that of chains which tell what was adopted";
	return NULL;
}

void
tally_chain_check_prefix(const char *prefix)
{
	const char *fault = prefix_fault(prefix);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prefix \"%s\" %s", prefix, fault),
				 errhint("Choose another with the argument prefix.")));
}
