// SPDX-License-Identifier: MIT
#include "linux.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A file of no length, to map in the place of client memory.  Each access to it
 * is a SIGBUS, or EFAULT for the kernel, so a withdrawn region faults as a lost
 * one does, and its address range stays ours.  A fault in an inaccessible
 * anonymous mapping would look like a bug of our own.
 *
 * One is kept from the first region on, because a client must not stay
 * reachable for want of a descriptor.  The program may have closed it, with all
 * others or by mistake, and its number may be another file's since: it is
 * compared before it is used.
 */
static int file = -1;
static dev_t device;
static ino_t inode;

static bool there(void)
{
	struct stat now;

	return file >= 0 && fstat(file, &now) == 0 && now.st_dev == device &&
	       now.st_ino == inode;
}

static bool keep(int fd)
{
	struct stat now;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0 ||
	    fstat(fd, &now) != 0)
		return false;
	file = prec_descriptor_keep(fd);
	device = now.st_dev;
	inode = now.st_ino;
	return file >= 0;
}

int prec_void_file(void)
{
	int fd;

	if (there())
		return file;
	file = -1;
	fd = memfd_create("precarium-void", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	keep(fd);
	close(fd);
	return file;
}
