/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "watch/file.h"
#include "watch/segments.h"

#define DIGITS 20
#define SUFFIX ".jsonl"

static int
is_segment(const struct dirent *entry)
{
	return strspn(entry->d_name, "0123456789") == DIGITS &&
	    strcmp(entry->d_name + DIGITS, SUFFIX) == 0;
}

static int
compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Not the times of reading; ctime is what who owns a file cannot set. */
static int
add(EVP_MD_CTX *context, int dir, const char *name)
{
	struct stat st;
	char text[256];
	int len;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno;
	len = snprintf(text, sizeof(text),
	    "%s %ju %ju %ju %jd.%09ld %jd.%09ld\n", name, (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino, (uintmax_t)st.st_size,
	    (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
	    (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return EVP_DigestUpdate(context, text, (size_t)len) == 1 ? 0 : ENOMEM;
}

static int
print(const char *path, struct dirent **names, struct watch_segments *out)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed = dir < 0 ? errno : 0;

	if (failed == 0 &&
	    (context == NULL ||
		EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1))
		failed = ENOMEM;
	for (uint64_t i = 0; failed == 0 && i < out->print_count; i++)
		failed = add(context, dir, names[i]->d_name);
	if (failed == 0 && EVP_DigestFinal_ex(context, out->print.b, NULL) != 1)
		failed = ENOMEM;
	EVP_MD_CTX_free(context);
	if (dir >= 0)
		(void)close(dir);
	return failed;
}

int
watch_segments_look(const char *log_dir, uint64_t print_count,
    struct watch_segments *out)
{
	char *path = watch_path(log_dir, "log");
	struct dirent **names = NULL;
	int count, failed;

	memset(out, 0, sizeof(*out));
	if (path == NULL)
		return ENOMEM;
	count = scandir(path, &names, is_segment, compare);
	failed = count < 0 ? errno : 0;
	if (count > 0) {
		out->count = (uint64_t)count;
		out->last_index = strtoull(names[count - 1]->d_name, NULL, 10);
		out->print_count = print_count == 0 || print_count >= out->count
		    ? out->count - 1
		    : print_count;
		failed = print(path, names, out);
	}
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(path);
	return failed;
}
