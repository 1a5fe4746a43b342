/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results and errors.
 *
 * Every fallible call returns an int:
 *   0          done;
 *   positive   an outcome that the caller must handle (TALLY_END ...);
 *   negative   could not (TALLY_E_...), passed up unchanged.
 *
 * A verdict about a log (intact, tampered) is never an error code: "I could
 * not read it" and "it was changed" are kept apart everywhere.
 */
#ifndef TALLY_ERROR_H
#define TALLY_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TALLY_MUST_CHECK __attribute__((warn_unused_result))
#define TALLY_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define TALLY_MUST_CHECK
#define TALLY_PRINTF(f, a)
#endif
#if defined(__GNUC__) && !defined(TALLY_STATIC)
#define TALLY_API __attribute__((visibility("default")))
#else
#define TALLY_API
#endif

/* Outcomes. */
enum {
	TALLY_OK = 0,
	TALLY_END = 1,     /* nothing (more): end of a walk, no such chain,
			      no such record */
	TALLY_PARTIAL = 2, /* more input or more room is needed */
};

/* Errors. */
enum {
	TALLY_E_USAGE = -1,     /* an argument that no log accepts */
	TALLY_E_EVENT = -2,     /* the event is refused (FORMAT, section 1) */
	TALLY_E_LIMIT = -3,     /* too long, too deep, too many */
	TALLY_E_MEMORY = -4,    /* out of memory */
	TALLY_E_IO = -5,        /* the system said no; os_errno says which */
	TALLY_E_FULL = -6,      /* no space left; nothing was appended */
	TALLY_E_ACCESS = -7,    /* no permission, or a read-only file system */
	TALLY_E_NO_LOG = -8,    /* there is no log at this path */
	TALLY_E_EXISTS = -9,    /* there is one already */
	TALLY_E_VERSION = -10,  /* written by a newer format */
	TALLY_E_DAMAGED = -11,  /* durable bytes do not hold; no append */
	TALLY_E_SWAPPED = -12,  /* a segment was replaced or cut underneath */
	TALLY_E_POISONED = -13, /* a sync failed; durability is unknown */
	TALLY_E_CONFLICT = -14, /* the id is taken by another event */
	TALLY_E_BUSY = -15,     /* locked by somebody, or interrupted */
	TALLY_E_FORKED = -16,   /* a handle used in the child of a fork */
	TALLY_E_NETWORK = -17,  /* the log is on a network file system */
	TALLY_E_FORMAT = -18,   /* text that does not parse (a proof, a head) */
	TALLY_E_BUG = -19,      /* cannot happen */
};

/*
 * Detail of the last failed call, filled where the caller passes one.  The
 * message is one line, lower case, without a full stop.
 */
struct tally_error {
	int code;        /* TALLY_E_... */
	int os_errno;    /* errno of the system call, or 0 */
	uint64_t item;   /* which request of an array, or line, 0-based */
	uint64_t offset; /* byte offset of what is wrong in the input */
	char message[480];
};

/* The general sentence for a result code; never NULL, static storage. */
TALLY_API const char *
tally_strerror(int code);

/* The library's version, "MAJOR.MINOR.PATCH"; static storage. */
TALLY_API const char *
tally_version(void);

#ifdef __cplusplus
}
#endif
#endif
