/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"

static enum status
cannot_read(const struct input *input)
{
	complain("cannot read \"%s\": %s", input->path, output_reason(errno));
	return STATUS_IO;
}

enum status
input_open(struct input *input, const char *path)
{
	bool is_input = strcmp(path, "-") == 0;

	memset(input, 0, sizeof(*input));
	input->path = path;
	input->file = is_input ? stdin : fopen(path, "r");
	if (input->file == NULL) {
		bool is_missing = errno == ENOENT;
		enum status status = cannot_read(input);

		return is_missing ? STATUS_NOT_FOUND : status;
	}
	input->head_len = fread(input->head, 1, INPUT_HEAD, input->file);
	return ferror(input->file) ? cannot_read(input) : STATUS_DONE;
}

void
input_close(struct input *input)
{
	if (input->file != NULL && input->file != stdin)
		(void)fclose(input->file);
	input->file = NULL;
}

bool
input_begins(const struct input *input, const char *line)
{
	size_t len = strlen(line);

	return input->head_len > len && input->head[len] == '\n' &&
	    memcmp(input->head, line, len) == 0;
}

int
input_read(void *arg, void *bytes, size_t room, size_t *out_len)
{
	struct input *input = arg;
	size_t left = input->head_len - input->head_at;

	if (left > 0) {
		*out_len = left < room ? left : room;
		memcpy(bytes, input->head + input->head_at, *out_len);
		input->head_at += *out_len;
		return TALLY_OK;
	}
	*out_len = fread(bytes, 1, room, input->file);
	if (!ferror(input->file))
		return TALLY_OK;
	(void)cannot_read(input);
	return TALLY_E_IO;
}

enum status
input_all(struct input *input, size_t max, const char *what, char **out_text,
    size_t *out_len)
{
	char *text = malloc(max + 1);
	size_t len = 0, got = 1;

	if (text == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	while (got > 0 && len < max + 1) {
		if (input_read(input, text + len, max + 1 - len, &got) != 0) {
			free(text);
			return STATUS_IO;
		}
		len += got;
	}
	if (len > max) {
		complain("\"%s\" is too long for %s", input->path, what);
		free(text);
		return STATUS_UNJUDGED;
	}
	text[len] = '\0';
	*out_text = text;
	*out_len = len;
	return STATUS_DONE;
}

enum status
input_file(const char *path, size_t max, const char *what, char **out_text,
    size_t *out_len)
{
	struct input input;
	enum status status = input_open(&input, path);

	if (status == STATUS_DONE)
		status = input_all(&input, max, what, out_text, out_len);
	input_close(&input);
	return status;
}
