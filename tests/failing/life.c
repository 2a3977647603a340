// SPDX-License-Identifier: MIT
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/protocol.h"
#include "faults.h"

#define BLOCK	   4096u
#define DEPTH	   4u
#define SIZE	   (4 * BLOCK) /* of a large request, in SEGMENTS pieces */
#define SEGMENTS   4u
#define TIMEOUT_MS 20000u /* no answer takes so long, also beside others */
#define IN_VAIN_MS 3000u  /* for what need not come */
#define SECTOR(n)  ((uint64_t)(n)*BLOCK / CLIENT_SECTOR)
#define LOG_ALL	   26

__attribute__((format(printf, 2, 3))) static void wrong(struct life *life,
							const char *format, ...)
{
	va_list args;

	if (life->wrong[0])
		return;
	va_start(args, format);
	vsnprintf(life->wrong, sizeof(life->wrong), format, args);
	va_end(args);
}

/* A call of the client library has failed: what does the client know now? */
static void note_failure(struct life *life)
{
	life->over = true;
	if (life->client.lost)
		life->failures |= FAILED_CLIENT;
	else if (strstr(life->client.error, "says nothing") ||
		 strstr(life->client.error, "no answer"))
		wrong(life, "the client waits in vain: %s", life->client.error);
	else
		life->failures |= FAILED_MESSAGE;
}

/* Is there nothing more to be done for the victim? */
static bool done(struct life *life, int result)
{
	if (result)
		note_failure(life);
	return result != 0;
}

/* What the image really has, asked without the server. */
static bool image_has(struct life *life, uint64_t block, const uint8_t *bytes,
		      uint32_t size)
{
	static uint8_t there[SIZE];
	int fd = open(life->place->image, O_RDONLY | O_CLOEXEC);
	ssize_t got =
		fd < 0 ? -1 : pread(fd, there, size, (off_t)(block * BLOCK));

	if (fd >= 0)
		close(fd);
	return got == (ssize_t)size && memcmp(there, bytes, size) == 0;
}

/* A flush whose sync failed must not be told to have succeeded. */
bool life_sync_fails(const struct page *page)
{
	uint32_t kind = page_load(page->kind);
	uint32_t number = page_load(page->number);

	if (is_passing(page_load(page->error)))
		return false;
	return (kind == ORDER_TRANSFER && number == IORING_OP_FSYNC) ||
	       (kind == ORDER_CALL &&
		call_faults[number].number == SYS_fdatasync);
}

/* One request.  True: it succeeded, by its status. */
static bool request(struct life *life, uint32_t type, uint64_t sector,
		    uint32_t size)
{
	uint32_t before = page_load(life->page->fired);
	uint64_t start = client_now_ns();
	int status = client_io(&life->client, 0, type, sector, size);

	if (status < 0) {
		note_failure(life);
		return false;
	}
	if (client_now_ns() - start >= TIMEOUT_MS * 1000000ull)
		wrong(life, "a request is completed, but its client is not "
			    "notified");
	if (status != VIRTIO_BLK_S_OK)
		life->failures |= FAILED_REQUEST;
	else if (type == VIRTIO_BLK_T_FLUSH && life_sync_fails(life->page) &&
		 page_load(life->page->fired) != before)
		wrong(life, "a flush succeeds though its sync failed");
	return status == VIRTIO_BLK_S_OK;
}

static uint8_t *data_of(struct life *life, uint32_t slot)
{
	return client_data(&life->client, 0, slot);
}

static void write_block(struct life *life, uint64_t block, uint32_t size)
{
	client_pattern(data_of(life, 0), size, life->seed, SECTOR(block));
	if (request(life, VIRTIO_BLK_T_OUT, SECTOR(block), size) &&
	    !image_has(life, block, data_of(life, 0), size))
		wrong(life,
		      "a write of block %u succeeds, but the image does "
		      "not have it",
		      (unsigned int)block);
}

static void read_block(struct life *life, uint64_t block, uint32_t size)
{
	memset(data_of(life, 0), 0x5a, size);
	if (request(life, VIRTIO_BLK_T_IN, SECTOR(block), size) &&
	    !image_has(life, block, data_of(life, 0), size))
		wrong(life,
		      "a read of block %u succeeds with other bytes than "
		      "the image has",
		      (unsigned int)block);
}

/* A range of blocks, between two that must stay. */
static void range(struct life *life, uint32_t type, uint64_t block)
{
	struct virtio_blk_discard_write_zeroes range = {
		.sector = SECTOR(block),
		.num_sectors = (uint32_t)SECTOR(1),
	};
	static const uint8_t zeroes[BLOCK];

	memcpy(data_of(life, 0), &range, sizeof(range));
	if (request(life, type, 0, sizeof(range)) &&
	    type == VIRTIO_BLK_T_WRITE_ZEROES &&
	    !image_has(life, block, zeroes, BLOCK))
		wrong(life, "zeroes succeed, but the image does not have them");
}

static void connect_it(struct life *life)
{
	const struct variant *variant = life->place->variant;
	const struct client_options options = {
		.socket_path = life->place->victim,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = SIZE,
		.segments = SEGMENTS,
		.timeout_ms = TIMEOUT_MS,
		.event_idx = true,
		.indirect = !variant->packed,
		.packed = variant->packed,
		.sparse = variant->sparse,
		.inflight = true,
		.channel = true,
	};

	if (!done(life, client_open(&life->client, &options)))
		life->open = true;
}

static void start_it(struct life *life)
{
	if (!done(life, client_start(&life->client)))
		life->started = true;
}

static void write_some(struct life *life)
{
	write_block(life, 8, BLOCK);
	if (!life->over)
		write_block(life, 16, SIZE);
}

static void read_some(struct life *life)
{
	read_block(life, 8, BLOCK);
	if (!life->over)
		read_block(life, 16, SIZE);
}

/* After one that failed, because a sync did, none may succeed. */
static void flush(struct life *life)
{
	if (request(life, VIRTIO_BLK_T_FLUSH, 0, 0) || life->over ||
	    !life_sync_fails(life->page))
		return;
	if (request(life, VIRTIO_BLK_T_FLUSH, 0, 0))
		wrong(life, "a flush succeeds after one that failed");
}

/* All slots at once: the server begins them together. */
static void write_many(struct life *life)
{
	struct client_completion completion;
	uint64_t start = client_now_ns();
	int found = 1;

	for (uint32_t i = 0; i < DEPTH; i++) {
		client_pattern(data_of(life, i), BLOCK, life->seed,
			       SECTOR(24 + i));
		if (done(life,
			 client_submit(&life->client, 0, i, VIRTIO_BLK_T_OUT,
				       SECTOR(24 + i), BLOCK)))
			return;
	}
	if (done(life, client_kick(&life->client, 0)))
		return;
	for (uint32_t i = 0; i < DEPTH && found == 1; i++) {
		found = client_wait(&life->client, 0, &completion, TIMEOUT_MS);
		if (found < 0)
			note_failure(life);
		else if (found == 0)
			wrong(life, "%u of %u requests have no answer",
			      DEPTH - i, DEPTH);
		else if (completion.status != VIRTIO_BLK_S_OK)
			life->failures |= FAILED_REQUEST;
		else if (!image_has(life, 24 + completion.slot,
				    data_of(life, completion.slot), BLOCK))
			wrong(life, "one of many writes succeeds, but the "
				    "image does not have it");
	}
	if (client_now_ns() - start >= TIMEOUT_MS * 1000000ull)
		wrong(life, "requests are completed, but their client is not "
			    "notified");
	life->over |= found != 1;
}

static void zero(struct life *life)
{
	range(life, VIRTIO_BLK_T_WRITE_ZEROES, 25);
	if (!life->over)
		range(life, VIRTIO_BLK_T_DISCARD, 27);
	if (!life->over)
		read_block(life, 24, SIZE);
}

static void identify(struct life *life)
{
	memset(data_of(life, 0), 0, 20);
	if (request(life, VIRTIO_BLK_T_GET_ID, 0, 20) &&
	    memcmp(data_of(life, 0), "victim", 7) != 0)
		wrong(life, "the disk says another name than its own");
}

/* From here on the server notes what it writes. */
static int begin_log(struct life *life, int fd)
{
	struct client *client = &life->client;
	const struct vhost_user_log_base base = { .size = BLOCK };
	uint64_t features = client->features | 1ull << LOG_ALL;

	if (client_tell(client, VHOST_USER_SET_LOG_BASE, &base, sizeof(base),
			fd))
		return -1;
	return client_tell(client, VHOST_USER_SET_FEATURES, &features,
			   sizeof(features), -1);
}

static void log_writes(struct life *life)
{
	struct client *client = &life->client;
	int fd = memfd_create("log", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, BLOCK))
		wrong(life, "no log: %s", strerror(errno));
	else if (!done(life, begin_log(life, fd)))
		read_block(life, 8, BLOCK);
	if (fd >= 0)
		close(fd);
	if (!life->over)
		done(life, client_tell(client, VHOST_USER_SET_FEATURES,
				       &client->features,
				       sizeof(client->features), -1));
}

/* The neighbour reads what it wrote, and writes anew.  A request may fail only
 * if it was hit itself. */
static void neighbour_turn(struct life *life)
{
	struct neighbour_life *neighbour = life->neighbour;
	struct client *client = &neighbour->client;
	uint32_t before = page_load(life->page->fired);
	uint32_t block = (uint32_t)(++neighbour->seed % 16);
	uint32_t other = (block + 5) % 16;
	uint8_t *data = client_data(client, 0, 0);
	int status[2];

	client_pattern(data, BLOCK, neighbour->seed, SECTOR(block));
	neighbour->written[block] = 0;
	status[0] =
		client_io(client, 0, VIRTIO_BLK_T_OUT, SECTOR(block), BLOCK);
	if (status[0] == 0)
		neighbour->written[block] = neighbour->seed;
	status[1] = client_io(client, 0, VIRTIO_BLK_T_IN, SECTOR(other), BLOCK);
	if (status[1] == 0 && neighbour->written[other] &&
	    client_verify(data, BLOCK, neighbour->written[other],
			  SECTOR(other)) != BLOCK)
		wrong(life, "the neighbour reads wrong bytes");
	if (status[0] < 0 || status[1] < 0)
		wrong(life, "the neighbour: %s", client->error);
	else if ((status[0] || status[1]) &&
		 page_load(life->page->fired) == before)
		wrong(life, "a request of the neighbour fails, though nothing "
			    "failed meanwhile");
	else if (status[0] || status[1])
		life->failures |= FAILED_NEIGHBOUR;
}

/* A command, and its answer.  NULL: there is none, because the server hung
 * up. */
static const char *command(struct life *life, const char *text)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	static char answer[65536];
	struct pollfd poller = { .events = POLLIN };
	size_t got = 0;
	ssize_t more = 1;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s",
		 life->place->control);
	poller.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(poller.fd, (struct sockaddr *)&name, sizeof(name)) ||
	    send(poller.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		more = -1;
	while (more > 0 && (got == 0 || answer[got - 1] != '\n')) {
		if (poll(&poller, 1, (int)TIMEOUT_MS) != 1) {
			wrong(life, "no answer to %.*s",
			      (int)strcspn(text, "\n"), text);
			break;
		}
		more = recv(poller.fd, answer + got, sizeof(answer) - 1 - got,
			    0);
		got += more > 0 ? (size_t)more : 0;
	}
	close(poller.fd);
	answer[got] = '\0';
	return got && answer[got - 1] == '\n' ? answer : NULL;
}

/* True: it was carried out. */
static bool commanded(struct life *life, const char *text)
{
	const char *answer = command(life, text);

	if (!answer)
		life->silent = true;
	return answer && strncmp(answer, "{\"result\":", 10) == 0;
}

/* Has the message failed that tells of a new size? */
static bool need_not_come(const struct page *page)
{
	return page_load(page->fired) && page_load(page->kind) == ORDER_CALL &&
	       call_faults[page_load(page->number)].number == SYS_sendto;
}

/* Where there is no memory for the message the log says so.  Where there is no
 * room, the server takes it that there is one already. */
static void note_not_told(struct life *life)
{
	const struct page *page = life->page;

	if (need_not_come(page))
		life->failures |=
			page_load(page->error) == EAGAIN ? 0 : FAILED_MESSAGE;
	else
		wrong(life, "the client is not told of its new size");
}

/* The size changes, and the client is told; or the command fails. */
static void resize_to(struct life *life, uint64_t size)
{
	struct client *client = &life->client;
	char text[120];
	int told;

	snprintf(text, sizeof(text),
		 "{\"command\":\"resize\",\"export\":\"victim\",\"size\":%llu}"
		 "\n",
		 (unsigned long long)size);
	if (!commanded(life, text)) {
		life->failures |= FAILED_COMMAND;
		return;
	}
	told = client_await_change(
		client, need_not_come(life->page) ? IN_VAIN_MS : TIMEOUT_MS);
	if (told == 0)
		note_not_told(life);
	else if (told < 0)
		life->failures |= FAILED_MESSAGE;
	else if (!done(life, client_read_config(client)) &&
		 client->capacity != size / CLIENT_SECTOR)
		wrong(life,
		      "the client is told of a new size, and has another");
}

static void resize(struct life *life)
{
	resize_to(life, DISK_SIZE / 2);
	if (!life->over)
		resize_to(life, DISK_SIZE);
}

void life_ask(struct life *life)
{
	const char *answer = command(life, "{\"command\":\"stat\"}\n");

	life->silent |= !answer;
	if (!answer || strncmp(answer, "{\"result\":", 10) != 0)
		life->failures |= FAILED_COMMAND;
	else if (!strstr(answer, "\"victim\"") ||
		 !strstr(answer, "\"neighbour\"") ||
		 !strstr(answer, "\"clock-ms\"") ||
		 !strstr(answer, "\"faults\"") || !strstr(answer, "\"sparse\""))
		wrong(life, "statistics succeed, but are not whole");
}

/* An export comes and goes; the others are kept. */
static void reload(struct life *life)
{
	static const char text[] = "{\"command\":\"reload\"}\n";
	bool extra = true;

	for (int i = 0; i < 2; i++, extra = !extra) {
		if (!place_configure(life->place, extra))
			wrong(life, "%s: %s", life->place->config,
			      strerror(errno));
		else if (!commanded(life, text))
			life->failures |= FAILED_COMMAND;
	}
}

static void take_back(struct life *life)
{
	if (!done(life, client_take_back(&life->client, 2)) &&
	    !done(life, client_lend(&life->client, 2)))
		read_block(life, 8, BLOCK);
}

static void stop_and_start(struct life *life)
{
	if (!done(life, client_stop(&life->client)) &&
	    !done(life, client_start(&life->client)))
		write_block(life, 9, BLOCK);
}

static void leave(struct life *life)
{
	if (life->open)
		client_close(&life->client);
	life->open = false;
}

static const struct step {
	const char *name;
	void (*live)(struct life *life);
	bool always; /* also when there is no victim any more */
} steps[] = {
	{ "connect", connect_it, false },
	{ "start", start_it, false },
	{ "write", write_some, false },
	{ "neighbour", neighbour_turn, true },
	{ "read", read_some, false },
	{ "flush", flush, false },
	{ "write many", write_many, false },
	{ "zeroes", zero, false },
	{ "identify", identify, false },
	{ "log writes", log_writes, false },
	{ "resize", resize, false },
	{ "stat", life_ask, true },
	{ "reload", reload, true },
	{ "take back", take_back, false },
	{ "stop", stop_and_start, false },
	{ "leave", leave, true },
	{ "neighbour", neighbour_turn, true },
};

const uint32_t life_steps = sizeof(steps) / sizeof(steps[0]);

const char *life_step_name(uint32_t step)
{
	return step >= 1 && step <= life_steps ? steps[step - 1].name : "none";
}

bool life_step_has_thousands(uint32_t step)
{
	return step >= 1 && step <= life_steps &&
	       steps[step - 1].live == life_ask;
}

bool life_step_is_common(uint32_t step)
{
	return life_step_has_thousands(step) ||
	       (step >= 1 && step <= life_steps &&
		(steps[step - 1].live == reload ||
		 steps[step - 1].live == resize));
}

void life_run(struct life *life)
{
	for (uint32_t i = 0; i < life_steps; i++) {
		page_store(life->page->step, i + 1);
		if (steps[i].always || !life->over)
			steps[i].live(life);
	}
}

void life_check(struct life *life)
{
	void (*const least[])(struct life *) = { connect_it, start_it,
						 write_some, flush,
						 read_some,  leave };

	page_store(life->page->step, 0);
	neighbour_turn(life);
	for (size_t i = 0; i < sizeof(least) / sizeof(least[0]); i++)
		if (!life->over || least[i] == leave)
			least[i](life);
	if (life->failures & ~(uint32_t)FAILED_NEIGHBOUR)
		wrong(life, "the next client is not served: %s",
		      life->client.error);
}

void life_tidy(struct life *life)
{
	if (!place_configure(life->place, false) ||
	    !commanded(life, "{\"command\":\"reload\"}\n"))
		wrong(life, "the configuration is not read again");
	if (!commanded(life, "{\"command\":\"resize\",\"export\":\"victim\"}"
			     "\n"))
		wrong(life, "the disk does not get its size back");
	life_ask(life);
	if (life->failures)
		wrong(life, "statistics are not told");
}

int neighbour_open(struct neighbour_life *neighbour, const struct place *place)
{
	const struct client_options options = {
		.socket_path = place->neighbour,
		.region_count = 2,
		.buffer_size = BLOCK,
		.timeout_ms = TIMEOUT_MS,
	};

	memset(neighbour, 0, sizeof(*neighbour));
	if (client_open(&neighbour->client, &options))
		return -1;
	return client_start(&neighbour->client);
}

static void add_export(FILE *file, const char *name, const char *socket,
		       const char *image, bool direct)
{
	fprintf(file, "  - name: %s\n    socket: %s\n    file: %s\n%s", name,
		socket, image, direct ? "    direct: true\n" : "");
}

/* In one piece, for a server that may read it at any time. */
bool place_configure(const struct place *place, bool extra)
{
	char next[110], socket[110];
	FILE *file;

	snprintf(next, sizeof(next), "%s.next", place->config);
	snprintf(socket, sizeof(socket), "%s/x.sock", place->directory);
	file = fopen(next, "we");
	if (!file)
		return false;
	fprintf(file,
		"workers: 1\npolling: never\nio: %s\ncontrol: %s\n"
		"stats-json: %s\nexports:\n",
		place->variant->threads ? "threads" : "auto", place->control,
		place->stats);
	add_export(file, "victim", place->victim, place->image,
		   place->variant->direct);
	add_export(file, "neighbour", place->neighbour, place->neighbour_image,
		   false);
	if (extra)
		add_export(file, "extra", socket, place->extra_image, false);
	return fclose(file) == 0 && rename(next, place->config) == 0;
}
