// SPDX-License-Identifier: MIT
/*
 * The device, on the model: a thread that moves bytes, piece after piece, by
 * what its IO space maps at that moment.  What the IOMMU stops it does not
 * learn, and says that it is done all the same.
 */
#include "examples/sel4/edu.h"
#include "examples/sel4/system.h"
#include "tests/sel4/model/model.h"

#include <sched.h>
#include <unistd.h>

#define PIECE 64u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool busy, to_ram; /* under the lock */
static uint64_t address;
static uint8_t buffer[EDU_BYTES]; /* the device's while it is busy */

static void move_piece(uint32_t offset)
{
	int64_t at;

	pthread_mutex_lock(&model_lock);
	at = model_device_finds(address + offset, to_ram);
	if (at >= 0 &&
	    (to_ram ? pwrite(model_memory, buffer + offset, PIECE, at) != PIECE
		    : pread(model_memory, buffer + offset, PIECE, at) != PIECE))
		model_wrong("memory cannot be reached");
	pthread_mutex_unlock(&model_lock);
}

static void *be_the_device(void *argument)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!busy)
			pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
		for (uint32_t at = 0; at < EDU_BYTES; at += PIECE) {
			move_piece(at);
			sched_yield();
		}
		pthread_mutex_lock(&lock);
		busy = false;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return argument;
}

const char *edu_open(seL4_CPtr *space)
{
	static pthread_t thread;

	*space = system_slots(1);
	system_must(seL4_CNode_Mint(ROOT, *space, DEPTH, ROOT, seL4_CapIOSpace,
				    DEPTH, seL4_AllRights, 1 << 16 | 4 << 3),
		    "an IO space");
	pthread_create(&thread, NULL, be_the_device, NULL);
	return NULL;
}

void edu_start(uint64_t at, bool to_memory)
{
	pthread_mutex_lock(&lock);
	address = at;
	to_ram = to_memory;
	busy = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

bool edu_wait(void)
{
	pthread_mutex_lock(&lock);
	while (busy)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return true;
}
