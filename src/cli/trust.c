/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "trust.h"

#define TEXT_MAX ((size_t)1 << 20)

/* The vkeys that a file's first lines are; each becomes a string. */
static enum status
split_keys(const char *path, struct trust *out)
{
	char *at = out->key_text;

	while (strchr(at, '+') != NULL && strncmp(at, "-----", 5) != 0) {
		char *feed = strchr(at, '\n');

		if (feed != NULL)
			*feed = '\0';
		if (strchr(at, '+') == NULL)
			break;
		if (out->vkeys == TRUST_KEYS_MAX) {
			complain("\"%s\" holds more than %d keys", path,
			    TRUST_KEYS_MAX);
			return STATUS_USAGE;
		}
		out->vkey[out->vkeys++] = at;
		if (feed == NULL)
			break;
		at = feed + 1;
	}
	if (out->vkeys > 0)
		return STATUS_DONE;
	complain("\"%s\" does not begin with a key", path);
	return STATUS_USAGE;
}

enum status
trust_read(const char *key, const char *policy, struct trust *out)
{
	enum status status = STATUS_DONE;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (key != NULL && strchr(key, '+') != NULL)
		out->vkey[out->vkeys++] = key;
	else if (key != NULL)
		status = input_file(key, TEXT_MAX, "a file of keys",
		    &out->key_text, &len);
	if (status == STATUS_DONE && out->key_text != NULL)
		status = split_keys(key, out);
	if (status == STATUS_DONE && policy != NULL)
		status = input_file(policy, TEXT_MAX, "a policy", &out->policy,
		    &out->policy_len);
	return status;
}

void
trust_free(struct trust *trust)
{
	free(trust->key_text);
	free(trust->policy);
	memset(trust, 0, sizeof(*trust));
}
