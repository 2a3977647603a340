// SPDX-License-Identifier: MIT
/*
 * Reads a log in place while somebody appends to it, and cuts it off.
 *
 * The log is an ordinary file, which another program owns.  It is mapped once,
 * with a window as large as it may become; prec_region_grow lends what is new.
 * A transaction sums up the bytes of a record with plain pointers.  It is
 * abandoned if the file is cut off under it, and then nothing is reported.
 *
 * A file that was cut off and has grown again reads as zeroes, or as new
 * records, without a fault.  So a sum counts only if it is the one that the
 * record itself has: contents are never trusted.
 *
 *   make && ./log-reader
 */
#include "record.h"

#include <precarium/precarium.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW (16ull << 20)

struct work {
	struct prec_span record;
	uint64_t sum;
};

static void add_up(struct prec_transaction *transaction, void *argument)
{
	struct work *work = argument;
	const unsigned char *bytes = prec_plain(prec_span_lent(work->record));
	uint64_t i;

	(void)transaction;
	for (i = 0; i < work->record.size; i++)
		work->sum += bytes[i];
}

/* One record at `at`.  PREC_RANGE: it is not complete yet. */
static enum prec_status read_record(struct prec_region *log, uint64_t *at)
{
	struct prec_region *regions[] = { log };
	struct prec_transaction transaction = { .regions = regions,
						.region_count = 1,
						.policy = PREC_ABANDON };
	struct work work;
	struct record record; /* ours: the file may change at any instant */
	struct prec_result copied =
		prec_copy_in(&record, log->span, *at, sizeof(record));
	enum prec_status status = copied.status;

	if (status == PREC_OK)
		status = prec_span_part(log->span, *at + sizeof(record),
					record.size, &work.record);
	if (status != PREC_OK)
		return status;
	work.sum = record.size;
	status = prec_transaction_run(&transaction, add_up, &work);
	if (status == PREC_OK && (record.sum == 0 || work.sum != record.sum))
		return PREC_INVALID; /* not a record, or no longer */
	if (status == PREC_OK)
		*at += sizeof(record) + record.size;
	return status;
}

/* Lend what there is now; false: no more than before. */
static int look(struct prec_region *log, int fd)
{
	uint64_t before = log->span.size;
	struct stat file;

	if (fstat(fd, &file) != 0 ||
	    prec_region_grow(log, (uint64_t)file.st_size) != PREC_OK)
		return 0; /* it is empty, or was cut off again */
	return log->span.size != before;
}

static int read_log(struct prec_region *log, int fd, pid_t writer)
{
	unsigned long records = 0, begun_again = 0, looks = 0;
	uint64_t at = 0;
	int over = 0;

	for (;;) {
		enum prec_status status = read_record(log, &at);

		if (status == PREC_OK) {
			records++;
			continue;
		}
		if (over && (status == PREC_RANGE || at == 0))
			break; /* all is read, and nobody writes any more */
		if (status != PREC_RANGE) {
			at = 0; /* it was cut off: from its start */
			begun_again++;
		}
		/* In this order: the last look is at all that was written. */
		over = over || waitpid(writer, NULL, WNOHANG) == writer;
		if (!look(log, fd) && !over)
			usleep(100); /* or wait by inotify(7) */
		looks++;
	}
	printf("%lu records with the right sum, %lu looks, begun again %lu "
	       "times, and the reader lived\n",
	       records, looks, begun_again);
	return records >= LAST / 2 ? 0 : 1;
}

int main(void)
{
	char path[] = "log-XXXXXX";
	int fd = mkostemp(path, O_APPEND | O_CLOEXEC), result;
	struct prec_lending lending = { .fd = fd,
					.size = 1,
					.window = WINDOW,
					.rights = PREC_READ,
					.options = PREC_ADMIT_ANY_FILE };
	struct prec_region log;
	pid_t writer;

	unlink(path);
	append(fd, 1);
	if (prec_region_map(&log, &lending, NULL) != PREC_OK)
		return 1;
	writer = fork();
	if (writer == 0)
		write_log(fd);
	result = read_log(&log, fd, writer);
	return prec_region_unmap(&log) == PREC_OK ? result : 1;
}
