// SPDX-License-Identifier: MIT
#include "lending-store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <precarium/region.h>

#define PAGE	     4096u
#define LOANS	     64u
#define STEPS_A_CALL 64u
#define TICK_NS	     1000000

/* A part of a page of the client's. */
struct piece {
	uint64_t disk;
	uint32_t offset; /* in the page */
	uint32_t size;
};

struct transfer {
	struct sim_request sim; /* first: the device gets it */
	struct lending_lane *lane;
	struct store_io *io;
	struct piece piece[SIM_ENTRIES];
	struct prec_pages pages;
	uint32_t slot;
	bool failed; /* it was never put */
	bool is_put;
};

struct lending_lane {
	struct store_lane lane; /* first */
	struct lending_store *store;
	struct sim sim;
	struct iommu_domain domain;
	struct iova iova;
	struct store_io *waiting; /* to be put, or ended without */
	struct store_io **last;
	struct store_loan *loan[LOANS];	   /* that have not LEFT */
	struct store_loan *refused[LOANS]; /* to be returned by settled */
	uint32_t refused_count;
	uint64_t began_ms;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t time_of(const struct lending_lane *lane)
{
	return now_ms() - lane->began_ms;
}

struct lending_control lending_look(struct lending_store *store)
{
	struct lending_control copy;

	pthread_mutex_lock(&store->lock);
	copy = store->control;
	pthread_mutex_unlock(&store->lock);
	return copy;
}

void lending_hold(struct lending_store *store, bool maps, bool unmaps,
		  bool device)
{
	pthread_mutex_lock(&store->lock);
	store->control.hold_maps = maps;
	store->control.hold_unmaps = unmaps;
	store->control.hold_device = device;
	pthread_mutex_unlock(&store->lock);
}

void lending_configure(struct lending_store *store, uint64_t quota,
		       const struct sim_manner *manner)
{
	pthread_mutex_lock(&store->lock);
	store->control.options.quota = quota;
	store->control.options.manner = *manner;
	pthread_mutex_unlock(&store->lock);
}

void lending_bury(struct lending_store *store)
{
	pthread_mutex_lock(&store->lock);
	store->control.bury = true;
	pthread_mutex_unlock(&store->lock);
}

static void find_wrong(struct lending_store *store, const char *what)
{
	pthread_mutex_lock(&store->lock);
	if (!store->control.wrong)
		store->control.wrong = what;
	pthread_mutex_unlock(&store->lock);
}

/* Read or write lent memory that may be gone: false, if it is. */
static bool copy(uint64_t at, void *bytes, size_t size, bool out)
{
	struct iovec ours = { bytes, size };
	struct iovec theirs = { (void *)(uintptr_t)at, size };
	ssize_t done =
		out ? process_vm_writev(getpid(), &ours, 1, &theirs, 1, 0)
		    : process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0);

	return done == (ssize_t)size;
}

/* A mapping of the device's own stands for the pin: it stays when the server
 * unmaps its view, so whatever is written too late is seen by the client. */
static uint64_t pin(void *world, uint64_t host)
{
	uint8_t byte;
	void *own;

	(void)world;
	if (!copy(host, &byte, 1, false))
		return 0;
	own = mremap((void *)(uintptr_t)host, 0, PAGE, MREMAP_MAYMOVE);
	return own == MAP_FAILED ? 0 : (uintptr_t)own;
}

static void unpin(void *world, uint64_t frame)
{
	(void)world;
	munmap((void *)(uintptr_t)frame, PAGE);
}

/* What the client has truncated the device writes to an orphan, and knows
 * nothing of it. */
static void touch(void *world, uint64_t frame, void *request, uint32_t at)
{
	struct lending_lane *lane = world;
	const struct transfer *transfer = request;
	const struct piece *piece = &transfer->piece[at];

	copy(frame + piece->offset, lane->store->disk + piece->disk,
	     piece->size, transfer->sim.into_memory);
	pthread_mutex_lock(&lane->store->lock);
	lane->store->control.touched++;
	pthread_mutex_unlock(&lane->store->lock);
}

static const struct sim_memory memory = { pin, unpin, touch };

static enum iommu_answer map(void *device, struct iommu_mapping *mapping)
{
	struct sim *sim = device;
	struct lending_lane *lane = sim->world;

	enum iommu_answer answer = sim_ops.map(device, mapping);

	/* It is pinned, and nobody knows. */
	if (answer == IOMMU_DONE && lending_look(lane->store).hold_maps)
		return IOMMU_NOT_YET;
	return answer;
}

static enum iommu_answer unmap(void *device, struct iommu_mapping *mapping)
{
	struct sim *sim = device;
	struct lending_lane *lane = sim->world;

	if (lending_look(lane->store).hold_unmaps)
		return IOMMU_NOT_YET;
	return sim_ops.unmap(device, mapping);
}

static struct iommu_ops held_ops;

static void open_domain(struct lending_lane *lane)
{
	const struct lending_options options =
		lending_look(lane->store).options;
	const struct iommu_options domain = {
		.queues = 1,
		.depth = SIM_DEPTH,
		.quota = options.quota,
		.drain = options.drain_ms,
		.abort = options.patience_ms,
		.patience = { options.patience_ms, options.patience_ms,
			      options.patience_ms },
	};
	const struct iova_range range = { 0, (1ull << 39) - 1 };

	held_ops = sim_ops;
	held_ops.map = map;
	held_ops.unmap = unmap;
	sim_init(&lane->sim, &options.manner, &memory, lane);
	iova_init(&lane->iova, &range, 1);
	iommu_open(&lane->domain, &held_ops, &lane->sim, &domain, &lane->iova);
}

/* A tick a millisecond stands for the device's interrupts and for time. */
static void tick(const struct lending_lane *lane, bool on)
{
	const struct itimerspec ticks = { { 0, on ? TICK_NS : 0 },
					  { 0, on ? TICK_NS : 0 } };

	timerfd_settime(lane->lane.fd, 0, &ticks, NULL);
}

static void set_open(struct lending_store *store, bool open)
{
	pthread_mutex_lock(&store->lock);
	store->control.open = open;
	pthread_mutex_unlock(&store->lock);
}

static struct store_lane *lane_open(const struct store *store,
				    struct store_error *error)
{
	/* The test's own, which is not constant. */
	struct lending_store *lending =
		(struct lending_store *)(uintptr_t)store;
	struct lending_lane *lane = calloc(1, sizeof(*lane));

	if (!lane || lending->lane) {
		free(lane);
		store_fail(error, "one lane; expected one worker");
		return NULL;
	}
	lane->lane.store = store;
	lane->lane.fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	lane->store = lending;
	lane->last = &lane->waiting;
	lane->began_ms = now_ms();
	lending->lane = lane;
	open_domain(lane);
	set_open(lending, true);
	return &lane->lane;
}

static void lane_close(struct store_lane *lane)
{
	struct lending_lane *lending = (struct lending_lane *)lane;

	if (sim_maps(&lending->sim) != 0)
		find_wrong(lending->store, "a lane is closed with mappings");
	close(lane->fd);
	lending->store->lane = NULL;
	set_open(lending->store, false);
	free(lending);
}

/* Where the bytes of the pages of a list are on the disk. */
static void note_pieces(struct transfer *transfer)
{
	const struct prec_pages *pages = &transfer->pages;
	uint64_t left = pages->bytes;
	uint64_t disk = transfer->io->offset;

	for (uint32_t i = 0; i < pages->count; i++) {
		uint32_t offset = (uint32_t)(pages->entry[i] % PAGE);
		uint64_t size = PAGE - offset < left ? PAGE - offset : left;

		transfer->piece[i] =
			(struct piece){ disk, offset, (uint32_t)size };
		disk += size;
		left -= size;
	}
}

/* False: it is not in what was lent, or no one command can say it. */
static bool aim(struct transfer *transfer)
{
	const struct store_io *io = transfer->io;
	const struct prec_space *windows = &transfer->lane->domain.windows;
	struct prec_pages *pages = &transfer->pages;

	prec_pages_begin(pages,
			 transfer->sim.into_memory ? PREC_WRITE : PREC_READ);
	for (uint32_t i = 0; i < io->span_count; i++) {
		if (prec_pages_add(pages, windows, io->spans[i].host,
				   io->spans[i].size) != PREC_OK)
			return false;
	}
	if (pages->count == 0 || pages->count > SIM_ENTRIES)
		return false;
	sim_aim(&transfer->sim, pages);
	note_pieces(transfer);
	return true;
}

static bool add(struct store_lane *lane, struct store_io *io)
{
	struct lending_lane *lending = (struct lending_lane *)lane;
	struct transfer *transfer = calloc(1, sizeof(*transfer));

	if (!transfer)
		return false;
	transfer->lane = lending;
	transfer->io = io;
	transfer->sim.into_memory = io->kind == STORE_READ;
	io->slot = transfer;
	io->next = NULL;
	io->result = (struct prec_result){ PREC_OK, 0, 0 };
	*lending->last = io;
	lending->last = &io->next;
	pthread_mutex_lock(&lending->store->lock);
	lending->store->control.in_flight++;
	pthread_mutex_unlock(&lending->store->lock);
	tick(lending, true);
	return true;
}

static bool is_of_bytes(const struct store_io *io)
{
	return io->kind == STORE_READ || io->kind == STORE_WRITE;
}

/* Give it to the device.  False: later. */
static bool put(struct transfer *transfer)
{
	struct iommu_domain *domain = &transfer->lane->domain;
	struct store_io *io = transfer->io;
	enum prec_status status = PREC_GONE;

	if (aim(transfer))
		status = iommu_put(domain, 0, io->owner, &transfer->pages,
				   transfer, &transfer->slot);
	if (status == PREC_BUSY)
		return false;
	transfer->is_put = status == PREC_OK;
	transfer->failed = status != PREC_OK;
	if (transfer->failed)
		io->result = (struct prec_result){ PREC_GONE, 0, 0 };
	return true;
}

static void put_waiting(struct lending_lane *lane)
{
	for (struct store_io *io = lane->waiting; io; io = io->next) {
		struct transfer *transfer = io->slot;

		if (is_of_bytes(io) && !transfer->is_put && !transfer->failed &&
		    !put(transfer))
			return;
	}
}

static enum store_left start(struct store_lane *lane)
{
	put_waiting((struct lending_lane *)lane);
	return STORE_NOTHING;
}

static void unlink_waiting(struct lending_lane *lane, struct store_io *io)
{
	struct store_io **at = &lane->waiting;

	while (*at != io)
		at = &(*at)->next;
	*at = io->next;
	if (!*at)
		lane->last = at;
}

static struct store_io *end(struct lending_lane *lane, struct store_io *io)
{
	unlink_waiting(lane, io);
	free(io->slot);
	pthread_mutex_lock(&lane->store->lock);
	lane->store->control.in_flight--;
	pthread_mutex_unlock(&lane->store->lock);
	return io;
}

/* What the device, or a quiesce, has ended. */
static struct store_io *reap_ended(struct lending_lane *lane)
{
	struct iommu_outcome outcome;
	struct transfer *transfer;
	struct store_io *io;

	if (!iommu_ended(&lane->domain, &outcome))
		return NULL;
	transfer = outcome.own;
	io = transfer->io;
	if (outcome.completed && outcome.status == 0 && outcome.believed)
		io->result.done = io->size;
	else if (outcome.completed && outcome.status == 0)
		io->result.status = PREC_GONE;
	else
		io->result = (struct prec_result){ PREC_SYSTEM, EIO, 0 };
	return end(lane, io);
}

/* What never went to the device. */
static struct store_io *reap_others(struct lending_lane *lane)
{
	for (struct store_io *io = lane->waiting; io; io = io->next) {
		const struct transfer *transfer = io->slot;

		if (is_of_bytes(io) && !transfer->failed)
			continue;
		if (!transfer->failed)
			io->result.done = io->size;
		return end(lane, io);
	}
	return NULL;
}

/* The device is gone, and with it all that it was told. */
static void bury(struct lending_lane *lane)
{
	struct sim_manner manner;

	for (uint32_t i = 0; i < SIM_MAPS; i++) {
		if (lane->sim.map[i].there)
			for (uint32_t k = 0; k < lane->sim.map[i].pages; k++)
				unpin(NULL, lane->sim.map[i].frame[k]);
	}
	iommu_bury(&lane->domain);
	manner = lane->sim.manner;
	sim_init(&lane->sim, &manner, &memory, lane);
}

static void forget(struct lending_lane *lane, const struct store_loan *loan)
{
	for (uint32_t i = 0; i < LOANS; i++) {
		if (lane->loan[i] == loan)
			lane->loan[i] = NULL;
	}
}

static struct store_loan *take_news(struct lending_lane *lane,
				    const struct iommu_news *news)
{
	static const enum store_loan_state states[] = {
		[IOMMU_LIVE] = STORE_LOAN_HERE,
		[IOMMU_REFUSED] = STORE_LOAN_REFUSED,
		[IOMMU_HELD] = STORE_LOAN_HELD,
		[IOMMU_LEFT] = STORE_LOAN_LEFT,
	};
	struct store_loan *loan = news->own;

	loan->state = states[news->state];
	loan->why = "it could not be pinned; expected memory that is there";
	if (loan->state == STORE_LOAN_REFUSED || loan->state == STORE_LOAN_LEFT)
		forget(lane, loan);
	return loan;
}

static void count(struct lending_lane *lane)
{
	struct lending_control *control = &lane->store->control;

	pthread_mutex_lock(&lane->store->lock);
	control->loans = 0;
	control->held = 0;
	for (uint32_t i = 0; i < LOANS; i++) {
		const struct store_loan *loan = lane->loan[i];

		control->loans += loan != NULL;
		control->held += loan && loan->state == STORE_LOAN_HELD;
	}
	control->mappings = sim_maps(&lane->sim);
	control->counts = lane->domain.counts;
	pthread_mutex_unlock(&lane->store->lock);
}

static void look(struct lending_lane *lane)
{
	struct lending_control control = lending_look(lane->store);
	uint64_t ticks;

	while (read(lane->lane.fd, &ticks, sizeof(ticks)) > 0)
		continue;
	if (control.bury && control.held > 0)
		bury(lane);
	lane->sim.now = (uint32_t)time_of(lane);
	for (uint32_t i = 0; i < STEPS_A_CALL && !control.hold_device; i++)
		sim_step(&lane->sim, i);
	iommu_look(&lane->domain, time_of(lane));
	put_waiting(lane);
	count(lane);
	/* What is held waits for the test. */
	if (!lane->waiting && lane->domain.moving == 0 && control.held == 0)
		tick(lane, false);
}

static struct store_io *reap(struct store_lane *lane)
{
	struct lending_lane *lending = (struct lending_lane *)lane;
	struct store_io *io;

	look(lending);
	io = reap_ended(lending);
	return io ? io : reap_others(lending);
}

static void cancel(struct store_lane *lane, struct store_io *io)
{
	struct transfer *transfer = io->slot;

	/* The device has no Abort. */
	(void)lane;
	if (transfer->is_put || transfer->failed || !is_of_bytes(io))
		return;
	transfer->failed = true;
	io->result = (struct prec_result){ PREC_SYSTEM, ECANCELED, 0 };
}

static void insist(struct store_lane *lane, struct store_io *io)
{
	struct lending_lane *lending = (struct lending_lane *)lane;
	const struct transfer *transfer = io->slot;

	if (transfer->is_put)
		iommu_insist(&lending->domain, transfer->slot,
			     time_of(lending));
}

/* The number of a client that is there is nobody else's. */
static void check_owner(struct lending_lane *lane, uint32_t owner)
{
	for (uint32_t i = 0; i < LOANS; i++) {
		const struct store_loan *loan = lane->loan[i];

		if (loan && loan->owner == owner &&
		    (loan->state == STORE_LOAN_LEAVING ||
		     loan->state == STORE_LOAN_HELD))
			find_wrong(lane->store,
				   "a number is used before its loans left");
	}
	if (owner >= STORE_OWNERS)
		find_wrong(lane->store, "no such owner");
}

static void lend(struct store_lane *lane, struct store_loan *loan)
{
	struct lending_lane *lending = (struct lending_lane *)lane;
	enum prec_status status;
	uint32_t i = 0;

	check_owner(lending, loan->owner);
	tick(lending, true);
	status = iommu_lend(&lending->domain, loan->owner, &loan->span, loan,
			    &loan->number);
	if (status != PREC_OK) {
		loan->why = "over the quota; expected less memory";
		lending->refused[lending->refused_count++] = loan;
		return;
	}
	while (lending->loan[i])
		i++;
	lending->loan[i] = loan;
}

static void take_back(struct store_lane *lane, struct store_loan *loan)
{
	struct lending_lane *lending = (struct lending_lane *)lane;

	tick(lending, true);
	iommu_take_back(&lending->domain, loan->number, time_of(lending));
}

static struct store_loan *settled(struct store_lane *lane)
{
	struct lending_lane *lending = (struct lending_lane *)lane;
	struct store_loan *loan = NULL;
	struct iommu_news news;

	if (lending->refused_count > 0) {
		loan = lending->refused[--lending->refused_count];
		loan->state = STORE_LOAN_REFUSED;
	} else if (iommu_settled(&lending->domain, &news)) {
		loan = take_news(lending, &news);
	}
	count(lending);
	return loan;
}

static struct prec_pin_account account(const struct store_lane *lane,
				       uint32_t owner)
{
	const struct lending_lane *lending = (const struct lending_lane *)lane;

	return prec_ledger_account(&lending->domain.ledger, owner);
}

static void close_store(struct store *store)
{
	(void)store;
}

static const struct store_ops ops = {
	.lane_open = lane_open,
	.lane_close = lane_close,
	.add = add,
	.start = start,
	.reap = reap,
	.cancel = cancel,
	.insist = insist,
	.lend = lend,
	.take_back = take_back,
	.settled = settled,
	.account = account,
	.close = close_store,
};

void lending_open(struct lending_store *store, uint64_t capacity,
		  const struct lending_options *options)
{
	memset(store, 0, sizeof(*store));
	store->store.ops = &ops;
	store->store.capacity = capacity;
	store->store.block_size = STORE_SECTOR;
	store->control.options = *options;
	store->disk = calloc(1, capacity);
	pthread_mutex_init(&store->lock, NULL);
	if (!store->disk)
		abort();
}

void lending_close(struct lending_store *store)
{
	pthread_mutex_destroy(&store->lock);
	free(store->disk);
}
