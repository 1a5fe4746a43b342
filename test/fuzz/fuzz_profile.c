/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile is taken or refused with a message; with one that is taken, any
 * records, as lines and as CSV, get a verdict, the same diagnosis, and a test
 * of the first of them.  The input is a profile, a zero byte, and records.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <tally/diagnose.h>
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

static void
count_symptom(void *arg, const struct tally_symptom *symptom)
{
	uint64_t *count = arg;

	if ((symptom->cause == TALLY_CAUSE_NONE) != (symptom->why == NULL))
		abort();
	++*count;
}

static void
check_fork(void *arg, const struct tally_fork *fork)
{
	(void)arg;
	if (fork->width < 2 || fork->described > fork->width ||
	    fork->branch[0].seq >= fork->branch[1].seq)
		abort();
}

static void
judge(struct tally_profile *profile, const uint8_t *records, size_t len,
    enum tally_profile_format format)
{
	struct rest rest = { records, len };
	struct tally_profile_source source = { .read = read_rest,
		.arg = &rest,
		.format = format,
		.name = "records" };
	uint64_t count = 0;
	struct tally_diagnose_options how = {
		.symptom = count_symptom, .fork = check_fork, .arg = &count
	};
	struct tally_profile_test_options test = { .index = 0 };
	struct tally_diagnosis diagnosis;
	struct tally_verdict verdict;
	struct tally_error error;
	bool fits;
	int r = tally_profile_verify(profile, &source, NULL, &verdict, &error);

	if (r == 0 && verdict.verdict == TALLY_INTACT && verdict.records == 0)
		abort();
	rest = (struct rest){ records, len };
	if (tally_profile_diagnose(profile, &source, &how, &diagnosis,
		&error) != r)
		abort();
	if (r == 0 &&
	    (diagnosis.verdict.verdict != verdict.verdict ||
		diagnosis.verdict.findings != verdict.findings ||
		count != verdict.findings))
		abort();
	rest = (struct rest){ records, len };
	(void)!tally_profile_test(profile, &source, &test, &fits, &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	size_t len = zero != NULL ? (size_t)(zero - data) : size;
	size_t skip = zero != NULL ? len + 1 : len;
	struct tally_profile *profile = NULL;
	struct tally_error error = { .code = 0 };
	int r = tally_profile_parse((const char *)data, len, NULL, 0, &profile,
	    &error);

	if (r != 0) {
		if (strncmp(error.message, "profile: ", 9) != 0)
			abort();
		return 0;
	}
	judge(profile, data + skip, size - skip, TALLY_PROFILE_LINES);
	judge(profile, data + skip, size - skip, TALLY_PROFILE_CSV);
	tally_profile_free(profile);
	return 0;
}
