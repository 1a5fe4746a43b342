/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R8: whatever happens to the files of index/, no answer is wrong: they are
 * damaged byte by byte, cut, removed, and replaced by older ones.  Damage is
 * found and the index built anew, or the segments read; where files are cut or
 * removed there is at worst an error that says what to do.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tally/proof.h>

#include "lab.h"

#define RECORDS 600
#define SMALL_RECORDS 6
#define FILES_MAX 32

struct truth {
	char chain[8], id[24];
	struct tally_receipt receipt;
};

static struct truth truth[RECORDS + 1];
static int records = RECORDS;  /* of the log */
static struct tally_hash root; /* of the log, read from its segments */

static void
take_root(struct lab *lab)
{
	struct tally_verdict verdict;

	assert_int_equal(tally_verify(lab->dir, NULL, &verdict, NULL), 0);
	root = verdict.root;
}

struct file {
	char path[300], name[100];
	size_t len;
	uint8_t *bytes;
};

struct files {
	struct file file[FILES_MAX];
	size_t count;
};

/* Appends, recovers, and looks up so that everything has an index. */
static void
fill(struct lab *lab)
{
	struct tally_find find = { .by = TALLY_KEY_INDEX };
	struct tally_cursor *cursor;
	struct tally_record record;
	struct tally_log *log;

	lab_init(lab, LAB_SEGMENT);
	log = lab_must_open(lab);
	for (int i = 1; i <= records; i++) {
		snprintf(truth[i].chain, sizeof(truth[i].chain), "%c",
		    'a' + i % 3);
		snprintf(truth[i].id, sizeof(truth[i].id), "id %d", i);
		assert_int_equal(lab_put(lab, log, truth[i].chain, truth[i].id,
				     NULL, TALLY_BUFFERED, &truth[i].receipt),
		    0);
	}
	assert_int_equal(tally_log_close(log, NULL), 0);
	/* Without the state, ids are only in the index. */
	assert_int_equal(lab_shell("rm -rf '%s/run'", lab->dir), 0);
	log = lab_must_open(lab);
	lab_must_put(lab, log, "a", NULL, TALLY_SYNC);
	lab_must_put(lab, log, "a", "id of the end", TALLY_SYNC);
	assert_int_equal(tally_cursor_open(log, NULL, &cursor, NULL), 0);
	assert_int_equal(tally_cursor_find(cursor, &find, &record, NULL), 0);
	tally_cursor_close(cursor);
	assert_int_equal(tally_log_close(log, NULL), 0);
	take_root(lab);
}

static void
read_file(struct file *file)
{
	struct stat st;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	file->len = (size_t)st.st_size;
	file->bytes = malloc(file->len + 1);
	assert_int_equal(read(fd, file->bytes, file->len), file->len);
	close(fd);
}

static void
files_take(struct lab *lab, struct files *files)
{
	struct dirent *entry;
	char path[200];
	DIR *dir;

	memset(files, 0, sizeof(*files));
	snprintf(path, sizeof(path), "%s/index", lab->dir);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct file *file = &files->file[files->count];

		if (entry->d_name[0] == '.')
			continue;
		assert_true(++files->count < FILES_MAX);
		snprintf(file->name, sizeof(file->name), "%.90s",
		    entry->d_name);
		snprintf(file->path, sizeof(file->path), "%.180s/%.90s", path,
		    entry->d_name);
		read_file(file);
	}
	closedir(dir);
	assert_true(files->count >= 3);
}

static void
files_free(struct files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->file[i].bytes);
}

/* A new file in its place, as a restore would make it. */
static void
put_file(const struct file *file, size_t len)
{
	char path[310];
	int fd;

	snprintf(path, sizeof(path), "%s~", file->path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	assert_int_equal(write(fd, file->bytes, len), len);
	close(fd);
	assert_int_equal(rename(path, file->path), 0);
}

static void
files_put(struct lab *lab, const struct files *files)
{
	assert_int_equal(lab_shell("rm -rf '%s/index' && mkdir '%s/index'",
			     lab->dir, lab->dir),
	    0);
	for (size_t i = 0; i < files->count; i++)
		put_file(&files->file[i], files->file[i].len);
}

/* ---- asking ----------------------------------------------------------- */

static unsigned long errors_told;
static bool asks_proofs = true;

/* An error is an answer too, if it says something. */
static void
is_told(struct lab *lab, const char *what, int result)
{
	if (result >= 0 || lab->error.message[0] == '\0')
		lab_wrong(lab, "%s: %d, \"%s\"", what, result,
		    lab->error.message);
	errors_told++;
}

static void
ask_find(struct lab *lab, struct tally_cursor *cursor, int i, enum tally_key by)
{
	struct tally_find find = {
		.by = by,
		.chain = truth[i].chain,
		.chain_len = 1,
		.id = truth[i].id,
		.id_len = strlen(truth[i].id),
		.seq = truth[i].receipt.seq,
		.index = truth[i].receipt.index,
	};
	struct tally_record record;
	int result;

	memset(&lab->error, 0, sizeof(lab->error));
	result = tally_cursor_find(cursor, &find, &record, &lab->error);
	if (result != 0) {
		is_told(lab,
		    by == TALLY_KEY_ID        ? "find by id"
			: by == TALLY_KEY_SEQ ? "find by seq"
					      : "find by index",
		    result);
		return;
	}
	if (record.index != truth[i].receipt.index ||
	    memcmp(&record.hash, &truth[i].receipt.hash, sizeof(record.hash)) !=
		0)
		lab_wrong(lab, "find by %d gave index %llu for %llu", (int)by,
		    (unsigned long long)record.index,
		    (unsigned long long)truth[i].receipt.index);
}

static void
ask_walk(struct lab *lab, struct tally_log *log, int i)
{
	struct tally_range range = {
		.chain = truth[i].chain,
		.chain_len = 1,
		.from_seq = truth[i].receipt.seq,
		.to_seq = truth[i].receipt.seq,
	};
	struct tally_cursor *cursor;
	struct tally_record record;
	int result;

	memset(&lab->error, 0, sizeof(lab->error));
	result = tally_cursor_open(log, &range, &cursor, &lab->error);
	if (result == 0) {
		result = tally_cursor_next(cursor, &record, &lab->error);
		if (result == 0 && record.index != truth[i].receipt.index)
			lab_wrong(lab, "walked to index %llu",
			    (unsigned long long)record.index);
		tally_cursor_close(cursor);
	}
	if (result != 0)
		is_told(lab, "walk", result);
}

static void
ask_again(struct lab *lab, struct tally_log *log, int i)
{
	struct tally_receipt receipt;
	int result;

	result = lab_put(lab, log, truth[i].chain, truth[i].id, NULL,
	    TALLY_SYNC, &receipt);
	if (result != 0)
		is_told(lab, "append", result);
	else if (!receipt.repeated || receipt.index != truth[i].receipt.index)
		lab_wrong(lab, "the id \"%s\" was given twice", truth[i].id);
	result = lab_put(lab, log, truth[i].chain, truth[i].id, "{\"o\":1}",
	    TALLY_SYNC, &receipt);
	if (result != TALLY_E_CONFLICT)
		is_told(lab, "conflict", result);
}

static void
ask_proof(struct lab *lab, struct tally_log *log, int i)
{
	struct tally_proof proof;
	char *text = NULL;
	size_t len = 0;
	int result;

	memset(&lab->error, 0, sizeof(lab->error));
	result = tally_log_prove(log, truth[i].chain, 1, truth[i].receipt.seq,
	    &text, &len, &lab->error);
	if (result != 0) {
		is_told(lab, "prove", result);
		return;
	}
	result = tally_proof_check(text, len, &root, &proof, &lab->error);
	free(text);
	if (result != 0 || proof.verdict != TALLY_PROOF_ROOT)
		lab_wrong(lab, "a proof that does not hold: %d", result);
	if (result == 0)
		tally_proof_wipe(&proof);
}

/* Everything about a few records, in a new handle. */
static void
ask(struct lab *lab, unsigned seed)
{
	struct tally_cursor *cursor;
	struct tally_log *log = lab_must_open(lab);
	int i = 1 + (int)(seed * 7919 % (unsigned)records);

	assert_int_equal(tally_cursor_open(log, NULL, &cursor, NULL), 0);
	ask_find(lab, cursor, i, TALLY_KEY_INDEX);
	ask_find(lab, cursor, i, TALLY_KEY_SEQ);
	ask_find(lab, cursor, i, TALLY_KEY_ID);
	ask_find(lab, cursor, records, TALLY_KEY_ID);
	ask_find(lab, cursor, 1, TALLY_KEY_SEQ);
	tally_cursor_close(cursor);
	ask_walk(lab, log, i);
	if (asks_proofs)
		ask_proof(lab, log, i);
	ask_again(lab, log, i);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check_wrongs(lab);
}

/* Everything about every record, in one handle. */
static void
ask_all(struct lab *lab, bool read_only)
{
	struct tally_open_options options = { .read_only = read_only };
	struct tally_cursor *cursor;
	struct tally_log *log;

	assert_int_equal(tally_log_open(lab->dir, &options, &log, NULL), 0);
	assert_int_equal(tally_cursor_open(log, NULL, &cursor, NULL), 0);
	for (int i = 1; i <= records; i++) {
		ask_find(lab, cursor, i, TALLY_KEY_INDEX);
		ask_find(lab, cursor, i, TALLY_KEY_SEQ);
		ask_find(lab, cursor, i, TALLY_KEY_ID);
		ask_walk(lab, log, i);
		ask_proof(lab, log, i);
		if (!read_only)
			ask_again(lab, log, i);
	}
	tally_cursor_close(cursor);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check_wrongs(lab);
}

/* ---- damage ----------------------------------------------------------- */

static void
try(struct lab *lab, const struct files *files, size_t which, const char *how,
    size_t at)
{
	char what[200];

	snprintf(what, sizeof(what), "index/%s %s at %zu of %zu",
	    files->file[which].name, how, at, files->file[which].len);
	lab->what = what;
	for (unsigned i = 0; i < 3; i++)
		ask(lab, (unsigned)at * 3 + i);
	lab->what = NULL;
	files_put(lab, files);
}

/* Bytes of the files whose names begin so, or do not begin with keys. */
static void
damage_bytes(struct lab *lab, const char *prefix)
{
	struct files files;
	unsigned long tries = 0;

	errors_told = 0;
	fill(lab);
	files_take(lab, &files);
	for (size_t f = 0; f < files.count; f++) {
		struct file *file = &files.file[f];
		size_t step = LAB_SLOW ? 251 : file->len > 1024 ? 61 : 1;

		if (prefix != NULL
			? strncmp(file->name, prefix, strlen(prefix)) != 0
			: strncmp(file->name, "keys", 4) == 0)
			continue;
		for (size_t at = 0; at < file->len;
		     at += at < 160 && !LAB_SLOW ? 1 : step, tries++) {
			file->bytes[at] ^= (uint8_t)(1 << tries % 8);
			put_file(file, file->len);
			file->bytes[at] ^= (uint8_t)(1 << tries % 8);
			try(lab, &files, f, "damaged", at);
		}
	}
	files_free(&files);
	lab_check(lab);
	assert_true(tries > 0);
	print_message("# %lu bytes\n", tries);
	assert_int_equal(errors_told, 0);
}

/*
 * Every byte of every file of a small log, and everything asked about every
 * record, by who may build the index anew and by who may not: each answer is
 * right.
 */
static void
test_index__every_byte_and_every_answer(void **state)
{
	struct lab *lab = *state;
	unsigned long tries = 0;
	struct files files;

	records = SMALL_RECORDS;
	errors_told = 0;
	fill(lab);
	files_take(lab, &files);
	for (size_t f = 0; f < files.count; f++) {
		struct file *file = &files.file[f];

		for (size_t at = 0; at < file->len;
		     at += LAB_SLOW ? 61 : 1, tries++) {
			char what[200];

			snprintf(what, sizeof(what), "index/%s damaged at %zu",
			    file->name, at);
			lab->what = what;
			file->bytes[at] ^= (uint8_t)(1 << tries % 8);
			put_file(file, file->len);
			file->bytes[at] ^= (uint8_t)(1 << tries % 8);
			ask_all(lab, true);
			ask_all(lab, false);
			lab->what = NULL;
			files_put(lab, &files);
		}
	}
	files_free(&files);
	lab_check(lab);
	records = RECORDS;
	print_message("# %lu bytes\n", tries);
	assert_true(tries > 0);
	assert_int_equal(errors_told, 0);
}

/* Keys cannot be chosen to meet by who may not read the log's own files. */
static void
test_index__the_secret_is_private(void **state)
{
	struct lab *lab = *state;
	struct stat st;
	char path[200];

	fill(lab);
	snprintf(path, sizeof(path), "%s/index/secret", lab->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 16);
	/* Lost, it is another, and the index is made anew. */
	assert_int_equal(unlink(path), 0);
	ask(lab, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	lab_check(lab);
}

static void
test_index__every_byte_of_the_small_files(void **state)
{
	asks_proofs = false;
	damage_bytes(*state, NULL);
}

static void
test_index__every_byte_of_the_leaves(void **state)
{
	asks_proofs = true;
	damage_bytes(*state, "records");
	lab_teardown(state);
	lab_setup(state);
	damage_bytes(*state, "tree");
}

static void
test_index__every_byte_of_the_keys(void **state)
{
	damage_bytes(*state, "keys");
}

static void
test_index__files_cut_and_removed(void **state)
{
	struct lab *lab = *state;
	struct files files;

	asks_proofs = true;
	fill(lab);
	files_take(lab, &files);
	for (size_t f = 0; f < files.count; f++) {
		const struct file *file = &files.file[f];

		for (size_t len = 0; len < file->len;
		     len += file->len / 17 + 1) {
			put_file(file, len);
			try(lab, &files, f, "cut", len);
		}
		assert_int_equal(unlink(file->path), 0);
		try(lab, &files, f, "removed", 0);
	}
	files_free(&files);
	lab_check(lab);
}

/* Each file as it was before, among the others as they are now. */
static void
test_index__files_from_before(void **state)
{
	struct lab *lab = *state;
	struct files before, now;

	fill(lab);
	files_take(lab, &before);
	for (int i = 0; i < 3000; i++) {
		struct tally_log *log = i == 0 ? lab_must_open(lab) : NULL;

		for (; log != NULL && i < 3000; i++)
			lab_must_put(lab, log, "a", NULL, TALLY_BUFFERED);
		assert_int_equal(tally_log_close(log, NULL), 0);
	}
	take_root(lab);
	ask(lab, 1);
	files_take(lab, &now);
	for (size_t f = 0; f < before.count; f++) {
		put_file(&before.file[f], before.file[f].len);
		try(lab, &now, 0, before.file[f].name, f);
	}
	files_put(lab, &before);
	try(lab, &now, 0, "all from before", 0);
	/* The other way round: what was there later. */
	files_put(lab, &before);
	for (size_t f = 0; f < now.count; f++) {
		put_file(&now.file[f], now.file[f].len);
		try(lab, &before, 0, now.file[f].name, f);
	}
	files_free(&before);
	files_free(&now);
	lab_check(lab);
}

/* The heads of another moment with the segments of now. */
static void
test_index__of_another_log(void **state)
{
	struct lab *lab = *state, other;
	struct files files;

	fill(lab);
	memcpy(&other, lab, sizeof(other));
	snprintf(other.dir, sizeof(other.dir), "%s/other", lab->top);
	fill(&other);
	assert_int_equal(lab_shell("rm -r '%s/index' && cp -r '%s/index'"
				   " '%s/index' && rm -r '%s'",
			     other.dir, lab->dir, other.dir, lab->dir),
	    0);
	atomic_store(&lab->shared->acks_len, 0);
	for (unsigned i = 0; i < 20; i++)
		ask(&other, i);
	files_take(&other, &files);
	files_free(&files);
	lab_check(&other);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_index__every_byte_and_every_answer),
		CASE(test_index__the_secret_is_private),
		CASE(test_index__every_byte_of_the_small_files),
		CASE(test_index__every_byte_of_the_leaves),
		CASE(test_index__every_byte_of_the_keys),
		CASE(test_index__files_cut_and_removed),
		CASE(test_index__files_from_before),
		CASE(test_index__of_another_log),
	};

	/* Thousands of logs are opened and closed here, and none loses power:
	 * in memory that takes seconds, on a busy disk minutes. */
	if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
