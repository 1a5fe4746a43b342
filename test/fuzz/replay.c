/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer's function over the files of its corpus, so that what the
 * fuzzer once found stays found: replay DIR.  One TAP case for each file; a
 * file that crashes ends the program, and the cases behind it are missing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 4096
#define INPUT_MAX (64 << 20)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the directory's files, sorted; SIZE_MAX if it fails. */
static size_t
list(const char *path, char *names[FILES_MAX])
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	if (dir == NULL)
		return SIZE_MAX;
	while ((entry = readdir(dir)) != NULL && count < FILES_MAX) {
		if (entry->d_name[0] == '.')
			continue;
		names[count] = strdup(entry->d_name);
		if (names[count] == NULL)
			break;
		count++;
	}
	closedir(dir);
	qsort(names, count, sizeof(names[0]), by_name);
	return count;
}

/* Gives the file's bytes in memory of just that size, for the sanitizers. */
static int
replay(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *data;
	FILE *file;
	long size;
	int rc = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rb");
	if (file == NULL)
		return -1;
	if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
	    size > INPUT_MAX || fseek(file, 0, SEEK_SET) != 0)
		goto out;
	data = malloc(size > 0 ? (size_t)size : 1);
	if (data == NULL)
		goto out;
	if (fread(data, 1, (size_t)size, file) == (size_t)size) {
		LLVMFuzzerTestOneInput(data, (size_t)size);
		rc = 0;
	}
	free(data);
out:
	fclose(file);
	return rc;
}

int
main(int argc, char **argv)
{
	static char *names[FILES_MAX];
	size_t count;
	int failed = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: replay DIR\n");
		return 2;
	}
	count = list(argv[1], names);
	if (count == SIZE_MAX) {
		perror(argv[1]);
		return 2;
	}
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		int rc = replay(argv[1], names[i]);

		printf("%s %zu - %s\n", rc == 0 ? "ok" : "not ok", i + 1,
		    names[i]);
		fflush(stdout);
		failed |= rc != 0;
		free(names[i]);
	}
	return failed;
}
