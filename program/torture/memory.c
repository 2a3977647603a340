// SPDX-License-Identifier: MIT
/* Lent memory that is not what it seems, or does not stay. */
#include "program/torture/case.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/vhost_types.h>

#include "program/torture/frozen.h"

#define GROUP	  "memory"
#define PAGE	  4096ull
#define FILE_SIZE (256u * PAGE)
#define GUEST	  0x7700000000ull /* free, as the client library lays out */
#define USER	  0x660000000000ull

/* A region whose numbers are wrong. */
struct shape {
	const char *name;
	struct vhost_user_region region;
	uint64_t file_size; /* 0: FILE_SIZE */
};

static const struct shape shapes[] = {
	{ "size-0", { GUEST, 0, USER, 0 }, 0 },
	{ "size-1", { GUEST, 1, USER, 0 }, 0 },
	{ "size-odd", { GUEST, 12345, USER, 0 }, 0 },
	{ "size-beyond-the-file", { GUEST, 4 * FILE_SIZE, USER, 0 }, 0 },
	{ "size-2^40-beyond-the-file", { GUEST, 1ull << 40, USER, 0 }, 0 },
	{ "size-2^62", { GUEST, 1ull << 62, USER, 0 }, 0 },
	{ "size-2^64-1", { GUEST, UINT64_MAX, USER, 0 }, 0 },
	{ "file-empty", { GUEST, FILE_SIZE, USER, 0 }, 1 },
	{ "file-sparse-2^40", { GUEST, 1ull << 40, USER, 0 }, 1ull << 40 },
	{ "file-sparse-2^34", { GUEST, 1ull << 34, USER, 0 }, 1ull << 34 },
	{ "guest-wraps", { UINT64_MAX - PAGE, FILE_SIZE, USER, 0 }, 0 },
	{ "guest-ends-at-2^64",
	  { -(uint64_t)FILE_SIZE, FILE_SIZE, USER, 0 },
	  0 },
	{ "guest-odd", { GUEST + 1, FILE_SIZE, USER, 0 }, 0 },
	{ "user-wraps", { GUEST, FILE_SIZE, UINT64_MAX - PAGE, 0 }, 0 },
	{ "user-0", { GUEST, FILE_SIZE, 0, 0 }, 0 },
	{ "offset-odd", { GUEST, PAGE, USER, 1 }, 0 },
	{ "offset-beyond-the-file", { GUEST, PAGE, USER, 8 * FILE_SIZE }, 0 },
	{ "offset-at-the-end", { GUEST, PAGE, USER, FILE_SIZE }, 0 },
	{ "offset-negative", { GUEST, PAGE, USER, -(uint64_t)PAGE }, 0 },
	{ "offset-plus-size-wraps",
	  { GUEST, FILE_SIZE, USER, INT64_MAX - PAGE + 1 },
	  0 },
};

/* Requests whose data lies in the region that was added: its beginning, its
 * middle and its last page. */
static void use(struct attack *attack, const struct vhost_user_region *region)
{
	const uint64_t places[] = { 0, region->size / 2,
				    region->size - CRAFT_SIZE };
	struct vring_desc list[3];
	uint32_t i, type;

	for (i = 0; i < 3; i++) {
		for (type = 0; type < 2; type++) {
			uint16_t used = attack->client.queues[0].ring.used->idx;

			craft(attack, type, 0, list);
			list[1].addr = region->guest_address + places[i];
			if (craft_submit(attack, list, 3, false) ||
			    !attack_served(attack, used, 20))
				return;
		}
	}
}

/* By ADD_MEM_REG, or in a table behind the regions that are good. */
static int lend(struct attack *attack, const struct vhost_user_region *region,
		int fd, bool table)
{
	struct vhost_user_one_region one = { .region = *region };
	struct client *client = &attack->client;
	struct vhost_user_table all = { .count = 4 };
	int fds[4];
	uint32_t i;

	if (!table)
		return attack_tell(attack, VHOST_USER_ADD_MEM_REG, &one,
				   sizeof(one), fd);
	for (i = 0; i < 3; i++) {
		all.regions[i] = (struct vhost_user_region){
			client->regions[i].address, client->regions[i].size,
			(uintptr_t)client->regions[i].host, 0
		};
		fds[i] = client->regions[i].fd;
	}
	all.regions[3] = *region;
	fds[3] = fd;
	return client_send(client, VHOST_USER_SET_MEM_TABLE, 0, &all,
			   8 + 4 * sizeof(all.regions[0]), fds, 4);
}

static bool begin(struct attack *attack, bool table)
{
	if (attack_start(attack, (struct client_options){ .queue_size = 64,
							  .mem_table = table }))
		return false;
	return table ||
	       !attack_lacks_protocol(attack,
				      VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
				      "CONFIGURE_MEM_SLOTS");
}

static void run_shape(struct attack *attack, const struct torture_case *self)
{
	const struct shape *shape = self->row;
	int fd = memfd_create("lent", MFD_CLOEXEC);
	uint64_t size = shape->file_size ? shape->file_size : FILE_SIZE;

	if (fd < 0 || ftruncate(fd, (off_t)size) || !begin(attack, self->kind))
		return;
	if (lend(attack, &shape->region, fd, self->kind) < 0)
		return;
	use(attack, &shape->region);
}

/* Descriptors of something else than memory, or of unsuitable memory. */
enum kind {
	PIPE,
	SOCKET,
	SOCKET_ITSELF,
	DIRECTORY,
	EVENT,
	EPOLL,
	TIMER,
	ZERO,
	NULL_DEVICE,
	NAMED_ONLY,
	MEM_OF_PROCESS,
	READ_ONLY,
	SEALED_FOR_WRITING,
	HUGE_WITHOUT_RESERVE,
	ON_DISK,
	PROC_FILE,
	FROZEN,
};

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{ "pipe", PIPE },
	{ "socket", SOCKET },
	{ "its-own-connection", SOCKET_ITSELF },
	{ "directory", DIRECTORY },
	{ "eventfd", EVENT },
	{ "epoll", EPOLL },
	{ "timer", TIMER },
	{ "dev-zero", ZERO },
	{ "dev-null", NULL_DEVICE },
	{ "o-path", NAMED_ONLY },
	{ "proc-self-mem", MEM_OF_PROCESS },
	{ "read-only-memfd", READ_ONLY },
	{ "sealed-for-writing", SEALED_FOR_WRITING },
	{ "huge-pages-without-reserve", HUGE_WITHOUT_RESERVE },
	{ "file-on-disk", ON_DISK },
	{ "proc-file", PROC_FILE },
	{ "file-that-never-answers", FROZEN },
};

static int read_only(void)
{
	int fd = memfd_create("lent", MFD_CLOEXEC);
	char path[40];

	if (ftruncate(fd, FILE_SIZE))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int sealed(void)
{
	int fd = memfd_create("lent", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (ftruncate(fd, FILE_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		return -1;
	return fd;
}

static int huge(void)
{
	int fd = memfd_create("lent", MFD_CLOEXEC | MFD_HUGETLB);

	return fd >= 0 && ftruncate(fd, 2 << 20) == 0 ? fd : -1;
}

static int on_disk(void)
{
	char path[] = "/tmp/precarium-torture-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		return -1;
	unlink(path);
	return ftruncate(fd, FILE_SIZE) == 0 ? fd : -1;
}

static int make_kind(struct attack *attack, enum kind kind)
{
	int pair[2];

	switch (kind) {
	case PIPE:
		return pipe2(pair, O_CLOEXEC) ? -1 : pair[0];
	case SOCKET:
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
			       ? -1
			       : pair[0];
	case SOCKET_ITSELF:
		return attack->client.socket;
	case DIRECTORY:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case EVENT:
		return eventfd(0, EFD_CLOEXEC);
	case EPOLL:
		return epoll_create1(EPOLL_CLOEXEC);
	case TIMER:
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	case ZERO:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case NULL_DEVICE:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case NAMED_ONLY:
		return open("/dev/zero", O_PATH | O_CLOEXEC);
	case MEM_OF_PROCESS:
		return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	case READ_ONLY:
		return read_only();
	case SEALED_FOR_WRITING:
		return sealed();
	case HUGE_WITHOUT_RESERVE:
		return huge();
	case ON_DISK:
		return on_disk();
	case FROZEN:
		return frozen_file(FILE_SIZE);
	default:
		return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	}
}

static void run_kind(struct attack *attack, const struct torture_case *self)
{
	struct vhost_user_region region = { GUEST, FILE_SIZE, USER, 0 };
	enum kind kind = self->kind / 2;
	int fd;

	if (!begin(attack, self->kind & 1))
		return;
	fd = make_kind(attack, kind);
	if (fd < 0) {
		attack_found(attack, VERDICT_NOT_APPLICABLE,
			     "such a descriptor cannot be had here");
		return;
	}
	if (kind == HUGE_WITHOUT_RESERVE)
		region.size = 2 << 20;
	if (lend(attack, &region, fd, self->kind & 1) < 0)
		return;
	/* Files that lose their memory after they are accepted. */
	if (kind == ON_DISK)
		use(attack, &region);
	if (kind == ON_DISK && ftruncate(fd, 0))
		return;
	use(attack, &region);
}

/* The same place twice, in part, or with other numbers: 1/4 pages further. */
static void run_overlap(struct attack *attack, const struct torture_case *self)
{
	const struct client_region *there;
	struct vhost_user_region region;
	bool guest = self->kind & 1, user = self->kind & 2;

	if (!begin(attack, self->kind & 4))
		return;
	there = &attack->client.regions[2];
	region = (struct vhost_user_region){
		guest ? there->address + there->size - PAGE : GUEST,
		there->size,
		user ? (uintptr_t)there->host + there->size - PAGE : USER, 0
	};
	if (lend(attack, &region, there->fd, self->kind & 4) < 0)
		return;
	use(attack, &region);
}

/* One more than there is room for, and many more. */
static void too_many(struct attack *attack, const struct torture_case *self)
{
	int fd = memfd_create("lent", MFD_CLOEXEC);
	uint32_t i;

	if (fd < 0 || ftruncate(fd, PAGE) || !begin(attack, false))
		return;
	for (i = 0; i < self->kind; i++) {
		const struct vhost_user_one_region one = {
			.region = { GUEST + i * 0x10000ull, PAGE,
				    USER + i * 0x10000ull, 0 },
		};

		if (attack_tell(attack, VHOST_USER_ADD_MEM_REG, &one,
				sizeof(one), fd) < 0)
			return;
	}
}

static void come_and_go(struct attack *attack, const struct torture_case *self)
{
	const struct vhost_user_one_region one = {
		.region = { GUEST, FILE_SIZE, USER, 0 },
	};
	int fd = memfd_create("lent", MFD_CLOEXEC);
	uint32_t i;

	if (fd < 0 || ftruncate(fd, FILE_SIZE) || !begin(attack, false))
		return;
	for (i = 0; i < self->kind; i++)
		if (attack_tell(attack, VHOST_USER_ADD_MEM_REG, &one,
				sizeof(one), fd) < 0 ||
		    attack_tell(attack, VHOST_USER_REM_MEM_REG, &one,
				sizeof(one), -1) < 0)
			return;
}

/* Regions taken back with wrong numbers, or twice. */
static void remove_wrongly(struct attack *attack,
			   const struct torture_case *self)
{
	const struct client_region *there;
	struct vhost_user_one_region one = { .padding = 0 };
	uint32_t i;

	if (!begin(attack, false) || hostile_load(&attack->client, 1))
		return;
	there = &attack->client.regions[2];
	one.region = (struct vhost_user_region){ there->address, there->size,
						 (uintptr_t)there->host, 0 };
	if (self->kind == 1)
		one.region.size /= 2;
	else if (self->kind == 2)
		one.region.guest_address += PAGE;
	else if (self->kind == 3)
		one.region.user_address += PAGE;
	else if (self->kind == 4)
		one.region.size = 0;
	for (i = 0; i < 3; i++)
		if (attack_tell(attack, VHOST_USER_REM_MEM_REG, &one,
				sizeof(one), there->fd) < 0)
			return;
	hostile_truncate(&attack->client, 2, 0);
	attack_linger(attack, 10);
}

/* The whole table is replaced with requests in flight: by an empty one, a
 * smaller one, another one. */
static void replace_table(struct attack *attack,
			  const struct torture_case *self)
{
	struct vhost_user_table table = { .count = self->kind };
	struct client *client = &attack->client;
	int fds[VHOST_USER_TABLE_MAX];
	uint32_t i, j;

	if (attack_start(attack, (struct client_options){ .mem_table = true }))
		return;
	for (i = 0; i < self->kind && i < VHOST_USER_TABLE_MAX; i++) {
		const struct client_region *from = &client->regions[i % 3];

		table.regions[i] = (struct vhost_user_region){
			from->address + i / 3 * 0x40000000ull, from->size,
			(uintptr_t)from->host + i / 3 * 0x40000000ull, 0
		};
		fds[i] = from->fd;
	}
	for (j = 0; j < 20; j++) {
		if (hostile_load(client, j) ||
		    client_send(client, VHOST_USER_SET_MEM_TABLE, 0, &table,
				(uint32_t)(8 + (i * sizeof(table.regions[0]))),
				fds, i))
			return;
		attack_linger(attack, 1);
	}
}

/* Rings, headers, status or data are lent for reading only. */
static void lent_read_only(struct attack *attack,
			   const struct torture_case *self)
{
	struct client *client = &attack->client;
	char path[40];

	if (attack_open(attack, (struct client_options){ .queue_size = 64 }))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 client->regions[self->kind].fd);
	client->regions[self->kind].lent_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (client_start(client))
		return;
	memset(client->regions[2].host, 0x5a, client->regions[2].size);
	hostile_load(client, 3);
	attack_linger(attack, 20);
}

/* The log of requests in flight is lent memory, too. */
static void inflight(struct attack *attack, const struct torture_case *self)
{
	struct vhost_user_inflight log = { .size = 0,
					   .queue_count = 1,
					   .queue_size = 64 };
	int fd = memfd_create("log", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, FILE_SIZE) ||
	    attack_open(attack, (struct client_options){ .queue_size = 64,
							 .inflight = true }))
		return;
	if (attack_lacks_protocol(attack, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
				  "INFLIGHT_SHMFD"))
		return;
	if (client_start(&attack->client))
		return;
	log.size = self->kind == 0 ? UINT64_MAX : FILE_SIZE;
	log.offset = self->kind == 1 ? UINT64_MAX - PAGE : 0;
	log.queue_count = self->kind == 2 ? 0xffff : 1;
	log.queue_size = self->kind == 3 ? 0xffff : 64;
	attack_tell(attack, VHOST_USER_SET_INFLIGHT_FD, &log, sizeof(log), fd);
	hostile_load(&attack->client, 1);
	if (ftruncate(attack->client.inflight_fd, 0) || ftruncate(fd, 0))
		return;
	hostile_load(&attack->client, 2);
	attack_linger(attack, 10);
}

/* And so is the log of writes, for migration.  Its bits are one a page. */
struct log {
	const char *name;
	uint64_t size, offset;
	enum { STAYS, CUT_OFF, NO_MEMORY, FOR_READING, OF_RINGS } how;
};

static const struct log logs[] = {
	{ "size-0", 0, 0, STAYS },
	{ "size-1", 1, 0, STAYS },
	{ "size-beyond-the-file", 4 * FILE_SIZE, 0, STAYS },
	{ "size-2^64-1", UINT64_MAX, 0, STAYS },
	{ "offset-beyond-the-file", FILE_SIZE, 8 * FILE_SIZE, STAYS },
	{ "offset-wraps", FILE_SIZE, UINT64_MAX - PAGE + 1, STAYS },
	{ "cut-off", FILE_SIZE, 0, CUT_OFF },
	{ "is-a-pipe", FILE_SIZE, 0, NO_MEMORY },
	{ "read-only", FILE_SIZE, 0, FOR_READING },
	{ "of-rings-elsewhere", FILE_SIZE, 0, OF_RINGS },
};

/* Where a ring's own writes are noted, the ring says. */
static void misplace_ring(struct attack *attack)
{
	const struct vring *ring = &attack->client.queues[0].ring;
	const struct vhost_user_vring_address address = {
		.flags = 1,
		.descriptors = (uintptr_t)ring->desc,
		.used = (uintptr_t)ring->used,
		.available = (uintptr_t)ring->avail,
		.log = UINT64_MAX - 7,
	};

	attack_say(attack, VHOST_USER_SET_VRING_ADDR, &address, sizeof(address),
		   -1);
}

static void run_log(struct attack *attack, const struct torture_case *self)
{
	const struct log *log = self->row;
	const uint64_t words[2] = { log->size, log->offset };
	struct client *client = &attack->client;
	uint64_t features;
	int fd;

	if (attack_start(attack, (struct client_options){ .queue_size = 64 }) ||
	    attack_lacks_protocol(attack, VHOST_USER_PROTOCOL_F_LOG_SHMFD,
				  "LOG_SHMFD"))
		return;
	if (log->how == FOR_READING)
		fd = read_only();
	else if (log->how == NO_MEMORY)
		fd = make_kind(attack, PIPE);
	else
		fd = memfd_create("log", MFD_CLOEXEC);
	if (log->how != FOR_READING && log->how != NO_MEMORY &&
	    ftruncate(fd, FILE_SIZE))
		return;
	attack_say(attack, VHOST_USER_SET_LOG_BASE, words, sizeof(words), fd);
	features = client->features | 1u << VHOST_F_LOG_ALL;
	attack_say(attack, VHOST_USER_SET_FEATURES, &features, sizeof(features),
		   -1);
	if (log->how == OF_RINGS)
		misplace_ring(attack);
	hostile_load(client, 1);
	if (log->how == CUT_OFF && ftruncate(fd, 0))
		return;
	hostile_load(client, 2);
	craft_kick(attack);
	attack_linger(attack, 10);
	attack_listen(attack);
}

static void add_parts(struct case_list *list)
{
	static const char *const overlaps[] = { "guest-addresses",
						"user-addresses", "both" };
	static const char *const removals[] = { "twice", "half-of-it",
						"by-another-address",
						"by-another-user-address",
						"of-no-size" };
	static const char *const parts[] = { "rings", "headers-and-status",
					     "data" };
	static const char *const inflights[] = { "size-2^64-1", "offset-wraps",
						 "65535-queues",
						 "65535-entries", "cut-off" };
	uint32_t i;

	for (i = 0; i < 3; i++) {
		add_case(list, GROUP, run_overlap, "overlap", overlaps[i])
			->kind = i + 1;
		add_case(list, GROUP, run_overlap, "table-overlap", overlaps[i])
			->kind = 4 | (i + 1);
		add_case(list, GROUP, lent_read_only, "read-only", parts[i])
			->kind = i;
	}
	for (i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
		add_case(list, GROUP, run_log, "dirty-log", logs[i].name)->row =
			&logs[i];
	for (i = 0; i < 5; i++) {
		add_case(list, GROUP, remove_wrongly, "taken-back", removals[i])
			->kind = i;
		add_case(list, GROUP, inflight, "inflight-log", inflights[i])
			->kind = i;
	}
}

void cases_add_memory(struct case_list *list)
{
	static const struct {
		const char *name;
		uint32_t count;
	} tables[] = {
		{ "with-none", 0 },	      { "with-the-rings-only", 1 },
		{ "without-data", 2 },	      { "with-the-same", 3 },
		{ "with-more", 8 },	      { "with-too-many", 9 },
		{ "with-2^32-1", 0xffffffff }
	};
	struct torture_case *new;
	uint32_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		add_case(list, GROUP, run_shape, shapes[i].name, "")->row =
			&shapes[i];
		new = add_case(list, GROUP, run_shape, "table", shapes[i].name);
		new->row = &shapes[i];
		new->kind = true;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		add_case(list, GROUP, run_kind, "is-a", kinds[i].name)->kind =
			2 * kinds[i].kind;
		add_case(list, GROUP, run_kind, "table-is-a", kinds[i].name)
			->kind = 2 * kinds[i].kind + 1;
	}
	add_parts(list);
	add_case(list, GROUP, too_many, "regions-600", "")->kind = 600;
	add_case(list, GROUP, come_and_go, "comes-and-goes", "")->kind = 300;
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		add_case(list, GROUP, replace_table, "table-replaced",
			 tables[i].name)
			->kind = tables[i].count;
}
