/* SPDX-License-Identifier: Apache-2.0 */
#include "register.h"

enum status
register_open(const char *where, struct tally_register **out)
{
	struct tally_error error = { 0 };
	int result;

	*out = NULL;
	if (where == NULL)
		return STATUS_DONE;
	result = tally_outside_register_load(where, out, &error);
	return result == 0 ? STATUS_DONE
			   : output_failure(result, &error, false);
}
