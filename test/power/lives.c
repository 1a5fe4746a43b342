/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/sys.h"

#include "lives.h"

#define OPS_MAX 65536

char lives_what[160];

static enum sim_op op[OPS_MAX];
static uint64_t ops;

void
lives_try(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(lives_what, sizeof(lives_what), format, args);
	va_end(args);
}

void
lives_wrong(const char *message, const char *detail)
{
	fail_msg("%s: %s%s%s", lives_what, message,
	    detail[0] == '\0' ? "" : ": ", detail);
}

void
lives_begin(void)
{
	int root;

	sim_reset(1);
	root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	assert_int_equal(tally_sys_mkdir(root, "w"), 0);
	assert_int_equal(tally_sys_sync_all(root), 0);
	tally_sys_close(root);
	sim_as(1);
	sim_ops_restart();
}

uint64_t
lives_remember(void)
{
	ops = sim_ops();
	assert_true(ops < OPS_MAX);
	for (uint64_t n = 0; n < ops; n++)
		op[n] = sim_op_at(n);
	return ops;
}

enum sim_op
lives_op(uint64_t n)
{
	return op[n];
}

bool
lives_op_changes(uint64_t n)
{
	return n == ops || sim_op_changes(op[n]);
}

unsigned long
lives_cut(uint64_t turn, int modes, void (*check)(void *arg, uint64_t turn),
    void *arg)
{
	struct sim_image *image = sim_save();
	char before[sizeof(lives_what)];

	memcpy(before, lives_what, sizeof(before));
	for (int m = 0; m < modes; m++) {
		sim_restore(image);
		lives_try("%.100s, %s", before,
		    sim_mode_name((enum sim_mode)m));
		sim_reboot((enum sim_mode)m, turn);
		check(arg, turn + (uint64_t)m);
	}
	sim_image_free(image);
	return (unsigned long)modes;
}

int
lives_make_key(int (*generate)(const char *path, const char *name,
		   const char *passphrase, char out_vkey[TALLY_VKEY_TEXT_SIZE],
		   struct tally_error *error),
    const char *name, char out_vkey[TALLY_VKEY_TEXT_SIZE],
    struct tally_signer **out)
{
	char top[] = "/tmp/tally-power-XXXXXX", path[64];
	int result;

	if (mkdtemp(top) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/key", top);
	result = generate(path, name, NULL, out_vkey, NULL);
	if (result == 0)
		result = tally_signer_load(path, NULL, out, NULL);
	(void)unlink(path);
	(void)rmdir(top);
	return result;
}
