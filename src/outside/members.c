/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <fcntl.h>

#include "outside/disk.h"
#include "outside/fail.h"
#include "outside/members.h"

int
tally_member_text(const json_t *config, const char *whose, const char *member,
    bool must, const char **out, struct tally_error *error)
{
	const json_t *value = json_object_get(config, member);

	*out = json_string_value(value);
	if ((value == NULL && !must) || (*out != NULL && (*out)[0] != '\0'))
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE, "%s needs a string \"%s\"",
	    whose, member);
}

int
tally_member_text_dup(const json_t *config, const char *whose,
    const char *member, bool must, char **out, struct tally_error *error)
{
	const char *text;
	int result = tally_member_text(config, whose, member, must, &text,
	    error);

	*out = NULL;
	if (result != 0 || text == NULL)
		return result;
	*out = strdup(text);
	return *out == NULL ? tally_outside_fail_memory(error) : TALLY_OK;
}

int
tally_member_slurp(const char *path, size_t max, char **out, size_t *out_len,
    struct tally_error *error)
{
	int failed = tally_disk_read(AT_FDCWD, path, max, out, out_len);

	if (failed != 0)
		return tally_outside_fail(error, failed, "cannot read \"%s\"",
		    path);
	return TALLY_OK;
}
