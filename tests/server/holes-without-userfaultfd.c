// SPDX-License-Identifier: MIT
/*
 * G11 where the system has no userfaultfd to give, as in many a container: all
 * the holes that a client has when it lends are charged, filled or not, over
 * all its regions, and past the limit memory is refused.  The log says so once,
 * and check-host why.
 */
#include "serve.h"
#include "log-lines.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MIB   (1ull << 20)
#define SIZE  ((uint32_t)MIB)
#define LIMIT (32 * MIB)
#define DATA  2u

/* For this process, and all that it starts. */
static bool forbid_userfaultfd(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { 4, filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int open_one(struct client *client, uint32_t regions,
		    uint64_t region_size)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = DATA + regions,
		.region_size = region_size,
		.buffer_size = SIZE,
		.sparse = true,
	};

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	return client_start(client);
}

static int read_into(struct client *client, uint32_t region)
{
	client->queues[0].slots[0].data.region = region;
	client->queues[0].slots[0].data.offset = 0;
	return client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE);
}

/* What was refused is not charged to who comes next, once it is unmapped: by
 * another thread, after the client that it was of has gone. */
static void open_again(struct client *client)
{
	uint64_t end = client_now_ns() + 20000000000ull;

	while (open_one(client, 1, 8 * MIB) != 0) {
		client_close(client);
		CHECK(client_now_ns() < end, "again: %s", client->error);
		poll(NULL, 0, 2);
	}
}

static void check_host(void)
{
	const char *program = getenv("PRECARIUM");
	char *command, line[500];
	bool told = false;
	FILE *answer;

	CHECK(asprintf(&command, "%s check-host",
		       program ? program : "build/program/precarium") > 0,
	      "memory");
	answer = popen(command, "re");
	while (answer && fgets(line, sizeof(line), answer))
		told |= !strncmp(line, "userfaultfd", 11) &&
			strstr(line, "Operation not permitted: holes");
	CHECK(answer && pclose(answer) == 0, "%s", command);
	CHECK(told, "check-host does not tell");
	free(command);
}

int main(void)
{
	struct client client, other;

	serve_init(60);
	backend.max_sparse = LIMIT;
	backend_add(&backend, NULL, 64 * MIB);
	if (!forbid_userfaultfd()) {
		puts("skipped: no filter of system calls can be set");
		backend_free(&backend);
		return SKIP;
	}
	check_host();
	serve_start();
	CHECK(open_one(&client, 1, 8 * MIB) == 0, "24 MiB of holes: %s",
	      client.error);
	/* It was served, so it has said what it had to say. */
	CHECK(lines_in_log("userfaultfd: Operation not permitted: holes") == 1,
	      "the log does not tell");
	CHECK(read_into(&client, DATA) == VIRTIO_BLK_S_OK, "%s", client.error);
	CHECK(open_one(&other, 1, 512 * MIB) != 0, "a large hole is let in");
	client_close(&other);
	CHECK(open_one(&other, 8, 8 * MIB) != 0, "many holes are let in");
	client_close(&other);
	CHECK(lines_in_log("more holes than allowed") >= 2, "no line tells");
	open_again(&other);
	CHECK(read_into(&other, DATA) == VIRTIO_BLK_S_OK, "%s", other.error);
	client_close(&other);
	CHECK(read_into(&client, DATA) == VIRTIO_BLK_S_OK, "%s", client.error);
	client_close(&client);
	return serve_end();
}
