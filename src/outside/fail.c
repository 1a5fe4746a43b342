/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "outside/fail.h"

int
tally_outside_fail(struct tally_error *error, int os_errno, const char *format,
    ...)
{
	char what[256], why[128];
	va_list args;
	int code = TALLY_E_IO;

	if (os_errno == EACCES || os_errno == EPERM || os_errno == EROFS)
		code = TALLY_E_ACCESS;
	else if (os_errno == ENOSPC || os_errno == EDQUOT)
		code = TALLY_E_FULL;
	else if (os_errno == ENOMEM)
		code = TALLY_E_MEMORY;
	va_start(args, format);
	if (vsnprintf(what, sizeof(what), format, args) < 0)
		what[0] = '\0';
	va_end(args);
	if (strerror_r(os_errno, why, sizeof(why)) != 0)
		(void)snprintf(why, sizeof(why), "error %d", os_errno);
	(void)tally_fail(error, code, "%s: %s", what, why);
	if (error != NULL)
		error->os_errno = os_errno;
	return code;
}

int
tally_outside_fail_memory(struct tally_error *error)
{
	return tally_fail(error, TALLY_E_MEMORY, "out of memory");
}
