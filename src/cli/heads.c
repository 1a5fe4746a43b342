/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heads.h"
#include "options.h"

/* A head with the longest name, all of it escaped, is shorter. */
#define LINE_MAX_BYTES 4096

void
heads_free(struct heads *heads)
{
	for (size_t i = 0; i < heads->count; i++)
		free(heads->name[i]);
	free(heads->name);
	free(heads->head);
	memset(heads, 0, sizeof(*heads));
}

static bool
widen(struct heads *heads)
{
	size_t capacity = heads->capacity > 0 ? heads->capacity * 2 : 64;
	struct tally_outside_head *head;
	char **name;

	if (heads->count < heads->capacity)
		return true;
	name = realloc(heads->name, capacity * sizeof(*name));
	if (name == NULL)
		return false;
	heads->name = name;
	head = realloc(heads->head, capacity * sizeof(*head));
	if (head == NULL)
		return false;
	heads->head = head;
	heads->capacity = capacity;
	return true;
}

bool
heads_add(struct heads *heads, const char *chain, size_t len, uint64_t seq,
    const struct tally_hash *hash)
{
	char *name = malloc(len + 1);

	if (name == NULL || !widen(heads)) {
		free(name);
		return false;
	}
	memcpy(name, chain, len);
	name[len] = '\0';
	heads->name[heads->count] = name;
	heads->head[heads->count++] = (struct tally_outside_head){
		.chain = name, .chain_len = len, .seq = seq, .hash = *hash
	};
	return true;
}

/* The place behind a string that begins at text, or NULL. */
static const char *
skip_string(const char *text)
{
	if (*text++ != '"')
		return NULL;
	for (; *text != '"'; text++) {
		if (*text == '\\')
			text++;
		if (*text == '\0')
			return NULL;
	}
	return text + 1;
}

/*
 * The number "seq" of a flat object without white space, which is what the
 * command prints; false if the line is none.
 */
static bool
find_seq(const char *line, uint64_t *out)
{
	const char *name = line;
	const char *behind;
	bool found = false;

	while (*name == '{' || *name == ',') {
		size_t len;

		behind = skip_string(++name);
		if (behind == NULL || *behind != ':')
			return false;
		len = (size_t)(behind++ - name);
		if (len == 5 && memcmp(name, "\"seq\"", 5) == 0) {
			if (found ||
			    !parse_count(behind, strspn(behind, "0123456789"),
				out))
				return false;
			found = true;
		}
		name = *behind == '"' ? skip_string(behind)
				      : behind + strcspn(behind, ",}");
		if (name == NULL)
			return false;
	}
	return found && strcmp(name, "}") == 0;
}

static bool
parse_head(const char *line, size_t len, struct tally_outside_head *out,
    char *chain)
{
	char hash[TALLY_HASH_TEXT_SIZE];
	size_t hash_len;

	return find_seq(line, &out->seq) && out->seq > 0 &&
	    tally_event_member(line, len, "chain", chain, TALLY_CHAIN_MAX + 1,
		&out->chain_len) == 0 &&
	    tally_event_member(line, len, "hash", hash, sizeof(hash),
		&hash_len) == 0 &&
	    tally_hash_parse(hash, hash_len, &out->hash) == 0;
}

/* Takes one line; complains and gives a status if it is no head. */
static enum status
take(struct heads *heads, const char *path, uint64_t number, char *line)
{
	struct tally_outside_head head = { 0 };
	size_t len = strcspn(line, "\r\n");
	char chain[TALLY_CHAIN_MAX + 1];

	line[len] = '\0';
	if (!parse_head(line, len, &head, chain)) {
		complain("\"%s\" line %" PRIu64 " is no head; \"tally head"
			 " --json\" prints them",
		    path, number);
		return STATUS_UNJUDGED;
	}
	if (!heads_add(heads, chain, head.chain_len, head.seq, &head.hash)) {
		complain("out of memory");
		return STATUS_IO;
	}
	return STATUS_DONE;
}

enum status
heads_read(struct heads *heads, const char *path)
{
	bool is_input = strcmp(path, "-") == 0;
	FILE *file = is_input ? stdin : fopen(path, "r");
	enum status status = STATUS_DONE;
	char line[LINE_MAX_BYTES];
	uint64_t number = 0;

	memset(heads, 0, sizeof(*heads));
	if (file == NULL) {
		status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
		complain("cannot read \"%s\": %s", path, output_reason(errno));
		return status;
	}
	while (status == STATUS_DONE &&
	    fgets(line, (int)sizeof(line), file) != NULL)
		status = take(heads, path, ++number, line);
	if (status == STATUS_DONE && ferror(file)) {
		complain("cannot read \"%s\": %s", path, output_reason(errno));
		status = STATUS_IO;
	} else if (status == STATUS_DONE && heads->count == 0) {
		complain("\"%s\" holds no heads", path);
		status = STATUS_UNJUDGED;
	}
	if (!is_input)
		(void)fclose(file);
	if (status != STATUS_DONE)
		heads_free(heads);
	return status;
}
