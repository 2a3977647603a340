/* SPDX-License-Identifier: MIT */
/*
 * A server takes over from another one while a client writes and reads back:
 * every write that was acknowledged is there, the client connects again at
 * once, as the socket never disappears, and its requests end once.  A server
 * that cannot start takes over nothing, and the client notices nothing.
 */
#include "serve.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define BLOCK  4096u
#define BLOCKS 64u
#define DEPTH  8u
#define TIMES  3
#define MORE   200 /* requests after the old server has ended */

static uint32_t generation[BLOCKS]; /* that is acknowledged */
static uint32_t block_of[DEPTH];
static uint32_t next_block;
static uint64_t completed;
static uint64_t last_ns, pause_ns;

static uint64_t sector_of(uint32_t block)
{
	return block * (uint64_t)(BLOCK / CLIENT_SECTOR);
}

static void submit(struct client *client, uint32_t slot)
{
	uint32_t block = next_block++ % BLOCKS;

	block_of[slot] = block;
	client_pattern(client_data(client, 0, slot), BLOCK,
		       generation[block] + 1, sector_of(block));
	DO(client, client_submit(client, 0, slot, VIRTIO_BLK_T_OUT,
				 sector_of(block), BLOCK));
}

static void complete(const struct client_completion *completion)
{
	CHECK(completion->status == VIRTIO_BLK_S_OK, "write: status %u",
	      completion->status);
	generation[block_of[completion->slot]]++;
	completed++;
	last_ns = client_now_ns();
}

/* The next server ends what the last one has begun. */
static void reconnect(struct client *client)
{
	uint64_t since = last_ns;

	DO(client, client_reopen(client));
	DO(client, client_start(client));
	DO(client, client_kick(client, 0));
	while (client->queues[0].busy) {
		struct client_completion completion;

		CHECK(client_wait(client, 0, &completion, 5000) == 1,
		      "a request of the last server: %s", client->error);
		complete(&completion);
	}
	CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, 0, BLOCK) == 0, "read: %s",
	      client->error);
	if (client_now_ns() - since > pause_ns)
		pause_ns = client_now_ns() - since;
}

/* Write for as long as the process lives, and `more` requests. */
static void work(struct client *client, pid_t process, uint32_t more,
		 uint32_t *reconnected)
{
	int pidfd = (int)syscall(SYS_pidfd_open, process, 0);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	CHECK(pidfd >= 0, "no pidfd");
	for (uint32_t left = more; left > 0;) {
		struct client_completion completion;
		int found;

		for (uint32_t slot = 0; slot < DEPTH; slot++) {
			if (!client->queues[0].slots[slot].busy)
				submit(client, slot);
		}
		DO(client, client_kick(client, 0));
		found = client_wait(client, 0, &completion, 5000);
		if (found < 0 && client->lost) {
			reconnect(client);
			++*reconnected;
			continue;
		}
		CHECK(found == 1, "wait: %s",
		      found ? client->error : "no answer");
		complete(&completion);
		if (poll(&end, 1, 0) > 0)
			left--;
	}
	close(pidfd);
}

static pid_t start_successor(const char *file, const char *more)
{
	const char *program = getenv("PRECARIUM");
	char export[400], control[120], other[120], log[120];
	pid_t parent = getpid(), child;

	snprintf(export, sizeof(export), "socket=%s,file=%s",
		 backend.exports[0].socket_path, file);
	snprintf(control, sizeof(control), "--control=%s",
		 backend.control_path);
	snprintf(other, sizeof(other), "--take-over=%s", backend.control_path);
	snprintf(log, sizeof(log), "%s/log", backend.directory);
	child = fork();
	CHECK(child >= 0, "fork");
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent) {
		int fd = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);

		dup2(fd, 1);
		dup2(fd, 2);
		execl(program, program, "serve", "--export", export, control,
		      other, more, (char *)NULL);
	}
	_exit(127);
}

static void check_all(struct client *client)
{
	for (uint32_t block = 0; block < BLOCKS; block++) {
		uint8_t *data = client_data(client, 0, 0);

		CHECK(client_io(client, 0, VIRTIO_BLK_T_IN, sector_of(block),
				BLOCK) == 0,
		      "read: %s", client->error);
		CHECK(!generation[block] ||
			      client_verify(data, BLOCK, generation[block],
					    sector_of(block)) == BLOCK,
		      "block %u: write %u is not there", block,
		      generation[block]);
	}
}

/* Ends all that is in flight. */
static void drain(struct client *client)
{
	while (client->queues[0].busy) {
		struct client_completion completion;

		CHECK(client_wait(client, 0, &completion, 5000) == 1,
		      "wait: %s", client->error);
		complete(&completion);
	}
}

static void run(const char *image)
{
	struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = 3,
		.depth = DEPTH,
		.buffer_size = BLOCK,
		.inflight = true,
	};
	uint32_t reconnected = 0;
	struct client client;
	pid_t bad;
	int status;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	bad = start_successor("/nowhere", NULL);
	work(&client, bad, MORE, &reconnected);
	CHECK(waitpid(bad, &status, 0) == bad && WIFEXITED(status) &&
		      WEXITSTATUS(status) == 1,
	      "a server that cannot start: status %d", status);
	CHECK(reconnected == 0 && backend_alive(&backend),
	      "a server that could not start has taken over");
	for (uint32_t time = 1; time <= TIMES; time++) {
		pid_t old = backend.pid;
		pid_t next = start_successor(image, "--workers=2");

		work(&client, old, MORE, &reconnected);
		CHECK(waitpid(old, &status, 0) == old && WIFEXITED(status) &&
			      WEXITSTATUS(status) == 0,
		      "the old server: status %d", status);
		CHECK(reconnected == time, "%u connections", reconnected);
		backend.pid = next;
		drain(&client);
		check_all(&client);
	}
	client_close(&client);
}

int main(void)
{
	char *image;

	serve_init(60);
	image = make_image("disk", BLOCK * BLOCKS);
	backend_add(&backend, image, 0);
	serve_start();
	run(image);
	printf("%llu writes, %d times another server; the longest pause was "
	       "%llu us\n",
	       (unsigned long long)completed, TIMES,
	       (unsigned long long)(pause_ns / 1000));
	free(image);
	return serve_end();
}
