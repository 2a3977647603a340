// SPDX-License-Identifier: MIT
/*
 * G11: without any setting the server takes its limits from the memory that
 * its cgroup allows it, and so lives, however many clients have it fill their
 * holes.
 */
#include "serve.h"

#include "memory-group.h"
#include "statistics.h"
#include "tests/sanitizer.h"

#define MIB   (1ull << 20)
#define SIZE  ((uint32_t)MIB)
#define GROUP (192 * MIB)
#define DATA  2u

static struct memory_group group;
static char before[4096]; /* the group that this process came from */

static void group_away(void)
{
	backend_kill(&backend);
	group_remove(&group);
}

/* Where to go back to: the directory of our own group of that hierarchy. */
static bool find_own_group(void)
{
	bool first = strstr(group.usage, "usage_in_bytes");
	FILE *groups = fopen("/proc/self/cgroup", "re");
	char line[4000];
	bool found = false;

	while (groups && !found && fgets(line, sizeof(line), groups)) {
		const char *path = strstr(line, first ? ":memory:" : "0::");

		if (!path)
			continue;
		path += strlen(first ? ":memory:" : "0::");
		line[strcspn(line, "\n")] = 0;
		snprintf(before, sizeof(before), "/sys/fs/cgroup%s%s",
			 first ? "/memory" : "", path);
		found = true;
	}
	if (groups)
		fclose(groups);
	return found;
}

static bool go_back(void)
{
	char path[4200], text[16];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", before);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, text, strlen(text)) > 0;
	if (fd >= 0)
		close(fd);
	return good;
}

static bool limit_group(void)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", GROUP);
	return group_put(&group,
			 strstr(group.usage, "usage_in_bytes")
				 ? "memory.limit_in_bytes"
				 : "memory.max",
			 text);
}

static void check_limits(void)
{
	json_t *tree = statistics(), *sparse;

	sparse = json_object_get(tree, "sparse");
	CHECK(json_integer_value(json_object_get(sparse, "bytes-max")) ==
			      (json_int_t)(GROUP / 4 * 3) &&
		      json_integer_value(
			      json_object_get(sparse, "client-bytes-max")) ==
			      (json_int_t)(GROUP / 2),
	      "the limits are not those of the group");
	json_decref(tree);
}

static uint64_t fill(struct client *client)
{
	const struct client_options options = {
		.socket_path = backend.exports[0].socket_path,
		.region_count = DATA + 1,
		.region_size = GROUP,
		.buffer_size = SIZE,
		.sparse = true,
		.timeout_ms = 20000,
	};
	uint64_t done = 0;

	CHECK(client_open(client, &options) == 0, "open: %s", client->error);
	DO(client, client_start(client));
	for (;; done++) {
		int status;

		client->queues[0].slots[0].data.offset = done * MIB;
		if (done == GROUP / MIB)
			return done;
		status = client_io(client, 0, VIRTIO_BLK_T_IN, 0, SIZE);
		if (status == VIRTIO_BLK_S_IOERR)
			return done;
		CHECK(status == VIRTIO_BLK_S_OK, "status %d: %s", status,
		      client->error);
	}
}

int main(void)
{
	struct client clients[3];
	uint64_t sum = 0;

	if (UNDER_SANITIZER) {
		puts("skipped: sanitizers need more than the group may have");
		return SKIP;
	}
	serve_init(170);
	if (!group_make(&group) || !find_own_group() || !limit_group() ||
	    !group_enter(&group, getpid())) {
		puts("skipped: needs a memory cgroup, and root to make one");
		group_away();
		backend_free(&backend);
		return SKIP;
	}
	let_go = group_away;
	backend_add(&backend, NULL, 64 * MIB);
	serve_start();
	CHECK(go_back(), "the test cannot leave the group");
	check_limits();
	for (int i = 0; i < 3; i++)
		sum += fill(&clients[i]);
	printf("%llu MiB of %llu were filled\n", (unsigned long long)sum,
	       GROUP / MIB);
	CHECK(sum >= GROUP / MIB / 4 * 3 - 12 && sum <= GROUP / MIB / 4 * 3,
	      "not what the limit of all says");
	for (int i = 0; i < 3; i++)
		client_close(&clients[i]);
	CHECK(backend_stop(&backend) == 0, "%s", backend.error);
	group_remove(&group);
	backend_free(&backend);
	return 0;
}
