/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_TESTS_SEL4_MODEL_LIBSEL4_INCLUDE_SEL4_SEL4_H
#define PRECARIUM_TESTS_SEL4_MODEL_LIBSEL4_INCLUDE_SEL4_SEL4_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The part of seL4's interface that the port and its scenario use, written from
 * the reference manual, for the model.  Not seL4's own header.  With
 * CONFIG_KERNEL_MCS it is the interface of MCS kernels.
 */

#define LIBSEL4_THREAD_LOCAL __thread

typedef uint64_t seL4_Word;
typedef uint64_t seL4_CPtr;
typedef uint8_t seL4_Uint8;
typedef uint64_t seL4_SlotPos;

enum { seL4_WordBits = 64, seL4_PageBits = 12 };

typedef enum {
	seL4_NoError = 0,
	seL4_InvalidArgument,
	seL4_InvalidCapability,
	seL4_IllegalOperation,
	seL4_RangeError,
	seL4_AlignmentError,
	seL4_FailedLookup,
	seL4_TruncatedMessage,
	seL4_DeleteFirst,
	seL4_RevokeFirst,
	seL4_NotEnoughMemory,
} seL4_Error;

enum {
	seL4_CapNull = 0,
	seL4_CapInitThreadTCB,
	seL4_CapInitThreadCNode,
	seL4_CapInitThreadVSpace,
	seL4_CapIRQControl,
	seL4_CapASIDControl,
	seL4_CapInitThreadASIDPool,
	seL4_CapIOPortControl,
	seL4_CapIOSpace,
	seL4_NumInitialCaps = 16,
};

enum {
	seL4_UntypedObject = 0,
	seL4_TCBObject,
	seL4_EndpointObject,
	seL4_NotificationObject,
	seL4_CapTableObject,
#ifdef CONFIG_KERNEL_MCS
	seL4_SchedContextObject,
	seL4_ReplyObject,
#endif
#ifdef __aarch64__
	seL4_ARM_VSpaceObject,
	seL4_ARM_SmallPageObject,
	seL4_ARM_LargePageObject,
	seL4_ARM_PageTableObject,
#else
	seL4_X86_PDPTObject,
	seL4_X64_PML4Object,
	seL4_X86_4K,
	seL4_X86_LargePageObject,
	seL4_X86_PageTableObject,
	seL4_X86_PageDirectoryObject,
	seL4_X86_IOPageTableObject,
#endif
};

typedef struct {
	uint8_t read, write, grant, reply;
} seL4_CapRights_t;
#define seL4_CanRead   ((seL4_CapRights_t){ 1, 0, 0, 0 })
#define seL4_ReadWrite ((seL4_CapRights_t){ 1, 1, 0, 0 })
#define seL4_AllRights ((seL4_CapRights_t){ 1, 1, 1, 1 })

typedef struct {
	uint64_t label;
	uint32_t length;
} seL4_MessageInfo_t;

static inline seL4_MessageInfo_t seL4_MessageInfo_new(uint64_t label,
						      uint64_t unwrapped,
						      uint64_t caps,
						      uint64_t length)
{
	(void)unwrapped;
	(void)caps;
	return (seL4_MessageInfo_t){ label, (uint32_t)length };
}

static inline uint64_t seL4_MessageInfo_get_label(seL4_MessageInfo_t info)
{
	return info.label;
}

typedef struct {
	seL4_Word words[1];
} seL4_CNode_CapData_t;

static inline seL4_CNode_CapData_t seL4_CNode_CapData_new(seL4_Word guard,
							  seL4_Word size)
{
	return (seL4_CNode_CapData_t){ { guard << 6 | size } };
}

enum { seL4_Fault_NullFault = 0, seL4_Fault_VMFault = 5 };
enum {
	seL4_VMFault_IP,
	seL4_VMFault_Addr,
	seL4_VMFault_PrefetchFault,
	seL4_VMFault_FSR,
};

typedef struct {
	seL4_SlotPos start, end;
} seL4_SlotRegion;

typedef struct {
	seL4_Word paddr;
	seL4_Uint8 sizeBits, isDevice;
} seL4_UntypedDesc;

typedef struct {
	seL4_Word msg[120];
} seL4_IPCBuffer;

typedef struct {
	seL4_Word numIOPTLevels;
	seL4_IPCBuffer *ipcBuffer;
	seL4_SlotRegion empty, userImageFrames, untyped;
#ifdef CONFIG_KERNEL_MCS
	seL4_SlotRegion schedcontrol;
#endif
	seL4_UntypedDesc untypedList[8];
} seL4_BootInfo;

/* Message registers: those of the calling thread. */
seL4_Word seL4_GetMR(int i);
void seL4_SetMR(int i, seL4_Word value);

seL4_MessageInfo_t seL4_Call(seL4_CPtr endpoint, seL4_MessageInfo_t info);
#ifdef CONFIG_KERNEL_MCS
enum { seL4_MinSchedContextBits = 7 };
seL4_MessageInfo_t seL4_Recv(seL4_CPtr endpoint, seL4_Word *badge,
			     seL4_CPtr reply);
void seL4_Send(seL4_CPtr reply, seL4_MessageInfo_t info);
seL4_Error seL4_SchedControl_ConfigureFlags(seL4_CPtr control, seL4_CPtr sc,
					    uint64_t budget, uint64_t period,
					    seL4_Word extra, seL4_Word badge,
					    seL4_Word flags);
#else
seL4_MessageInfo_t seL4_Recv(seL4_CPtr endpoint, seL4_Word *badge);
void seL4_Reply(seL4_MessageInfo_t info);
#endif
void seL4_Yield(void);

seL4_Error seL4_Untyped_Retype(seL4_CPtr untyped, seL4_Word type,
			       seL4_Word bits, seL4_CPtr root,
			       seL4_Word node_index, seL4_Word node_depth,
			       seL4_Word offset, seL4_Word count);
seL4_Error seL4_CNode_Copy(seL4_CPtr to_root, seL4_Word to, seL4_Uint8 to_depth,
			   seL4_CPtr from_root, seL4_Word from,
			   seL4_Uint8 from_depth, seL4_CapRights_t rights);
seL4_Error seL4_CNode_Mint(seL4_CPtr to_root, seL4_Word to, seL4_Uint8 to_depth,
			   seL4_CPtr from_root, seL4_Word from,
			   seL4_Uint8 from_depth, seL4_CapRights_t rights,
			   seL4_Word badge);
seL4_Error seL4_CNode_Move(seL4_CPtr to_root, seL4_Word to, seL4_Uint8 to_depth,
			   seL4_CPtr from_root, seL4_Word from,
			   seL4_Uint8 from_depth);
seL4_Error seL4_CNode_Delete(seL4_CPtr root, seL4_Word slot, seL4_Uint8 depth);
seL4_Error seL4_CNode_Revoke(seL4_CPtr root, seL4_Word slot, seL4_Uint8 depth);

#ifdef __aarch64__
typedef struct {
	seL4_Word pc, sp, spsr, x0, x1, x2;
} seL4_UserContext;

typedef int seL4_ARM_VMAttributes;
enum { seL4_ARM_Default_VMAttributes = 3, seL4_ARM_ExecuteNever = 4 };

typedef struct {
	int error;
	seL4_Word paddr;
} seL4_ARM_Page_GetAddress_t;

seL4_ARM_Page_GetAddress_t seL4_ARM_Page_GetAddress(seL4_CPtr page);
seL4_Error seL4_ARM_Page_Unmap(seL4_CPtr page);
seL4_Error seL4_ARM_PageTable_Map(seL4_CPtr table, seL4_CPtr vspace,
				  seL4_Word at,
				  seL4_ARM_VMAttributes attributes);
seL4_Error seL4_ARM_ASIDPool_Assign(seL4_CPtr pool, seL4_CPtr vspace);
seL4_Error seL4_ARM_Page_Map(seL4_CPtr page, seL4_CPtr vspace, seL4_Word at,
			     seL4_CapRights_t rights,
			     seL4_ARM_VMAttributes attributes);
#else
typedef struct {
	seL4_Word rip, rsp, rflags, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9,
		r10, r11, r12, r13, r14, r15, fs_base, gs_base;
} seL4_UserContext;

typedef int seL4_X86_VMAttributes;
enum { seL4_X86_Default_VMAttributes = 0 };

typedef struct {
	int error;
	seL4_Word paddr;
} seL4_X86_Page_GetAddress_t;

seL4_X86_Page_GetAddress_t seL4_X86_Page_GetAddress(seL4_CPtr page);
seL4_Error seL4_X86_Page_Map(seL4_CPtr page, seL4_CPtr vspace, seL4_Word at,
			     seL4_CapRights_t rights,
			     seL4_X86_VMAttributes attributes);
seL4_Error seL4_X86_Page_Unmap(seL4_CPtr page);
seL4_Error seL4_X86_PDPT_Map(seL4_CPtr table, seL4_CPtr vspace, seL4_Word at,
			     seL4_X86_VMAttributes attributes);
seL4_Error seL4_X86_PageDirectory_Map(seL4_CPtr table, seL4_CPtr vspace,
				      seL4_Word at,
				      seL4_X86_VMAttributes attributes);
seL4_Error seL4_X86_PageTable_Map(seL4_CPtr table, seL4_CPtr vspace,
				  seL4_Word at,
				  seL4_X86_VMAttributes attributes);
seL4_Error seL4_X86_ASIDPool_Assign(seL4_CPtr pool, seL4_CPtr vspace);
#endif

#ifdef __x86_64__
#define CONFIG_IOMMU
seL4_Error seL4_X86_Page_MapIO(seL4_CPtr page, seL4_CPtr space,
			       seL4_CapRights_t rights, seL4_Word at);
seL4_Error seL4_X86_IOPageTable_Map(seL4_CPtr table, seL4_CPtr space,
				    seL4_Word at);

/* From here on, what the model has not: it is compiled only, by
 * tests/sel4/freestanding.sh. */
typedef struct {
	int error;
	uint32_t result;
} seL4_X86_IOPort_In_t;

seL4_X86_IOPort_In_t seL4_X86_IOPort_In8(seL4_CPtr ports, uint16_t port);
seL4_X86_IOPort_In_t seL4_X86_IOPort_In32(seL4_CPtr ports, uint16_t port);
seL4_Error seL4_X86_IOPort_Out8(seL4_CPtr ports, uint16_t port, uint8_t value);
seL4_Error seL4_X86_IOPort_Out32(seL4_CPtr ports, uint16_t port,
				 uint32_t value);
seL4_Error seL4_X86_IOPortControl_Issue(seL4_CPtr control, uint16_t first,
					uint16_t last, seL4_CPtr root,
					seL4_Word slot, seL4_Uint8 depth);
#endif
void seL4_SetIPCBuffer(seL4_IPCBuffer *buffer);
seL4_Error seL4_TCB_Suspend(seL4_CPtr tcb);

#ifdef CONFIG_KERNEL_MCS
seL4_Error seL4_TCB_Configure(seL4_CPtr tcb, seL4_CPtr cspace, seL4_Word guard,
			      seL4_CPtr vspace, seL4_Word vspace_data,
			      seL4_Word buffer, seL4_CPtr frame);
seL4_Error seL4_TCB_SetSchedParams(seL4_CPtr tcb, seL4_CPtr authority,
				   seL4_Word mcp, seL4_Word priority,
				   seL4_CPtr sc, seL4_CPtr fault_endpoint);
#else
seL4_Error seL4_TCB_Configure(seL4_CPtr tcb, seL4_Word fault_endpoint,
			      seL4_CPtr cspace, seL4_Word guard,
			      seL4_CPtr vspace, seL4_Word vspace_data,
			      seL4_Word buffer, seL4_CPtr frame);
seL4_Error seL4_TCB_SetSchedParams(seL4_CPtr tcb, seL4_CPtr authority,
				   seL4_Word mcp, seL4_Word priority);
#endif
seL4_Error seL4_TCB_SetIPCBuffer(seL4_CPtr tcb, seL4_Word buffer,
				 seL4_CPtr frame);
seL4_Error seL4_TCB_WriteRegisters(seL4_CPtr tcb, bool resume, seL4_Uint8 flags,
				   seL4_Word count,
				   seL4_UserContext *registers);

#endif
