/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log/fail.h"

static int
code_of(int os_errno)
{
	switch (os_errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return TALLY_E_FULL;
	case EACCES:
	case EPERM:
	case EROFS:
		return TALLY_E_ACCESS;
	case ENOMEM:
		return TALLY_E_MEMORY;
	default:
		return TALLY_E_IO;
	}
}

/* The words that matter here, without strerror's locale and statics. */
static const char *
words_of(int os_errno)
{
	switch (os_errno) {
	case ENOSPC:
		return "no space left on the device";
	case EDQUOT:
		return "disk quota exceeded";
	case EFBIG:
		return "file too large";
	case EACCES:
	case EPERM:
		return "permission denied";
	case EROFS:
		return "read-only file system";
	case ENOMEM:
		return "out of memory";
	case ENOENT:
		return "no such file or directory";
	case EEXIST:
		return "file exists";
	case ENOTDIR:
		return "not a directory";
	case EISDIR:
		return "is a directory";
	case ELOOP:
		return "is a symbolic link";
	case EMFILE:
	case ENFILE:
		return "too many open files";
	case EXDEV:
		return "not on one file system";
	case EIO:
		return "input/output error";
	case EINTR:
		return "interrupted";
	default:
		return NULL;
	}
}

int
tally_fail_os(struct tally_error *error, int os_result, const char *format, ...)
{
	int os_errno = -os_result;
	const char *words = words_of(os_errno);
	char text[sizeof(error->message)];
	va_list args;
	int code;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (words != NULL)
		code = tally_fail(error, code_of(os_errno), "%s: %s", text,
		    words);
	else
		code = tally_fail(error, code_of(os_errno), "%s: error %d",
		    text, os_errno);
	if (error != NULL)
		error->os_errno = os_errno;
	return code;
}

int
tally_fail_memory(struct tally_error *error)
{
	return tally_fail(error, TALLY_E_MEMORY, "out of memory");
}
