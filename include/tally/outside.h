/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sinks: where the heads of a log lie outside of its operator's reach.  In a
 * library of its own, libtally-outside, so that libtally knows no libcurl.
 *
 * What is offered goes into a queue on disk, one for each sink, and leaves it
 * when the sink has it: at least once, in order.  A sink that fails is tried
 * again, later and later, five minutes apart at most; nothing waits for it,
 * and its status says so.  A full queue takes no more; what goes out next then
 * carries all heads that changed meanwhile.
 */
#ifndef TALLY_OUTSIDE_H
#define TALLY_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/dispatch.h>
#include <tally/error.h>
#include <tally/log.h>
#include <tally/publish.h>
#include <tally/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tally_outside;

struct tally_outside_options {
	const char *config; /* JSON text: {"sinks": [...]} */
	size_t config_len;
	const char *queue_dir; /* made if it is missing */
	struct tally_log *log; /* NULL: nothing is offered or compared */
	const char *origin;    /* without a log: whose heads are read */
	const char *log_dir;   /* its path, for cosignatures; NULL: keep none */
	struct tally_signer *signer; /* NULL: nothing can be offered */
	const char *const *vkeys;    /* whose signatures are believed */
	size_t vkeys_len;
	/* Called for each line that is read back, in the thread that reads;
	 * not 0 ends the reading with TALLY_E_BUSY.  May be NULL. */
	int (*progress)(void *arg);
	void *progress_arg;
};

/*
 * All that options lead to must outlive it; one thread at a time may use it,
 * but sinks that are not the same may be delivered, compared and examined at
 * once.
 * Close it with tally_outside_close.
 * Errors: TALLY_E_USAGE (the configuration; the message says where), _BUSY
 * (another process has the queue), _IO, _ACCESS, _MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_open(const struct tally_outside_options *options,
    struct tally_outside **out, struct tally_error *error);

/* NULL is left alone. */
TALLY_API void
tally_outside_close(struct tally_outside *outside);

/* How many sinks there are. */
TALLY_API size_t
tally_outside_count(const struct tally_outside *outside);

/*
 * Puts a checkpoint of the log, with what changed, into the queue of each sink
 * that has not got it; durable when it returns.  A queue that cannot take it
 * is a failure of its sink and no error.
 * Errors: those of tally_dispatch_make; _USAGE without a signer.
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_offer(struct tally_outside *outside, const char *note,
    size_t note_len, struct tally_error *error);

/*
 * Sends what is in the queue of sink i; now: although it is not due yet.
 * Returns 0 if nothing is left; TALLY_PARTIAL if it is not due, or, unless now,
 * if it took ten seconds and there is more; an error if the sink failed (its
 * status has it as well).
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_deliver(struct tally_outside *outside, size_t i, bool now,
    struct tally_error *error);

struct tally_sink_status {
	const char *name, *type; /* live as long as the sinks */
	uint64_t offered_size;   /* of the log, when last offered */
	uint64_t sent_size;      /* the sink has it up to here */
	int64_t sent_us;         /* when that was; 0: never */
	uint64_t queued;         /* lines in the queue */
	uint64_t failures;       /* in a row */
	int64_t failing_since_us, next_try_us; /* 0: it does not fail */
	bool full;                             /* the queue took no more */
	bool readable;                         /* it can be compared */
	char message[480];                     /* of the last failure */
};

TALLY_API void
tally_outside_status(const struct tally_outside *outside, size_t i,
    struct tally_sink_status *out);

struct tally_sink_report {
	uint64_t lines;       /* signed by a key given, and compared */
	uint64_t foreign;     /* not signed by any, or no dispatch at all */
	uint64_t forged;      /* with a signature that does not hold */
	uint64_t newest_size; /* of what is signed */
	bool lost;            /* it had more once than it has now */
	uint64_t findings;
};

/*
 * Reads back what sink i has of sizes above since, and holds it against the
 * log; findings as tally_dispatch_compare.
 * Returns 0 with a report; TALLY_END if the sink cannot be read back; an error
 * if it could not be read or judged.
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_compare(struct tally_outside *outside, size_t i, uint64_t since,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    struct tally_sink_report *out, struct tally_error *error);

/*
 * Without the log: do all lines of sink i that are signed agree with each
 * other?  Findings are forked (two signed roots for one size, two hashes for
 * one record) and rolled-back.  Returns as tally_outside_compare.
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_examine(struct tally_outside *outside, size_t i,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    struct tally_sink_report *out, struct tally_error *error);

/*
 * A register that hosts can have in common: an object in S3, or in what speaks
 * like it, that is put on condition.  config: JSON text, {"type": "s3", ...},
 * see tally-checkpoint(1).  The server is not asked yet; before something is
 * registered it must refuse what a condition forbids, on an object of its own.
 * Close it with tally_outside_register_close, behind whoever uses it.
 * Errors: TALLY_E_USAGE (the configuration), _IO (the key's file), _MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_register_open(const char *config, size_t len,
    struct tally_register **out, struct tally_error *error);

/*
 * The same by what a user wrote: a name that ends in ".json" is a file with a
 * configuration, and any other is a directory's: *out is NULL.
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_register_load(const char *where, struct tally_register **out,
    struct tally_error *error);

/* NULL is left alone. */
TALLY_API void
tally_outside_register_close(struct tally_register *reg);

/*
 * Posts a JSON text; done is an answer of 2xx.  ca: a file of certificates, or
 * NULL.  Errors: TALLY_E_IO, _LIMIT, _MEMORY.
 */
TALLY_API TALLY_MUST_CHECK int
tally_outside_post(const char *url, const char *ca, const char *body,
    size_t len, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
