// SPDX-License-Identifier: MIT
#include "edu.h"
#include "system.h"

#include <stddef.h>

#ifdef CONFIG_IOMMU
#define EDU_SLOT     (4u << 3) /* bus 0, device 4, as boot.py places it */
#define EDU_ID	     0x11e81234u
#define EDU_FROM     (0x80 / 8) /* its registers, as words of 8 bytes */
#define EDU_TO	     (0x88 / 8)
#define EDU_COUNT    (0x90 / 8)
#define EDU_COMMAND  (0x98 / 8)
#define EDU_RUN	     1u
#define EDU_TO_RAM   2u
#define EDU_BUFFER   0x40000u /* its own address of its buffer */
#define EDU_PATIENCE 5000000u

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_COMMAND 0x04
#define PCI_BAR0    0x10
#define PCI_ENABLE  6u /* memory, and to be the master of the bus */

static volatile uint64_t *registers;
static seL4_CPtr ports;

static uint32_t pci_read(uint32_t at)
{
	seL4_X86_IOPort_Out32(ports, PCI_ADDRESS,
			      0x80000000u | EDU_SLOT << 8 | at);
	return (uint32_t)seL4_X86_IOPort_In32(ports, PCI_DATA).result;
}

static void pci_write(uint32_t at, uint32_t value)
{
	seL4_X86_IOPort_Out32(ports, PCI_ADDRESS,
			      0x80000000u | EDU_SLOT << 8 | at);
	seL4_X86_IOPort_Out32(ports, PCI_DATA, value);
}

/* A space of its own: the kernel has some domains already, so the first number
 * that it accepts. */
static bool open_space(seL4_CPtr *space)
{
	seL4_Error error = seL4_InvalidArgument;

	*space = system_slots(1);
	for (seL4_Word domain = 1; domain < 256 && error; domain++)
		error = seL4_CNode_Mint(ROOT, *space, DEPTH, ROOT,
					seL4_CapIOSpace, DEPTH, seL4_AllRights,
					domain << 16 | EDU_SLOT);
	return error == seL4_NoError;
}

const char *edu_open(seL4_CPtr *space)
{
	seL4_Word levels = the_system.boot->numIOPTLevels;

	if (levels == 0 || levels > 8)
		return "there is no IOMMU";
	ports = system_slots(1);
	system_must(seL4_X86_IOPortControl_Issue(seL4_CapIOPortControl,
						 PCI_ADDRESS, PCI_DATA + 3,
						 ROOT, ports, DEPTH),
		    "the ports of PCI");
	if (pci_read(0) != EDU_ID)
		return "there is no edu in slot 4 of PCI bus 0";
	pci_write(PCI_COMMAND, pci_read(PCI_COMMAND) | PCI_ENABLE);
	registers = system_registers(pci_read(PCI_BAR0) & ~15u);
	if (!registers)
		return "its registers are no memory of devices";
	return open_space(space) ? NULL : "there is no IOSpace left for it";
}

void edu_start(uint64_t at, bool to_memory)
{
	registers[EDU_FROM] = to_memory ? EDU_BUFFER : at;
	registers[EDU_TO] = to_memory ? at : EDU_BUFFER;
	registers[EDU_COUNT] = EDU_BYTES;
	registers[EDU_COMMAND] = EDU_RUN | (to_memory ? EDU_TO_RAM : 0);
}

bool edu_wait(void)
{
	for (uint32_t i = 0; i < EDU_PATIENCE; i++) {
		if (!(registers[EDU_COMMAND] & EDU_RUN))
			return true;
		seL4_Yield();
	}
	return false;
}
#else
const char *edu_open(seL4_CPtr *space)
{
	(void)space;
	return "this kernel knows no VT-d";
}

void edu_start(uint64_t at, bool to_memory)
{
	(void)at;
	(void)to_memory;
}

bool edu_wait(void)
{
	return false;
}
#endif
