/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vector files: the project's own, which must be there, and those that the
 * format's authors publish beside the source, which may be absent (then NULL).
 * Include behind cmocka.h.
 */
#ifndef TALLY_TEST_VECTORS_H
#define TALLY_TEST_VECTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <tally/record.h>

static inline json_t *
vectors_load(const char *folder, const char *name, size_t flags)
{
	json_error_t error;
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return json_load_file(path, flags, &error);
}

static inline json_t *
vectors_own_as(const char *name, size_t flags)
{
	const char *folder = getenv("TALLY_VECTORS");
	json_t *file = vectors_load(folder != NULL ? folder : "test/vectors",
	    name, flags);

	if (file == NULL)
		fail_msg("%s cannot be read", name);
	return file;
}

static inline json_t *
vectors_own(const char *name)
{
	return vectors_own_as(name, JSON_ALLOW_NUL);
}

static inline json_t *
vectors_shared(const char *name, size_t flags)
{
	const char *shared = getenv("TALLY_SHARED");
	const char *root = getenv("TALLY_SOURCE");
	char folder[512];

	if (shared != NULL)
		snprintf(folder, sizeof(folder), "%s/vectors", shared);
	else
		snprintf(folder, sizeof(folder), "%s/../shared/vectors",
		    root != NULL ? root : ".");
	return vectors_load(folder, name, flags);
}

/* A string member, or NULL where it is null or absent. */
static inline const char *
vectors_text(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* A hash in hexadecimal. */
static inline struct tally_hash
vectors_hash(const char *text)
{
	struct tally_hash hash = { { 0 } };

	if (text == NULL || tally_hash_parse(text, strlen(text), &hash) != 0)
		fail_msg("no hash: %s", text != NULL ? text : "(null)");
	return hash;
}

#endif
