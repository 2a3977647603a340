// SPDX-License-Identifier: MIT
#include "program/command.h"
#include "program/arguments.h"
#include "program/serve/sandbox.h"

#include <asm/prctl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <precarium/access.h>
#include <precarium/budget.h>
#include <precarium/signals_linux.h>
#include <precarium/lending_linux.h>

#include "store/file/uring.h"
#include "device/notify.h"

#ifndef ARCH_SHSTK_STATUS
#define ARCH_SHSTK_STATUS 0x5005
#endif

static const char help[] =
	"Usage: precarium check-host [--json]\n"
	"Check whether this machine has what is needed, by using it.\n"
	"\n"
	"  --json   print JSON\n"
	"  --help   print this text\n"
	"\n"
	"Exit status: 0 nothing is missing, 1 something is missing, 2 wrong\n"
	"usage.\n";

/* The result of one check. */
struct finding {
	bool good;
	char text[440];
};

__attribute__((format(printf, 3, 4))) static void
found(struct finding *finding, bool good, const char *format, ...)
{
	va_list args;

	finding->good = good;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

static void check_kernel(struct finding *finding)
{
	struct utsname name = { .sysname = "unknown" };
	unsigned long major = 0, minor = 0;
	char *end;

	if (uname(&name) == 0) {
		major = strtoul(name.release, &end, 10);
		if (*end == '.')
			minor = strtoul(end + 1, NULL, 10);
	}
	found(finding, major > 5 || (major == 5 && minor >= 10),
	      "%s %s; expected Linux 5.10 or newer", name.sysname,
	      name.release);
}

static void check_io_uring(struct finding *finding)
{
	struct store_error error = { .text = "" };
	struct io_uring ring;

	if (!file_uring_open(&ring, &error)) {
		found(finding, false, "%s; threads move the bytes of files",
		      error.text);
		return;
	}
	io_uring_queue_exit(&ring);
	found(finding, true,
	      "readv, writev, fsync and cancel work, and nothing else");
}

static void check_notify(struct finding *finding)
{
	struct notifier notifier;

	if (!notifier_open(&notifier)) {
		found(finding, false,
		      "io_setup: %s; needed to signal clients without being "
		      "blocked by them, see sysctl fs.aio-max-nr",
		      strerror(errno));
		return;
	}
	notifier_close(&notifier);
	found(finding, true, "io_setup works");
}

static void check_memfd(struct finding *finding)
{
	int fd = memfd_create("check-host", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		found(finding, false, "%s", strerror(errno));
		return;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		found(finding, false, "no seals: %s", strerror(errno));
	else
		found(finding, true, "with seals");
	close(fd);
}

/* Maps memory, loses it, and expects an access to fail without a signal. */
static void check_revocation(struct finding *finding)
{
	struct prec_lending lending = {
		.fd = memfd_create("check-host", MFD_CLOEXEC),
		.rights = PREC_READ | PREC_WRITE,
		.size = 65536,
	};
	struct prec_region region;
	enum prec_refusal refusal = PREC_REFUSAL_NONE;
	enum prec_status status;
	uint8_t byte;

	if (lending.fd < 0 || ftruncate(lending.fd, 65536) < 0) {
		found(finding, false, "no memory to lend: %s", strerror(errno));
		return;
	}
	status = prec_region_map(&region, &lending, &refusal);
	if (status != PREC_OK || ftruncate(lending.fd, 0) < 0) {
		found(finding, false, "%s",
		      status == PREC_REFUSED ? prec_refusal_text(refusal)
					     : strerror(errno));
		close(lending.fd);
		return;
	}
	status = prec_load8(region.span, 0, &byte);
	found(finding, status == PREC_GONE, "a lost page reads as '%s'",
	      prec_status_name(status));
	close(lending.fd);
	if (prec_region_unmap(&region) != PREC_OK)
		found(finding, false, "a region could not be unmapped");
}

static void check_health(struct finding *finding)
{
	unsigned int health = prec_fault_health();

	found(finding, true, "the fault handler is installed and reachable");
	for (unsigned int bit = 1; bit && health; bit <<= 1) {
		if (!(health & bit))
			continue;
		found(finding, false, "%s", prec_fault_health_text(bit));
		return;
	}
}

static void check_hugetlb(struct finding *finding)
{
	int fd = memfd_create("check-host", MFD_CLOEXEC | MFD_HUGETLB);

	if (fd < 0) {
		found(finding, false, "%s", strerror(errno));
		return;
	}
	close(fd);
	found(finding, true, "clients may lend huge pages");
}

static void check_membarrier(struct finding *finding)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (commands < 0)
		found(finding, false, "%s", strerror(errno));
	else
		found(finding, commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED,
		      "commands 0x%lx", (unsigned long)commands);
}

static void check_filter(struct finding *finding)
{
	uint32_t action = SECCOMP_RET_TRAP;

	if (!sandbox_has_filter)
		found(finding, false, "this program was built without it");
	else if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		found(finding, false, "%s; expected --seccomp=off",
		      strerror(errno));
	else
		found(finding, true, "system calls can be refused");
}

/* A hole that may not be filled, and one that may. */
static bool holes_are_watched(void)
{
	struct prec_budget budget = { .max = 4096 };
	struct prec_lending lending = {
		.fd = memfd_create("precarium-check", MFD_CLOEXEC),
		.rights = PREC_READ | PREC_WRITE,
		.size = 8192,
		.budget = &budget,
	};
	struct prec_region region;
	bool good = false;

	if (lending.fd >= 0 && ftruncate(lending.fd, 8192) == 0 &&
	    prec_region_map(&region, &lending, NULL) == PREC_OK) {
		good = prec_fill(region.span, 0, 1, 8192).done == 4096 &&
		       prec_budget_refused(&budget) == 1;
		good = prec_region_unmap(&region) == PREC_OK && good;
	}
	if (lending.fd >= 0)
		close(lending.fd);
	prec_budget_end(&budget);
	return good;
}

static void check_userfaultfd(struct finding *finding)
{
	if (prec_budget_prepare() != PREC_OK)
		found(finding, false,
		      "%s: holes are counted when memory is lent, and not "
		      "later; expected Linux 5.14, and a container that "
		      "permits userfaultfd",
		      strerror(errno));
	else if (!holes_are_watched())
		found(finding, false, "holes are not detected");
	else
		found(finding, true, "holes are counted when they are filled");
}

static void check_iommu(struct finding *finding)
{
	DIR *groups = opendir("/sys/kernel/iommu_groups");
	unsigned int count = 0;

	while (groups && readdir(groups))
		count++;
	if (groups)
		closedir(groups);
	/* . and .. */
	if (count > 2)
		found(finding, true, "%u groups of devices", count - 2);
	else
		found(finding, false,
		      "no groups; needed to serve NVMe controllers: enable it "
		      "in the firmware and the kernel");
}

static void check_vfio(struct finding *finding)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		found(finding, false,
		      "/dev/vfio/vfio: %s; see modprobe "
		      "vfio-pci",
		      strerror(errno));
	else if (ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
		found(finding, false,
		      "no type 1; see modprobe "
		      "vfio_iommu_type1");
	else
		found(finding, true, "NVMe controllers may be served");
	if (fd >= 0)
		close(fd);
}

/* What an NVMe controller takes for one worker, about. */
#define LOCKED_LEAST (5ull << 20)

static void check_locked(struct finding *finding)
{
	struct rlimit limit = { .rlim_cur = 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		found(finding, true, "no limit to locked memory");
	else
		found(finding, limit.rlim_cur >= LOCKED_LEAST,
		      "%llu KiB may be locked; an NVMe controller takes some "
		      "4 MiB for each worker",
		      (unsigned long long)limit.rlim_cur >> 10);
}

static void check_shadow_stack(struct finding *finding)
{
	unsigned long features = 0;

	if (syscall(SYS_arch_prctl, ARCH_SHSTK_STATUS, &features) < 0)
		found(finding, false, "not in this kernel or processor");
	else
		found(finding, features != 0,
		      features ? "in use" : "not in use");
}

/* The server needs the first kind; the second is information. */
static const struct check {
	const char *name;
	bool needed;
	void (*look)(struct finding *finding);
} checks[] = {
	{ "kernel", true, check_kernel },
	{ "memfd", true, check_memfd },
	{ "revocation", true, check_revocation },
	{ "fault-health", true, check_health },
	{ "aio", true, check_notify },
	{ "io-uring", false, check_io_uring },
	{ "hugetlb", false, check_hugetlb },
	{ "membarrier", false, check_membarrier },
	{ "seccomp", false, check_filter },
	{ "userfaultfd", false, check_userfaultfd },
	{ "iommu", false, check_iommu },
	{ "vfio", false, check_vfio },
	{ "locked-memory", false, check_locked },
	{ "shadow-stack", false, check_shadow_stack },
};

#define CHECKS (sizeof(checks) / sizeof(checks[0]))

static void print_text(const struct finding *findings, bool good)
{
	for (size_t i = 0; i < CHECKS; i++)
		printf("%-13s %-8s %s\n", checks[i].name,
		       findings[i].good	  ? "yes"
		       : checks[i].needed ? "MISSING"
					  : "no",
		       findings[i].text);
	puts(good ? "Everything that is needed is there."
		  : "Something that is needed is missing.");
}

static int print_json(const struct finding *findings, bool good)
{
	json_t *list = json_array();
	json_t *root = json_pack("{sbso}", "good", good, "checks", list);
	char *text;

	for (size_t i = 0; i < CHECKS; i++)
		json_array_append_new(list, json_pack("{sssbsbss}", "name",
						      checks[i].name, "needed",
						      checks[i].needed, "good",
						      findings[i].good, "found",
						      findings[i].text));
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	if (!text) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	puts(text);
	free(text);
	return EXIT_GOOD;
}

static int check_all(bool json)
{
	struct finding findings[CHECKS];
	int printed = EXIT_GOOD;
	bool good = true;

	for (size_t i = 0; i < CHECKS; i++) {
		checks[i].look(&findings[i]);
		good &= findings[i].good || !checks[i].needed;
	}
	if (json)
		printed = print_json(findings, good);
	else
		print_text(findings, good);
	if (finish_output() != EXIT_GOOD || printed != EXIT_GOOD)
		return EXIT_FAILED;
	return good ? EXIT_GOOD : EXIT_FAILED;
}

int command_check_host(int argc, char **argv)
{
	static const struct argument_option options[] = {
		{ "json", false, 'j' },
		{ "help", false, 'h' },
		{ NULL, false, 0 },
	};
	bool json = false;
	struct arguments arguments;
	int option;

	arguments_begin(&arguments, "check-host", argc, argv, options);
	while ((option = arguments_next(&arguments)) != ARGUMENTS_END) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return finish_output();
		default:
			return EXIT_USAGE;
		}
	}
	if (!arguments_no_operands(&arguments))
		return EXIT_USAGE;
	return check_all(json);
}
