/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log/fail.h"
#include "publish/signer.h"
#include "publish/signers.h"

int
tally_signers_check(const struct tally_log *log,
    const struct tally_publish_options *options, struct tally_error *error)
{
	const char *origin = log->identity.origin;
	const char *name = options->signers_len == 0
	    ? ""
	    : options->signers[0]->vkey.name;

	if (log->read_only)
		return tally_fail(error, TALLY_E_USAGE,
		    "the log is open for reading, and a checkpoint adds a"
		    " record");
	if (strncmp(origin, "localhost/", 10) == 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "nothing is signed under the origin \"%s\"; make the log"
		    " with an origin of its own",
		    origin);
	if (strcmp(name, origin) != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the key's name is \"%s\", and the log's origin \"%s\";"
		    " they must be one",
		    name, origin);
	for (size_t i = 0; i < options->signers_len; i++) {
		if (options->signers[i]->vkey.type != TALLY_VKEY_ED25519)
			return tally_fail(error, TALLY_E_USAGE,
			    "the key \"%s\" is a witness's, which signs no log",
			    options->signers[i]->vkey.name);
	}
	return TALLY_OK;
}

int
tally_signers_open(struct tally_signers *signers, const struct tally_log *log,
    const struct tally_publish_options *options)
{
	signers->signer = options->signers;
	signers->len = options->signers_len;
	signers->origin = log->identity.origin;
	signers->said = tally_sys_alloc(signers->len * sizeof(*signers->said));
	return signers->said == NULL ? TALLY_E_MEMORY : TALLY_OK;
}

void
tally_signers_close(struct tally_signers *signers)
{
	tally_sys_free(signers->said);
	memset(signers, 0, sizeof(*signers));
}

/* ---- what the log says ------------------------------------------------ */

static bool
is_of_log(const struct tally_signers *signers, size_t i)
{
	return strcmp(signers->signer[i]->vkey.name, signers->origin) == 0;
}

int
tally_signers_ask(struct tally_signers *signers, struct tally_log *log,
    struct tally_hasher *hasher, struct tally_error *error)
{
	int result = TALLY_OK;

	for (size_t i = 0; i < signers->len && result == 0; i++) {
		if (is_of_log(signers, i))
			result = tally_key_ask(log, hasher,
			    &signers->signer[i]->vkey, &signers->said[i],
			    error);
	}
	return result;
}

void
tally_signers_hear(struct tally_signers *signers, struct tally_hasher *hasher,
    const struct tally_record *record)
{
	for (size_t i = 0; i < signers->len; i++)
		tally_key_hear(&signers->said[i], hasher,
		    &signers->signer[i]->vkey, record);
}

int
tally_signers_may_sign(const struct tally_signers *signers,
    struct tally_error *error)
{
	int result = TALLY_OK;

	for (size_t i = 0; i < signers->len && result == 0; i++) {
		if (is_of_log(signers, i))
			result = tally_key_may_sign(&signers->said[i],
			    &signers->signer[i]->vkey, error);
	}
	return result;
}

/* ---- what they signed ------------------------------------------------- */

bool
tally_signers_signed(const struct tally_signers *signers,
    const struct tally_note *note)
{
	for (size_t i = 0; i < signers->len; i++) {
		if (tally_note_check(note, &signers->signer[i]->vkey, NULL) !=
		    TALLY_SIGNED)
			return false;
	}
	return signers->len > 0;
}

static bool
is_named(const struct tally_key_said *said, uint32_t id)
{
	for (size_t i = 0; i < said->known_len; i++) {
		if (said->known[i] == id)
			return true;
	}
	return false;
}

bool
tally_signers_know(const struct tally_signers *signers,
    const struct tally_note *note)
{
	struct tally_note_signature signature;
	size_t cursor = 0;

	for (size_t i = 0; i < signers->len; i++) {
		switch (tally_note_check(note, &signers->signer[i]->vkey,
		    NULL)) {
		case TALLY_SIGNED:
			return true;
		case TALLY_SIGNED_WRONGLY:
			return false;
		case TALLY_UNSIGNED:
			break;
		}
	}
	while (tally_note_next(note, &cursor, &signature) == 0) {
		if (signature.name.len == strlen(signers->origin) &&
		    memcmp(signature.name.at, signers->origin,
			signature.name.len) == 0 &&
		    is_named(&signers->said[0], signature.id))
			return true;
	}
	return false;
}
