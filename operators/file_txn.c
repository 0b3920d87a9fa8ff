/* SPDX-License-Identifier: BSD-3-Clause */
/* Transactions of files: names, syncs, renames. */

#include "operators/file_txn.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/env.h"

#define PENDING ".pending"
#define COPY_BYTES (256u << 10)
#define NUMBER_DIGITS 12

bool
file_txn_path(const char *path, uint32_t slice, char out[FILE_TXN_PATH])
{
	const char *mark = strstr(path, "%s");
	int length;

	if (mark == NULL) {
		length = snprintf(out, FILE_TXN_PATH, "%s", path);
	} else {
		length = snprintf(out, FILE_TXN_PATH, "%.*s%u%s", (int)(mark - path), path, slice,
		                  mark + 2);
	}
	return length < (int)FILE_TXN_PATH;
}

const char *
file_txn_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash != NULL) {
		return slash + 1;
	}
	slash = strchr(path, ':'); /* the simulator's disk has no folder but its root */
	return slash == NULL ? path : slash + 1;
}

/* Where the extension starts: the last dot of the name that is not its first character. */
static const char *
extension(const char *path)
{
	const char *name = file_txn_name(path);
	const char *dot = strrchr(name, '.');

	return dot == NULL || dot == name ? path + strlen(path) : dot;
}

bool
file_txn_pending(const char *path, uint64_t incarnation, uint64_t count, char out[FILE_TXN_PATH])
{
	return snprintf(out, FILE_TXN_PATH, "%s.%" PRIu64 ".%" PRIu64 PENDING, path, incarnation,
	                count) < (int)FILE_TXN_PATH;
}

bool
file_txn_final(const char *path, uint64_t number, char out[FILE_TXN_PATH])
{
	const char *dot = extension(path);

	return snprintf(out, FILE_TXN_PATH, "%.*s-%0*" PRIu64 "%s", (int)(dot - path), path,
	                NUMBER_DIGITS, number, dot) < (int)FILE_TXN_PATH;
}

void
file_txn_write(struct lm_writer *writer, const struct file_txn *txn)
{
	char text[2 * FILE_TXN_PATH + 64];
	int length = snprintf(text, sizeof(text), "%" PRIu64 "\n%016" PRIx64 "\n%s\n%s\n",
	                      txn->length, txn->digest, txn->pending, txn->final);

	lm_write_bytes(writer, text, (uint32_t)length);
}

/* A number at *at, which moves behind it. False: there is none. */
static bool
take_number(const char **at, int base, uint64_t *value)
{
	char *end;

	if (!isxdigit((unsigned char)**at)) {
		return false;
	}
	errno = 0;
	*value = strtoull(*at, &end, base);
	if (errno != 0 || end == *at) {
		return false;
	}
	*at = end;
	return true;
}

static bool
take_text(const char **at, const char *text)
{
	size_t length = strlen(text);

	if (strncmp(*at, text, length) != 0) {
		return false;
	}
	*at += length;
	return true;
}

/* What a transaction says, with its whole paths. */
struct parsed {
	uint64_t length, digest;
	char folder[FILE_TXN_PATH];
	char pending[2 * FILE_TXN_PATH], final[2 * FILE_TXN_PATH];
};

static void
folder_of(const char *path, char out[FILE_TXN_PATH])
{
	size_t length = (size_t)(file_txn_name(path) - path);

	if (length == 0) {
		snprintf(out, FILE_TXN_PATH, ".");
		return;
	}
	snprintf(out, FILE_TXN_PATH, "%.*s", (int)length, path);
	if (length > 1 && out[length - 1] == '/') {
		out[length - 1] = '\0';
	}
}

static int
fail(struct lm_transaction *txn, int result, const char *path, const char *what)
{
	snprintf(txn->why, sizeof(txn->why), "%.60s %.120s: %s", what, path, strerror(-result));
	return result;
}

static int
parse(const char *path, struct lm_transaction *txn, struct parsed *parsed)
{
	const char *text = txn->bytes, *end = text + txn->size;
	const char *line[4];
	size_t size[4];

	for (uint32_t i = 0; i < 4; i++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (stop == NULL || stop == text) {
			snprintf(txn->why, sizeof(txn->why),
			         "what was written down of a transaction makes no sense");
			return -EINVAL;
		}
		line[i] = text;
		size[i] = (size_t)(stop - text);
		text = stop + 1;
	}
	if (!take_number(&line[0], 10, &parsed->length) ||
	    !take_number(&line[1], 16, &parsed->digest) || size[2] >= FILE_TXN_PATH ||
	    size[3] >= FILE_TXN_PATH || memchr(line[2], '/', size[2]) != NULL ||
	    memchr(line[3], '/', size[3]) != NULL) {
		snprintf(txn->why, sizeof(txn->why),
		         "what was written down of a transaction makes no sense");
		return -EINVAL;
	}
	folder_of(path, parsed->folder);
	snprintf(parsed->pending, sizeof(parsed->pending), "%.*s%.*s",
	         (int)(file_txn_name(path) - path), path, (int)size[2], line[2]);
	snprintf(parsed->final, sizeof(parsed->final), "%.*s%.*s",
	         (int)(file_txn_name(path) - path), path, (int)size[3], line[3]);
	return 0;
}

static int
sync_and_close(int file, int result)
{
	result = result == 0 ? env_file_sync(file) : result;
	env_file_close(file);
	return result;
}

static int
write_whole(int file, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = env_file_write(file, bytes, size);

		if (written == -EINTR) {
			continue;
		}
		if (written <= 0) {
			return written == 0 ? -ENOSPC : (int)written;
		}
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

/* All of `from` to `to`; what was read is what was written once, or -EBADMSG. */
static int
copy_whole(int from, int to, const struct parsed *parsed)
{
	XXH3_state_t *state = XXH3_createState();
	char *buffer = malloc(COPY_BYTES);
	uint64_t length = 0;
	ssize_t got = 0;
	int result = buffer == NULL || state == NULL ? -ENOMEM : 0;

	if (result == 0) {
		XXH3_64bits_reset(state);
	}
	while (result == 0 && (got = env_file_read(from, buffer, COPY_BYTES)) != 0) {
		if (got == -EINTR) {
			continue;
		}
		result = got < 0 ? (int)got : write_whole(to, buffer, (size_t)got);
		if (result == 0) {
			XXH3_64bits_update(state, buffer, (size_t)got);
			length += (uint64_t)got;
		}
	}
	if (result == 0 &&
	    (length != parsed->length || XXH3_64bits_digest(state) != parsed->digest)) {
		result = -EBADMSG;
	}
	free(buffer);
	XXH3_freeState(state);
	return result;
}

/*
 * A sync that failed may have dropped what it should have written, and the next one would not say
 * so: the content goes into another file, which takes the name.
 */
static int
secure_again(struct lm_transaction *txn, const struct parsed *parsed)
{
	char copy[2 * FILE_TXN_PATH + 32];
	int from, to, result;

	snprintf(copy, sizeof(copy), "%s.%u", parsed->pending, txn->attempts);
	from = env_file_open(parsed->pending, O_RDONLY | O_CLOEXEC, 0);
	if (from < 0) {
		return fail(txn, from, parsed->pending, "cannot open");
	}
	(void)env_file_unlink(copy);
	to = env_file_open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (to < 0) {
		env_file_close(from);
		return fail(txn, to, copy, "cannot create");
	}
	result = sync_and_close(to, copy_whole(from, to, parsed));
	env_file_close(from);
	result = result == 0 ? env_file_rename(copy, parsed->pending) : result;
	if (result != 0) {
		(void)env_file_unlink(copy);
		return fail(txn, result, parsed->pending,
		            result == -EBADMSG ? "the disk lost what was written to"
		                               : "cannot write again");
	}
	return 0;
}

static int
secure_first(struct lm_transaction *txn, const struct parsed *parsed)
{
	int file = env_file_open(parsed->pending, O_RDONLY | O_CLOEXEC, 0);
	int64_t size;
	int result;

	if (file < 0) {
		return fail(txn, file, parsed->pending, "cannot open");
	}
	size = env_file_size(file);
	result = size < 0 ? (int)size : size == (int64_t)parsed->length ? 0 : -EBADMSG;
	result = sync_and_close(file, result);
	return result == 0 ? 0 : fail(txn, result, parsed->pending, "cannot make safe");
}

int
file_txn_secure(const char *path, struct lm_transaction *txn)
{
	struct parsed parsed;
	int result = parse(path, txn, &parsed);

	if (result == 0) {
		result =
		    txn->attempts == 0 ? secure_first(txn, &parsed) : secure_again(txn, &parsed);
	}
	if (result != 0) {
		return result;
	}
	result = env_dir_sync(parsed.folder);
	return result == 0 ? 0 : fail(txn, result, parsed.folder, "cannot make safe");
}

static bool
is_there(const char *path)
{
	int file = env_file_open(path, O_RDONLY | O_CLOEXEC, 0);

	if (file >= 0) {
		env_file_close(file);
	}
	return file >= 0;
}

int
file_txn_commit(const char *path, struct lm_transaction *txn)
{
	struct parsed parsed;
	int result = parse(path, txn, &parsed);

	if (result != 0) {
		return result;
	}
	if (is_there(parsed.final)) {
		/* It was committed before, or another job's file has the name. */
		if (is_there(parsed.pending)) {
			snprintf(txn->why, sizeof(txn->why),
			         "%.180s is there already and not ours: move it elsewhere",
			         parsed.final);
			return -EEXIST;
		}
	} else {
		result = env_file_rename(parsed.pending, parsed.final);
		if (result != 0) {
			return fail(txn, result, parsed.pending, "cannot rename");
		}
	}
	result = env_dir_sync(parsed.folder);
	return result == 0 ? 0 : fail(txn, result, parsed.folder, "cannot make safe");
}

/* ---- what is in the folder ---- */

struct scan {
	const char *name;  /* of the path */
	const char *start; /* of the whole path: its folder */
	uint64_t incarnation;
	int64_t count;
	int result;
	char removed[FILE_TXN_PATH];
};

/* "<name>.<incarnation>.<count>.pending", perhaps ".<attempt>" behind it, of an older one. */
static bool
is_left_over(const struct scan *scan, const char *name)
{
	uint64_t incarnation, count;

	return take_text(&name, scan->name) && take_text(&name, ".") &&
	       take_number(&name, 10, &incarnation) && take_text(&name, ".") &&
	       take_number(&name, 10, &count) && take_text(&name, PENDING) &&
	       incarnation < scan->incarnation;
}

static void
remove_left_over(void *arg, const char *name)
{
	struct scan *scan = arg;
	char path[2 * FILE_TXN_PATH];
	int result;

	if (!is_left_over(scan, name)) {
		return;
	}
	snprintf(path, sizeof(path), "%.*s%s", (int)(scan->name - scan->start), scan->start, name);
	result = env_file_unlink(path);
	scan->result = scan->result == 0 && result != -ENOENT ? result : scan->result;
	scan->count++;
}

int
file_txn_fence(const char *path, struct lm_transaction *txn)
{
	struct scan scan = { .incarnation = txn->incarnation };
	char whole[FILE_TXN_PATH], folder[FILE_TXN_PATH];
	int result;

	if (!file_txn_path(path, txn->slice, whole)) {
		return fail(txn, -ENAMETOOLONG, path, "the path");
	}
	folder_of(whole, folder);
	scan.start = whole;
	scan.name = file_txn_name(whole);
	result = env_dir_list(folder, remove_left_over, &scan);
	result = result == 0 ? scan.result : result;
	if (result == 0 && scan.count > 0) {
		result = env_dir_sync(folder);
	}
	return result == 0 ? 0
	                   : fail(txn, result, folder, "cannot clear what was not committed in");
}

static void
count_committed(void *arg, const char *name)
{
	struct scan *scan = arg;
	const char *dot = extension(scan->name);
	size_t stem = (size_t)(dot - scan->name);
	size_t digits;

	if (strncmp(name, scan->name, stem) != 0 || name[stem] != '-') {
		return;
	}
	digits = strspn(name + stem + 1, "0123456789");
	if (digits >= NUMBER_DIGITS && strcmp(name + stem + 1 + digits, dot) == 0) {
		scan->count++;
	}
}

int64_t
file_txn_count(const char *path)
{
	struct scan scan = { .start = path, .name = file_txn_name(path) };
	char folder[FILE_TXN_PATH];
	int result;

	folder_of(path, folder);
	result = env_dir_list(folder, count_committed, &scan);
	return result != 0 ? result : scan.count;
}
