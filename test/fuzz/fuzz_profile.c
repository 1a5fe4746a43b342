/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile is taken or refused with a message; with one that is taken, any
 * records get a verdict.  The input is a profile, a zero byte, and records.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <tally/profile.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rest {
	const uint8_t *at;
	size_t left;
};

static int64_t
read_rest(void *arg, void *buffer, size_t len)
{
	struct rest *rest = arg;
	size_t n = rest->left < len ? rest->left : len;

	if (n > 0)
		memcpy(buffer, rest->at, n);
	rest->at += n;
	rest->left -= n;
	return (int64_t)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	size_t len = zero != NULL ? (size_t)(zero - data) : size;
	struct rest rest = { data + len, size - len };
	struct tally_profile_source source = {
		.read = read_rest, .arg = &rest, .name = "records"
	};
	struct tally_profile *profile = NULL;
	struct tally_error error = { .code = 0 };
	struct tally_verdict verdict;
	int r;

	if (rest.left > 0) {
		rest.at++;
		rest.left--;
	}
	r = tally_profile_parse((const char *)data, len, NULL, 0, &profile,
	    &error);
	if (r != 0) {
		if (strncmp(error.message, "profile: ", 9) != 0)
			abort();
		return 0;
	}
	r = tally_profile_verify(profile, &source, NULL, &verdict, &error);
	if (r == 0 && verdict.verdict == TALLY_INTACT && verdict.records == 0)
		abort();
	tally_profile_free(profile);
	return 0;
}
