/* SPDX-License-Identifier: Apache-2.0 */
/* Proving that one size of the log extends another. */
#include <tally/proof.h>

#include "log/fail.h"
#include "log/leaves.h"

struct extending {
	uint64_t old_size;
	struct tally_consistency *out;
};

static int
prove(void *arg, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size)
{
	struct extending *extending = arg;
	struct tally_consistency *out = extending->out;
	uint64_t old_size = extending->old_size;
	int result;

	out->old_size = old_size;
	out->size = size;
	out->path_len = 0;
	result = tally_tree_root(hasher, source, old_size, &out->old_root);
	if (result == 0)
		result = tally_tree_root(hasher, source, size, &out->root);
	if (result != 0 || old_size == 0 || old_size == size)
		return result;
	result = tally_consistency_prove(hasher, source, old_size, size,
	    out->path, &out->path_len);
	/* A wrong index must not make a wrong proof. */
	if (result == 0 &&
	    !tally_consistency_check(hasher, old_size, size, out->path,
		out->path_len, &out->old_root, &out->root))
		result = TALLY_E_IO;
	return result;
}

int
tally_log_consistency(struct tally_log *log, uint64_t old_size, uint64_t size,
    struct tally_consistency *out, struct tally_error *error)
{
	struct extending extending = { .old_size = old_size, .out = out };

	if (old_size > size || size == 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "size %llu does not extend size %llu",
		    (unsigned long long)size, (unsigned long long)old_size);
	return tally_leaves_ask(log, size, prove, &extending, error);
}
