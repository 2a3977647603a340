// SPDX-License-Identifier: MIT
#include "device/gate.h"

#include <assert.h>

#include "device/clock.h"
#include "device/loop.h"

void gate_init(struct gate *gate)
{
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->moved, NULL);
	gate->holder = NULL;
	gate->devices = 0;
}

void gate_destroy(struct gate *gate)
{
	pthread_cond_destroy(&gate->moved);
	pthread_mutex_destroy(&gate->lock);
}

static bool is_called(const struct gate_post *post)
{
	return __atomic_load_n(&post->called, __ATOMIC_RELAXED);
}

/* Written with the lock held. */
static void call(struct gate_post *post, bool called)
{
	__atomic_store_n(&post->called, called, __ATOMIC_RELAXED);
}

static void run_task(struct gate *gate, struct gate_post *post)
{
	pthread_mutex_unlock(&gate->lock);
	post->task(post->argument);
	pthread_mutex_lock(&gate->lock);
	post->task = NULL;
	pthread_cond_broadcast(&gate->moved);
}

/* Until something has moved.  The lock is held.  What was done meanwhile needs
 * a turn that does not sleep. */
static void stand(struct gate *gate, struct loop *loop)
{
	struct gate_post *post = &loop->post;

	loop->settling = true;
	polling_stood(&loop->poll);
	if (!post->stands) {
		post->stands = true;
		pthread_cond_broadcast(&gate->moved);
	}
	if (post->task)
		run_task(gate, post);
	else
		pthread_cond_wait(&gate->moved, &gate->lock);
}

void gate_pass(struct loop *loop)
{
	struct gate_post *post = &loop->post;
	struct gate *gate = post->gate;

	if (!gate || !is_called(post))
		return;
	pthread_mutex_lock(&gate->lock);
	while (is_called(post))
		stand(gate, loop);
	post->stands = false;
	pthread_mutex_unlock(&gate->lock);
}

bool gate_leave(struct loop *loop)
{
	struct gate_post *post = &loop->post;
	struct gate *gate = post->gate;

	if (!gate)
		return true;
	pthread_mutex_lock(&gate->lock);
	post->gone = !is_called(post) && TAILQ_EMPTY(&loop->guests);
	pthread_mutex_unlock(&gate->lock);
	return post->gone;
}

static bool some_have_left(struct loop *const *loops, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (loops[i]->post.gone)
			return true;
	}
	return false;
}

/* One that stands waits for its own turn to hold, or has not yet seen that it
 * may go. */
static void call_all(struct gate *gate, struct loop *const *loops,
		     uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		call(&loops[i]->post, true);
		if (!loops[i]->post.stands)
			loop_wake(loops[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		while (!loops[i]->post.stands)
			pthread_cond_wait(&gate->moved, &gate->lock);
	}
}

bool gate_hold(struct loop *self, struct loop *const *others, uint32_t count)
{
	struct gate *gate = self->post.gate;
	bool held;

	pthread_mutex_lock(&gate->lock);
	while (gate->holder)
		stand(gate, self);
	self->post.stands = false;
	held = !some_have_left(others, count);
	if (held) {
		gate->holder = self;
		gate->since_ns = clock_now_ns();
		call_all(gate, others, count);
	}
	pthread_mutex_unlock(&gate->lock);
	return held;
}

void gate_let_go(struct loop *self, struct loop *const *others, uint32_t count)
{
	struct gate *gate = self->post.gate;

	pthread_mutex_lock(&gate->lock);
	assert(gate->holder == self);
	gate->holder = NULL;
	for (uint32_t i = 0; i < count; i++)
		call(&others[i]->post, false);
	pthread_cond_broadcast(&gate->moved);
	pthread_mutex_unlock(&gate->lock);
}

void gate_run(struct loop *loop, void (*task)(void *argument), void *argument)
{
	struct gate_post *post = &loop->post;
	struct gate *gate = post->gate;

	pthread_mutex_lock(&gate->lock);
	assert(post->stands && !post->task);
	post->argument = argument;
	post->task = task;
	pthread_cond_broadcast(&gate->moved);
	while (post->task)
		pthread_cond_wait(&gate->moved, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

/* What is not made good yet. */
static uint64_t left(const struct gate_pace *pace, uint32_t devices,
		     uint64_t now_ns)
{
	uint64_t good = (now_ns - pace->at_ns) / GATE_PART /
			(devices > 0 ? devices : 1);

	return pace->spent_ns > good ? pace->spent_ns - good : 0;
}

void gate_charge(struct gate_pace *pace, uint32_t devices, uint64_t stood_ns,
		 uint64_t now_ns)
{
	pace->spent_ns = left(pace, devices, now_ns) + stood_ns;
	pace->at_ns = now_ns;
}

bool gate_allows(const struct gate_pace *pace, uint32_t devices,
		 uint64_t now_ns)
{
	return left(pace, devices, now_ns) < GATE_CREDIT_NS;
}
