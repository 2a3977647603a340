// SPDX-License-Identifier: MIT
/* One case: the attack and the verdict. */
#include "program/torture/case.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLE_LEAST_MS	 400u
#define MEMORY_SLACK_KIB 1024u
/* What is allocated once, at first use, is no leak: a leak grows each time. */
#define LEAK_ROUNDS    3u
#define WARM_LIVES     25u
#define WARM_LIVES_MAX 100u

static void be_attacker(struct torture *torture,
			const struct torture_case *self, uint32_t round)
{
	struct attack attack = {
		.options = &torture->options,
		.finding = torture->shared,
		.random = round,
		.client = { .socket = -1, .inflight_fd = -1 },
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A process group of its own, so that what it starts ends with it. */
	setpgid(0, 0);
	self->run(&attack, self);
	_exit(0);
}

static void wait_attacker(const struct torture *torture, pid_t pid)
{
	struct pollfd poller = { .events = POLLIN };

	poller.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (poller.fd >= 0) {
		poll(&poller, 1, (int)torture->options.case_ms);
		close(poller.fd);
	}
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void play(struct torture *torture, const struct torture_case *self,
		 uint32_t round)
{
	pid_t pid;

	memset(torture->shared, 0, sizeof(*torture->shared));
	pid = fork();
	if (pid == 0)
		be_attacker(torture, self, round);
	if (pid < 0) {
		torture->shared->verdict = VERDICT_NOT_RUN;
		return;
	}
	setpgid(pid, pid); /* whoever comes first */
	wait_attacker(torture, pid);
}

/* A client's whole life: connect, start, read, stop.  A server for one client
 * at a time may hang up on the next one until it has cleaned up: try again
 * until the time is over. */
static int ask_once(const struct torture_options *options, char *error)
{
	const struct client_options way = {
		.socket_path = options->socket_path,
		.timeout_ms = options->answer_ms / 4 + 1,
	};
	struct client client;
	int status = -1;

	if (client_open(&client, &way)) {
		snprintf(error, TORTURE_TEXT, "%s", client.error);
		return -1;
	}
	if (client_start(&client) == 0) {
		status = client_io(&client, 0, VIRTIO_BLK_T_IN, 0, 4096);
		if (status > 0)
			client_fail(&client, "a good read has status %d",
				    status);
		else if (status == 0)
			status = client_stop(&client);
	}
	snprintf(error, TORTURE_TEXT, "%s", client.error);
	client_close(&client);
	return status;
}

/* Does it answer a new client in time? */
static bool judge_answer(struct torture *torture, struct finding *finding)
{
	const struct torture_options *options = &torture->options;
	uint64_t end = client_now_ns() + options->answer_ms * 1000000ull;
	char error[TORTURE_TEXT] = "";

	while (ask_once(options, error)) {
		if (server_gone(torture)) {
			finding->verdict = VERDICT_DIED;
			snprintf(finding->text, TORTURE_TEXT, "the server %s",
				 server_fate(torture)[0] ? server_fate(torture)
							 : "is gone");
			return false;
		}
		if (client_now_ns() > end) {
			finding->verdict = VERDICT_HUNG;
			if (!server_listens(options->socket_path))
				finding->verdict = VERDICT_DIED;
			snprintf(finding->text, TORTURE_TEXT,
				 "a new client: %.170s", error);
			return false;
		}
		poll(NULL, 0, 3);
	}
	return true;
}

static bool holds_more(const struct holdings *before,
		       const struct holdings *after)
{
	return after->descriptors > before->descriptors ||
	       after->mappings > before->mappings ||
	       after->resident_kib > before->resident_kib + MEMORY_SLACK_KIB;
}

/* A machine on which answers take longer takes longer for this, too. */
static uint64_t settle_ms(const struct torture *torture)
{
	uint64_t ms = torture->options.answer_ms / 4;

	return ms < SETTLE_LEAST_MS ? SETTLE_LEAST_MS : ms;
}

/* Counts what it holds after it has noticed that the attacker is gone. */
static struct holdings settle(const struct torture *torture,
			      const struct holdings *before)
{
	uint64_t end = client_now_ns() + settle_ms(torture) * 1000000ull;
	struct holdings now = server_holds(torture);

	while (holds_more(before, &now) && client_now_ns() < end) {
		poll(NULL, 0, 5);
		now = server_holds(torture);
	}
	return now;
}

static bool judge_leak(const struct holdings *before,
		       const struct holdings *after, struct finding *finding)
{
	if (!holds_more(before, after))
		return true;
	finding->verdict = VERDICT_LEAKED;
	snprintf(finding->text, TORTURE_TEXT,
		 "each time: last, descriptors %u to %u, mappings %u to %u, "
		 "memory %llu to %llu KiB",
		 before->descriptors, after->descriptors, before->mappings,
		 after->mappings, (unsigned long long)before->resident_kib,
		 (unsigned long long)after->resident_kib);
	return false;
}

/* The worst verdict first: a dead server stalls, too. */
static bool judge(struct torture *torture, struct result *result)
{
	struct finding found = *torture->shared;
	bool watched;

	result->finding = found;
	if (!judge_answer(torture, &result->finding))
		return false;
	if (found.verdict == VERDICT_CORRUPTED)
		return false;
	watched = watch_judge(torture, result);
	return watched && found.verdict == VERDICT_SURVIVED;
}

/* Runs the attack three times; a leak grows each time. */
static bool leaks(struct torture *torture, const struct torture_case *self,
		  struct result *result)
{
	struct holdings before, after;
	uint32_t round;

	for (round = 0; round < LEAK_ROUNDS; round++) {
		before = server_holds(torture);
		play(torture, self, round);
		if (!judge(torture, result))
			return true;
		after = settle(torture, &before);
		if (judge_leak(&before, &after, &result->finding))
			return false;
		result->descriptors = after.descriptors > before.descriptors;
	}
	return true;
}

/* What the server keeps for reuse is no leak: let good clients come and go
 * until its memory does not grow. */
static void warm_up(struct torture *torture)
{
	struct holdings before = server_holds(torture), after;
	char error[TORTURE_TEXT];
	uint32_t i;

	for (i = 1; i <= WARM_LIVES_MAX; i++) {
		play(torture,
		     &(struct torture_case){ .run = torture_good_life }, i);
		ask_once(&torture->options, error);
		if (i % WARM_LIVES != 0)
			continue;
		after = settle(torture, &before);
		if (!holds_more(&before, &after))
			break;
		before = after;
	}
	torture->warm = true;
}

void run_case(struct torture *torture, const struct torture_case *self,
	      struct result *result)
{
	uint64_t begin = client_now_ns();
	bool leaking;

	watch_mark(torture);
	leaking = leaks(torture, self, result);
	result->taken_ns = client_now_ns() - begin;
	/* Descriptors are not kept for later. */
	if (leaking && result->finding.verdict == VERDICT_LEAKED &&
	    !result->descriptors && !torture->warm) {
		warm_up(torture);
		watch_mark(torture);
		leaking = leaks(torture, self, result);
	}
	if (!leaking)
		result->finding = (struct finding){ .text = "" };
}
