/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Result codes in words, and the one place of the core that formats text.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/fail.h"

#ifndef TALLY_VERSION
#define TALLY_VERSION "0.1.0"
#endif

int
tally_fail(struct tally_error *error, int code, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return code;
	error->code = code;
	error->os_errno = 0;
	error->item = 0;
	error->offset = 0;
	va_start(args, format);
	if (vsnprintf(error->message, sizeof(error->message), format, args) < 0)
		error->message[0] = '\0';
	va_end(args);
	return code;
}

const char *
tally_strerror(int code)
{
	switch (code) {
	case TALLY_OK:
		return "done";
	case TALLY_END:
		return "there is nothing more";
	case TALLY_PARTIAL:
		return "more input or more room is needed";
	case TALLY_E_USAGE:
		return "an argument that no log accepts";
	case TALLY_E_EVENT:
		return "the event is refused";
	case TALLY_E_LIMIT:
		return "too long, too deep or too many";
	case TALLY_E_MEMORY:
		return "out of memory";
	case TALLY_E_IO:
		return "input or output failed";
	case TALLY_E_FULL:
		return "no space left, and nothing was appended";
	case TALLY_E_ACCESS:
		return "no permission";
	case TALLY_E_NO_LOG:
		return "there is no log at this path";
	case TALLY_E_EXISTS:
		return "there is a log at this path already";
	case TALLY_E_VERSION:
		return "written by a newer format";
	case TALLY_E_DAMAGED:
		return "bytes that were durable do not hold";
	case TALLY_E_SWAPPED:
		return "a segment was replaced or cut";
	case TALLY_E_POISONED:
		return "a sync failed, and what is durable is unknown";
	case TALLY_E_CONFLICT:
		return "the id is taken by another event";
	case TALLY_E_BUSY:
		return "locked or interrupted";
	case TALLY_E_FORKED:
		return "a handle was used in the child of a fork";
	case TALLY_E_NETWORK:
		return "the log is on a network file system";
	case TALLY_E_FORMAT:
		return "text that does not parse";
	case TALLY_E_BUG:
		return "this cannot happen";
	default:
		return "an unknown result";
	}
}

const char *
tally_version(void)
{
	return TALLY_VERSION;
}
