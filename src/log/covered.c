/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/covered, one line:
 *
 *     tally-index-1 <log id> <boot id> <size> <segment> <offset>
 *         <size> <segment> <offset> <H() of all before this>\n
 *
 * The first place is how far the index reaches while the machine is up, the
 * second how far it was synced.
 */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/handle.h"
#include "log/indexfile.h"

#define COVERED_NEW "covered.new"
#define TEXT_MAX 512

void
tally_tree_name(int level, char out[TALLY_TREE_NAME_SIZE])
{
	int height = 8 * (level + 1);

	memcpy(out, "tree-00", TALLY_TREE_NAME_SIZE);
	out[5] = (char)('0' + height / 10 % 10);
	out[6] = (char)('0' + height % 10);
}

static size_t
format(struct tally_log *log, struct tally_hasher *hasher,
    const uint8_t boot[16], const struct tally_place place[2],
    char out[TEXT_MAX])
{
	char boot_hex[33] = { 0 }, sum_hex[TALLY_HASH_TEXT_SIZE];
	struct tally_hash sum;
	int len;

	tally_hex_format(boot, 16, boot_hex);
	len = snprintf(out, TEXT_MAX, "tally-index-1 %s %s", log->identity.id,
	    boot_hex);
	for (int i = 0; i < 2; i++)
		len += snprintf(out + len, TEXT_MAX - (size_t)len,
		    " %020llu %020llu %020llu",
		    (unsigned long long)place[i].size,
		    (unsigned long long)place[i].segment,
		    (unsigned long long)place[i].offset);
	sum = tally_hash_bytes(hasher, out, (size_t)len);
	tally_hash_format(&sum, sum_hex);
	len += snprintf(out + len, TEXT_MAX - (size_t)len, " %s\n", sum_hex);
	return (size_t)len;
}

int
tally_covered_read(struct tally_log *log, struct tally_index *index)
{
	struct tally_place place[2];
	char text[TEXT_MAX + 1] = { 0 }, again[TEXT_MAX];
	unsigned long long number[6];
	uint8_t boot[16];
	int result;
	int64_t n;

	index->stated = tally_sys_open(index->dir, TALLY_COVERED_NAME,
	    TALLY_SYS_READ);
	if (index->stated < 0)
		return TALLY_END;
	n = tally_sys_read(index->stated, text, TEXT_MAX, 0);
	if (n < 80 ||
	    sscanf(text + 80, "%llu %llu %llu %llu %llu %llu", &number[0],
		&number[1], &number[2], &number[3], &number[4],
		&number[5]) != 6)
		return TALLY_END;
	result = tally_hex_parse(text + 47, 32, true, boot, sizeof(boot));
	if (result != 0)
		return TALLY_END;
	for (int i = 0; i < 2; i++) {
		place[i].size = number[3 * i];
		place[i].segment = number[3 * i + 1];
		place[i].offset = number[3 * i + 2];
	}
	if (format(log, &index->hasher, boot, place, again) != (size_t)n ||
	    memcmp(text, again, (size_t)n) != 0)
		return TALLY_END;
	index->synced = place[1];
	index->covered = memcmp(boot, log->owner.boot, sizeof(boot)) == 0
	    ? place[0]
	    : place[1];
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
	struct tally_place place[2] = { index->covered, index->synced };
	char text[TEXT_MAX];
	size_t len = format(log, &index->hasher, log->owner.boot, place, text);
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
