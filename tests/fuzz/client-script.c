// SPDX-License-Identifier: MIT
/*
 * G1: whatever a client says, stores in the memory it lends and takes back, in
 * whatever order, the server lives, ends the client when it leaves, and serves
 * the next.
 *
 * The input is a script that a hostile front-end plays on a real socket to a
 * server in this process.  Bytes that are missing are zeroes; a script that is
 * nothing but noise still comes to rings and requests, because the usual
 * handshake, and what is agreed on in it, are bits of its first byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/stores.h"
#include "vhost/protocol.h"
#include "vhost/server.h"
#include "virtio/blk_wire.h"
#include "virtio/ring_wire.h"

#include "fuzz.h"

#define MEMORY_SIZE (1u << 20)
#define DISK_SIZE   (8u << 20)
#define GUEST	    0x100000ull
#define USER	    0x7f0000000000ull
#define DESC_AT	    0x1000u
#define AVAIL_AT    0x2000u
#define USED_AT	    0x3000u
#define QUEUE_SIZE  16u
#define INFLIGHT_AT 0x8000u
#define LOG_AT	    0xc000u
#define LOG_SIZE    0x1000u
#define EVENT_IDX   (1ull << 29)
#define VERSION_1   (1ull << 32)
#define TRANSLATED  (1ull << 33)
#define PACKED	    (1ull << 34)
#define WRAP	    (1u << 15) /* of a position in a packed ring */

/* Bits of the first byte. */
enum {
	HOW_HANDSHAKE = 1,
	HOW_EVENT_IDX = 2,
	HOW_PACKED = 4,
	HOW_INFLIGHT = 8, /* with a log of requests in flight */
	HOW_LOG = 16,	  /* with a log of writes */
	HOW_RANGES = 32,  /* with discard and write zeroes */
	HOW_FILE = 64,	  /* on the file, by io_uring */
	HOW_IOMMU = 128,  /* with addresses that are translated */
};

#define STORES 2u

static struct {
	struct vhost_server *server;
	pthread_t thread;
	struct sockaddr_un names[STORES];
	int null_fd;
} host;

/* One run of the script. */
static struct {
	struct fuzz_bytes bytes;
	int socket;
	int memory_fd;
	int event_fd;
	int pipe_fds[2];
	int channel_fds[2];
	uint8_t *memory;
	uint16_t avail;
} run;

static void *serve(void *none)
{
	vhost_server_run(host.server);
	return none;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

/* A file in memory, which goes with us. */
static struct store *open_file(struct store_error *error)
{
	struct store_options options = { .read_only = false };
	struct store_setting image = { .key = "file" };
	char path[40];
	int fd = memfd_create("image", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, DISK_SIZE) == 0, "image");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	image.text = path;
	store_options_set(&options, &image);
	return store_open(&options, error);
}

static struct store *open_null(struct store_error *error)
{
	const struct store_setting size = { .key = "null", .size = DISK_SIZE };
	struct store_options options = { .read_only = false };

	store_options_set(&options, &size);
	return store_open(&options, error);
}

static void export(const char *folder, uint32_t number, struct store *store)
{
	struct vhost_export_options options = { .name = "fuzz", .fd = -1 };
	struct sockaddr_un *name = &host.names[number];
	struct vhost_error error;

	name->sun_family = AF_UNIX;
	snprintf(name->sun_path, sizeof(name->sun_path), "%s/%u", folder,
		 number);
	options.socket_path = name->sun_path;
	options.store = store;
	must(vhost_server_add(host.server, &options, &error), error.text);
}

static char directory[] = "/tmp/precarium-fuzz.XXXXXX";

static void leave_nothing(void)
{
	for (uint32_t i = 0; i < STORES; i++)
		unlink(host.names[i].sun_path);
	rmdir(directory);
}

void fuzz_prepare(void)
{
	struct vhost_limits limits = { .connections = 4 };
	struct store *null_store, *file_store;
	struct store_error store_error;
	struct vhost_error error;

	must(mkdtemp(directory) != NULL, "mkdtemp");
	must(atexit(leave_nothing) == 0, "atexit");
	host.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	host.server = vhost_server_new(&limits, &error);
	null_store = open_null(&store_error);
	file_store = open_file(&store_error);
	must(host.server && host.null_fd >= 0, "server");
	must(null_store && file_store, store_error.text);
	export(directory, 0, null_store);
	export(directory, 1, file_store);
	must(vhost_server_start(host.server, &error), error.text);
	must(pthread_create(&host.thread, NULL, serve, NULL) == 0, "thread");
}

static void drain(void)
{
	char answers[4096];

	while (recv(run.socket, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		continue;
	while (recv(run.channel_fds[0], answers, sizeof(answers),
		    MSG_DONTWAIT) > 0)
		continue;
}

static void send_message(const void *bytes, size_t size, const int *fds,
			 uint32_t fd_count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
	} control = { .header = { .cmsg_len = 0 } };
	struct iovec part = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd_count) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	drain();
	/* That it does not take it, or has gone, is its right. */
	(void)sendmsg(run.socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say(uint32_t request, const void *payload, uint32_t size,
		const int *fd)
{
	const struct vhost_header header = { request,
					     VHOST_VERSION | VHOST_NEED_REPLY,
					     size };
	uint8_t message[sizeof(header) + sizeof(union vhost_payload)];

	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), payload, size);
	send_message(message, sizeof(header) + size, fd, fd ? 1 : 0);
}

static void say_number(uint32_t request, uint64_t number, const int *fd)
{
	say(request, &number, sizeof(number), fd);
}

static uint64_t wanted_features(uint8_t how)
{
	uint64_t features = VERSION_1 | 1ull << VHOST_F_PROTOCOL_FEATURES;

	if (how & HOW_EVENT_IDX)
		features |= EVENT_IDX;
	if (how & HOW_PACKED)
		features |= PACKED;
	if (how & HOW_LOG)
		features |= 1ull << VHOST_F_LOG_ALL;
	if (how & HOW_IOMMU)
		features |= TRANSLATED;
	if (how & HOW_RANGES)
		features |= 1ull << VIRTIO_BLK_F_DISCARD |
			    1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	return features;
}

/* Both lie in the memory that is lent, where later steps store. */
static void lend_logs(uint8_t how)
{
	const struct vhost_inflight_shape inflight = {
		.size = 0x1000,
		.offset = INFLIGHT_AT,
		.queues = 1,
		.queue_size = QUEUE_SIZE,
	};
	const struct vhost_log_base log = { LOG_SIZE, LOG_AT };

	if (how & HOW_INFLIGHT)
		say(VHOST_SET_INFLIGHT_FD, &inflight, VHOST_INFLIGHT_SHAPE_SIZE,
		    &run.memory_fd);
	if (how & HOW_LOG) {
		say(VHOST_SET_LOG_BASE, &log, sizeof(log), &run.memory_fd);
		say(VHOST_SET_LOG_FD, "", 0, &run.event_fd);
	}
}

/* The rings, and some of what lies behind them; the rest is up to the
 * script. */
static void translate(void)
{
	const struct vhost_iotlb update = {
		.address = GUEST,
		.size = INFLIGHT_AT,
		.user = USER,
		.rights = VHOST_IOTLB_READ | VHOST_IOTLB_WRITE,
		.type = VHOST_IOTLB_UPDATE,
	};

	say(VHOST_SET_BACKEND_REQ_FD, "", 0, &run.channel_fds[1]);
	say(VHOST_IOTLB_MSG, &update, sizeof(update), NULL);
}

/* What every front-end does. */
static void handshake(uint8_t how)
{
	const struct vhost_ring_state size = { 0, QUEUE_SIZE }, on = { 0, 1 };
	const struct vhost_ring_state base = { 0, how & HOW_PACKED
							  ? WRAP | WRAP << 16
							  : 0 };
	const uint64_t where = how & HOW_IOMMU ? GUEST : USER;
	const struct vhost_ring_addr rings = {
		.flags = how & HOW_LOG ? VHOST_RING_LOG : 0,
		.descriptors = where + DESC_AT,
		.used = where + USED_AT,
		.available = where + AVAIL_AT,
		.log = GUEST + USED_AT,
	};
	const struct vhost_memory_one one = {
		.entry = { GUEST, MEMORY_SIZE, USER, 0 },
	};

	say_number(VHOST_SET_PROTOCOL_FEATURES,
		   1u << VHOST_PROTOCOL_REPLY_ACK |
			   1u << VHOST_PROTOCOL_CONFIG |
			   1u << VHOST_PROTOCOL_MQ |
			   1u << VHOST_PROTOCOL_LOG_SHMFD |
			   1u << VHOST_PROTOCOL_BACKEND_REQ |
			   1u << VHOST_PROTOCOL_INFLIGHT_SHMFD |
			   1u << VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS,
		   NULL);
	say_number(VHOST_SET_FEATURES, wanted_features(how), NULL);
	say(VHOST_ADD_MEM_REG, &one, sizeof(one), &run.memory_fd);
	lend_logs(how);
	if (how & HOW_IOMMU)
		translate();
	say(VHOST_SET_VRING_NUM, &size, sizeof(size), NULL);
	say(VHOST_SET_VRING_BASE, &base, sizeof(base), NULL);
	say(VHOST_SET_VRING_ADDR, &rings, sizeof(rings), NULL);
	say_number(VHOST_SET_VRING_CALL, 0, &run.event_fd);
	say_number(VHOST_SET_VRING_KICK, 0, &run.event_fd);
	say(VHOST_SET_VRING_ENABLE, &on, sizeof(on), NULL);
}

/* A number that matters more often than not. */
static uint64_t number(void)
{
	static const uint64_t edges[] = {
		0,	    1,		GUEST,	    GUEST + MEMORY_SIZE,
		USER,	    1u << 16,	UINT32_MAX, 1ull << 56,
		1ull << 63, UINT64_MAX,
	};
	uint8_t kind = fuzz_byte(&run.bytes);

	if (kind < sizeof(edges) / sizeof(edges[0]))
		return edges[kind] + (int8_t)fuzz_byte(&run.bytes);
	if (kind < 128)
		return fuzz_bits(&run.bytes, 16);
	if (kind < 192)
		return GUEST + fuzz_bits(&run.bytes, 24) % MEMORY_SIZE;
	return fuzz_bits(&run.bytes, 64);
}

static void any_message(void)
{
	struct {
		struct vhost_header header;
		uint8_t payload[600];
	} message;
	const int all[] = { run.memory_fd, run.event_fd, host.null_fd };
	uint32_t size = fuzz_byte(&run.bytes) * 2u, i;
	uint8_t fds = fuzz_byte(&run.bytes);
	int with[VHOST_FDS_MAX];

	message.header.request = fuzz_byte(&run.bytes);
	message.header.flags = fuzz_byte(&run.bytes);
	message.header.size = size + (fds & 0x80 ? fuzz_byte(&run.bytes) : 0);
	for (i = 0; i < size; i++)
		message.payload[i] = fuzz_byte(&run.bytes);
	for (i = 0; i < VHOST_FDS_MAX; i++)
		with[i] = all[(fds >> 3) % 3];
	send_message(&message, sizeof(message.header) + size, with, fds & 7);
}

/* An eventfd, none, or an end of a pipe: the right one or the other. */
static void ring_fd(uint32_t request, uint8_t choice, uint32_t index)
{
	const int *const fds[] = { &run.event_fd, NULL, &run.pipe_fds[0],
				   &run.pipe_fds[1] };
	const int *fd = fds[choice >> 5 & 3];

	say_number(request, fd ? index : index | VHOST_RING_NO_FD, fd);
}

/* Well-formed, with numbers that are not. */
static void usual_message(void)
{
	uint8_t choice = fuzz_byte(&run.bytes);
	struct vhost_ring_state state = { choice & 17u, 0 };
	struct vhost_ring_addr rings = { .index = state.index };
	struct vhost_memory_one one = { .padding = 0 };
	struct vhost_inflight_shape shape;
	struct vhost_config config = { .flags = 0 };
	struct vhost_iotlb iotlb = { .size = 0 };
	struct vhost_log_base log;
	uint32_t request = fuzz_byte(&run.bytes) % VHOST_MESSAGE_END;

	switch (request) {
	case VHOST_SET_VRING_ADDR:
		rings.descriptors = number();
		rings.used = number();
		rings.available = number();
		rings.flags = fuzz_byte(&run.bytes);
		say(request, &rings, sizeof(rings), NULL);
		break;
	case VHOST_GET_INFLIGHT_FD:
	case VHOST_SET_INFLIGHT_FD:
		shape.size = number();
		shape.offset = number();
		shape.queues = fuzz_byte(&run.bytes);
		shape.queue_size = fuzz_byte(&run.bytes);
		say(request, &shape, VHOST_INFLIGHT_SHAPE_SIZE,
		    request == VHOST_SET_INFLIGHT_FD ? &run.memory_fd : NULL);
		break;
	case VHOST_GET_CONFIG:
	case VHOST_SET_CONFIG:
		config.offset = fuzz_byte(&run.bytes);
		config.size = fuzz_byte(&run.bytes);
		say(request, &config, VHOST_CONFIG_HEADER + config.size, NULL);
		break;
	case VHOST_SET_LOG_BASE:
		log.size = number();
		log.offset = number();
		say(request, &log, sizeof(log), &run.memory_fd);
		break;
	case VHOST_SET_LOG_FD:
		say(request, "", 0, &run.event_fd);
		break;
	case VHOST_IOTLB_MSG:
		iotlb.address = number();
		iotlb.size = number();
		iotlb.user = number();
		iotlb.rights = choice >> 5 & 7;
		iotlb.type = fuzz_byte(&run.bytes) % 5;
		say(request, &iotlb, sizeof(iotlb), NULL);
		break;
	case VHOST_SET_BACKEND_REQ_FD:
		say(request, "", 0, &run.socket);
		break;
	case VHOST_ADD_MEM_REG:
	case VHOST_REM_MEM_REG:
		one.entry.guest = number();
		one.entry.size = number();
		one.entry.user = number();
		one.entry.offset = number();
		say(request, &one, sizeof(one), &run.memory_fd);
		break;
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		ring_fd(request, choice, state.index);
		break;
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_ENABLE:
		state.num = (uint32_t)number();
		say(request, &state, sizeof(state), NULL);
		break;
	default:
		say_number(request, number(), NULL);
	}
}

static void store_descriptor(void)
{
	struct virtq_desc desc;
	uint32_t index = fuzz_byte(&run.bytes) % QUEUE_SIZE;

	desc.addr = number();
	desc.len = (uint32_t)number();
	desc.flags = fuzz_byte(&run.bytes) & 7;
	desc.next = fuzz_byte(&run.bytes) % (QUEUE_SIZE + 1);
	memcpy(run.memory + DESC_AT + index * sizeof(desc), &desc,
	       sizeof(desc));
}

/* Available, used or neither, in this round or the next: two bits of it. */
static void store_packed(void)
{
	struct pvirtq_desc desc;
	uint32_t index = fuzz_byte(&run.bytes) % QUEUE_SIZE;
	uint8_t *at = run.memory + DESC_AT + index * sizeof(desc);
	uint8_t flags;

	desc.addr = number();
	desc.len = (uint32_t)number();
	desc.id = fuzz_byte(&run.bytes) % (QUEUE_SIZE + 1);
	flags = fuzz_byte(&run.bytes);
	desc.flags = flags & 7;
	if (flags & 8)
		desc.flags |= PVIRTQ_DESC_F_AVAIL;
	if (flags & 16)
		desc.flags |= PVIRTQ_DESC_F_USED;
	memcpy(at, &desc, PVIRTQ_DESC_FLAGS);
	/* What makes it available comes last. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(at + PVIRTQ_DESC_FLAGS, &desc.flags, sizeof(desc.flags));
}

static void store_range(void)
{
	const struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range = { number(), (uint32_t)number(), fuzz_byte(&run.bytes) & 3 };
	uint32_t at = (uint32_t)(number() % (MEMORY_SIZE - sizeof(range)));

	memcpy(run.memory + at, &range, sizeof(range));
}

static void make_available(void)
{
	uint16_t head = fuzz_byte(&run.bytes) % (QUEUE_SIZE + 1);
	uint8_t *ring = run.memory + AVAIL_AT;

	memcpy(ring + 4 + 2 * (run.avail % QUEUE_SIZE), &head, 2);
	run.avail++;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(ring + 2, &run.avail, 2);
}

static void store_header(void)
{
	struct virtio_blk_req_header header = {
		.type = fuzz_byte(&run.bytes) % 16,
		.sector = number(),
	};
	uint32_t at = (uint32_t)(number() % (MEMORY_SIZE - 16));

	memcpy(run.memory + at, &header, sizeof(header));
}

static void store_bytes(void)
{
	uint32_t at = (uint32_t)(number() % (MEMORY_SIZE - 256));
	uint32_t count = fuzz_byte(&run.bytes), i;

	for (i = 0; i < count; i++)
		run.memory[at + i] = fuzz_byte(&run.bytes);
}

/* The test's own mapping stays whole: it is what must not fault. */
static void take_back(void)
{
	off_t at = (off_t)(number() % MEMORY_SIZE);

	if (fuzz_byte(&run.bytes) & 1) {
		(void)fallocate(run.memory_fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
				4096);
		return;
	}
	must(ftruncate(run.memory_fd, at & ~4095) == 0, "ftruncate");
	(void)poll(NULL, 0, 1);
	must(ftruncate(run.memory_fd, MEMORY_SIZE) == 0, "ftruncate");
}

/* Does what came end with the answer to GET_FEATURES? */
static bool ends_answered(const uint8_t *bytes, size_t size)
{
	const struct vhost_header answer = { VHOST_GET_FEATURES,
					     VHOST_VERSION | VHOST_REPLY, 8 };

	return size >= sizeof(answer) + 8 &&
	       memcmp(bytes + size - sizeof(answer) - 8, &answer,
		      sizeof(answer)) == 0;
}

/* Ask, and wait a little for any answer. */
static void round_trip(void)
{
	struct pollfd poller = { .fd = run.socket, .events = POLLIN };

	say(VHOST_GET_FEATURES, "", 0, NULL);
	(void)poll(&poller, 1, 2);
	drain();
}

/* Until the server has come to here, however slow the machine is: else it would
 * see that we have gone before it sees what we did.  One that was sent half a
 * message never answers, and is not waited for long. */
static void meet(bool on_file)
{
	struct pollfd poller = { .fd = run.socket, .events = POLLIN };
	uint8_t answers[4096];
	ssize_t got = 0;

	say(VHOST_GET_FEATURES, "", 0, NULL);
	while (!ends_answered(answers, (size_t)got)) {
		if (poll(&poller, 1, 50) == 0)
			break;
		got = recv(run.socket, answers, sizeof(answers), MSG_DONTWAIT);
		if (got <= 0)
			break;
	}
	/* The kernel's part is quick, but takes a moment. */
	if (on_file)
		(void)poll(NULL, 0, 1);
}

static void step(void)
{
	switch (fuzz_byte(&run.bytes) % 11) {
	case 0:
		any_message();
		break;
	case 1:
		usual_message();
		break;
	case 2:
		store_descriptor();
		break;
	case 3:
		make_available();
		break;
	case 4:
		(void)eventfd_write(run.event_fd, 1);
		(void)eventfd_write(run.pipe_fds[1], 1);
		break;
	case 5:
		store_header();
		break;
	case 6:
		store_bytes();
		break;
	case 7:
		take_back();
		break;
	case 9:
		store_packed();
		break;
	case 10:
		store_range();
		break;
	default:
		round_trip();
	}
}

static void come(uint8_t how)
{
	const struct sockaddr_un *name = &host.names[how & HOW_FILE ? 1 : 0];

	run.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(run.socket >= 0, "socket");
	must(connect(run.socket, (const struct sockaddr *)name,
		     sizeof(*name)) == 0,
	     "connect");
	run.memory_fd = memfd_create("lent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	must(ftruncate(run.memory_fd, MEMORY_SIZE) == 0, "ftruncate");
	run.memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  run.memory_fd, 0);
	must(run.memory != MAP_FAILED, "mmap");
	/* Blocking, and never read: nobody may be made to wait on it. */
	run.event_fd = eventfd(0, EFD_CLOEXEC);
	must(pipe2(run.pipe_fds, O_CLOEXEC | O_NONBLOCK) == 0, "pipe");
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			run.channel_fds) == 0,
	     "socketpair");
	run.avail = 0;
}

/* It is ended when it leaves, whatever it left behind: waits for that. */
static void leave(void)
{
	char answers[4096];

	shutdown(run.socket, SHUT_WR);
	while (recv(run.socket, answers, sizeof(answers), 0) > 0)
		continue;
	close(run.socket);
	munmap(run.memory, MEMORY_SIZE);
	close(run.memory_fd);
	close(run.event_fd);
	close(run.pipe_fds[0]);
	close(run.pipe_fds[1]);
	close(run.channel_fds[0]);
	close(run.channel_fds[1]);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	uint8_t how;

	run.bytes = (struct fuzz_bytes){ data, size };
	how = fuzz_byte(&run.bytes);
	come(how);
	if (how & HOW_HANDSHAKE)
		handshake(how);
	while (run.bytes.left > 0)
		step();
	meet(how & HOW_FILE);
	leave();
}
