/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proof in a log of 100 million records: bench_prove DIR, an empty
 * directory.
 *
 * The tiles of such a log (c2sp.org/tlog-tiles) that the proofs need are
 * generated there; its leaves repeat after 65,536, so that the roots above are
 * known without 100 million hashes.  Each proof opens and reads its tiles anew
 * (the page cache has them), hashes inside them, is written as a tlog-proof
 * with a record of 300 bytes and a signed checkpoint, and is checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/proof.h"
#include "core/tile.h"

#define SIZE UINT64_C(100000000)
#define PERIOD 65536 /* leaves; one tile of level 1 */
#define PROOFS 1000
#define RECORD 300
#define LEVELS 4 /* of tiles that such a tree has */
#define ORIGIN "example.org/bench"

static struct tally_hasher hasher;
static struct tally_hash leaf[PERIOD];
static struct tally_hash above[64]; /* roots of 65,536 << n leaves */
static struct tally_hash first[PERIOD / TALLY_TILE_WIDTH]; /* level 1 */
static int dir;

static void
die(const char *what)
{
	fprintf(stderr, "bench_prove: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the log ----------------------------------------------------------- */

static struct tally_hash
root_of(const struct tally_hash *hash, size_t len)
{
	struct tally_frontier frontier;

	tally_frontier_init(&frontier);
	for (size_t i = 0; i < len; i++)
		tally_frontier_append(&hasher, &frontier, &hash[i]);
	return tally_frontier_root(&hasher, &frontier);
}

static void
make_tree(void)
{
	for (uint32_t i = 0; i < PERIOD; i++)
		leaf[i] = tally_hash_leaf(&hasher, &i, sizeof(i));
	for (int i = 0; i < PERIOD / TALLY_TILE_WIDTH; i++)
		first[i] = root_of(&leaf[i * TALLY_TILE_WIDTH],
		    TALLY_TILE_WIDTH);
	above[0] = root_of(first, PERIOD / TALLY_TILE_WIDTH);
	for (int i = 1; i < 64; i++)
		above[i] = tally_hash_node(&hasher, &above[i - 1],
		    &above[i - 1]);
}

/* Hash number at of a level of tiles. */
static const struct tally_hash *
tile_hash(unsigned level, uint64_t at)
{
	if (level == 0)
		return &leaf[at % PERIOD];
	if (level == 1)
		return &first[at % (PERIOD / TALLY_TILE_WIDTH)];
	return &above[8 * (level - 2)];
}

static void
make_tile(unsigned level, uint64_t at)
{
	struct tally_tile tile = tally_tile_of(SIZE, level, at);
	char path[TALLY_TILE_PATH_MAX];
	uint8_t bytes[TALLY_TILE_BYTES];
	ssize_t len = (ssize_t)(tile.width * TALLY_HASH_SIZE);
	int fd;

	(void)tally_tile_path(&tile, path);
	for (char *slash = path; (slash = strchr(slash, '/')) != NULL;
	     slash++) {
		*slash = '\0';
		if (mkdirat(dir, path, 0755) != 0 && errno != EEXIST)
			die(path);
		*slash = '/';
	}
	for (unsigned i = 0; i < tile.width; i++)
		memcpy(bytes + i * TALLY_HASH_SIZE,
		    tile_hash(level, tile.index * TALLY_TILE_WIDTH + i)->b,
		    TALLY_HASH_SIZE);
	fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, bytes, (size_t)len) != len || close(fd) != 0)
		die(path);
}

/* ---- proving from tiles ------------------------------------------------- */

struct reader {
	bool has[LEVELS][2]; /* the last two tiles of each level */
	uint64_t index[LEVELS][2];
	uint8_t bytes[LEVELS][2][TALLY_TILE_BYTES];
	unsigned next[LEVELS];
};

static const uint8_t *
read_tile(struct reader *reader, unsigned level, uint64_t at)
{
	struct tally_tile tile = tally_tile_of(SIZE, level, at);
	char path[TALLY_TILE_PATH_MAX];
	ssize_t len = (ssize_t)(tile.width * TALLY_HASH_SIZE);
	unsigned slot;
	int fd;

	for (slot = 0; slot < 2; slot++) {
		if (reader->has[level][slot] &&
		    reader->index[level][slot] == tile.index)
			return reader->bytes[level][slot];
	}
	slot = reader->next[level]++ % 2;
	(void)tally_tile_path(&tile, path);
	fd = openat(dir, path, O_RDONLY);
	/* What was not generated yet belongs to the right edge. */
	if (fd < 0 && errno == ENOENT) {
		make_tile(level, at);
		fd = openat(dir, path, O_RDONLY);
	}
	if (fd < 0 || read(fd, reader->bytes[level][slot], (size_t)len) != len)
		die(path);
	(void)close(fd);
	reader->has[level][slot] = true;
	reader->index[level][slot] = tile.index;
	return reader->bytes[level][slot];
}

static int
node(void *arg, unsigned height, uint64_t position, struct tally_hash *out)
{
	unsigned level = height / 8, inside = height % 8;
	uint64_t at = position << inside;
	struct tally_hash hash[TALLY_TILE_WIDTH];
	const uint8_t *tile = read_tile(arg, level, at);

	for (unsigned i = 0; i < 1U << inside; i++)
		memcpy(hash[i].b,
		    tile + (at % TALLY_TILE_WIDTH + i) * TALLY_HASH_SIZE,
		    TALLY_HASH_SIZE);
	*out = root_of(hash, (size_t)1 << inside);
	return 0;
}

static size_t
make_note(const struct tally_hash *root, char *out)
{
	static const uint8_t seed[TALLY_SIGN_SEED_SIZE] = { 7 };
	struct tally_checkpoint checkpoint = { .origin = ORIGIN,
		.origin_len = sizeof(ORIGIN) - 1,
		.size = SIZE,
		.root = *root };
	uint8_t key[TALLY_SIGN_PUBLIC_SIZE];
	struct tally_vkey vkey;
	size_t len = tally_checkpoint_format(&checkpoint, out), line = 0;

	if (tally_sign_public(seed, key) != 0)
		die("libcrypto");
	tally_vkey_init(&hasher, ORIGIN, sizeof(ORIGIN) - 1, TALLY_VKEY_ED25519,
	    key, &vkey);
	out[len] = '\n';
	if (tally_note_sign(&vkey, seed, 0, out, len, out + len + 1, &line) !=
	    0)
		die("libcrypto");
	return len + 1 + line;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One proof, from closed files to its text; its length. */
static size_t
prove(uint64_t index, const char *note, size_t note_len,
    const struct tally_hash *root, char *text)
{
	static struct reader reader;
	static const char record[RECORD] = { '{' };
	const struct tally_tree_source source = { node, &reader };
	struct tally_hash path[TALLY_PROOF_MAX];
	size_t len;

	memset(reader.has, 0, sizeof(reader.has));
	if (tally_inclusion_prove(&hasher, &source, index, SIZE, path, &len) !=
		0 ||
	    !tally_inclusion_check(&hasher, &leaf[index % PERIOD], index, SIZE,
		path, len, root)) {
		fputs("bench_prove: a proof does not hold\n", stderr);
		exit(1);
	}
	return tally_proof_text_format(record, sizeof(record), index, path, len,
	    note, note_len, text);
}

int
main(int argc, char **argv)
{
	static char text[65536], note[4096];
	static double seconds[PROOFS];
	static struct reader reader;
	const struct tally_tree_source source = { node, &reader };
	struct tally_hash root;
	size_t note_len, most = 0, len;

	if (argc != 2 || (dir = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0) {
		fputs("usage: bench_prove DIR\n", stderr);
		return 2;
	}
	if (tally_hasher_open(&hasher) != 0)
		die("libcrypto");
	make_tree();
	if (tally_tree_root(&hasher, &source, SIZE, &root) != 0)
		die("the root");
	note_len = make_note(&root, note);
	srandom(1);
	for (int round = 0; round < 2; round++) {
		/* The first round generates the tiles. */
		srandom(1);
		for (int i = 0; i < PROOFS; i++) {
			uint64_t index = (uint64_t)random() % SIZE;
			double began = now();

			len = prove(index, note, note_len, &root, text);
			seconds[i] = now() - began;
			most = len > most ? len : most;
		}
	}
	qsort(seconds, PROOFS, sizeof(seconds[0]), by_value);
	printf("%" PRIu64 " records, %d proofs of a record of %d bytes: median"
	       " %.0f us, 99 of 100 below %.0f us, worst %.0f us, %zu bytes at"
	       " most\n",
	    SIZE, PROOFS, RECORD, seconds[PROOFS / 2] * 1e6,
	    seconds[PROOFS * 99 / 100] * 1e6, seconds[PROOFS - 1] * 1e6, most);
	tally_hasher_close(&hasher);
	return 0;
}
