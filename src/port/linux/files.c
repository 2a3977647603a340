// SPDX-License-Identifier: MIT
#include "linux.h"

#include <fcntl.h>
#include <unistd.h>

/*
 * One descriptor of ours for each file, however many regions are mapped from
 * it.  A file is known by its device and number: as long as we have a
 * descriptor, no other file gets that number.  One that we may write to is kept
 * apart from one that we may not, because a region that grows is mapped anew.
 *
 * Whoever has a region has a user of its entry, so the handler reads the
 * descriptor without a lock.  The program may have closed it, with all others
 * or by mistake, and its number may be another file's since: it is compared
 * before it is believed or closed.
 */
#define BUCKETS 4096u

struct entry {
	uint64_t device, inode;
	int fd;
	uint32_t users; /* 0: free */
	uint32_t next;	/* 1 + the next in its bucket, or free */
	bool writable;
};

static struct entry entries[PREC_REGION_MAX];
static uint32_t used;		  /* entries from here on were never used */
static uint32_t free_list;	  /* 1 + the first */
static uint32_t buckets[BUCKETS]; /* 1 + the first */

int prec_descriptor_keep(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static uint32_t *bucket_of(uint64_t device, uint64_t inode)
{
	return &buckets[(inode ^ device * 31) % BUCKETS];
}

static bool is_file(const struct entry *entry, const struct stat *file)
{
	return entry->device == file->st_dev && entry->inode == file->st_ino;
}

static uint32_t find(const struct stat *file, bool writable)
{
	uint32_t at = *bucket_of(file->st_dev, file->st_ino);

	for (; at; at = entries[at - 1].next)
		if (is_file(&entries[at - 1], file) &&
		    entries[at - 1].writable == writable)
			return at - 1;
	return PREC_NONE;
}

static uint32_t new_entry(void)
{
	uint32_t at = free_list;

	if (at) {
		free_list = entries[at - 1].next;
		return at - 1;
	}
	return used < PREC_REGION_MAX ? used++ : PREC_NONE;
}

static uint32_t enter(int fd, const struct stat *file, bool writable)
{
	uint32_t *bucket = bucket_of(file->st_dev, file->st_ino);
	int kept = prec_descriptor_keep(fd);
	uint32_t at = kept < 0 ? PREC_NONE : new_entry();

	if (at == PREC_NONE) {
		if (kept >= 0)
			close(kept);
		return PREC_NONE;
	}
	entries[at] = (struct entry){ .device = file->st_dev,
				      .inode = file->st_ino,
				      .fd = kept,
				      .users = 1,
				      .next = *bucket,
				      .writable = writable };
	*bucket = at + 1;
	return at;
}

uint32_t prec_file_keep(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	bool writable = (flags & O_ACCMODE) == O_RDWR;
	struct stat file;
	uint32_t at;

	if (flags < 0 || fstat(fd, &file) != 0)
		return PREC_NONE;
	at = find(&file, writable);
	if (at == PREC_NONE)
		return enter(fd, &file, writable);
	/* The program may have closed ours. */
	if (!prec_file_is_there(at, &file))
		entries[at].fd = prec_descriptor_keep(fd);
	if (entries[at].fd < 0)
		return PREC_NONE;
	entries[at].users++;
	return at;
}

int prec_file_descriptor(uint32_t at)
{
	return at == PREC_NONE ? -1 : entries[at].fd;
}

bool prec_file_is_there(uint32_t at, struct stat *file)
{
	return at != PREC_NONE && fstat(entries[at].fd, file) == 0 &&
	       is_file(&entries[at], file);
}

/* Take out an entry without users.  Returns its descriptor, or -1 if that is
 * somebody else's by now. */
static int take_out(uint32_t at)
{
	struct entry *entry = &entries[at];
	struct stat file;
	uint32_t *link;

	link = bucket_of(entry->device, entry->inode);
	while (*link != at + 1)
		link = &entries[*link - 1].next;
	*link = entry->next;
	entry->next = free_list;
	free_list = at + 1;
	return prec_file_is_there(at, &file) ? entry->fd : -1;
}

void prec_file_let_go(uint32_t at)
{
	int fd = -1;

	if (at == PREC_NONE)
		return;
	prec_index_lock();
	if (--entries[at].users == 0)
		fd = take_out(at);
	prec_index_unlock();
	if (fd >= 0)
		close(fd);
}
