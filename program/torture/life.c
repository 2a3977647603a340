// SPDX-License-Identifier: MIT
/* Clients that come, go, stay and die at the wrong time. */
#include "program/torture/case.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUP "life"
#define CROWD 300u

/* A connection without a message. */
static int join(const struct attack *attack)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strncpy(name.sun_path, attack->options->socket_path,
		sizeof(name.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* How far a connection gets before it is cut off. */
static const char *const stages[] = {
	"connected",	    "half-a-header",
	"a-question-asked", "negotiated",
	"memory-lent",	    "started",
	"kicked",	    "requests-in-flight",
	"requests-done",    "base-asked",
	"stopped",	    "table-asked",
};

static void go_to(struct attack *attack, uint32_t stage)
{
	struct vhost_user_vring_state state = { 0, 0 };
	const uint32_t words[3] = { VHOST_USER_GET_FEATURES, 1, 0 };
	struct client *client = &attack->client;

	if (stage < 3) {
		client->socket = join(attack);
		if (stage > 0)
			attack_send(attack, words, stage == 1 ? 6 : 12, NULL,
				    0);
		return;
	}
	if (attack_open(attack, (struct client_options){ .queue_size = 64 }))
		return;
	if (stage >= 4)
		client_lend_all(client);
	if (stage >= 5)
		client_start(client);
	if (stage == 6)
		craft_kick(attack);
	if (stage == 7 || stage == 9 || stage == 11)
		hostile_load(client, attack->random++);
	if (stage == 8)
		client_io(client, 0, VIRTIO_BLK_T_IN, 0, 4096);
	if (stage == 9)
		attack_say(attack, VHOST_USER_GET_VRING_BASE, &state,
			   sizeof(state), -1);
	if (stage == 10)
		client_stop(client);
	if (stage == 11)
		attack_say(attack, VHOST_USER_REM_MEM_REG,
			   &(struct vhost_user_one_region){ .padding = 0 },
			   sizeof(struct vhost_user_one_region), -1);
}

static void hang_up(struct attack *attack, const struct torture_case *self)
{
	uint32_t i;

	for (i = 0; i < 10; i++) {
		go_to(attack, self->kind);
		if (attack->client.options.socket_path)
			client_close(&attack->client);
		else
			close(attack->client.socket);
		memset(&attack->client, 0, sizeof(attack->client));
	}
}

/* It stays connected in silence, which must not affect others. */
static void stay(struct attack *attack, const struct torture_case *self)
{
	go_to(attack, self->kind);
	poll(NULL, 0, 50);
}

/* Only one direction is shut. */
static void half_open(struct attack *attack, const struct torture_case *self)
{
	const uint32_t words[3] = { VHOST_USER_GET_FEATURES, 1, 0 };

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	hostile_load(&attack->client, 1);
	shutdown(attack->client.socket, (int)self->kind);
	attack_send(attack, words, sizeof(words), NULL, 0);
	poll(NULL, 0, 50);
}

/* Killed, so that the kernel cleans up and no message ends the connection. */
static void killed(struct attack *attack, const struct torture_case *self)
{
	uint32_t i;

	for (i = 0; i < 15; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			attack->random = i;
			go_to(attack, self->kind);
			usleep(100 * i);
			raise(SIGKILL);
		}
		waitpid(pid, NULL, 0);
	}
}

static void crowd(struct attack *attack, const struct torture_case *self)
{
	const uint32_t words[3] = { VHOST_USER_GET_FEATURES, 1, 0 };
	uint32_t i;

	/* They stay open until this process ends. */
	for (i = 0; i < CROWD; i++) {
		attack->client.socket = join(attack);
		if (attack->client.socket < 0) {
			poll(NULL, 0, 1);
			continue;
		}
		if (self->kind)
			attack_send(attack, words, self->kind, NULL, 0);
	}
	poll(NULL, 0, 50);
}

static void reconnect_storm(struct attack *attack,
			    const struct torture_case *self)
{
	uint64_t end = client_now_ns() + self->kind * 1000000ull;

	while (client_now_ns() < end) {
		int fd = join(attack);

		if (fd >= 0)
			close(fd);
	}
}

static void whole_lives(struct attack *attack, const struct torture_case *self)
{
	uint64_t end = client_now_ns() + self->kind * 1000000ull;

	while (client_now_ns() < end) {
		if (attack_start(attack, (struct client_options){ .depth = 4 }))
			return;
		hostile_load(&attack->client, attack->random++);
		client_close(&attack->client);
	}
}

/* The device is reset and set up by turns, with requests in flight (VIRTIO 1.2,
 * 2.1). */
static void status_storm(struct attack *attack, const struct torture_case *self)
{
	static const uint64_t statuses[] = { 0, 1, 3, 11, 15, 4, 0x80, 0xff };
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }) ||
	    attack_lacks_protocol(attack, VHOST_USER_PROTOCOL_F_STATUS,
				  "STATUS"))
		return;
	for (i = 0; i < self->kind; i++) {
		uint64_t status = statuses[(i * 5 + i / 8) % 8];

		hostile_load(&attack->client, i);
		if (attack_say(attack, VHOST_USER_SET_STATUS, &status,
			       sizeof(status), -1) ||
		    attack_say(attack, VHOST_USER_GET_STATUS, NULL, 0, -1))
			return;
		attack_listen(attack);
	}
	attack_linger(attack, 10);
}

/* Reset with requests in flight, and started again at once. */
static void reset_and_start(struct attack *attack,
			    const struct torture_case *self)
{
	const uint64_t status = 0;
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	if (self->kind == VHOST_USER_SET_STATUS &&
	    attack_lacks_protocol(attack, VHOST_USER_PROTOCOL_F_STATUS,
				  "STATUS"))
		return;
	for (i = 0; i < 20; i++) {
		hostile_load(&attack->client, i);
		if (attack_tell(attack, self->kind, &status,
				self->kind == VHOST_USER_SET_STATUS ? 8 : 0,
				-1) < 0)
			return;
		attack->client.queues[0].used_index = 0;
		if (client_start(&attack->client) && attack->client.lost)
			return;
	}
}

/* The rings are set up again without having been stopped. */
static void start_again(struct attack *attack, const struct torture_case *self)
{
	uint32_t i;

	(void)self;
	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	for (i = 0; i < 20; i++) {
		hostile_load(&attack->client, i);
		attack->client.queues[0].used_index = 0;
		if (client_start(&attack->client) && attack->client.lost)
			return;
	}
}

/* A message that stops or starts something, repeated with requests in
 * flight. */
static void again(struct attack *attack, const struct torture_case *self)
{
	struct vhost_user_vring_state state = { 0, 0 };
	bool sized = self->kind == VHOST_USER_GET_VRING_BASE ||
		     self->kind == VHOST_USER_SET_VRING_ENABLE;
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	for (i = 0; i < 300; i++) {
		state.number = i & 1;
		if (i % 8 == 0)
			hostile_load(&attack->client, i);
		if (attack_say(attack, self->kind, &state,
			       sized ? sizeof(state) : 0, -1))
			return;
		if (i % 16 == 15)
			attack_listen(attack);
	}
	attack_linger(attack, 10);
}

static void stop_and_start(struct attack *attack,
			   const struct torture_case *self)
{
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }))
		return;
	for (i = 0; i < self->kind; i++) {
		struct client_completion completion;

		if (hostile_load(&attack->client, i) ||
		    client_stop(&attack->client))
			return;
		while (client_wait(&attack->client, 0, &completion, 0) > 0)
			continue;
		attack->client.queues[0].avail_index =
			attack->client.queues[0].used_index;
		if (client_start(&attack->client))
			return;
	}
}

#define LATE_ROUNDS 12u
#define LATE_SIZE   (1u << 20)
#define LATE_DEPTH  8u

/* Gone while its writes, all of the same place, are on their way. */
static int leave_writes(struct attack *attack, uint32_t round)
{
	struct client *client = &attack->client;
	uint32_t i;

	if (attack_start(attack,
			 (struct client_options){ .depth = LATE_DEPTH,
						  .buffer_size = LATE_SIZE }))
		return -1;
	for (i = 0; i < LATE_DEPTH; i++) {
		memset(client_data(client, 0, i), 0xa1, LATE_SIZE);
		if (client_submit(client, 0, i, VIRTIO_BLK_T_OUT, 0, LATE_SIZE))
			return -1;
	}
	if (client_kick(client, 0))
		return -1;
	usleep(round * 200);
	client_close(client);
	return 0;
}

/* What the next client has written, and flushed, is still there a while
 * later: nothing of the one before has come after it. */
static void late_write(struct attack *attack, const struct torture_case *self)
{
	struct client *client = &attack->client;
	uint32_t round, i;

	(void)self;
	for (round = 0; round < LATE_ROUNDS; round++) {
		if (leave_writes(attack, round) ||
		    attack_start(attack, (struct client_options){
						 .buffer_size = LATE_SIZE }))
			return;
		memset(client_data(client, 0, 0), 0xb2, LATE_SIZE);
		if (client_io(client, 0, VIRTIO_BLK_T_OUT, 0, LATE_SIZE) ||
		    client_io(client, 0, VIRTIO_BLK_T_FLUSH, 0, 0))
			return;
		poll(NULL, 0, 20);
		if (client_io(client, 0, VIRTIO_BLK_T_IN, 0, LATE_SIZE))
			return;
		for (i = 0; i < LATE_SIZE; i++)
			if (client_data(client, 0, 0)[i] != 0xb2) {
				attack_found(attack, VERDICT_CORRUPTED,
					     "byte %u, written and flushed, is "
					     "what a client before it wrote",
					     i);
				return;
			}
		client_close(client);
	}
}

void cases_add_life(struct case_list *list)
{
	static const struct {
		const char *name;
		uint32_t request;
	} orders[] = { { "get-base-again", VHOST_USER_GET_VRING_BASE },
		       { "enable-storm", VHOST_USER_SET_VRING_ENABLE },
		       { "owner-again", VHOST_USER_SET_OWNER },
		       { "reset-owner-again", 4 },
		       { "reset-device-again", 34 } };
	uint32_t i;

	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		add_case(list, GROUP, hang_up, "hangs-up", stages[i])->kind = i;
		add_case(list, GROUP, stay, "stays", stages[i])->kind = i;
	}
	for (i = 5; i < sizeof(stages) / sizeof(stages[0]); i++)
		add_case(list, GROUP, killed, "killed", stages[i])->kind = i;
	add_case(list, GROUP, half_open, "shut-for-reading", "")->kind =
		SHUT_RD;
	add_case(list, GROUP, half_open, "shut-for-writing", "")->kind =
		SHUT_WR;
	add_case(list, GROUP, crowd, "crowd-that-says-nothing", "")->kind = 0;
	add_case(list, GROUP, crowd, "crowd-with-half-a-header", "")->kind = 5;
	add_case(list, GROUP, crowd, "crowd-that-asks", "")->kind = 12;
	add_case(list, GROUP, reconnect_storm, "reconnect-storm", "")->kind =
		200;
	add_case(list, GROUP, whole_lives, "lives-in-a-row", "")->kind = 200;
	add_case(list, GROUP, late_write, "late-write", "");
	add_case(list, GROUP, start_again, "started-without-a-stop", "");
	add_case(list, GROUP, stop_and_start, "stopped-and-started", "")->kind =
		20;
	add_case(list, GROUP, status_storm, "status-storm", "")->kind = 200;
	add_case(list, GROUP, reset_and_start, "reset-by-message-and-started",
		 "")
		->kind = VHOST_USER_RESET_DEVICE;
	add_case(list, GROUP, reset_and_start, "reset-by-status-and-started",
		 "")
		->kind = VHOST_USER_SET_STATUS;
	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		add_case(list, GROUP, again, orders[i].name, "")->kind =
			orders[i].request;
}
