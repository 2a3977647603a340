// SPDX-License-Identifier: MIT
#include "linux.h"
#include "provide.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include <precarium/budget.h>

/*
 * What regions leave behind.
 *
 * Pages that we made cost us for as long as the client keeps its file, mapped
 * here or not.  A client that lends, has holes filled, takes back and lends
 * another file would make us pay without end, so the charge stays when the
 * region goes.  We keep no descriptor, which would keep the file itself.  An
 * inotify mark does not, and reports when the last reference to the file is
 * gone, whoever had it, and its pages with it (IN_DELETE_SELF).  The mark also
 * recognises the file when it is lent anew, as front-ends do with all memory
 * when a device is reset; the charge then moves to that region.
 *
 * Without inotify or /proc the charge ends with the region.
 */

/* Beyond so many, what is left stays charged until the budget ends. */
#define LEFT_MAX 4096u

struct left {
	struct left *next;
	int watch;
	struct prec_budget *budget;
	uint64_t offset, size; /* of the region, in the file */
	uint64_t charged;
	uint64_t *made; /* as own(region)->made */
	uint64_t made_size;
};

/* All under the lock of provide.c. */
static struct left *first;
static uint32_t count;
static int marks = -1;

void prec_left_prepare(void)
{
	int fd;

	if (marks >= 0)
		return;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd >= 0) {
		marks = prec_descriptor_keep(fd);
		close(fd);
	}
}

/* In a child after fork: those are the parent's to pay for. */
void prec_left_forked(void)
{
	if (marks >= 0)
		close(marks);
	marks = -1;
	first = NULL;
	count = 0;
}

static int mark(int file)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return inotify_add_watch(marks, path, IN_DELETE_SELF);
}

static bool is_marked(int watch)
{
	const struct left *left;

	for (left = first; left; left = left->next)
		if (left->watch == watch)
			return true;
	return false;
}

static void take_out(struct left **at)
{
	struct left *left = *at;

	*at = left->next;
	count--;
	free(left);
}

static void drop(struct left **at)
{
	struct left *left = *at;

	prec_budget_credit(left->budget, left->charged);
	munmap(left->made, left->made_size);
	take_out(at);
}

static void drop_file(int watch)
{
	struct left **at = &first;

	while (*at) {
		if ((*at)->watch == watch)
			drop(at);
		else
			at = &(*at)->next;
	}
}

bool prec_left_look(void)
{
	char events[4096]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	uint32_t before = count;
	ssize_t got, at;

	if (!first)
		return false;
	while ((got = read(marks, events, sizeof(events))) > 0) {
		for (at = 0; at < got;) {
			const struct inotify_event *event =
				(const void *)(events + at);

			if (event->mask & (IN_DELETE_SELF | IN_IGNORED))
				drop_file(event->wd);
			at += (ssize_t)sizeof(*event) + event->len;
		}
	}
	return count < before;
}

/* False: nobody would say when the file goes. */
static bool can_mark(const struct prec_region *region, int *watch)
{
	*watch = marks < 0 ? -1 : mark(prec_file_descriptor(own(region)->file));
	return *watch >= 0;
}

void prec_left_add(struct prec_region *region, uint64_t made_size)
{
	struct left *left;
	int watch;

	prec_left_look();
	if (own(region)->charged == 0 || !can_mark(region, &watch)) {
		prec_budget_credit(own(region)->budget, own(region)->charged);
		munmap(own(region)->made, made_size);
		return;
	}
	left = count < LEFT_MAX ? malloc(sizeof(*left)) : NULL;
	if (!left) {
		munmap(own(region)->made, made_size);
		return;
	}
	left->watch = watch;
	left->budget = own(region)->budget;
	left->offset = own(region)->file_offset;
	left->size = own(region)->mapped;
	left->charged = own(region)->charged;
	left->made = own(region)->made;
	left->made_size = made_size;
	left->next = first;
	first = left;
	count++;
}

static bool is_of(const struct left *left, int watch,
		  const struct prec_region *region)
{
	return left->watch == watch && left->budget == own(region)->budget &&
	       left->offset == own(region)->file_offset &&
	       left->size == own(region)->mapped;
}

void prec_left_take(struct prec_region *region, uint64_t made_size)
{
	struct left **at = &first;
	int watch;

	prec_left_look();
	if (!first || !can_mark(region, &watch))
		return;
	while (*at && !is_of(*at, watch, region))
		at = &(*at)->next;
	if (*at) {
		munmap(own(region)->made, made_size);
		own(region)->made = (*at)->made;
		own(region)->charged = (*at)->charged;
		take_out(at);
	}
	if (!is_marked(watch))
		inotify_rm_watch(marks, watch);
}

void prec_left_end(const struct prec_budget *budget)
{
	struct left **at = &first;

	while (*at) {
		if ((*at)->budget == budget)
			drop(at);
		else
			at = &(*at)->next;
	}
}
