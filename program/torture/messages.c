// SPDX-License-Identifier: MIT
/* Messages with something wrong in them: each request of the protocol with
 * each defect, and then what is wrong with framing, order and number. */
#include "program/torture/case.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP	"messages"
#define FDS_MAX 253u /* SCM_MAX_FD of the kernel */

/* What a request should look like. */
struct request {
	const char *name;
	uint32_t number;
	uint32_t size;
	uint32_t fds;
};

static const struct request requests[] = {
	{ "get-features", 1, 0, 0 },
	{ "set-features", 2, 8, 0 },
	{ "set-owner", 3, 0, 0 },
	{ "reset-owner", 4, 0, 0 },
	{ "set-mem-table", 5, 40, 1 },
	{ "set-log-base", 6, 16, 1 },
	{ "set-log-fd", 7, 0, 1 },
	{ "set-vring-num", 8, 8, 0 },
	{ "set-vring-addr", 9, 40, 0 },
	{ "set-vring-base", 10, 8, 0 },
	{ "get-vring-base", 11, 8, 0 },
	{ "set-vring-kick", 12, 8, 1 },
	{ "set-vring-call", 13, 8, 1 },
	{ "set-vring-err", 14, 8, 1 },
	{ "get-protocol-features", 15, 0, 0 },
	{ "set-protocol-features", 16, 8, 0 },
	{ "get-queue-num", 17, 0, 0 },
	{ "set-vring-enable", 18, 8, 0 },
	{ "send-rarp", 19, 8, 0 },
	{ "net-set-mtu", 20, 8, 0 },
	{ "set-backend-req-fd", 21, 0, 1 },
	{ "iotlb-msg", 22, 32, 0 },
	{ "set-vring-endian", 23, 8, 0 },
	{ "get-config", 24, 72, 0 },
	{ "set-config", 25, 72, 0 },
	{ "create-crypto-session", 26, 64, 0 },
	{ "postcopy-advise", 28, 0, 0 },
	{ "postcopy-listen", 29, 0, 0 },
	{ "postcopy-end", 30, 0, 0 },
	{ "get-inflight-fd", 31, 20, 0 },
	{ "set-inflight-fd", 32, 20, 1 },
	{ "gpu-set-socket", 33, 0, 1 },
	{ "reset-device", 34, 0, 0 },
	{ "vring-kick", 35, 8, 0 },
	{ "get-max-mem-slots", 36, 0, 0 },
	{ "add-mem-reg", 37, 40, 1 },
	{ "rem-mem-reg", 38, 40, 0 },
	{ "set-status", 39, 8, 0 },
	{ "get-status", 40, 0, 0 },
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static void spill(struct attack *attack, const struct request *request,
		  uint8_t fill, int32_t more, uint32_t fd_count)
{
	int fd = attack->client.regions[0].fd;
	int fds[VHOST_USER_FDS_MAX] = { fd, fd, fd, fd, fd, fd, fd, fd };
	uint8_t payload[128];

	memset(payload, fill, sizeof(payload));
	client_send(&attack->client, request->number, 0, payload,
		    (uint32_t)((int32_t)request->size + more), fds, fd_count);
	/* Receives its answer, or finds that it has hung up. */
	attack_linger(attack, 2);
	attack_listen(attack);
}

static void wrong_size(struct attack *attack, const struct torture_case *self)
{
	const struct request *request = self->row;
	int32_t more = (int32_t)self->kind;

	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	spill(attack, request, 0, more, request->fds);
}

static void all_ones(struct attack *attack, const struct torture_case *self)
{
	const struct request *request = self->row;

	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	spill(attack, request, 0xff, 0, request->fds);
}

static void wrong_fds(struct attack *attack, const struct torture_case *self)
{
	const struct request *request = self->row;

	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	spill(attack, request, 0, 0, self->kind);
}

/* Sent as the first message of a connection. */
static void too_early(struct attack *attack, const struct torture_case *self)
{
	const struct request *request = self->row;

	if (attack_open(attack, (struct client_options){ .depth = 0 }))
		return;
	spill(attack, request, 0, 0, request->fds);
	spill(attack, request, 0, 0, request->fds);
}

/* Sent with requests in flight. */
static void too_late(struct attack *attack, const struct torture_case *self)
{
	const struct request *request = self->row;

	if (attack_start(attack, (struct client_options){ .depth = 0 }) ||
	    hostile_load(&attack->client, attack->random))
		return;
	spill(attack, request, 0, 0, request->fds);
	spill(attack, request, 0xff, 0, request->fds);
}

/* A header that announces more than follows; then silence, then the end. */
static void cut(struct attack *attack, const struct torture_case *self)
{
	const struct vhost_user_header header = { VHOST_USER_SET_VRING_ADDR,
						  VHOST_USER_VERSION, 40 };

	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	attack_send(attack, &header, self->kind, NULL, 0);
	attack_linger(attack, 20);
}

static void header_of(struct attack *attack, const struct torture_case *self)
{
	const struct vhost_user_header *header = self->row;
	uint64_t payload[8] = { 0 };

	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	attack_send(attack, header, sizeof(*header), NULL, 0);
	attack_send(attack, payload, sizeof(payload), NULL, 0);
	attack_linger(attack, 10);
}

static void byte_by_byte(struct attack *attack, const struct torture_case *self)
{
	uint8_t bytes[20] = { VHOST_USER_SET_FEATURES, 0, 0, 0, 1, 0, 0, 0, 8 };
	uint32_t i;

	(void)self;
	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	for (i = 0; i < sizeof(bytes); i++) {
		attack_send(attack, &bytes[i], 1, NULL, 0);
		attack_linger(attack, 1);
	}
}

/* A descriptor comes with each byte of one message. */
static void fd_on_each_byte(struct attack *attack,
			    const struct torture_case *self)
{
	uint8_t bytes[20] = { VHOST_USER_SET_FEATURES, 0, 0, 0, 1, 0, 0, 0, 8 };
	uint32_t i;

	(void)self;
	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	for (i = 0; i < sizeof(bytes); i++)
		attack_send(attack, &bytes[i], 1, &attack->client.regions[0].fd,
			    1);
	attack_linger(attack, 10);
}

static void glued(struct attack *attack, const struct torture_case *self)
{
	uint32_t words[64][3], i;

	(void)self;
	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	for (i = 0; i < 64; i++) {
		words[i][0] = VHOST_USER_GET_FEATURES;
		words[i][1] = VHOST_USER_VERSION;
		words[i][2] = 0;
	}
	attack_send(attack, words, sizeof(words), NULL, 0);
	attack_send(attack, words, 7, NULL, 0);
	attack_linger(attack, 10);
}

/* Endless questions without reading the answers. */
static void flood(struct attack *attack, const struct torture_case *self)
{
	const struct vhost_user_header header = {
		self->kind, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0
	};
	struct pollfd poller = { .events = POLLOUT };
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	poller.fd = attack->client.socket;
	for (i = 0; i < 200000; i++) {
		if (attack_send(attack, &header, sizeof(header), NULL, 0) == 0)
			continue;
		/* It does not read any more, or hung up. */
		if (errno != EAGAIN || poll(&poller, 1, 50) <= 0)
			return;
	}
}

static void noise(struct attack *attack, const struct torture_case *self)
{
	uint64_t bytes[64];
	uint32_t i, j;

	(void)self;
	for (i = 0; i < 20; i++) {
		if (attack_open(attack, (struct client_options){ .depth = 0 }))
			return;
		for (j = 0; j < 64; j++)
			bytes[j] = hostile_random(&attack->random);
		attack_send(attack, bytes, sizeof(bytes), NULL, 0);
		attack_linger(attack, 1);
		client_close(&attack->client);
	}
}

/* As many descriptors as the kernel lets through, over and over. */
static void fds_at_most(struct attack *attack, const struct torture_case *self)
{
	const struct vhost_user_header header = { VHOST_USER_GET_FEATURES,
						  VHOST_USER_VERSION, 0 };
	int fds[FDS_MAX];
	uint32_t i;

	if (attack_start(attack, (struct client_options){ .depth = 0 }))
		return;
	for (i = 0; i < FDS_MAX; i++)
		fds[i] = attack->client.regions[0].fd;
	for (i = 0; i < self->kind; i++)
		if (attack_send(attack, &header, sizeof(header), fds, FDS_MAX))
			break;
	attack_linger(attack, 10);
}

/* Descriptors that stay: half a message, with as many as may be, on each of
 * many connections. */
static void fds_kept(struct attack *attack, const struct torture_case *self)
{
	const struct vhost_user_header header = { VHOST_USER_ADD_MEM_REG,
						  VHOST_USER_VERSION, 40 };
	struct client clients[24];
	int fds[FDS_MAX], i;

	(void)self;
	for (i = 0; i < 24; i++) {
		if (attack_open(attack,
				(struct client_options){ .timeout_ms = 50 }))
			break;
		clients[i] = attack->client;
		for (uint32_t j = 0; j < FDS_MAX; j++)
			fds[j] = attack->client.regions[0].fd;
		attack_send(attack, &header, 11, fds, FDS_MAX);
		attack->client.socket = -1;
		if (!attack->options->neighbour_path)
			continue;
	}
	poll(NULL, 0, 50);
	while (i-- > 0)
		client_hang_up(&clients[i]);
}

/* Logs of requests in flight that are asked for and never received: each is a
 * descriptor in flight, which counts against the server's user. */
static void ask_for_logs(struct attack *attack, uint32_t count)
{
	struct {
		struct vhost_user_header header;
		uint64_t size, offset;
		uint16_t queues, entries;
	} __attribute__((packed)) const ask = {
		.header = { VHOST_USER_GET_INFLIGHT_FD, VHOST_USER_VERSION,
			    20 },
		.queues = 1,
		.entries = 64,
	};

	for (uint32_t i = 0; i < count; i++)
		if (attack_send(attack, &ask, sizeof(ask), NULL, 0))
			return;
}

/* An honest client then asks for one. */
static void logs_unread(struct attack *attack, const struct torture_case *self)
{
	struct client clients[16];
	int i;

	for (i = 0; i < 16; i++) {
		if (attack_open(attack,
				(struct client_options){ .timeout_ms = 50 }))
			break;
		ask_for_logs(attack, self->kind);
		clients[i] = attack->client;
		attack->client.socket = -1;
	}
	poll(NULL, 0, 50);
	if (attack_open(attack, (struct client_options){ .inflight = true }) ==
		    0 &&
	    client_start(&attack->client) && attack->client.lost)
		attack_found(attack, VERDICT_HUNG,
			     "an honest client that asks for its log is hung "
			     "up on");
	while (i-- > 0)
		client_hang_up(&clients[i]);
}

static const uint64_t extremes[] = {
	0,	    1,		3,	    255,
	256,	    0x7fff,	0x8000,	    0xffff,
	0x10000,    0x7fffffff, 0x80000000, 0xffffffff,
	1ull << 32, 1ull << 47, 1ull << 63, UINT64_MAX - 4095,
	UINT64_MAX,
};
#define EXTREMES (sizeof(extremes) / sizeof(extremes[0]))

/* A ring message with each extreme as its queue, and as its number. */
static void ring_extremes(struct attack *attack,
			  const struct torture_case *self)
{
	const struct request *request = self->row;
	uint32_t i, j;

	for (i = 0; i < EXTREMES; i++) {
		uint32_t words[2][2] = { { (uint32_t)extremes[i], 1 },
					 { 0, (uint32_t)extremes[i] } };

		for (j = 0; j < 2; j++) {
			if (attack->client.socket < 0 &&
			    attack_start(attack,
					 (struct client_options){ .depth = 1 }))
				return;
			attack_say(attack, request->number, words[j], 8,
				   request->fds
					   ? attack->client.queues[0].kick_fd
					   : -1);
			craft_kick(attack);
			attack_linger(attack, 0);
			attack_listen(attack);
			if (attack->client.lost)
				client_close(&attack->client);
		}
	}
}

static void address_extremes(struct attack *attack,
			     const struct torture_case *self)
{
	uint32_t i;

	for (i = 0; i < EXTREMES; i++) {
		struct client *client = &attack->client;
		struct vhost_user_vring_address address = { .index = 0 };
		uint64_t *fields[] = { &address.descriptors, &address.used,
				       &address.available, &address.log };

		if (client->socket < 0 &&
		    attack_start(attack, (struct client_options){ .depth = 1 }))
			return;
		address = (struct vhost_user_vring_address){
			.flags = self->kind == 3,
			.descriptors = (uintptr_t)client->queues[0].ring.desc,
			.used = (uintptr_t)client->queues[0].ring.used,
			.available = (uintptr_t)client->queues[0].ring.avail,
		};
		*fields[self->kind] = extremes[i];
		attack_say(attack, VHOST_USER_SET_VRING_ADDR, &address,
			   sizeof(address), -1);
		client_submit(client, 0, 0, VIRTIO_BLK_T_IN, 0, 4096);
		craft_kick(attack);
		attack_linger(attack, 1);
		client_close(client);
	}
}

static void config_extremes(struct attack *attack,
			    const struct torture_case *self)
{
	uint32_t i, j;

	for (i = 0; i < EXTREMES; i++) {
		for (j = 0; j < EXTREMES; j++) {
			struct vhost_user_config config = {
				.offset = (uint32_t)extremes[i],
				.size = (uint32_t)extremes[j],
			};

			if (attack->client.socket < 0 &&
			    attack_open(attack,
					(struct client_options){ .depth = 1 }))
				return;
			attack_say(attack, self->kind, &config, sizeof(config),
				   -1);
			attack_listen(attack);
			if (attack->client.lost)
				client_close(&attack->client);
		}
	}
}

static void feature_extremes(struct attack *attack,
			     const struct torture_case *self)
{
	uint32_t i;

	for (i = 0; i < 64; i++) {
		uint64_t bit = i < 63 ? 1ull << i : UINT64_MAX;

		if (attack->client.socket < 0 &&
		    (attack_start(attack,
				  (struct client_options){ .depth = 4 }) ||
		     hostile_load(&attack->client, i)))
			return;
		attack_say(attack, self->kind, &bit, sizeof(bit), -1);
		attack_linger(attack, 0);
		attack_listen(attack);
		if (attack->client.lost)
			client_close(&attack->client);
	}
}

static const struct {
	const char *name;
	struct vhost_user_header header;
} headers[] = {
	{ "unknown-0", { 0, 1, 0 } },
	{ "unknown-44", { 44, 1, 8 } },
	{ "unknown-large", { 0x7fffffff, 1, 8 } },
	{ "unknown-negative", { 0xffffffff, 1, 8 } },
	{ "unknown-wants-reply", { 99, 1 | VHOST_USER_NEED_REPLY, 8 } },
	{ "version-0", { VHOST_USER_GET_FEATURES, 0, 0 } },
	{ "version-3", { VHOST_USER_GET_FEATURES, 3, 0 } },
	{ "flags-all", { VHOST_USER_GET_FEATURES, 0xffffffff, 0 } },
	{ "is-a-reply", { VHOST_USER_GET_FEATURES, 5, 8 } },
	{ "size-huge", { VHOST_USER_SET_FEATURES, 1, 0xffffffff } },
	{ "size-negative", { VHOST_USER_SET_MEM_TABLE, 1, 0x80000000 } },
	{ "size-of-a-table-and-more", { VHOST_USER_SET_MEM_TABLE, 1, 4096 } },
	{ "size-wraps-with-header", { VHOST_USER_GET_CONFIG, 1, 0xfffffff4 } },
};

static void add_defects(struct case_list *list, const struct request *request)
{
	struct torture_case *new;

	if (request->size > 0) {
		new = add_case(list, GROUP, wrong_size, request->name, "short");
		new->row = request;
		new->kind = (uint32_t)-1;
		new = add_case(list, GROUP, all_ones, request->name, "ones");
		new->row = request;
	}
	new = add_case(list, GROUP, wrong_size, request->name, "long");
	new->row = request;
	new->kind = 8;
	new = add_case(list, GROUP, wrong_fds, request->name,
		       request->fds ? "no-descriptor" : "descriptors");
	new->row = request;
	new->kind = request->fds ? 0 : VHOST_USER_FDS_MAX;
	add_case(list, GROUP, too_early, request->name, "early")->row = request;
	add_case(list, GROUP, too_late, request->name, "in-flight")->row =
		request;
}

static void add_extremes(struct case_list *list)
{
	static const char *const fields[] = { "descriptors", "used",
					      "available", "log" };
	uint32_t i;

	for (i = 0; i < REQUESTS; i++)
		if ((requests[i].number >= VHOST_USER_SET_VRING_NUM &&
		     requests[i].number <= VHOST_USER_SET_VRING_ERR &&
		     requests[i].size == 8) ||
		    requests[i].number == VHOST_USER_SET_VRING_ENABLE)
			add_case(list, GROUP, ring_extremes, requests[i].name,
				 "extremes")
				->row = &requests[i];
	for (i = 0; i < 4; i++)
		add_case(list, GROUP, address_extremes, "address-extremes",
			 fields[i])
			->kind = i;
	add_case(list, GROUP, config_extremes, "get-config-extremes", "")
		->kind = VHOST_USER_GET_CONFIG;
	add_case(list, GROUP, config_extremes, "set-config-extremes", "")
		->kind = VHOST_USER_SET_CONFIG;
	add_case(list, GROUP, feature_extremes, "features-one-by-one", "")
		->kind = VHOST_USER_SET_FEATURES;
	add_case(list, GROUP, feature_extremes, "protocol-features-one-by-one",
		 "")
		->kind = VHOST_USER_SET_PROTOCOL_FEATURES;
}

void cases_add_messages(struct case_list *list)
{
	static const uint8_t cuts[] = { 1, 4, 11, 12 };
	static const char *const cut_names[] = { "1", "4", "11", "12" };
	uint32_t i;

	for (i = 0; i < REQUESTS; i++)
		add_defects(list, &requests[i]);
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		add_case(list, GROUP, header_of, "header", headers[i].name)
			->row = &headers[i].header;
	for (i = 0; i < sizeof(cuts); i++)
		add_case(list, GROUP, cut, "cut-after-byte", cut_names[i])
			->kind = cuts[i];
	add_extremes(list);
	add_case(list, GROUP, byte_by_byte, "byte-by-byte", "");
	add_case(list, GROUP, fd_on_each_byte, "descriptor-on-each-byte", "");
	add_case(list, GROUP, glued, "glued-together", "");
	add_case(list, GROUP, noise, "noise", "");
	add_case(list, GROUP, flood, "flood-of-questions", "")->kind =
		VHOST_USER_GET_FEATURES;
	add_case(list, GROUP, flood, "flood-of-orders", "")->kind =
		VHOST_USER_SET_OWNER;
	add_case(list, GROUP, flood, "flood-of-unknown", "")->kind = 99;
	add_case(list, GROUP, fds_at_most, "descriptors-253", "")->kind = 1;
	add_case(list, GROUP, fds_at_most, "descriptors-253-often", "")->kind =
		40;
	add_case(list, GROUP, logs_unread, "logs-that-nobody-receives", "")
		->kind = 150;
	add_case(list, GROUP, fds_kept, "descriptors-kept-by-half-messages",
		 "");
}
