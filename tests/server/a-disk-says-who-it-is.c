// SPDX-License-Identifier: MIT
/*
 * VIRTIO 1.2, 5.2.6: a disk answers GET_ID by 20 bytes, which are its serial
 * number, or else its name.  A client whose place for it is smaller or larger
 * gets what fits, and zeroes after it.  Two disks that answer the same are told
 * in the log.
 */
#include "serve.h"

#define MOST 4096u
#define ID   20u

static void ask(struct client *client, uint32_t size, const char *serial)
{
	uint8_t *data = client_data(client, 0, 0);
	uint32_t length = (uint32_t)strnlen(serial, ID);
	struct client_completion completion;

	memset(data, 0xaa, MOST);
	DO(client, client_submit(client, 0, 0, VIRTIO_BLK_T_GET_ID, 0, size));
	DO(client, client_kick(client, 0));
	CHECK(client_wait(client, 0, &completion, 5000) == 1 &&
		      completion.status == VIRTIO_BLK_S_OK,
	      "%u bytes: status %u %s", size, completion.status, client->error);
	CHECK(completion.length == size + 1, "%u bytes: used %u", size,
	      completion.length);
	for (uint32_t i = 0; i < MOST; i++)
		CHECK(data[i] == (i >= size	? 0xaa
				  : i >= length ? 0
						: (uint8_t)serial[i]),
		      "%u bytes: byte %u is %x", size, i, data[i]);
}

static void all_sizes(uint32_t export, const char *serial, bool packed)
{
	static const uint32_t sizes[] = { 0,  1,  7,   19,  20,
					  21, 36, 512, 513, MOST };
	const struct client_options options = {
		.socket_path = backend.exports[export].socket_path,
		.segments = 3,
		.buffer_size = MOST,
		.packed = packed,
	};
	struct client client;

	CHECK(client_open(&client, &options) == 0, "open: %s", client.error);
	DO(&client, client_start(&client));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		ask(&client, sizes[i], serial);
	client_close(&client);
}

/* So many lines of the log have these words. */
static int lines_with(const char *words)
{
	char path[100], line[300];
	int count = 0;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", backend.directory);
	log = fopen(path, "re");
	CHECK(log, "%s", path);
	while (fgets(line, sizeof(line), log))
		count += strstr(line, words) != NULL;
	fclose(log);
	return count;
}

int main(void)
{
	static const char *const keys[] = {
		",name=a",
		",name=b,serial=WD-12,, 34",
		",name=0123456789abcdefghij-first",
		",name=c,serial=0123456789abcdefghij",
	};
	static const char *const serials[] = {
		"a",
		"WD-12, 34",
		"0123456789abcdefghij",
		"0123456789abcdefghij",
	};

	serve_init(30);
	for (uint32_t i = 0; i < 4; i++) {
		backend_add(&backend, NULL, 1u << 20);
		backend.exports[i].keys = keys[i];
	}
	serve_start();
	for (uint32_t i = 0; i < 4; i++)
		all_sizes(i, serials[i], i & 1);
	CHECK(lines_with("guests see the serial number") == 1,
	      "the log has %d lines of equal serial numbers",
	      lines_with("guests see the serial number"));
	CHECK(lines_with("as of export 0123456789abcdefghij-first") == 1,
	      "the log does not say whose");
	return serve_end();
}
