/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key files: the vkey in the first line, for everybody who may open the file,
 * then PKCS #8 in PEM, so that "openssl pkey" reads them as well.
 *
 * 1. A new file is made under its own name and never over another: a key that
 *    is gone cannot be had back.
 * 2. The mode is 0600 from the first instant, and a file that group or others
 *    can read is refused.
 * 3. The vkey of the first line must be that of the key.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <tally/witness.h>

#include "log/fail.h"
#include "publish/signer.h"

#define FILE_MAX 8192
/* As "openssl pkcs8 -scrypt" has it; a key file is opened once a run. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

/* ---- PKCS #8 ---------------------------------------------------------- */

/* Encrypts with PBES2: scrypt and AES-256-CBC (RFC 7914). */
static int
put_encrypted(BIO *out, PKCS8_PRIV_KEY_INFO *plain, const char *passphrase)
{
	X509_ALGOR *how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0,
	    NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	X509_SIG *sealed = how == NULL
	    ? NULL
	    : PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how);
	int done = sealed != NULL && PEM_write_bio_PKCS8(out, sealed) == 1;

	/* set0 took it over if it worked. */
	if (sealed == NULL)
		X509_ALGOR_free(how);
	X509_SIG_free(sealed);
	return done ? TALLY_OK : TALLY_E_MEMORY;
}

static int
put_key(BIO *out, const struct tally_signer *signer, const char *passphrase)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
	    signer->seed, sizeof(signer->seed));
	PKCS8_PRIV_KEY_INFO *plain = key == NULL ? NULL : EVP_PKEY2PKCS8(key);
	char vkey[TALLY_VKEY_TEXT_MAX];
	int result = TALLY_E_MEMORY;

	(void)tally_vkey_format(&signer->vkey, vkey);
	if (plain != NULL && BIO_printf(out, "%s\n", vkey) > 0) {
		if (passphrase != NULL)
			result = put_encrypted(out, plain, passphrase);
		else if (PEM_write_bio_PKCS8_PRIV_KEY_INFO(out, plain) == 1)
			result = TALLY_OK;
	}
	PKCS8_PRIV_KEY_INFO_free(plain);
	EVP_PKEY_free(key);
	return result;
}

/* The passphrase, for a PEM that is encrypted. */
static int
give_passphrase(char *buffer, int size, int writing, void *arg)
{
	const char *passphrase = arg;
	size_t len = passphrase == NULL ? 0 : strlen(passphrase);

	(void)writing;
	if (passphrase == NULL || len > (size_t)size)
		return -1;
	memcpy(buffer, passphrase, len);
	return (int)len;
}

/* ---- the file --------------------------------------------------------- */

static int
write_whole(const char *path, const char *text, size_t len,
    struct tally_error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t done = 0;
	int failed = 0;

	if (fd < 0 && errno == EEXIST)
		return tally_fail(error, TALLY_E_EXISTS,
		    "\"%s\" is there already, and keys are not overwritten",
		    path);
	if (fd < 0)
		return tally_fail_os(error, -errno, "cannot make \"%s\"", path);
	while (done < len && failed == 0) {
		ssize_t n = write(fd, text + done, len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			failed = errno;
	}
	if (failed == 0 && fsync(fd) != 0)
		failed = errno;
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	if (failed == 0)
		return TALLY_OK;
	(void)unlink(path);
	return tally_fail_os(error, -failed, "cannot write \"%s\"", path);
}

/* What the file holds, NUL-terminated; whether others may read it. */
static int
read_whole(const char *path, char out[FILE_MAX], bool *out_open,
    struct tally_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0 && errno == ENOENT)
		return tally_fail(error, TALLY_E_NO_LOG,
		    "there is no key file \"%s\"", path);
	if (fd < 0)
		return tally_fail_os(error, -errno, "cannot read \"%s\"", path);
	if (fstat(fd, &st) != 0)
		n = -1;
	while (n > 0 && len < FILE_MAX - 1) {
		n = read(fd, out + len, FILE_MAX - 1 - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	out[len] = '\0';
	if (n < 0) {
		int failed = errno;

		close(fd);
		return tally_fail_os(error, -failed, "cannot read \"%s\"",
		    path);
	}
	close(fd);
	*out_open = (st.st_mode & (S_IRWXG | S_IRWXO)) != 0;
	return TALLY_OK;
}

static int
parse_first_line(const char *path, const char *text, struct tally_vkey *out,
    struct tally_error *error)
{
	struct tally_hasher hasher;
	int result = tally_hasher_open(&hasher);

	if (result == 0)
		result = tally_vkey_parse(&hasher, text, strcspn(text, "\n"),
		    out);
	tally_hasher_close(&hasher);
	if (result == TALLY_E_MEMORY)
		return tally_fail_memory(error);
	if (result != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "\"%s\" is no key file: its first line is no key", path);
	return TALLY_OK;
}

/* ---- the calls -------------------------------------------------------- */

/* A new secret, and its vkey. */
static int
make_signer(const char *name, enum tally_vkey_type type,
    struct tally_signer *out, struct tally_error *error)
{
	uint8_t public_key[TALLY_SIGN_PUBLIC_SIZE];
	struct tally_hasher hasher;
	int result = tally_hasher_open(&hasher);

	if (result == 0 &&
	    (RAND_priv_bytes(out->seed, sizeof(out->seed)) != 1 ||
		tally_sign_public(out->seed, public_key) != 0))
		result = tally_fail(error, TALLY_E_MEMORY,
		    "cannot get random bytes");
	else if (result != 0)
		result = tally_fail_memory(error);
	else
		tally_vkey_init(&hasher, name, strlen(name), type, public_key,
		    &out->vkey);
	if (result == 0 && tally_hasher_failed(&hasher))
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_hasher_close(&hasher);
	return result;
}

static int
generate(const char *path, const char *name, enum tally_vkey_type type,
    const char *passphrase, char out_vkey[TALLY_VKEY_TEXT_SIZE],
    struct tally_error *error)
{
	struct tally_signer signer = { 0 };
	BIO *text;
	char *bytes = NULL;
	long len = 0;
	int result;

	if (!tally_key_name_is_legal(name, strlen(name)))
		return tally_fail(error, TALLY_E_USAGE,
		    "a key's name is 1 to 255 bytes of UTF-8 without white"
		    " space, control characters and \"+\"");
	text = BIO_new(BIO_s_secmem());
	if (text == NULL)
		return tally_fail_memory(error);
	result = make_signer(name, type, &signer, error);
	if (result == 0 && put_key(text, &signer, passphrase) != 0)
		result = tally_fail_memory(error);
	if (result == 0) {
		len = BIO_get_mem_data(text, &bytes);
		result = write_whole(path, bytes, (size_t)len, error);
	}
	if (result == 0)
		(void)tally_vkey_format(&signer.vkey, out_vkey);
	BIO_free(text);
	tally_sign_wipe(&signer, sizeof(signer));
	return result;
}

int
tally_key_generate(const char *path, const char *name, const char *passphrase,
    char out_vkey[TALLY_VKEY_TEXT_SIZE], struct tally_error *error)
{
	return generate(path, name, TALLY_VKEY_ED25519, passphrase, out_vkey,
	    error);
}

int
tally_key_generate_witness(const char *path, const char *name,
    const char *passphrase, char out_vkey[TALLY_VKEY_TEXT_SIZE],
    struct tally_error *error)
{
	return generate(path, name, TALLY_VKEY_COSIGNATURE, passphrase,
	    out_vkey, error);
}

int
tally_key_show(const char *path, char out_vkey[TALLY_VKEY_TEXT_SIZE],
    bool *out_encrypted, struct tally_error *error)
{
	struct tally_vkey vkey;
	char text[FILE_MAX];
	bool is_open;
	int result = read_whole(path, text, &is_open, error);

	if (result == 0)
		result = parse_first_line(path, text, &vkey, error);
	if (result == 0) {
		(void)tally_vkey_format(&vkey, out_vkey);
		if (out_encrypted != NULL)
			*out_encrypted = strstr(text,
					     "BEGIN ENCRYPTED PRIVATE KEY") !=
			    NULL;
	}
	tally_sign_wipe(text, sizeof(text));
	return result;
}

static bool
read_secret(const char *pem, const char *passphrase,
    struct tally_signer *signer)
{
	BIO *bio = pem == NULL ? NULL : BIO_new_mem_buf(pem, -1);
	size_t len = sizeof(signer->seed);
	union {
		const char *in;
		void *out;
	} word = { .in = passphrase };
	EVP_PKEY *key;
	bool done;

	ERR_set_mark();
	key = bio == NULL
	    ? NULL
	    : PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, word.out);
	done = key != NULL &&
	    EVP_PKEY_get_raw_private_key(key, signer->seed, &len) == 1 &&
	    len == sizeof(signer->seed);
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_pop_to_mark();
	return done;
}

/*
 * The secret behind the first line; it must be the one that belongs to it.
 * libcrypto does not tell a wrong passphrase from a want of memory, so a
 * failure counts only if it comes twice, and it works otherwise.
 */
static int
parse_secret(const char *path, const char *text, const char *passphrase,
    struct tally_signer *signer, struct tally_error *error)
{
	const char *pem = strchr(text, '\n');
	uint8_t public_key[TALLY_SIGN_PUBLIC_SIZE];
	bool done = read_secret(pem, passphrase, signer) ||
	    read_secret(pem, passphrase, signer);

	if ((!done && !tally_sign_works()) ||
	    (done && tally_sign_public(signer->seed, public_key) != 0))
		return tally_fail_memory(error);
	if (!done && strstr(text, "ENCRYPTED") != NULL)
		return tally_fail(error, TALLY_E_USAGE,
		    passphrase == NULL
			? "\"%s\" is encrypted, and no passphrase was given"
			: "the passphrase is not that of \"%s\"",
		    path);
	if (!done ||
	    memcmp(public_key, signer->vkey.key, sizeof(public_key)) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "\"%s\" is no key file: it holds no secret key that belongs"
		    " to its first line",
		    path);
	return TALLY_OK;
}

int
tally_signer_load(const char *path, const char *passphrase,
    struct tally_signer **out_signer, struct tally_error *error)
{
	struct tally_signer *signer = calloc(1, sizeof(*signer));
	char text[FILE_MAX];
	bool is_open;
	int result;

	if (signer == NULL)
		return tally_fail_memory(error);
	result = read_whole(path, text, &is_open, error);
	if (result == 0 && is_open)
		result = tally_fail(error, TALLY_E_ACCESS,
		    "others may read the key file \"%s\"; chmod 600 it", path);
	if (result == 0)
		result = parse_first_line(path, text, &signer->vkey, error);
	if (result == 0)
		result = parse_secret(path, text, passphrase, signer, error);
	tally_sign_wipe(text, sizeof(text));
	if (result == 0)
		*out_signer = signer;
	else
		tally_signer_free(signer);
	return result;
}

void
tally_signer_free(struct tally_signer *signer)
{
	if (signer == NULL)
		return;
	tally_sign_wipe(signer, sizeof(*signer));
	free(signer);
}
