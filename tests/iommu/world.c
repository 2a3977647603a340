// SPDX-License-Identifier: MIT
#include "world.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sanitizer.h"

/*
 * Client 0 takes back what it lent.  Client 1 is its neighbour, on its queue
 * and on another.  Client 2 comes when client 0 has gone, with new memory.
 */
#define PAGE	4096u
#define LIMIT	3000u
#define OVERDUE 300u /* ticks until the end of a request is insisted on */
#define A_STEP	60u  /* and so many more for each that the device is slow */
#define DRAIN	40u
#define ABORT	10u
#define WAIT	30u
#define QUOTA	(4u * WORLD_PAGES * PAGE)
#define FOREIGN 0xffffu

const char *const world_acts[] = {
	"cut",
	"cut in part, then polite",
	"polite",
	"cut, then polite",
	"polite, then cut",
	"cut while it is lent, and grown again",
};

struct request {
	struct sim_request sim; /* first: the device gets it */
	uint32_t tag;
	uint32_t slot;
	uint32_t put; /* when */
	uint64_t epoch;
	uint64_t touched[2]; /* frames */
	bool there, insisted;
	uint32_t file;
};

struct file {
	uint32_t frame[WORLD_PAGES]; /* 0: a hole beyond its end */
	uint32_t pages;
	uint64_t epoch; /* as the server has found it */
	uint32_t loan;
	bool lent;  /* LIVE: requests may use it */
	bool there; /* the loan has not ended */
	bool looked_for;
};

static struct world {
	const struct world_plan *plan;
	struct iommu_ops ops;
	struct sim sim;
	struct iommu_domain domain;
	struct iova iova;
	uint32_t owners[WORLD_FRAMES];	/* files and pins that have it */
	uint32_t content[WORLD_FRAMES]; /* who wrote it last */
	uint32_t whose[WORLD_FRAMES];	/* the file that it was made for */
	struct file file[WORLD_FILES];
	struct request request[WORLD_FILES][WORLD_PUT];
	uint32_t put[WORLD_FILES], ended[WORLD_FILES], good[WORLD_FILES];
	uint32_t now, taken_at, back_at, left_at;
	bool taken, cut, left, refused, came, held;
	const char *wrong;
} w;

static void find_wrong(const char *what)
{
	if (!w.wrong)
		w.wrong = what;
}

/* From 0 on: who gets it next is soon. */
static uint32_t frame_new(uint32_t file)
{
	for (uint32_t i = 1; i < WORLD_FRAMES; i++) {
		if (w.owners[i])
			continue;
		w.owners[i] = 1;
		w.content[i] = file == 0 && w.left ? FOREIGN : 0;
		w.whose[i] = file;
		return i;
	}
	abort();
}

static void file_resize(uint32_t number, uint32_t pages)
{
	struct file *file = &w.file[number];

	for (uint32_t i = pages; i < file->pages; i++) {
		w.owners[file->frame[i]]--;
		file->frame[i] = 0;
	}
	for (uint32_t i = file->pages; i < pages; i++)
		file->frame[i] = frame_new(number);
	file->pages = pages;
}

static uint64_t host_of(uint32_t file)
{
	return 0x100000ull * (file + 1);
}

static uint64_t pin(void *world, uint64_t host)
{
	const struct file *file = &w.file[host / 0x100000 - 1];
	uint32_t frame = file->frame[host % 0x100000 / PAGE];

	(void)world;
	w.owners[frame] += frame != 0;
	return frame;
}

static void unpin(void *world, uint64_t frame)
{
	(void)world;
	w.owners[frame]--;
}

static void touch(void *world, uint64_t frame, void *request, uint32_t at)
{
	struct request *asked = request;

	(void)world;
	/* Not to be read, either: the bytes of others would be on the disk. */
	if (w.owners[frame] == 0)
		find_wrong("the device reached a frame that was given back");
	if (w.whose[frame] != asked->file)
		find_wrong("the device reached a frame of another client");
	asked->touched[at] = frame;
	if (asked->sim.into_memory)
		w.content[frame] = asked->tag;
}

static const struct sim_memory memory = { pin, unpin, touch };

/* Whatever is told to the device is of a loan that is live. */
static void put_and_check(void *device, const struct iommu_command *command)
{
	const struct request *request = command->own;

	if (!w.file[request->file].lent)
		find_wrong("the device was told of what was taken back");
	sim_ops.put(device, command);
}

/* The client shrinks its file: nobody is asked. */
static void cut(void)
{
	uint32_t pages = w.plan->act == WORLD_CUT_IN_PART ? 1 : 0;

	if (w.plan->act == WORLD_CUT_LENDING)
		pages = 2;
	file_resize(0, pages);
	w.cut = true;
}

/* The client asks for it, or what was cut is found. */
static void take_back(void)
{
	w.file[0].lent = false;
	if (w.back_at == 0)
		w.back_at = w.now;
	if (w.file[0].there)
		iommu_take_back(&w.domain, w.file[0].loan, w.now);
}

static void act(void)
{
	w.taken = true;
	w.taken_at = w.now;
	if (w.plan->act != WORLD_POLITE && w.plan->act != WORLD_POLITE_CUT)
		cut();
}

/* Inside an operation: what another process does at any instant.  A message is
 * heard when the operation is over. */
static void at_moment(void *world, uint32_t moment)
{
	(void)world;
	if (w.plan->moment && moment + 1 == w.plan->moment && !w.taken)
		act();
	if (!w.plan->moment && w.plan->act == WORLD_CUT_LENDING && !w.taken &&
	    sim_maps(&w.sim) == (w.plan->hold ? 4 : 2))
		act();
}

static void lend(uint32_t number)
{
	const struct prec_span span = { .host = host_of(number),
					.size = WORLD_PAGES * PAGE,
					.rights = PREC_READ | PREC_WRITE };
	struct file *file = &w.file[number];
	enum prec_status status;

	file_resize(number, WORLD_PAGES);
	status = iommu_lend(&w.domain, number, &span, file, &file->loan);
	file->there = status == PREC_OK;
	if (status != PREC_OK && !w.domain.shut)
		find_wrong("a loan is refused at once");
	file->looked_for = true;
}

/* Does the file still cover it?  As prec_region_check. */
static bool check(struct file *file)
{
	if (file->pages == WORLD_PAGES)
		return true;
	file->epoch++;
	return false;
}

/* As a client would see it: the frames are its file's, and nobody else's. */
static void check_left(struct file *file)
{
	for (uint32_t i = 0; i < file->pages; i++) {
		if (w.owners[file->frame[i]] != 1)
			find_wrong("given back, and still pinned");
		w.content[file->frame[i]] = FOREIGN;
	}
	w.left = true;
	w.left_at = w.now;
}

static void take_news(const struct iommu_news *news)
{
	struct file *file = news->own;
	bool first = file == &w.file[0];

	switch (news->state) {
	case IOMMU_LIVE:
		file->lent = true;
		/* Pinned: so it is looked at again. */
		if (first && !check(file)) {
			w.refused = true;
			take_back();
		}
		break;
	case IOMMU_HELD:
		w.held = true;
		file->lent = false;
		break;
	default:
		file->there = false;
		file->lent = false;
		if (first)
			check_left(file);
		w.refused |= news->state == IOMMU_REFUSED;
		break;
	}
}

/* The device moved the client's pages, and not others. */
static bool is_true(const struct request *request)
{
	const struct file *file = &w.file[request->file];
	uint32_t first = request->tag % 2 * 2;

	return request->touched[0] == file->frame[first] &&
	       request->touched[1] == file->frame[first + 1];
}

static void take_outcome(const struct iommu_outcome *outcome)
{
	struct request *request = outcome->own;
	struct file *file = &w.file[request->file];
	bool same, good;

	if (!request->there)
		find_wrong("a request ended twice");
	/* As the server does, while the request ends. */
	same = check(file) && file->epoch == request->epoch;
	good = outcome->completed && outcome->status == 0 &&
	       outcome->believed && same;
	if (outcome->held) /* the device may still read it */
		w.held = true;
	else
		request->there = false;
	w.ended[request->file]++;
	w.good[request->file] += good;
	if (good && !is_true(request))
		find_wrong("success, and the bytes are not there");
	if (good && request->file == 0 && w.cut)
		find_wrong("success after a loss");
	if (request->file == 0 && !same)
		take_back();
	if (!good && request->file == 1 && !request->insisted &&
	    !w.domain.shut && !w.plan->failing &&
	    !(outcome->completed && outcome->status != 0))
		find_wrong("a neighbour's request was dropped");
}

/* Two pages: where the device sees them. */
static bool aim(struct request *request, struct prec_pages *pages)
{
	uint64_t host = host_of(request->file) + request->tag % 2 * 2 * PAGE;

	prec_pages_begin(pages,
			 request->sim.into_memory ? PREC_WRITE : PREC_READ);
	if (prec_pages_add(pages, &w.domain.windows, host, 2 * PAGE) != PREC_OK)
		return false;
	sim_aim(&request->sim, pages);
	return true;
}

static void put(uint32_t number, uint32_t queue)
{
	struct file *file = &w.file[number];
	struct request *request = &w.request[number][w.put[number]];
	uint32_t tag = 100 * (number + 1) + w.put[number];
	struct prec_pages pages;

	*request = (struct request){ .tag = tag,
				     .put = w.now,
				     .epoch = file->epoch,
				     .there = true,
				     .file = number };
	request->sim.into_memory = tag % 4 < 2;
	if (!aim(request, &pages) ||
	    iommu_put(&w.domain, queue, number, &pages, request,
		      &request->slot) != PREC_OK)
		request->there = false;
	else
		w.put[number]++;
}

static void put_some(void)
{
	if (w.now % 3 == 0 && w.put[0] < WORLD_PUT && w.file[0].lent)
		put(0, 0);
	if (w.now % 4 == 0 && w.put[1] < WORLD_PUT && w.file[1].lent)
		put(1, w.put[1] % 2);
	if (w.now % 5 == 0 && w.put[2] < WORLD_SECONDS && w.file[2].lent)
		put(2, 0);
}

static void insist_on(struct request *request)
{
	if (!request->there || request->insisted ||
	    w.now < request->put + OVERDUE + A_STEP * w.plan->manner.slow)
		return;
	request->insisted = true;
	iommu_insist(&w.domain, request->slot, w.now);
}

static void insist(void)
{
	for (uint32_t i = 0; i < WORLD_FILES; i++) {
		for (uint32_t k = 0; k < w.put[i]; k++)
			insist_on(&w.request[i][k]);
	}
}

/* What follows the act, in its time. */
static void follow_up(void)
{
	uint32_t since = w.now - w.taken_at;

	switch (w.plan->act) {
	case WORLD_CUT:
		if (since == 4)
			take_back();
		break;
	case WORLD_POLITE_CUT:
		if (since == 7)
			cut();
		/* fall through */
	case WORLD_POLITE:
	case WORLD_CUT_POLITE:
	case WORLD_CUT_IN_PART:
		if (since <= 1)
			take_back();
		break;
	default:
		/* Before it is found, that could not be found. */
		if (w.refused)
			file_resize(0, WORLD_PAGES);
		break;
	}
}

static void look(void)
{
	struct iommu_outcome outcome;
	struct iommu_news news;

	iommu_look(&w.domain, w.now);
	while (iommu_ended(&w.domain, &outcome))
		take_outcome(&outcome);
	while (iommu_settled(&w.domain, &news))
		take_news(&news);
}

/* Have all of the client's requests ended, and does it put no more? */
static bool is_done(uint32_t number, uint32_t wanted)
{
	return w.ended[number] == w.put[number] &&
	       (w.put[number] == wanted || !w.file[number].there ||
		w.domain.shut);
}

static bool all_done(void)
{
	return (w.left || w.held) && w.now > w.taken_at + 30 &&
	       is_done(0, WORLD_PUT) && is_done(1, WORLD_PUT) &&
	       (w.file[2].looked_for || w.domain.shut) &&
	       is_done(2, WORLD_SECONDS);
}

static void tick(void)
{
	w.sim.now = w.now;
	if (!w.taken && w.plan->at && w.now >= w.plan->at &&
	    w.plan->act != WORLD_CUT_LENDING)
		act();
	if (w.taken)
		follow_up();
	put_some();
	insist();
	if (w.now % w.plan->manner.slow == 0)
		sim_step(&w.sim, (w.now * 7 + w.plan->at * 13) %
					 (SIM_QUEUES * SIM_DEPTH));
	look();
	/* Who comes after, in new memory that may well be the same frames. */
	if (w.left && !w.file[2].looked_for && w.now > w.left_at + 20)
		lend(2);
}

/* From when it is taken back until it has left, or is held: by then the ladder
 * has been climbed, whatever the device does. */
static uint32_t latest(void)
{
	return DRAIN + ABORT + 3 * WAIT + 12 * w.plan->manner.slow +
	       4 * w.plan->manner.lag + 20;
}

/* Everybody is served, but for a device that is lost. */
static void check_served(void)
{
	bool is_perfect = !w.domain.shut && w.plan->manner.hangs < OVERDUE &&
			  !w.plan->failing;

	if (!w.left && !w.held)
		find_wrong("never given back");
	if (w.left && w.back_at && w.left_at > w.back_at + latest())
		find_wrong("given back too late");
	for (uint32_t i = 0; i < WORLD_FILES; i++) {
		if (w.ended[i] < w.put[i])
			find_wrong("a request never ended");
	}
	if (is_perfect && w.good[1] < WORLD_PUT)
		find_wrong("the neighbour was not served");
	if (is_perfect && w.left && w.good[2] < WORLD_SECONDS)
		find_wrong("who came after was not served");
}

static void check_books(void)
{
	uint32_t each = w.plan->hold ? 2 : 1;
	uint32_t loans = 0, lent = 0;

	for (uint32_t i = 0; i < WORLD_FILES; i++) {
		uint64_t cost = (uint64_t)each * WORLD_PAGES * PAGE;

		loans += w.file[i].there;
		lent += w.file[i].lent;
		if (w.domain.ledger.held[i] != (w.file[i].there ? cost : 0))
			find_wrong("what is held is not what is counted");
	}
	if (w.iova.count != loans * each)
		find_wrong("device addresses are left over");
	if (w.domain.windows.count != lent)
		find_wrong("windows are left over");
	/* What is held for ever may have lost a mapping that was cut off. */
	if (w.held ? sim_maps(&w.sim) > loans * each
		   : sim_maps(&w.sim) != loans * each)
		find_wrong("mappings are left over");
	for (uint32_t i = 0; w.left && i < w.file[0].pages; i++) {
		if (w.content[w.file[0].frame[i]] != FOREIGN)
			find_wrong("written after it was given back");
	}
	if (w.sim.unmapped_unknown && !w.plan->failing)
		find_wrong("unmapped what was not mapped");
	if (w.cut && w.plan->act == WORLD_CUT_LENDING && w.put[0] > 0 &&
	    !w.plan->moment)
		find_wrong("memory that was cut while it was pinned was used");
}

static struct world_result result_of(void)
{
	struct world_result result = {
		.wrong = w.wrong,
		.ticks = w.now,
		.moments = w.sim.moments,
		.calls = w.sim.calls,
		.steps = w.sim.steps,
		.taken = w.taken,
		.shut = w.domain.shut,
		.dead = w.domain.dead,
		.held = w.held,
		.again = w.domain.counts.again > 0,
		.aborted = w.domain.counts.aborted > 0,
		.cut_off = (uint32_t)w.domain.counts.cut_off,
	};

	for (uint32_t i = 0; i < IOMMU_LEVELS; i++)
		result.quiesced[i] = (uint32_t)w.domain.counts.quiesced[i];
	return result;
}

static void begin(const struct world_plan *plan)
{
	const struct iommu_options options = {
		.queues = SIM_QUEUES,
		.depth = SIM_DEPTH,
		.hold = plan->hold,
		.quota = QUOTA,
		.drain = DRAIN,
		.abort = ABORT,
		.patience = { WAIT, WAIT, WAIT },
	};
	const struct iova_range ranges[] = { { 0, 0xfedfffff },
					     { 0xfef00000, 0x7fffffffff } };

	memset(&w.owners, 0, sizeof(w) - offsetof(struct world, owners));
	w.plan = plan;
	sim_init(&w.sim, &plan->manner, &memory, NULL);
	w.sim.at_moment = at_moment;
	w.sim.failing = plan->failing;
	w.ops = sim_ops;
	w.ops.put = put_and_check;
	if (!plan->manner.aborts)
		w.ops.abort = NULL;
	iova_init(&w.iova, ranges, 2);
	iommu_open(&w.domain, &w.ops, &w.sim, &options, &w.iova);
}

struct world_result world_run(const struct world_plan *plan)
{
	uint32_t after = 0; /* ticks since all was over */

	begin(plan);
	lend(1);
	lend(0);
	/* A while longer, for a device that does too much. */
	for (w.now = 1; w.now < LIMIT && !w.wrong && after < 30; w.now++) {
		tick();
		if (all_done())
			after++;
	}
	if (w.taken)
		check_served();
	check_books();
	return result_of();
}

struct sim_manner world_manner(uint32_t kind)
{
	/* Without an early look-up there is nothing to be cached. */
	static const bool looks[3][2] = { { false, false },
					  { true, false },
					  { true, true } };

	return (struct sim_manner){
		.early = looks[kind % 3][0],
		.cached = looks[kind % 3][1],
		.silent = kind / 3 & 1,
		.no_queue = kind / 6 & 1,
		.no_disable = kind / 12 & 1,
		.no_reset = kind / 24 & 1,
		.slow = 1,
	};
}

static bool stops_at_first;
static uint32_t step = 1;

uint32_t world_step(int argc, char **argv, uint32_t sanitized)
{
	stops_at_first = argc > 1;
	if (argc > 1)
		step = (uint32_t)atoi(argv[1]);
	else if (UNDER_SANITIZER)
		step = sanitized;
	return step;
}

static struct {
	uint32_t runs, wrong, dead, held, cut_off, again, aborted, longest;
	uint64_t steps;
	uint64_t quiesced[IOMMU_LEVELS];
} counted;

static void print_wrong(const struct world_plan *plan, const char *wrong)
{
	const struct sim_manner *manner = &plan->manner;

	printf("%s: %s, time %u, moment %u, failing %u, hold %d; the device: "
	       "early %d, cached %d, silent %d, no queue %d, no disable %d, "
	       "no reset %d, aborts %d, hangs %u, slow %u, lag %u\n",
	       wrong, world_acts[plan->act], plan->at, plan->moment,
	       plan->failing, plan->hold, manner->early, manner->cached,
	       manner->silent, manner->no_queue, manner->no_disable,
	       manner->no_reset, manner->aborts, manner->hangs, manner->slow,
	       manner->lag);
}

void world_count(const struct world_plan *plan,
		 const struct world_result *result)
{
	counted.runs++;
	counted.dead += result->dead;
	counted.held += result->held;
	counted.cut_off += result->cut_off > 0;
	counted.again += result->again;
	counted.aborted += result->aborted;
	counted.steps += result->steps;
	if (result->ticks > counted.longest)
		counted.longest = result->ticks;
	for (uint32_t i = 0; i < IOMMU_LEVELS; i++)
		counted.quiesced[i] += result->quiesced[i];
	if (result->wrong && counted.wrong++ < 5)
		print_wrong(plan, result->wrong);
	if (result->wrong && stops_at_first)
		exit(1);
}

int world_end(uint32_t expected)
{
	printf("%u runs, %u wrong; in %u the device died, in %u memory is held "
	       "for ever, in %u it was cut off, in %u commands were aborted, "
	       "in %u put "
	       "again; "
	       "%llu queues, %llu devices, %llu buses were quiesced; %u ticks "
	       "at most, %llu steps of the device\n",
	       counted.runs, counted.wrong, counted.dead, counted.held,
	       counted.cut_off, counted.aborted, counted.again,
	       (unsigned long long)counted.quiesced[IOMMU_QUEUE],
	       (unsigned long long)counted.quiesced[IOMMU_DEVICE],
	       (unsigned long long)counted.quiesced[IOMMU_BUS], counted.longest,
	       (unsigned long long)counted.steps);
	if (step > 1)
		expected = 0;
	if (counted.runs < expected)
		printf("expected %u runs at least\n", expected);
	return counted.runs < expected || counted.wrong != 0 ||
	       counted.again == 0 || counted.aborted == 0 || counted.dead == 0;
}
