/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests with real processes share: a directory with a log in it,
 * processes to start and to kill, memory that outlives them, and the checks
 * afterwards.
 *
 * A child process asserts nothing (cmocka would go on in it as a second test
 * program): it notes what is wrong with lab_wrong and returns 1, and lab_join
 * fails the test.
 */
#ifndef TALLY_TEST_CRASH_LAB_H
#define TALLY_TEST_CRASH_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include <tally/log.h>
#include <tally/verify.h>

#include "hooks.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LAB_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LAB_SLOW 1
#endif
#endif
#ifndef LAB_SLOW
#define LAB_SLOW 0
#endif

#define LAB_ACKS 600000
#define LAB_FLAGS 16
#define LAB_SPARE ((size_t)4 << 20)
#define LAB_NUMBERS 128
#define LAB_SEGMENT 65536 /* the smallest */

/* A receipt, kept outside the log before the next append. */
struct lab_ack {
	_Atomic uint32_t valid;
	bool repeated;
	char chain[16];
	uint64_t index, seq;
	struct tally_hash hash;
};

/* Mapped by all processes of a test. */
struct lab_shared {
	_Atomic int wrongs;
	char wrong[400];
	_Atomic int flag[LAB_FLAGS]; /* the test's own */
	_Atomic long number[LAB_NUMBERS];
	_Atomic uint64_t acks_len;
	struct lab_ack ack[LAB_ACKS];
	_Alignas(64) uint8_t spare[LAB_SPARE]; /* the test's own */
};

struct lab {
	char top[128];
	char dir[160]; /* the log */
	struct lab_shared *shared;
	struct tally_error error; /* of the last call in this process */
	const char *what;         /* shown with a failure */
};

typedef int
lab_fn(struct lab *lab, void *arg);

/* cmocka fixtures; *state is the lab.  The log is not made yet. */
int
lab_setup(void **state);

int
lab_teardown(void **state);

/* ---- processes -------------------------------------------------------- */

pid_t
lab_spawn(struct lab *lab, lab_fn *fn, void *arg);

/*
 * The same in a PID namespace of its own, where it has the id 1; returns its
 * id here and, in *out_waiter, that of the process that lab_join wants.
 */
pid_t
lab_spawn_apart(struct lab *lab, lab_fn *fn, void *arg, pid_t *out_waiter);

/* Waits for it; the test fails if it noted something or did not return 0. */
void
lab_join(struct lab *lab, pid_t pid);

/* SIGKILL, and waits. */
void
lab_kill(pid_t pid);

/* It must have been killed, by itself. */
void
lab_expect_killed(struct lab *lab, pid_t pid);

/* Ends by itself within the time?  Reaps nothing. */
bool
lab_ends(pid_t pid, int timeout_ms);

/* Notes what is wrong; returns 1. */
int
lab_wrong(struct lab *lab, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fails the test if something was noted. */
void
lab_check_wrongs(struct lab *lab);

void
lab_raise(struct lab *lab, int flag);

/* Waits until somebody raised it; false after ten seconds. */
bool
lab_await(struct lab *lab, int flag);

void
lab_sleep_ms(int ms);

int64_t
lab_now_us(void);

/* A shell command; its exit status. */
int
lab_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the log ---------------------------------------------------------- */

/* Makes the log. */
void
lab_init(struct lab *lab, uint64_t segment_bytes);

/* Opens it; NULL with lab->error. */
struct tally_log *
lab_open(struct lab *lab);

/* Opens it or fails the test. */
struct tally_log *
lab_must_open(struct lab *lab);

/* One record; event NULL: {"n":<a number>}. */
int
lab_put(struct lab *lab, struct tally_log *log, const char *chain,
    const char *id, const char *event, enum tally_durability durability,
    struct tally_receipt *out_receipt);

/* The same, with its ack; fails the test. */
void
lab_must_put(struct lab *lab, struct tally_log *log, const char *chain,
    const char *id, enum tally_durability durability);

/* As above in a child: false with what is wrong noted. */
bool
lab_can_put(struct lab *lab, struct tally_log *log, const char *chain,
    const char *id, enum tally_durability durability);

void
lab_ack(struct lab *lab, const char *chain,
    const struct tally_receipt *receipt);

/* An append that must fail so; the whole text, where text is not NULL. */
void
lab_expect_error(struct lab *lab, int got, int code, const char *text);

uint64_t
lab_size(struct lab *lab);

/* The path of the last segment. */
void
lab_last_segment(struct lab *lab, char out[256]);

/* ---- the checks ------------------------------------------------------- */

/*
 * Opens the log anew; every ack is there, and the log is intact, with ids.
 * False with what is wrong noted.
 */
bool
lab_is_sound(struct lab *lab);

/* The same, and the test fails if not. */
void
lab_check(struct lab *lab);

/* As doc/verify.py sees it. */
bool
lab_python_agrees(struct lab *lab);

/* Records of tally:log with "torn" in them. */
long
lab_torn(struct lab *lab);

#endif
