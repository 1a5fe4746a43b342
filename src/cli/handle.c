/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "handle.h"

static enum status
open_log(const char *dir, bool read_only, struct tally_log **out_log)
{
	const struct tally_open_options options = { .read_only = read_only };
	struct tally_error error = { 0 };
	int result = tally_log_open(dir, &options, out_log, &error);

	if (result == 0)
		return STATUS_DONE;
	*out_log = NULL;
	return output_failure(result, &error, false);
}

enum status
handle_open_reader(const char *dir, struct tally_log **out_log)
{
	return open_log(dir, true, out_log);
}

enum status
handle_open_writer(const char *dir, struct tally_log **out_log)
{
	return open_log(dir, false, out_log);
}

enum status
handle_close(struct tally_log *log, enum status status)
{
	struct tally_error error = { 0 };
	int result = tally_log_close(log, &error);
	enum status closed;

	if (result == 0)
		return status;
	closed = output_failure(result, &error, false);
	return status == STATUS_DONE ? closed : status;
}
