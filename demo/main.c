/* SPDX-License-Identifier: MIT */
/*
 * The demo: one server process; good clients that verify every byte; hostile
 * clients that take their memory back in mid-request, and worse, over and
 * over.  All clients are processes of their own.  Exit status 0 only if the
 * server lived, no byte was wrong, the file systems are clean, and something
 * was survived.
 */
#include "demo/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/client.h"

#define SECONDS_DEFAULT 25u
#define SECONDS_MAX	86400u
#define FINISH_MS	60000 /* for the last sweep of a good client */

static volatile sig_atomic_t interrupted;

static void interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static const char help[] =
	"Usage: precarium-demo [--seconds N]\n"
	"Good and hostile clients on one server, for 25 seconds or N.\n";

static bool take_seconds(struct demo *demo, const char *text)
{
	unsigned long seconds;
	char *end;

	seconds = text ? strtoul(text, &end, 10) : 0;
	if (!text || *text < '0' || *text > '9' || *end || seconds == 0 ||
	    seconds > SECONDS_MAX) {
		fprintf(stderr,
			"precarium-demo: --seconds=%s: expected a number from "
			"1 to %u\n",
			text ? text : "", SECONDS_MAX);
		return false;
	}
	demo->seconds = (uint32_t)seconds;
	return true;
}

/* -1: go on; else the exit status. */
static int parse(struct demo *demo, int argc, char **argv)
{
	int i;

	demo->seconds = SECONDS_DEFAULT;
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(help, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--seconds") == 0) {
			if (!take_seconds(demo, argv[++i]))
				return 2;
		} else if (strncmp(argv[i], "--seconds=", 10) == 0) {
			if (!take_seconds(demo, argv[i] + 10))
				return 2;
		} else {
			fprintf(stderr,
				"precarium-demo: %s: no such option; expected "
				"--seconds=N or --help\n",
				argv[i]);
			return 2;
		}
	}
	return -1;
}

/* The server is in the folder `program` beside ours; mke2fs often is not in the
 * PATH of people who are not root. */
static void set_environment(void)
{
	char self[500], program[550], path[2000];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (size > 0) {
		self[size] = '\0';
		snprintf(program, sizeof(program), "%s/../program/precarium",
			 dirname(self));
		setenv("PRECARIUM", program, 0);
	}
	snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin",
		 getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	setenv("PATH", path, 1);
}

static bool make_store(struct demo *demo, uint32_t number, uint64_t size,
		       uint32_t *export)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/store-%u", demo->backend.directory, number) < 0)
		return false;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* Room is taken now: a full disk is told at the start. */
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)size)) {
		if (fd >= 0)
			close(fd);
		free(path);
		return false;
	}
	close(fd);
	/* Kept until the end: the export points to it. */
	*export = backend_add(&demo->backend, path, 0);
	return true;
}

static bool make_exports(struct demo *demo)
{
	uint32_t null_export, i;

	for (i = 0; i < DEMO_GOOD; i++)
		if (!make_store(demo, i, DEMO_IMAGE_SIZE + DEMO_PATTERN_SIZE,
				&demo->good_export[i]))
			return false;
	null_export = backend_add(&demo->backend, NULL, 1u << 30);
	for (i = 0; i < DEMO_HOSTILE; i++) {
		demo->hostile_export[i] = null_export;
		/* Half of them on a file of their own. */
		if (i % 2 == 0 && !make_store(demo, DEMO_GOOD + i, 8u << 20,
					      &demo->hostile_export[i]))
			return false;
	}
	return true;
}

static void become_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Ctrl-C goes to all of the terminal's group: the parent decides. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
}

static bool start_clients(struct demo *demo)
{
	uint32_t i;

	fflush(stdout);
	for (i = 0; i < DEMO_GOOD; i++) {
		demo->good_pid[i] = fork();
		if (demo->good_pid[i] < 0)
			return false;
		if (demo->good_pid[i] == 0) {
			become_child();
			demo_be_good(demo, i);
		}
	}
	for (i = 0; i < DEMO_HOSTILE; i++) {
		demo->hostile_pid[i] = fork();
		if (demo->hostile_pid[i] < 0)
			return false;
		if (demo->hostile_pid[i] == 0) {
			become_child();
			demo_be_hostile(demo, i);
		}
	}
	return true;
}

static void kill_clients(struct demo *demo)
{
	uint32_t i;

	for (i = 0; i < DEMO_GOOD; i++)
		if (demo->good_pid[i] > 0) {
			kill(demo->good_pid[i], SIGKILL);
			waitpid(demo->good_pid[i], NULL, 0);
		}
	for (i = 0; i < DEMO_HOSTILE; i++)
		if (demo->hostile_pid[i] > 0) {
			kill(demo->hostile_pid[i], SIGKILL);
			waitpid(demo->hostile_pid[i], NULL, 0);
		}
}

/* Has a good client ended?  True also if it ended well. */
static bool good_ended(struct demo *demo, uint32_t number)
{
	int status;

	if (demo->good_pid[number] > 0 &&
	    waitpid(demo->good_pid[number], &status, WNOHANG) > 0)
		demo->good_pid[number] = 0;
	return demo->good_pid[number] <= 0;
}

static bool any_failed(struct demo *demo)
{
	uint32_t i;

	for (i = 0; i < DEMO_GOOD; i++)
		if (good_ended(demo, i) && !demo->board->good[i].finished)
			return true;
	return false;
}

static bool all_ended(struct demo *demo)
{
	uint32_t i;

	for (i = 0; i < DEMO_GOOD; i++)
		if (!good_ended(demo, i))
			return false;
	return true;
}

/* Until the time is over, or something is wrong. */
static void watch(struct demo *demo)
{
	uint64_t end = demo->start_ns + demo->seconds * 1000000000ull;
	uint32_t tick = 0;

	while (!interrupted && client_now_ns() < end &&
	       backend_alive(&demo->backend) && !any_failed(demo)) {
		poll(NULL, 0, 250);
		/* The books are written anew at this signal. */
		if (tick++ % 4 == 0 && !demo->backend.peer &&
		    demo->backend.pid > 0)
			kill(demo->backend.pid, SIGUSR1);
		if (demo->terminal || tick % 4 == 0)
			demo_show(demo);
	}
	demo->board->stop = true;
	/* The storm goes on until the good clients have read everything once
	 * more; kill_clients ends it. */
	end = client_now_ns() + FINISH_MS * 1000000ull;
	while (!interrupted && client_now_ns() < end &&
	       backend_alive(&demo->backend) && !all_ended(demo))
		poll(NULL, 0, 50);
	demo_show(demo);
}

static int complain(const char *format, const char *what)
{
	printf("FAILED: ");
	printf(format, what);
	printf("\n");
	return 1;
}

static int judge_good(struct demo *demo, uint32_t number)
{
	const struct demo_good *good = &demo->board->good[number];
	char why[300];

	if (!good->finished)
		return complain("a good client: %s",
				good->error[0] ? good->error
					       : "did not come to its end");
	if (!demo_image_check(demo, number, why))
		return complain("its file system: %s", why);
	return 0;
}

static int judge(struct demo *demo)
{
	uint64_t revocations = 0;
	int failed = 0;
	uint32_t i;

	for (i = 0; i < DEMO_GOOD; i++)
		failed |= judge_good(demo, i);
	for (i = 0; i < DEMO_HOSTILE; i++)
		revocations += demo->board->hostile[i].revocations;
	if (revocations == 0)
		failed |= complain("%s", "no revocation took place");
	if (!failed)
		printf("file systems    clean by e2fsck, %u files each as in "
		       "the source\n",
		       DEMO_FILES);
	return failed;
}

/* Stops the server and prints the results. */
static int conclude(struct demo *demo)
{
	struct demo_faults faults;
	int failed = 0;

	if (backend_stop(&demo->backend))
		failed = complain("%s", demo->backend.error);
	demo_read_faults(demo, &faults);
	demo_show_summary(demo, &faults);
	if (interrupted) {
		printf("Interrupted: nothing was judged.\n");
		return 130;
	}
	failed |= judge(demo);
	printf("%s\n", failed ? "The promise was broken."
			      : "The server lived, and no good client lost a "
				"byte.");
	return failed;
}

static int run(struct demo *demo)
{
	char why[300];

	if (!demo_image_make(demo, why)) {
		fprintf(stderr, "precarium-demo: %s\n", why);
		return 1;
	}
	if (!make_exports(demo)) {
		fprintf(stderr, "precarium-demo: %s: no room for images: %s\n",
			demo->backend.directory, strerror(errno));
		return 1;
	}
	if (backend_start(&demo->backend)) {
		fprintf(stderr, "precarium-demo: %s\n", demo->backend.error);
		return 1;
	}
	demo->start_ns = client_now_ns();
	if (!start_clients(demo)) {
		fprintf(stderr, "precarium-demo: fork: %s\n", strerror(errno));
		kill_clients(demo);
		return 1;
	}
	watch(demo);
	kill_clients(demo);
	return conclude(demo);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = interrupt };
	struct demo demo = { .seconds = 0 };
	const char *term = getenv("TERM");
	int status = parse(&demo, argc, argv);

	if (status >= 0)
		return status;
	set_environment();
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	demo.terminal = isatty(1) && term && strcmp(term, "dumb") != 0;
	demo.board = mmap(NULL, sizeof(*demo.board), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (demo.board == MAP_FAILED || backend_init(&demo.backend)) {
		fprintf(stderr, "precarium-demo: %s\n",
			demo.backend.error[0] ? demo.backend.error
					      : strerror(errno));
		return 1;
	}
	status = run(&demo);
	backend_free(&demo.backend);
	return status;
}
