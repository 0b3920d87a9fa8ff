/* SPDX-License-Identifier: BSD-3-Clause */
/* A child process in which other code is tried: started, listened to, ended. */
#include "mgmt/rehearse.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/env.h"
#include "mgmt/cli.h"
#include "mgmt/units.h"

/* Of this program, also when its file has been replaced. */
#define PROGRAM "/proc/self/exe"
#define WORDS_MAX 160u

/* ---- starting it ---- */

static int
say(struct rehearse *rehearse, int result)
{
	snprintf(rehearse->text, sizeof(rehearse->text), "no child process for a rehearsal: %s",
	         strerror(-result));
	return result;
}

/* Its input is empty, it has what it says and nothing else of the job, and signals of its own. */
static int
prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int out, int err)
{
	sigset_t none, all;
	int failed = 0;

	sigemptyset(&none);
	sigfillset(&all);
	failed |= posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	failed |= posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
	failed |= posix_spawn_file_actions_adddup2(files, err, STDERR_FILENO);
	failed |= posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	failed |= posix_spawnattr_setsigmask(attributes, &none);
	failed |= posix_spawnattr_setsigdefault(attributes, &all);
	failed |= posix_spawnattr_setpgroup(attributes, 0);
	failed |= posix_spawnattr_setflags(
	    attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	return failed == 0 ? 0 : -ENOMEM;
}

static int
spawn(struct rehearse *rehearse, char *const *words, int out, int err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int result;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	result = prepare(&files, &attributes, out, err);
	if (result == 0) {
		result =
		    -posix_spawn(&rehearse->child, PROGRAM, &files, &attributes, words, environ);
	}
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return result;
}

/* An option that is left out where it has no value. */
static void
add(const char **words, uint32_t *count, const char *option, const char *value)
{
	if (value != NULL && value[0] != '\0' && *count + 3 < WORDS_MAX) {
		words[(*count)++] = option;
		words[(*count)++] = value;
	}
}

static int
start(struct rehearse *rehearse, const struct rehearse_ask *ask, int out, int err)
{
	const char *words[WORDS_MAX] = { "lodemill", "rehearse", "--child" };
	char since[24];
	uint32_t count = 3;

	snprintf(since, sizeof(since), "%" PRIu64, ask->since);
	add(words, &count, "--state", ask->folder);
	add(words, &count, "--since", since);
	add(words, &count, "--open", ask->open);
	add(words, &count, "--fresh", ask->fresh);
	add(words, &count, "--was", ask->was);
	for (uint32_t i = 0; ask->set != NULL && ask->set[i] != NULL; i++) {
		add(words, &count, "--set", ask->set[i]);
	}
	words[count++] = ask->file;
	words[count] = NULL;
	/* posix_spawn does not write to them. */
	return spawn(rehearse, (char *const *)(uintptr_t)words, out, err);
}

int
rehearse_begin(struct rehearse *rehearse, const struct rehearse_ask *ask)
{
	int out[2], err[2], result;

	assert(rehearse->child == 0);
	*rehearse = (struct rehearse){ .out = -1, .err = -1 };
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0) {
		return say(rehearse, -errno);
	}
	if (pipe2(err, O_CLOEXEC | O_NONBLOCK) != 0) {
		result = -errno;
		close(out[0]);
		close(out[1]);
		return say(rehearse, result);
	}
	/* The child's ends wait, as anybody expects of stdout. */
	fcntl(out[1], F_SETFL, 0);
	fcntl(err[1], F_SETFL, 0);
	snprintf(rehearse->phase, sizeof(rehearse->phase), "starting");
	rehearse->out = out[0];
	rehearse->err = err[0];
	rehearse->begun_ns = env_now_ns();
	rehearse->deadline_ns = rehearse->begun_ns + (int64_t)ask->timeout_ns;
	result = start(rehearse, ask, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (result != 0) {
		close(out[0]);
		close(err[0]);
		return say(rehearse, result);
	}
	return 0;
}

/* ---- listening ---- */

static void
take_line(struct rehearse *rehearse)
{
	size_t length = strlen(REHEARSE_GOOD);

	rehearse->line[rehearse->line_size] = '\0';
	if (strncmp(rehearse->line, REHEARSE_GOOD, length) == 0) {
		snprintf(rehearse->good, sizeof(rehearse->good), "%s", rehearse->line + length);
	} else if (rehearse->line_size > 0) {
		memcpy(rehearse->phase, rehearse->line, rehearse->line_size + 1);
	}
	rehearse->line_size = 0;
}

static void
take_out(struct rehearse *rehearse, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			take_line(rehearse);
		} else if (rehearse->line_size + 1 < sizeof(rehearse->line)) {
			rehearse->line[rehearse->line_size++] = bytes[i];
		}
	}
}

/* The end of it counts. */
static void
take_err(struct rehearse *rehearse, const char *bytes, size_t size)
{
	size_t room = sizeof(rehearse->said) - 1, left;

	if (size > room) {
		bytes += size - room;
		size = room;
	}
	left = rehearse->said_size > room - size ? rehearse->said_size - (room - size) : 0;
	memmove(rehearse->said, rehearse->said + left, rehearse->said_size - left);
	rehearse->said_size -= (uint32_t)left;
	memcpy(rehearse->said + rehearse->said_size, bytes, size);
	rehearse->said_size += (uint32_t)size;
	rehearse->said[rehearse->said_size] = '\0';
}

/* So much of it at a time that nobody waits for a child that floods. */
static void
listen(struct rehearse *rehearse)
{
	char bytes[4096];
	ssize_t size;

	for (uint32_t i = 0; i < 16 && (size = read(rehearse->out, bytes, sizeof(bytes))) > 0;
	     i++) {
		take_out(rehearse, bytes, (size_t)size);
	}
	for (uint32_t i = 0; i < 16 && (size = read(rehearse->err, bytes, sizeof(bytes))) > 0;
	     i++) {
		take_err(rehearse, bytes, (size_t)size);
	}
}

/* ---- its end ---- */

/* What it said last, as one line: at most so many bytes of its end, whole lines if possible. */
static const char *
last_words(struct rehearse *rehearse, size_t most)
{
	char *said = rehearse->said, *from = said, *line;
	size_t size = rehearse->said_size;

	while (size > 0 && said[size - 1] == '\n') {
		said[--size] = '\0';
	}
	if (size > most) {
		from = said + size - most;
		line = strchr(from, '\n');
		from = line != NULL ? line + 1 : from;
	}
	for (char *at = from; *at != '\0'; at++) {
		*at = *at == '\n' ? '|' : (unsigned char)*at < ' ' ? ' ' : *at;
	}
	return from;
}

static void
conclude(struct rehearse *rehearse, int status)
{
	char *text = rehearse->text;
	const char *words = last_words(rehearse, 200), *colon = words[0] == '\0' ? "" : ": ";

	rehearse->has_passed =
	    WIFEXITED(status) && WEXITSTATUS(status) == CLI_OK && rehearse->good[0] != '\0';
	if (rehearse->is_late) {
		snprintf(text, sizeof(rehearse->text),
		         "the rehearsal was not through within %s: it was %s%s%.200s",
		         units_ns((uint64_t)(rehearse->deadline_ns - rehearse->begun_ns)).text,
		         rehearse->phase, colon, words);
	} else if (WIFSIGNALED(status)) {
		snprintf(text, sizeof(rehearse->text),
		         "the rehearsal was ended by SIG%s (%s) while %s%s%.200s",
		         sigabbrev_np(WTERMSIG(status)), strsignal(WTERMSIG(status)),
		         rehearse->phase, colon, words);
	} else if (rehearse->has_passed) {
		snprintf(text, sizeof(rehearse->text), "%s", rehearse->good);
	} else if (WEXITSTATUS(status) == CLI_USAGE && words[0] != '\0') {
		snprintf(text, sizeof(rehearse->text), "%s", words);
	} else {
		snprintf(text, sizeof(rehearse->text), "the rehearsal failed while %s%s%.200s",
		         rehearse->phase, colon, words);
	}
}

bool
rehearse_step(struct rehearse *rehearse)
{
	int status;
	pid_t ended;

	if (rehearse->child == 0) {
		return true;
	}
	/* Asked first: what it said before its end is there then. */
	ended = waitpid(rehearse->child, &status, WNOHANG);
	listen(rehearse);
	if (ended == 0 && !rehearse->is_late && env_now_ns() >= rehearse->deadline_ns) {
		rehearse->is_late = true;
		kill(rehearse->child, SIGKILL);
	}
	if (ended == 0 || (ended < 0 && errno == EINTR)) {
		return false;
	}
	close(rehearse->out);
	close(rehearse->err);
	rehearse->child = 0;
	conclude(rehearse, ended < 0 ? CLI_FAILED << 8 : status);
	return true;
}

void
rehearse_abandon(struct rehearse *rehearse)
{
	if (rehearse->child != 0) {
		rehearse->is_late = true;
		kill(rehearse->child, SIGKILL);
	}
}

void
rehearse_close(struct rehearse *rehearse)
{
	rehearse_abandon(rehearse);
	while (!rehearse_step(rehearse)) {
		env_sleep_ns(1000000);
	}
}
