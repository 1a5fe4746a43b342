/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pgclient/wanted.h"

/* A longer key is "#" and a hash, by which no row is found. */
#define HASHED_LEN 65

static bool
is_between(const char *key, long long low, long long high)
{
	size_t len = strlen(key);
	size_t digits = strspn(key + (*key == '-'), "0123456789");
	long long value;

	if (digits == 0 || digits + (*key == '-') != len || len > 20)
		return false;
	errno = 0;
	value = strtoll(key, NULL, 10);
	return errno == 0 && value >= low && value <= high;
}

static bool
is_int2(const char *key)
{
	return is_between(key, INT16_MIN, INT16_MAX);
}

static bool
is_int4(const char *key)
{
	return is_between(key, INT32_MIN, INT32_MAX);
}

static bool
is_int8(const char *key)
{
	return is_between(key, INT64_MIN, INT64_MAX);
}

static bool
is_uuid(const char *key)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(form); i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)key[i])
				   : key[i] != form[i])
			return false;
	return true;
}

static bool
is_text(const char *key)
{
	return key[0] != '#' || strlen(key) != HASHED_LEN;
}

static const struct type {
	const char *name;
	const char *array;
	bool (*is_one)(const char *key);
} types[] = {
	{ "smallint", "pg_catalog.int2[]", is_int2 },
	{ "integer", "pg_catalog.int4[]", is_int4 },
	{ "bigint", "pg_catalog.int8[]", is_int8 },
	{ "uuid", "pg_catalog.uuid[]", is_uuid },
	{ "text", "pg_catalog.text[]", is_text },
	{ "character varying", "pg_catalog.text[]", is_text },
};

void
tally_pg_wanted_add(struct tally_pg_wanted *wanted, const char *key, size_t len)
{
	if (wanted->count == TALLY_PG_WANTED_MAX)
		wanted->is_all = true;
	if (wanted->is_all)
		return;
	tally_pg_text_add(&wanted->keys, key, len);
	tally_pg_text_add(&wanted->keys, "", 1);
	wanted->count++;
}

static const struct type *
find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

/* An element of an array, in an SQL string. */
static void
put_element(struct tally_pg_text *sql, const char *key)
{
	for (; *key != '\0'; key++) {
		if (*key == '"' || *key == '\\')
			tally_pg_text_put(sql, "\\");
		if (*key == '\'')
			tally_pg_text_put(sql, "'");
		tally_pg_text_add(sql, key, 1);
	}
}

bool
tally_pg_wanted_put(const struct tally_pg_wanted *wanted, const char *column,
    const char *type_name, struct tally_pg_text *sql)
{
	const struct type *type = find_type(type_name);
	const char *key = wanted->keys.at;
	size_t i;

	if (wanted->is_all || wanted->keys.failed || type == NULL)
		return false;
	for (i = 0; i < wanted->count; i++, key += strlen(key) + 1)
		if (!type->is_one(key))
			return false;
	tally_pg_text_put(sql, " WHERE t.");
	tally_pg_text_name(sql, column);
	tally_pg_text_put(sql, " = ANY ('{");
	key = wanted->keys.at;
	for (i = 0; i < wanted->count; i++, key += strlen(key) + 1) {
		tally_pg_text_put(sql, i == 0 ? "\"" : ",\"");
		put_element(sql, key);
		tally_pg_text_put(sql, "\"");
	}
	tally_pg_text_format(sql, "}'::%s)", type->array);
	return true;
}

void
tally_pg_wanted_free(struct tally_pg_wanted *wanted)
{
	if (wanted == NULL)
		return;
	tally_pg_text_wipe(&wanted->keys);
	free(wanted);
}
