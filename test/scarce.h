/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out: of the allocations of a call the nth fails, or all from
 * the nth on, for every n; those of libcrypto are counted among them.  Then
 *
 *   told     the call says so, or did its job in spite of it: its outcome is
 *            the one that it has with enough memory
 *   whole    nothing was kept that the call does not own
 *   again    the same call, with memory, has that outcome
 *
 * Include behind cmocka.h, in a program that is linked with scarce_args (see
 * the meson.build of test).  One thread of the test at a time may arm it; the
 * code may have any number.
 */
#ifndef TALLY_TEST_SCARCE_H
#define TALLY_TEST_SCARCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include <tally/error.h>

#define SCARCE_OUTCOME 16384

static struct {
	atomic_long left; /* allocations until one fails; < 0: none does */
	atomic_bool stays, fired;
	atomic_bool armed;
	atomic_long count; /* while armed */
	atomic_long live;  /* of the library's own */
} scarce;

void *
__real_tally_sys_alloc(size_t size);
void *
__wrap_tally_sys_alloc(size_t size);
void *
__real_tally_sys_realloc(void *memory, size_t size);
void *
__wrap_tally_sys_realloc(void *memory, size_t size);
void
__real_tally_sys_free(void *memory);
void
__wrap_tally_sys_free(void *memory);

static bool
scarce_fails(void)
{
	if (!atomic_load(&scarce.armed))
		return false;
	atomic_fetch_add(&scarce.count, 1);
	if (atomic_load(&scarce.left) < 0)
		return atomic_load(&scarce.stays) && atomic_load(&scarce.fired);
	if (atomic_fetch_sub(&scarce.left, 1) != 0)
		return false;
	atomic_store(&scarce.fired, true);
	return true;
}

void *
__wrap_tally_sys_alloc(size_t size)
{
	void *memory = scarce_fails() ? NULL : __real_tally_sys_alloc(size);

	if (memory != NULL)
		atomic_fetch_add(&scarce.live, 1);
	return memory;
}

void *
__wrap_tally_sys_realloc(void *memory, size_t size)
{
	void *moved = scarce_fails() ? NULL
				     : __real_tally_sys_realloc(memory, size);

	if (moved != NULL && memory == NULL)
		atomic_fetch_add(&scarce.live, 1);
	return moved;
}

void
__wrap_tally_sys_free(void *memory)
{
	if (memory != NULL)
		atomic_fetch_sub(&scarce.live, 1);
	__real_tally_sys_free(memory);
}

static void *
scarce_crypto_alloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return scarce_fails() ? NULL : malloc(size);
}

static void *
scarce_crypto_realloc(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	if (size == 0) {
		free(memory);
		return NULL;
	}
	return scarce_fails() ? NULL : realloc(memory, size);
}

static void
scarce_crypto_free(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

/* First of all, before libcrypto is used. */
static inline void
scarce_begin(void)
{
	if (CRYPTO_set_mem_functions(scarce_crypto_alloc, scarce_crypto_realloc,
		scarce_crypto_free) != 1) {
		fputs("libcrypto was used already\n", stderr);
		exit(1);
	}
}

/* What is tried: act writes its outcome as text. */
struct scarce_case {
	const char *name;
	void (*prepare)(void); /* before each try; NULL: nothing */
	int (*act)(char outcome[SCARCE_OUTCOME], struct tally_error *error);
};

static int
scarce_try(const struct scarce_case *what, long at, bool stays,
    char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	int result;

	memset(error, 0, sizeof(*error));
	outcome[0] = '\0';
	atomic_store(&scarce.left, at);
	atomic_store(&scarce.stays, stays);
	atomic_store(&scarce.fired, false);
	atomic_store(&scarce.count, 0);
	atomic_store(&scarce.armed, true);
	result = what->act(outcome, error);
	atomic_store(&scarce.armed, false);
	return result;
}

/* That libcrypto had none it does not say. */
static bool
scarce_is_told(int result, const struct tally_error *error)
{
	return error->code == result &&
	    ((result == TALLY_E_MEMORY && error->message[0] != '\0') ||
		(result == TALLY_E_BUG &&
		    strncmp(error->message, "libcrypto ", 10) == 0));
}

static void
scarce_judge(const struct scarce_case *what, long at, bool stays,
    const char *expected)
{
	static char outcome[SCARCE_OUTCOME];
	struct tally_error error;
	long live = atomic_load(&scarce.live);
	int result = scarce_try(what, at, stays, outcome, &error);

	if (result > 0 || (result == 0 && strcmp(outcome, expected) != 0))
		fail_msg("%s, allocation %ld%s: %d, \"%s\" instead of \"%s\"",
		    what->name, at, stays ? " and all others" : "", result,
		    outcome, expected);
	if (result < 0 && !scarce_is_told(result, &error))
		fail_msg("%s, allocation %ld%s: %d, the error says %d, \"%s\"",
		    what->name, at, stays ? " and all others" : "", result,
		    error.code, error.message);
	if (atomic_load(&scarce.live) != live)
		fail_msg("%s, allocation %ld%s: %ld were not freed, \"%s\"",
		    what->name, at, stays ? " and all others" : "",
		    atomic_load(&scarce.live) - live, error.message);
	result = scarce_try(what, -1, false, outcome, &error);
	if (result != 0 || strcmp(outcome, expected) != 0)
		fail_msg("%s, after allocation %ld%s: %d, \"%s\", \"%s\""
			 " instead of \"%s\"",
		    what->name, at, stays ? " and all others" : "", result,
		    error.message, outcome, expected);
}

/* Every allocation of the case; at least "least" there must be. */
static void
scarce_all(const struct scarce_case *what, long least)
{
	static char expected[SCARCE_OUTCOME], outcome[SCARCE_OUTCOME];
	struct tally_error error;
	long total, live;

	/* Once for what libcrypto keeps for ever, and an open log. */
	for (int i = 0; i < 2; i++) {
		if (what->prepare != NULL)
			what->prepare();
		live = atomic_load(&scarce.live);
		if (scarce_try(what, -1, false, expected, &error) != 0)
			fail_msg("%s: %s", what->name, error.message);
	}
	assert_int_equal(atomic_load(&scarce.live), live);
	total = atomic_load(&scarce.count);
	if (scarce_try(what, -1, false, outcome, &error) != 0 ||
	    strcmp(outcome, expected) != 0)
		fail_msg("%s, twice: %s, \"%s\" instead of \"%s\"", what->name,
		    error.message, outcome, expected);
	if (total < least)
		fail_msg("%s: only %ld allocations", what->name, total);
	/* Of thousands, which are libcrypto's own, a few hundred. */
	for (long at = 0; at < total; at += 1 + total / 500) {
		for (int stays = 0; stays < 2; stays++) {
			if (what->prepare != NULL)
				what->prepare();
			scarce_judge(what, at, stays != 0, expected);
		}
	}
	print_message("# %s: %ld allocations\n", what->name, total);
}

#endif
