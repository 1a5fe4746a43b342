/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the simulated machine share. */
#ifndef TALLY_TEST_POWER_SIMTEST_H
#define TALLY_TEST_POWER_SIMTEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log/sys.h"

#include "simdisk.h"

static inline int
setup(void **state)
{
	(void)state;
	sim_reset(1);
	return 0;
}

static inline int
teardown(void **state)
{
	const char *violation = sim_violation();

	(void)state;
	if (violation != NULL)
		print_message("# violation: %s\n", violation);
	sim_wipe();
	return violation == NULL ? 0 : -1;
}

#define MAKE (TALLY_SYS_WRITE | TALLY_SYS_CREATE)

static inline void
put(int fd, const char *text, uint64_t offset)
{
	size_t written;

	assert_int_equal(tally_sys_write(fd, text, strlen(text), offset,
			     &written),
	    0);
	assert_int_equal(written, strlen(text));
}

static inline void
expect_file(const char *path, const char *text)
{
	size_t len;
	const uint8_t *bytes = sim_file(path, &len);

	if (text == NULL) {
		assert_null(bytes);
		return;
	}
	assert_non_null(bytes);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(bytes, text, len);
}

/* A file "a" with durable content and a durable name. */
static inline int
durable_file(const char *text)
{
	int root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	int fd = tally_sys_open(root, "a", MAKE);

	put(fd, text, 0);
	assert_int_equal(tally_sys_sync(fd), 0);
	assert_int_equal(tally_sys_sync_all(root), 0);
	tally_sys_close(root);
	return fd;
}

#define SIM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
