// SPDX-License-Identifier: MIT
/*
 * G11: memory is pinned and unpinned by another thread, in pieces, and whoever
 * lends a terabyte keeps nobody else waiting for longer than a piece; what
 * could be pinned in part only is unpinned again, and what may not be unpinned
 * is never said to be.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "iommu/mapper.h"
#include "tests/expect.h"

#define GIB 0x40000000ull

/* What the system has mapped, as bytes, and what it was asked. */
static struct {
	uint64_t mapped;
	uint64_t largest;
	uint32_t calls;
	uint32_t failing; /* the call that fails, counted from 1 */
} kernel;

static bool is_failing(uint64_t size)
{
	if (size > kernel.largest)
		kernel.largest = size;
	return ++kernel.calls == kernel.failing;
}

static bool map(void *device, const struct iommu_mapping *piece)
{
	(void)device;
	if (is_failing(piece->size))
		return false;
	EXPECT(piece->iova - 0x10000000 == piece->host - 0x7000000000);
	kernel.mapped += piece->size;
	return true;
}

static uint64_t unmap(void *device, uint64_t iova, uint64_t size)
{
	(void)device;
	(void)iova;
	if (is_failing(size))
		return size - 4096;
	kernel.mapped -= size;
	return size;
}

static const struct mapper_ops ops = { map, unmap };
static struct mapper mapper;
static int work_fd, told_fd;

static bool was_told(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0;
}

static void begin(uint32_t failing)
{
	kernel.mapped = 0;
	kernel.calls = 0;
	kernel.failing = failing;
	was_told(told_fd);
	was_told(work_fd);
}

static struct iommu_mapping mapping_of(uint64_t size)
{
	return (struct iommu_mapping){ .iova = 0x10000000,
				       .host = 0x7000000000,
				       .size = size };
}

static uint32_t work_all(void)
{
	uint32_t count = 0;

	while (mapper_work(&mapper))
		count++;
	return count;
}

static void in_pieces(void)
{
	struct iommu_mapping mapping = mapping_of(GIB + 4096);

	begin(0);
	EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	EXPECT(was_told(work_fd) && !was_told(told_fd));
	EXPECT(mapper_work(&mapper) && kernel.mapped == MAPPER_PIECE);
	EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	EXPECT(work_all() == 4);
	EXPECT(was_told(told_fd) && kernel.mapped == mapping.size);
	EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_DONE);
	EXPECT(mapper_unmap(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	EXPECT(was_told(work_fd));
	EXPECT(mapper_work(&mapper));
	EXPECT(mapper_unmap(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	EXPECT(work_all() == 4 && kernel.mapped == 0);
	EXPECT(mapper_unmap(&mapper, &mapping, told_fd) == IOMMU_DONE);
	EXPECT(!mapping.own && kernel.largest == MAPPER_PIECE);
}

/* Others have their turn between the pieces of a large one. */
static void in_turns(void)
{
	struct iommu_mapping large = mapping_of(8 * GIB);
	struct iommu_mapping small = mapping_of(4096);

	begin(0);
	EXPECT(mapper_map(&mapper, &large, told_fd) == IOMMU_NOT_YET);
	EXPECT(mapper_work(&mapper));
	EXPECT(mapper_map(&mapper, &small, told_fd) == IOMMU_NOT_YET);
	EXPECT(mapper_work(&mapper) && mapper_work(&mapper));
	EXPECT(mapper_map(&mapper, &small, told_fd) == IOMMU_DONE);
	EXPECT(mapper_map(&mapper, &large, told_fd) == IOMMU_NOT_YET);
	work_all();
	EXPECT(mapper_map(&mapper, &large, told_fd) == IOMMU_DONE);
	EXPECT(mapper_unmap(&mapper, &large, told_fd) == IOMMU_NOT_YET);
	EXPECT(mapper_unmap(&mapper, &small, told_fd) == IOMMU_NOT_YET);
	work_all();
	EXPECT(mapper_unmap(&mapper, &large, told_fd) == IOMMU_DONE);
	EXPECT(mapper_unmap(&mapper, &small, told_fd) == IOMMU_DONE);
	EXPECT(kernel.mapped == 0);
}

/* Each of its pieces fails in turn. */
static void in_part(void)
{
	for (uint32_t failing = 1; failing <= 4; failing++) {
		struct iommu_mapping mapping = mapping_of(GIB);

		begin(failing);
		EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
		work_all();
		EXPECT(was_told(told_fd) && kernel.mapped == 0);
		EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_FAILED);
		EXPECT(!mapping.own);
	}
}

static void not_unmapped(void)
{
	struct iommu_mapping mapping = mapping_of(GIB);

	begin(6);
	EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	work_all();
	EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_DONE);
	EXPECT(mapper_unmap(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	EXPECT(work_all() == 2);
	EXPECT(mapper_unmap(&mapper, &mapping, told_fd) == IOMMU_FAILED);
	EXPECT(mapper_unmap(&mapper, &mapping, told_fd) == IOMMU_FAILED);
	free(mapping.own);
	/* Neither mapped, nor unmapped again: that is never said to be over. */
	mapping = mapping_of(GIB);
	begin(2);
	EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	EXPECT(mapper_work(&mapper) && mapper_work(&mapper));
	kernel.failing = 3;
	EXPECT(work_all() == 1);
	EXPECT(mapper_map(&mapper, &mapping, told_fd) == IOMMU_NOT_YET);
	EXPECT(kernel.mapped > 0);
	free(mapping.own);
}

static bool stop;

static void await(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	poll(&poller, 1, -1);
	was_told(fd);
}

static void *work(void *argument)
{
	(void)argument;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		await(work_fd);
		work_all();
	}
	return NULL;
}

/* By two threads, as in the server. */
static void by_another_thread(void)
{
	pthread_t thread;

	begin(0);
	MUST(pthread_create(&thread, NULL, work, NULL) == 0);
	for (uint32_t i = 0; i < 200; i++) {
		struct iommu_mapping mapping = mapping_of(GIB);

		while (mapper_map(&mapper, &mapping, told_fd) == IOMMU_NOT_YET)
			await(told_fd);
		while (mapper_unmap(&mapper, &mapping, told_fd) ==
		       IOMMU_NOT_YET)
			await(told_fd);
		EXPECT(!mapping.own);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	MUST(eventfd_write(work_fd, 1) == 0);
	pthread_join(thread, NULL);
	EXPECT(kernel.mapped == 0);
}

int main(void)
{
	work_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	told_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	MUST(work_fd >= 0 && told_fd >= 0);
	mapper_init(&mapper, &ops, NULL, work_fd);
	in_pieces();
	in_turns();
	in_part();
	not_unmapped();
	by_another_thread();
	mapper_destroy(&mapper);
	close(work_fd);
	close(told_fd);
	return expect_end();
}
