/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/record.h"
#include "log/fail.h"
#include "log/find.h"

int
tally_find_prepare(struct tally_log *log, struct tally_call *call,
    struct tally_error *error)
{
	(void)log;
	(void)call;
	(void)error;
	return TALLY_OK;
}

int
tally_find_repeat(struct tally_log *log, struct tally_item *item,
    struct tally_error *error)
{
	(void)log;
	(void)item;
	(void)error;
	return TALLY_END;
}
