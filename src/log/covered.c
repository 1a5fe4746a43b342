/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/covered, one line:
 *
 *     tally-index-2 <log id> <boot id> <size> <segment> <offset>
 *         <size> <segment> <offset> <root> <root>
 *         <H() of the secret and all before this>\n
 *
 * The first place, and the first root, is how far the index reaches while the
 * machine is up, the second how far it was synced.
 *
 * index/secret, 16 random bytes.  Who may read them could choose ids that meet
 * in a table; a reader who may not looks things up in the segments.
 */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "log/bytes.h"
#include "log/fail.h"
#include "log/handle.h"
#include "log/indexfile.h"

#define COVERED_NEW "covered.new"
#define SECRET_NAME "secret"
#define SECRET_NEW "secret.new"
#define SEED_NAME "keys" /* what the keys' seed is derived by */
#define TEXT_MAX 512
#define BOOT_AT 47 /* in the line */
#define NUMBERS_AT 80
#define ROOTS_AT 206

void
tally_tree_name(int level, char out[TALLY_TREE_NAME_SIZE])
{
	int height = 8 * (level + 1);

	memcpy(out, "tree-00", TALLY_TREE_NAME_SIZE);
	out[5] = (char)('0' + height / 10 % 10);
	out[6] = (char)('0' + height % 10);
}

/* ---- the secret ------------------------------------------------------- */

static void
secret_set(struct tally_index *index, const uint8_t bytes[TALLY_SIP_KEY_SIZE])
{
	index->secret = tally_sip_key_decode(bytes);
	index->seed = tally_sip_derive(&index->secret, SEED_NAME);
}

static int
secret_read(struct tally_index *index)
{
	uint8_t bytes[TALLY_SIP_KEY_SIZE + 1];
	int fd = tally_sys_open(index->dir, SECRET_NAME, TALLY_SYS_READ);
	int64_t n;

	if (fd < 0)
		return TALLY_END;
	n = tally_sys_read(fd, bytes, sizeof(bytes), 0);
	tally_sys_close(fd);
	if (n != TALLY_SIP_KEY_SIZE)
		return TALLY_END;
	secret_set(index, bytes);
	return TALLY_OK;
}

/* A new one. */
static int
secret_make(struct tally_index *index)
{
	uint8_t bytes[TALLY_SIP_KEY_SIZE];
	int result = tally_sys_random(bytes, sizeof(bytes));
	int fd;

	if (result != 0)
		return result;
	(void)tally_sys_unlink(index->dir, SECRET_NEW);
	fd = tally_sys_open(index->dir, SECRET_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EXCLUSIVE |
		TALLY_SYS_PRIVATE);
	if (fd < 0)
		return fd;
	result = tally_sys_write(fd, bytes, sizeof(bytes), 0, NULL);
	if (result == 0)
		result = tally_sys_sync_all(fd);
	tally_sys_close(fd);
	if (result == 0)
		result = tally_sys_rename(index->dir, SECRET_NEW, SECRET_NAME);
	if (result == 0)
		secret_set(index, bytes);
	return result;
}

int
tally_covered_begin(struct tally_index *index, struct tally_error *error)
{
	char name[TALLY_TREE_NAME_SIZE];
	int result;

	(void)tally_sys_unlink(index->dir, TALLY_RECORDS_NAME);
	for (int i = 0; i < TALLY_INDEX_LEVELS; i++) {
		tally_tree_name(i, name);
		(void)tally_sys_unlink(index->dir, name);
	}
	tally_runs_prune(index->dir, &index->runs);
	result = secret_make(index);
	if (result != 0)
		return tally_fail_os(error, result, "cannot make \"index/%s\"",
		    SECRET_NAME);
	return TALLY_OK;
}

/* ---- the line --------------------------------------------------------- */

static struct tally_hash
sum_of(struct tally_index *index, const char *text, size_t len)
{
	char secret[TALLY_SIP_KEY_SIZE];

	tally_put64(secret, index->secret.k[0]);
	tally_put64(secret + 8, index->secret.k[1]);
	tally_hash_begin(&index->hasher);
	tally_hash_add(&index->hasher, secret, sizeof(secret));
	tally_hash_add(&index->hasher, text, len);
	return tally_hash_end(&index->hasher);
}

static size_t
format(struct tally_log *log, struct tally_index *index, const uint8_t boot[16],
    const struct tally_place place[2], const struct tally_hash root[2],
    char out[TEXT_MAX])
{
	char boot_hex[33] = { 0 }, hex[TALLY_HASH_TEXT_SIZE];
	struct tally_hash sum;
	int len;

	tally_hex_format(boot, 16, boot_hex);
	len = snprintf(out, TEXT_MAX, "tally-index-2 %s %s", log->identity.id,
	    boot_hex);
	for (int i = 0; i < 2; i++)
		len += snprintf(out + len, TEXT_MAX - (size_t)len,
		    " %020llu %020llu %020llu",
		    (unsigned long long)place[i].size,
		    (unsigned long long)place[i].segment,
		    (unsigned long long)place[i].offset);
	for (int i = 0; i < 2; i++) {
		tally_hash_format(&root[i], hex);
		len += snprintf(out + len, TEXT_MAX - (size_t)len, " %s", hex);
	}
	sum = sum_of(index, out, (size_t)len);
	tally_hash_format(&sum, hex);
	len += snprintf(out + len, TEXT_MAX - (size_t)len, " %s\n", hex);
	return (size_t)len;
}

/* Takes the line apart; whether it holds, format says. */
static int
parse(const char *text, uint8_t boot[16], struct tally_place place[2],
    struct tally_hash root[2])
{
	unsigned long long number[6];
	int result;

	if (sscanf(text + NUMBERS_AT, "%llu %llu %llu %llu %llu %llu",
		&number[0], &number[1], &number[2], &number[3], &number[4],
		&number[5]) != 6)
		return TALLY_END;
	for (int i = 0; i < 2; i++) {
		place[i].size = number[3 * i];
		place[i].segment = number[3 * i + 1];
		place[i].offset = number[3 * i + 2];
	}
	result = tally_hex_parse(text + BOOT_AT, 32, true, boot, 16);
	for (int i = 0; i < 2 && result == 0; i++)
		result = tally_hex_parse(text + ROOTS_AT + 65 * i, 64, true,
		    root[i].b, sizeof(root[i].b));
	return result == 0 ? TALLY_OK : TALLY_END;
}

int
tally_covered_read(struct tally_log *log, struct tally_index *index)
{
	struct tally_place place[2];
	struct tally_hash root[2];
	char text[TEXT_MAX + 1] = { 0 }, again[TEXT_MAX];
	uint8_t boot[16];
	bool is_same_boot;
	int64_t n;

	index->stated = tally_sys_open(index->dir, TALLY_COVERED_NAME,
	    TALLY_SYS_READ);
	if (index->stated < 0 || secret_read(index) != 0)
		return TALLY_END;
	n = tally_sys_read(index->stated, text, TEXT_MAX, 0);
	if (n < ROOTS_AT || parse(text, boot, place, root) != 0 ||
	    format(log, index, boot, place, root, again) != (size_t)n ||
	    memcmp(text, again, (size_t)n) != 0)
		return TALLY_END;
	is_same_boot = memcmp(boot, log->owner.boot, sizeof(boot)) == 0;
	index->synced = place[1];
	index->synced_root = root[1];
	index->covered = place[is_same_boot ? 0 : 1];
	index->root = root[is_same_boot ? 0 : 1];
	return TALLY_OK;
}

int
tally_covered_known(struct tally_index *index, struct tally_error *error)
{
	struct tally_sys_stat st;
	int result = tally_sys_stat(index->stated, &st);

	if (result != 0)
		return tally_fail_os(error, result, "cannot read the index");
	index->device = st.device;
	index->inode = st.inode;
	index->is_open = true;
	return TALLY_OK;
}

int
tally_covered_write(struct tally_log *log, struct tally_index *index, bool sync,
    struct tally_error *error)
{
	const struct tally_place place[2] = { index->covered, index->synced };
	const struct tally_hash root[2] = { index->root, index->synced_root };
	char text[TEXT_MAX];
	size_t len = format(log, index, log->owner.boot, place, root, text);
	int fd, result;

	fd = tally_sys_open(index->dir, COVERED_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot write the index");
	result = tally_sys_write(fd, text, len, 0, NULL);
	if (result == 0 && sync)
		result = tally_sys_sync_all(fd);
	tally_sys_close(index->stated);
	index->stated = fd;
	if (result == 0)
		result = tally_sys_rename(index->dir, COVERED_NEW,
		    TALLY_COVERED_NAME);
	if (result == 0 && sync)
		result = tally_sys_sync_all(index->dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	return tally_covered_known(index, error);
}
