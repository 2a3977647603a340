// SPDX-License-Identifier: MIT
#include "subject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define START_MS   60000
#define REMEMBERED 70  /* the server forgets clients that left before these */
#define AT_ONCE	   32u /* more requests than any life has in flight */
#define QUIET_MS   20  /* nothing has changed for so long */

static int remove_one(const char *path, const struct stat *about, int type,
		      struct FTW *at)
{
	(void)about;
	(void)type;
	(void)at;
	remove(path);
	return 0;
}

void subject_stop(struct subject *subject)
{
	if (subject->backend.pid > 0)
		client_close(&subject->neighbour.client);
	backend_kill(&subject->backend);
}

void subject_free(struct subject *subject)
{
	subject_stop(subject);
	if (subject->place.directory[0])
		nftw(subject->place.directory, remove_one, 16,
		     FTW_DEPTH | FTW_PHYS);
}

void subject_give_up(struct subject *subject, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	subject_free(subject);
	exit(1);
}

static void make_file(struct subject *subject, const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, size) != 0)
		subject_give_up(subject, "%s: %s", path, strerror(errno));
	close(fd);
}

static void name_files(struct subject *subject)
{
	struct place *place = &subject->place;
	const struct {
		char *path;
		const char *name;
	} files[] = {
		{ place->image, "image" },
		{ place->neighbour_image, "neighbour" },
		{ place->extra_image, "extra" },
		{ place->victim, "v.sock" },
		{ place->neighbour, "n.sock" },
		{ place->control, "control" },
		{ place->config, "config" },
		{ place->stats, "stats" },
		{ subject->log_path, "log" },
		{ subject->page_path, "page" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		snprintf(files[i].path, 100, "%s/%s", place->directory,
			 files[i].name);
}

static void map_page(struct subject *subject)
{
	int fd;

	make_file(subject, subject->page_path, sizeof(*subject->page));
	fd = open(subject->page_path, O_RDWR | O_CLOEXEC);
	subject->page = mmap(NULL, sizeof(*subject->page),
			     PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || subject->page == MAP_FAILED)
		subject_give_up(subject, "%s: %s", subject->page_path,
				strerror(errno));
	close(fd);
}

void subject_prepare(struct subject *subject, const struct variant *variant)
{
	struct place *place = &subject->place;
	const char *parent = getenv("TMPDIR");

	place->variant = variant;
	if (variant->in_memory)
		parent = "/dev/shm";
	else if (!parent || strlen(parent) > 30)
		parent = "/tmp"; /* names of sockets are short */
	snprintf(place->directory, sizeof(place->directory),
		 "%s/precarium-XXXXXX", parent);
	if (!mkdtemp(place->directory)) {
		fprintf(stderr, "%s: %s\n", place->directory, strerror(errno));
		exit(1);
	}
	name_files(subject);
	make_file(subject, place->image, DISK_SIZE);
	make_file(subject, place->neighbour_image, DISK_SIZE);
	make_file(subject, place->extra_image, DISK_SIZE);
	map_page(subject);
}

struct life subject_life(struct subject *subject)
{
	return (struct life){
		.place = &subject->place,
		.page = subject->page,
		.neighbour = &subject->neighbour,
		.seed = ++subject->lives,
	};
}

static bool is_of_the_kernel(const struct subject *subject, const char *task)
{
	char path[100], name[8] = "";
	FILE *comm;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm",
		 subject->backend.pid, task);
	comm = fopen(path, "re");
	if (!comm)
		return true;
	if (!fgets(name, sizeof(name), comm))
		name[0] = '\0';
	fclose(comm);
	return strncmp(name, "iou-", 4) == 0;
}

static uint32_t threads(const struct subject *subject)
{
	struct dirent *task;
	uint32_t count = 0;
	char path[60];
	DIR *list;

	snprintf(path, sizeof(path), "/proc/%d/task", subject->backend.pid);
	list = opendir(path);
	while (list && (task = readdir(list)))
		count += task->d_name[0] != '.' &&
			 !is_of_the_kernel(subject, task->d_name);
	if (list)
		closedir(list);
	return count;
}

/* The kernel joins and splits other mappings as it likes. */
static uint32_t mapped_files(const struct subject *subject)
{
	char path[60], line[512];
	uint32_t count = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", subject->backend.pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		count += strchr(line, '/') != NULL;
	if (maps)
		fclose(maps);
	return count;
}

static struct holdings held(const struct subject *subject)
{
	return (struct holdings){
		.descriptors = backend_descriptors(&subject->backend),
		.files = mapped_files(subject),
		.threads = threads(subject),
		.blocks = page_load(subject->page->blocks),
	};
}

static bool same(const struct holdings *a, const struct holdings *b)
{
	return a->descriptors == b->descriptors && a->files == b->files &&
	       a->threads == b->threads && a->blocks == b->blocks;
}

/* What files cost that have gone is given back when the server looks at its
 * books, as it does for statistics. */
static void look_at_books(struct subject *subject)
{
	struct life life = subject_life(subject);

	life_ask(&life);
}

void subject_left_alone(const struct subject *subject, uint32_t ms)
{
	uint64_t end = client_now_ns() + ms * 1000000ull;

	while (backend_descriptors(&subject->backend) !=
		       subject->usual.descriptors &&
	       client_now_ns() < end)
		poll(NULL, 0, 1);
}

bool subject_settles(struct subject *subject, struct holdings *now)
{
	uint64_t end = client_now_ns() + SETTLE_MS * 1000000ull;

	subject_left_alone(subject, SETTLE_MS);
	look_at_books(subject);
	for (;;) {
		*now = held(subject);
		if (same(now, &subject->usual))
			return true;
		if (client_now_ns() > end)
			return false;
		poll(NULL, 0, 1);
	}
}

/* Nothing tells that a server has nothing more to do. */
static void learn_usual(struct subject *subject)
{
	struct holdings now;

	look_at_books(subject);
	for (int quiet = 0; quiet < QUIET_MS; quiet++) {
		now = held(subject);
		if (!same(&now, &subject->usual))
			quiet = 0;
		subject->usual = now;
		poll(NULL, 0, 1);
	}
}

/* Clients that are forgotten one day, so that later ones add nothing. */
static void fill_memory(struct subject *subject)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	memcpy(name.sun_path, subject->place.victim,
	       sizeof(subject->place.victim));
	for (int i = 0; i < REMEMBERED; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char end;

		/* What is no message makes it hang up, before the next
		 * comes. */
		if (connect(fd, (struct sockaddr *)&name, sizeof(name)) ||
		    send(fd, name.sun_path, 12, MSG_NOSIGNAL) != 12 ||
		    recv(fd, &end, sizeof(end), 0) > 0)
			subject_give_up(subject, "%s: %s", name.sun_path,
					strerror(errno));
		close(fd);
	}
}

/* It keeps as many requests for reuse as were ever in flight together. */
static void fill_spares(struct subject *subject)
{
	const struct client_options options = {
		.socket_path = subject->place.victim,
		.depth = AT_ONCE,
	};
	struct client_completion completion;
	struct client client;
	bool good = !client_open(&client, &options) && !client_start(&client);

	for (uint32_t i = 0; good && i < AT_ONCE; i++)
		good = !client_submit(&client, 0, i, VIRTIO_BLK_T_IN, 0, 4096);
	good = good && !client_kick(&client, 0);
	for (uint32_t i = 0; good && i < AT_ONCE; i++)
		good = client_wait(&client, 0, &completion, START_MS) == 1;
	if (!good)
		subject_give_up(subject, "many requests at once: %s",
				client.error);
	client_close(&client);
}

static void live(struct subject *subject, void (*way)(struct life *life))
{
	struct life life = subject_life(subject);

	way(&life);
	if (life.wrong[0] || life.failures)
		subject_give_up(subject, "a life without failures: %s (%x, %s)",
				life.wrong, life.failures, life.client.error);
	learn_usual(subject);
}

static void become(const struct subject *subject)
{
	char config[120], preload[300], page[120];
	const char *const arguments[] = { subject->program, "serve",
					  "--seccomp=off", config, NULL };
	int log = open(subject->log_path,
		       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(config, sizeof(config), "--config=%s", subject->place.config);
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", subject->shim);
	snprintf(page, sizeof(page), "FAILING_PAGE=%s", subject->page_path);
	putenv(preload);
	putenv(page);
	if (dup2(log, 1) == 1 && dup2(log, 2) == 2)
		execv(arguments[0], (char **)(uintptr_t)arguments);
	_exit(127);
}

void subject_clear(struct subject *subject)
{
	memset(subject->page, 0, sizeof(*subject->page));
}

bool subject_begin(struct subject *subject)
{
	uint64_t end = client_now_ns() + START_MS * 1000000ull;
	struct backend *backend = &subject->backend;

	if (!place_configure(&subject->place, false))
		subject_give_up(subject, "%s: %s", subject->place.config,
				strerror(errno));
	backend->pid = fork();
	if (backend->pid == 0)
		become(subject);
	subject->servers++;
	while (!page_load(subject->page->ready)) {
		if (!backend_alive(backend) || client_now_ns() > end)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

bool subject_meets(struct subject *subject)
{
	return !neighbour_open(&subject->neighbour, &subject->place);
}

void subject_meet(struct subject *subject)
{
	if (!subject_meets(subject))
		subject_give_up(subject, "the neighbour is not served: %s",
				subject->neighbour.client.error);
}

void subject_start(struct subject *subject)
{
	subject_clear(subject);
	if (!subject_begin(subject))
		subject_give_up(subject, "the server does not start: it %s",
				backend_fate(&subject->backend));
	subject_meet(subject);
	fill_memory(subject);
	fill_spares(subject);
	learn_usual(subject);
	live(subject, life_run);
	live(subject, life_tidy);
	live(subject, life_check);
	live(subject, life_run);
}

static FILE *open_log(struct subject *subject, long from)
{
	FILE *log = fopen(subject->log_path, "re");

	if (!log || fseek(log, from, SEEK_SET))
		subject_give_up(subject, "%s: %s", subject->log_path,
				strerror(errno));
	return log;
}

long subject_log_end(const struct subject *subject)
{
	struct stat st;

	return stat(subject->log_path, &st) == 0 ? (long)st.st_size : 0;
}

static bool is_usual(const char *line)
{
	static const char *const usual[] = {
		": connected\n",
		": ended: closed by the client; ",
		"precarium: reloaded: ",
		": removed, and without clients",
		" lines about clients of this export were left out",
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (strstr(line, usual[i]))
			return true;
	return false;
}

static bool says_why(struct subject *subject, long from, bool hung_up)
{
	FILE *log = open_log(subject, from);
	char line[1000];
	bool said = false;

	while (fgets(line, sizeof(line), log))
		said |= !is_usual(line) ||
			(hung_up && strstr(line, ": ended: closed by"));
	fclose(log);
	return said;
}

/* A thread of its own writes the log. */
bool subject_said_why(struct subject *subject, long from, bool hung_up)
{
	uint64_t end = client_now_ns() + SETTLE_MS * 1000000ull;

	while (!says_why(subject, from, hung_up)) {
		if (client_now_ns() > end)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

void subject_show_log(const struct subject *subject, long from)
{
	FILE *log = fopen(subject->log_path, "re");
	char line[1000];

	if (log)
		fseek(log, from, SEEK_SET);
	while (log && fgets(line, sizeof(line), log))
		fprintf(stderr, "    %s", line);
	if (log)
		fclose(log);
}
