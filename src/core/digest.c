/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <openssl/evp.h>

#include "core/digest.h"

static const struct {
	const char *name;
	const char *evp;
	size_t size;
} digests[] = {
	{ "sha256", "SHA256", 32 },
	{ "sha1", "SHA1", 20 },
	{ "sha384", "SHA384", 48 },
	{ "sha512", "SHA512", 64 },
	{ "sha3-256", "SHA3-256", 32 },
	{ "md5", "MD5", 16 },
};

#define DIGESTS (sizeof(digests) / sizeof(digests[0]))

size_t
tally_digest_size(const char *name)
{
	size_t i;

	for (i = 0; i < DIGESTS; i++) {
		if (strcmp(digests[i].name, name) == 0)
			return digests[i].size;
	}
	return 0;
}

int
tally_digester_open(struct tally_digester *digester, const char *name)
{
	size_t i = 0;

	memset(digester, 0, sizeof(*digester));
	digester->failed = true;
	while (i < DIGESTS && strcmp(digests[i].name, name) != 0)
		i++;
	if (i == DIGESTS)
		return TALLY_E_BUG;
	digester->size = digests[i].size;
	digester->ctx = EVP_MD_CTX_new();
	digester->md = EVP_MD_fetch(NULL, digests[i].evp, NULL);
	if (digester->ctx == NULL || digester->md == NULL ||
	    EVP_DigestInit_ex2(digester->ctx, digester->md, NULL) != 1)
		return TALLY_E_MEMORY;
	digester->failed = false;
	return 0;
}

void
tally_digester_close(struct tally_digester *digester)
{
	EVP_MD_CTX_free(digester->ctx);
	EVP_MD_free(digester->md);
	memset(digester, 0, sizeof(*digester));
}

void
tally_digest_bytes(struct tally_digester *digester, const void *bytes,
    size_t len, struct tally_digest *out)
{
	unsigned size = (unsigned)digester->size;

	if (!digester->failed &&
	    (EVP_DigestInit_ex2(digester->ctx, NULL, NULL) != 1 ||
		EVP_DigestUpdate(digester->ctx, bytes, len) != 1 ||
		EVP_DigestFinal_ex(digester->ctx, out->b, &size) != 1))
		digester->failed = true;
	if (digester->failed)
		memset(out, 0, sizeof(*out));
}
