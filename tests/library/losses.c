// SPDX-License-Identifier: MIT
#include "losses.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int lent_files[CLIENTS];
static int ask[2], answer[2];

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(2);
}

bool lent_make(void)
{
	unsigned int who;

	for (who = 0; who < CLIENTS; who++) {
		lent_files[who] = memfd_create("lent", MFD_CLOEXEC);
		if (lent_files[who] < 0)
			return false;
	}
	return pipe2(ask, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0;
}

uint8_t lent_byte(unsigned int who, uint32_t offset)
{
	return (uint8_t)(1 + (offset * 13 + offset / 127 + who * 29) % 127);
}

static void set_size(unsigned int who, uint32_t size)
{
	must(ftruncate(lent_files[who], (off_t)size) == 0, "ftruncate");
}

void lent_restore(void)
{
	static uint8_t bytes[CLIENTS][LENT_SIZE];
	unsigned int who, i;

	for (who = 0; who < CLIENTS; who++) {
		for (i = 0; i < LENT_SIZE && !bytes[who][LENT_SIZE - 1]; i++)
			bytes[who][i] = lent_byte(who, i);
		set_size(who, LENT_SIZE);
		must(pwrite(lent_files[who], bytes[who], LENT_SIZE, 0) ==
			     LENT_SIZE,
		     "pwrite");
	}
}

void lent_read(unsigned int who, uint8_t *bytes)
{
	memset(bytes, 0, LENT_SIZE);
	must(pread(lent_files[who], bytes, LENT_SIZE, 0) >= 0, "pread");
}

static void take(unsigned int who, enum loss_act act)
{
	char byte = (char)who;

	switch (act) {
	case KEEP:
		break;
	case TAKE_ALL:
		set_size(who, 0);
		break;
	case TAKE_PAGE:
		set_size(who, LENT_PAGE);
		break;
	case TAKE_BYTES:
		set_size(who, LENT_MIDDLE);
		break;
	case PUNCH:
		must(fallocate(lent_files[who],
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       LENT_PAGE, LENT_PAGE) == 0,
		     "fallocate");
		break;
	case BOUNCE:
		set_size(who, 0);
		set_size(who, LENT_SIZE);
		break;
	case GIVE_BACK:
		set_size(who, LENT_SIZE);
		break;
	case REVOKE:
		must(write(ask[1], &byte, 1) == 1, "write");
		must(read(answer[0], &byte, 1) == 1, "read");
		break;
	}
}

void loss_happen(const enum loss_act acts[LOSERS])
{
	unsigned int who;

	for (who = 0; who < LOSERS; who++)
		take(who, acts[who]);
}

static uint32_t lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void add_effect(struct loss_effect *effect, enum loss_act act)
{
	uint32_t cut = effect->cut;

	switch (act) {
	case KEEP:
		break;
	case TAKE_ALL:
		effect->cut = effect->ends = 0;
		break;
	case TAKE_PAGE:
		effect->cut = lower(cut, LENT_PAGE);
		effect->ends = lower(effect->ends, LENT_PAGE);
		break;
	case TAKE_BYTES:
		effect->cut = lower(cut, LENT_PAGE);
		effect->ends = lower(effect->ends, LENT_MIDDLE);
		effect->zeros = lower(effect->zeros, LENT_MIDDLE);
		break;
	case PUNCH:
		effect->zeros = lower(effect->zeros, LENT_PAGE);
		break;
	case BOUNCE:
		effect->zeros = 0;
		break;
	case GIVE_BACK:
		effect->zeros = lower(effect->zeros, effect->ends);
		effect->ends = LENT_SIZE;
		break;
	case REVOKE:
		effect->revoked = true;
		effect->cut = 0;
		break;
	}
}

struct loss_effect loss_effect_on(const struct loss *loss, bool at,
				  unsigned int who)
{
	struct loss_effect effect = { .cut = LENT_SIZE,
				      .ends = LENT_SIZE,
				      .zeros = LENT_SIZE };

	add_effect(&effect, loss->before[who]);
	effect.early = effect.cut;
	if (at)
		add_effect(&effect, loss->at[who]);
	return effect;
}

static void *answering(void *argument)
{
	void (**revoke)(unsigned int) = argument;
	char byte;

	while (read(ask[0], &byte, 1) == 1) {
		(*revoke)((unsigned int)byte);
		if (write(answer[1], &byte, 1) != 1)
			break;
	}
	return NULL;
}

void lent_answer(void (*revoke)(unsigned int who))
{
	static void (*kept)(unsigned int);
	pthread_t thread;

	kept = revoke;
	must(pthread_create(&thread, NULL, answering, &kept) == 0,
	     "pthread_create");
}
