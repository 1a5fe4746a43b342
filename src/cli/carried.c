/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "carried.h"
#include "handle.h"

enum status
carried_open(struct carried *carried, const char *dir,
    const struct tally_carried_source *source)
{
	struct tally_error error = { 0 };
	enum status status = source == NULL
	    ? handle_open_reader(dir, &carried->log)
	    : handle_open_writer(dir, &carried->log);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = tally_carrier_open(carried->log, source, &carried->carrier,
	    &error);
	if (result == TALLY_END) {
		complain("\"%s\" carries no database; \"tally publish\" makes"
			 " it do so",
		    dir);
		return STATUS_UNJUDGED;
	}
	if (result == 0)
		result = tally_carrier_heads(carried->carrier, &carried->heads,
		    &carried->heads_len, &error);
	return result == 0 ? STATUS_DONE : output_failure(result, &error, true);
}

enum status
carried_close(struct carried *carried, enum status status)
{
	tally_carrier_close(carried->carrier);
	if (carried->log != NULL)
		status = handle_close(carried->log, status);
	memset(carried, 0, sizeof(*carried));
	return status;
}
