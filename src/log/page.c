/* SPDX-License-Identifier: Apache-2.0 */
#include "log/page.h"
#include "log/bytes.h"
#include "log/fail.h"
#include "log/sys.h"

int
tally_paged_open(struct tally_paged *file, int dir, const char *name, int flags,
    const struct tally_sip_key *secret)
{
	int fd = tally_sys_open(dir, name, flags);

	tally_paged_close(file);
	if (fd < 0)
		return fd;
	file->fd = fd;
	file->key = tally_sip_derive(secret, name);
	return 0;
}

void
tally_paged_close(struct tally_paged *file)
{
	tally_sys_close(file->fd);
	file->fd = -1;
}

static uint64_t
sum_of(const struct tally_sip_key *key, uint64_t offset, const char *page,
    size_t len)
{
	return tally_sip_after(key, offset, page, len - TALLY_PAGE_SUM);
}

void
tally_page_seal(const struct tally_sip_key *key, uint64_t offset, char *page,
    size_t len)
{
	tally_put64(page + len - TALLY_PAGE_SUM,
	    sum_of(key, offset, page, len));
}

int
tally_pages_read(const struct tally_paged *file, uint64_t offset, size_t len,
    size_t count, char *out, struct tally_error *error)
{
	int64_t n = tally_sys_read(file->fd, out, count * len, offset);
	size_t i = 0;

	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read the index");
	if ((uint64_t)n == count * len) {
		for (; i < count; i++) {
			const char *page = out + i * len;

			if (tally_get64(page + len - TALLY_PAGE_SUM) !=
			    sum_of(&file->key, offset + i * len, page, len))
				break;
		}
		if (i == count)
			return TALLY_OK;
	}
	return tally_fail(error, TALLY_E_IO,
	    "the index is damaged; remove the directory \"index\", it comes"
	    " back");
}
