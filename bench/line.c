/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events that every peer appends, and, for the peers that need one, a
 * line like the file log's.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#define DIGITS 16

static const char start[] = "{\"event\":\"document.shared\",\"actor\":\"";
static const char middle[] = "\",\"request\":\"";
static const char rest[] =
    "\",\"address\":\"203.0.113.77\",\"object\":\"drive/4711/page/0815\","
    "\"reader\":\"team-reviewers\",\"expires\":null,\"size\":18734,\"note\":\"";

static void
hex16(uint64_t value, char out[DIGITS])
{
	for (int i = DIGITS - 1; i >= 0; i--) {
		out[i] = "0123456789abcdef"[value & 15];
		value >>= 4;
	}
}

/* Marsaglia's xorshift: different is all that it has to be. */
static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

int
bench_source_init(struct bench_source *source, unsigned writer)
{
	char *text = source->template.text;
	char actor[DIGITS + 1] = { 0 };
	int len;

	memset(source, 0, sizeof(*source));
	if (getrandom(&source->random, sizeof(source->random), 0) !=
	    (ssize_t)sizeof(source->random)) {
		perror("getrandom");
		return -1;
	}
	source->random |= 1;
	hex16(writer, actor);
	memset(text, 'x', BENCH_EVENT_SIZE);
	len = snprintf(text, BENCH_EVENT_SIZE, "%s%s%s%016d%s", start, actor,
	    middle, 0, rest);
	text[len] = 'x';
	memcpy(text + BENCH_EVENT_SIZE - 2, "\"}", 2);
	return 0;
}

void
bench_source_next(struct bench_source *source, struct bench_event *out)
{
	size_t at = sizeof(start) - 1 + DIGITS + sizeof(middle) - 1;

	memcpy(out->text, source->template.text, BENCH_EVENT_SIZE);
	hex16(source->next++, out->text + at);
	hex16(random_next(&source->random), out->id);
	hex16(random_next(&source->random), out->id + DIGITS);
}

struct bench_sha {
	EVP_MD *algorithm;
	EVP_MD_CTX *context;
};

void
bench_sha_free(struct bench_sha *sha)
{
	if (sha == NULL)
		return;
	EVP_MD_CTX_free(sha->context);
	EVP_MD_free(sha->algorithm);
	free(sha);
}

struct bench_sha *
bench_sha_new(void)
{
	struct bench_sha *sha = calloc(1, sizeof(*sha));

	if (sha == NULL)
		return NULL;
	sha->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	sha->context = EVP_MD_CTX_new();
	if (sha->algorithm == NULL || sha->context == NULL) {
		fprintf(stderr, "no SHA-256 in libcrypto\n");
		bench_sha_free(sha);
		return NULL;
	}
	return sha;
}

int
bench_sha_pair(struct bench_sha *sha, const void *a, size_t a_len,
    const void *b, size_t b_len, uint8_t out[BENCH_HASH_SIZE])
{
	if (EVP_DigestInit_ex(sha->context, sha->algorithm, NULL) == 1 &&
	    EVP_DigestUpdate(sha->context, a, a_len) == 1 &&
	    EVP_DigestUpdate(sha->context, b, b_len) == 1 &&
	    EVP_DigestFinal_ex(sha->context, out, NULL) == 1)
		return 0;
	fprintf(stderr, "SHA-256 failed\n");
	return -1;
}

void
bench_hex(const uint8_t *bytes, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	out[2 * len] = 0;
}

static void
time_text(char out[28])
{
	struct timespec now;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(out, 21, "%Y-%m-%dT%H:%M:%S.", &tm);
	(void)snprintf(out + 20, 8, "%06uZ",
	    (unsigned)(now.tv_nsec / 1000) % 1000000u);
}

int
bench_line(struct bench_sha *sha, uint64_t seq,
    const uint8_t prev[BENCH_HASH_SIZE], const uint8_t digest[BENCH_HASH_SIZE],
    const char *event, char out[BENCH_LINE_MAX],
    uint8_t out_hash[BENCH_HASH_SIZE])
{
	char digest_hex[65], prev_hex[65], hash_hex[65], time[28];
	int header, tail;

	bench_hex(digest, BENCH_HASH_SIZE, digest_hex);
	bench_hex(prev, BENCH_HASH_SIZE, prev_hex);
	time_text(time);
	header = snprintf(out, BENCH_LINE_MAX,
	    "{\"chain\":\"" BENCH_CHAIN "\",\"digest\":\"%s\",\"prev\":\"%s\","
	    "\"seq\":%llu,\"time\":\"%s\",\"v\":1}",
	    digest_hex, prev_hex, (unsigned long long)seq, time);
	if (bench_sha_pair(sha, "", 1, out, (size_t)header, out_hash) != 0)
		return -1;
	bench_hex(out_hash, BENCH_HASH_SIZE, hash_hex);
	header--;
	tail = snprintf(out + header, (size_t)(BENCH_LINE_MAX - header),
	    ",\"hash\":\"%s\",\"event\":%.*s}\n", hash_hex, BENCH_EVENT_SIZE,
	    event);
	return header + tail;
}

int
bench_write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, bytes, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			perror("write");
			return -1;
		}
		bytes += done;
		len -= (size_t)done;
	}
	return 0;
}
