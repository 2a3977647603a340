// SPDX-License-Identifier: MIT
#include "model.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

__thread struct tcb *model_self;
static __thread seL4_Word registers[8];

seL4_Word seL4_GetMR(int i)
{
	return registers[i];
}

void seL4_SetMR(int i, seL4_Word value)
{
	registers[i] = value;
}

void seL4_Yield(void)
{
	sched_yield();
}

/* ---- messages ------------------------------------------------------------ */

static void enqueue(struct tcb **queue, struct tcb *tcb)
{
	tcb->next = NULL;
	while (*queue)
		queue = &(*queue)->next;
	*queue = tcb;
}

static struct tcb *dequeue(struct tcb **queue)
{
	struct tcb *tcb = *queue;

	if (tcb)
		*queue = tcb->next;
	return tcb;
}

static void wait_until_running(void)
{
	while (model_self->state != RUNNING)
		pthread_cond_wait(&model_self->wake, &model_lock);
}

/* Whom a reply is to reach. */
static void remember_caller(struct tcb *to, struct tcb *from)
{
#ifdef CONFIG_KERNEL_MCS
	if (!to->reply)
		model_wrong("a message arrives and there is no reply object");
	to->reply->tcb = from;
	from->awaits = to->reply;
#else
	to->reply_to = from;
#endif
}

static void deliver(struct tcb *from, struct tcb *to)
{
	memcpy(to->mr, from->mr, sizeof(to->mr));
	to->badge = from->badge;
	to->label = from->label;
	remember_caller(to, from);
	to->state = RUNNING;
	if (from->state != FAULTED)
		from->state = CALLING;
	pthread_cond_signal(&to->wake);
}

static void send_and_wait(struct object *endpoint)
{
	struct tcb *to = dequeue(&endpoint->receivers);

	if (to)
		deliver(model_self, to);
	else
		enqueue(&endpoint->senders, model_self);
	wait_until_running();
}

seL4_MessageInfo_t seL4_Call(seL4_CPtr address, seL4_MessageInfo_t info)
{
	struct cap *cap;

	model_enter();
	cap = model_look(address, ENDPOINT);
	if (!cap || !cap->rights.write)
		model_wrong("a call to no endpoint");
	memcpy(model_self->mr, registers, sizeof(registers));
	model_self->label = info.label;
	model_self->badge = cap->badge;
	model_self->state = SENDING;
	send_and_wait(cap->object);
	memcpy(registers, model_self->mr, sizeof(registers));
	info.label = model_self->label;
	pthread_mutex_unlock(&model_lock);
	return info;
}

/* A fault's reply starts the thread again where it was. */
static void reply_to(struct tcb *to, seL4_MessageInfo_t info)
{
	if (!to || (to->state != CALLING && to->state != FAULTED))
		return;
	if (to->state == CALLING) {
		memcpy(to->mr, registers, sizeof(registers));
		to->label = info.label;
	}
	to->state = RUNNING;
	pthread_cond_signal(&to->wake);
}

static seL4_MessageInfo_t receive(seL4_CPtr address, seL4_Word *badge)
{
	struct cap *cap = model_look(address, ENDPOINT);
	struct tcb *from;

	if (!cap || !cap->rights.read)
		model_wrong("nothing can be received from no endpoint");
	from = dequeue(&cap->object->senders);
	if (from) {
		deliver(from, model_self);
	} else {
		model_self->state = RECEIVING;
		enqueue(&cap->object->receivers, model_self);
		wait_until_running();
	}
	memcpy(registers, model_self->mr, sizeof(registers));
	*badge = model_self->badge;
	return (seL4_MessageInfo_t){ model_self->label, 8 };
}

#ifdef CONFIG_KERNEL_MCS
/* Who still waits for the object's reply would wait for ever. */
static void offer(seL4_CPtr address)
{
	struct cap *cap = model_look(address, REPLY);

	if (!cap)
		model_wrong("no reply object at %d", (int)address);
	if (cap->object->tcb)
		model_wrong(
			"a reply object is offered that somebody waits for");
	model_self->reply = cap->object;
}

seL4_MessageInfo_t seL4_Recv(seL4_CPtr endpoint, seL4_Word *badge,
			     seL4_CPtr reply)
{
	seL4_MessageInfo_t info;

	model_enter();
	offer(reply);
	info = receive(endpoint, badge);
	pthread_mutex_unlock(&model_lock);
	return info;
}

void seL4_Send(seL4_CPtr reply, seL4_MessageInfo_t info)
{
	struct cap *cap;

	model_enter();
	cap = model_look(reply, REPLY);
	if (!cap)
		model_wrong("no reply object at %d", (int)reply);
	reply_to(cap->object->tcb, info);
	cap->object->tcb = NULL;
	pthread_mutex_unlock(&model_lock);
}

/* It waits for no reply any more. */
static void cancel_reply(struct tcb *tcb)
{
	if (tcb->awaits && tcb->awaits->tcb == tcb)
		tcb->awaits->tcb = NULL;
}

seL4_Error seL4_SchedControl_ConfigureFlags(seL4_CPtr control, seL4_CPtr sc,
					    uint64_t budget, uint64_t period,
					    seL4_Word extra, seL4_Word badge,
					    seL4_Word flags)
{
	(void)control, (void)sc, (void)budget, (void)period, (void)extra,
		(void)badge, (void)flags;
	return seL4_NoError;
}
#else
seL4_MessageInfo_t seL4_Recv(seL4_CPtr endpoint, seL4_Word *badge)
{
	seL4_MessageInfo_t info;

	model_enter();
	model_self->reply_to = NULL;
	info = receive(endpoint, badge);
	pthread_mutex_unlock(&model_lock);
	return info;
}

void seL4_Reply(seL4_MessageInfo_t info)
{
	model_enter();
	reply_to(model_self->reply_to, info);
	model_self->reply_to = NULL;
	pthread_mutex_unlock(&model_lock);
}

static void cancel_reply(struct tcb *tcb)
{
	if (model_self->reply_to == tcb)
		model_self->reply_to = NULL;
}
#endif

/* ---- threads ------------------------------------------------------------- */

static const int order[] = { REG_RIP, REG_RSP, REG_EFL, REG_RAX, REG_RBX,
			     REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP,
			     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12,
			     REG_R13, REG_R14, REG_R15 };
#define REGISTERS (sizeof(order) / sizeof(order[0]))

/* On a stack of the system's: that of `start` is not used. */
static void *run(void *argument)
{
	model_self = argument;
	((void (*)(uint64_t))model_self->start.rip)(model_self->start.rdi);
	return NULL;
}

static void start(struct tcb *tcb, const seL4_UserContext *from, bool resume)
{
	tcb->start = *from;
	if (!resume)
		return;
	tcb->state = RUNNING;
	pthread_create(&tcb->thread, NULL, run, tcb);
}

seL4_Error seL4_TCB_WriteRegisters(seL4_CPtr address, bool resume,
				   seL4_Uint8 flags, seL4_Word count,
				   seL4_UserContext *from)
{
	const seL4_Word *word = &from->rip;
	struct cap *cap;
	struct tcb *tcb;

	(void)flags;
	model_enter();
	cap = model_look(address, TCB);
	if (!cap)
		return model_leave(seL4_InvalidCapability);
	tcb = cap->object->tcb;
	if (tcb == model_self)
		return model_leave(seL4_IllegalOperation);
	if (tcb->state == INACTIVE) {
		start(tcb, from, resume);
		return model_leave(seL4_NoError);
	}
	if (tcb->state != FAULTED || !resume)
		model_wrong("registers are written of a thread that runs");
	for (seL4_Word i = 0; i < count && i < REGISTERS; i++)
		tcb->registers[order[i]] = (greg_t)word[i];
	tcb->start = *from;
	cancel_reply(tcb);
	tcb->state = RUNNING;
	pthread_cond_signal(&tcb->wake);
	return model_leave(seL4_NoError);
}

static void set_fault_endpoint(struct tcb *tcb, const struct cap *endpoint)
{
	if (!endpoint || !endpoint->object ||
	    endpoint->object->type != ENDPOINT)
		return;
	tcb->fault_endpoint = endpoint->object;
	tcb->fault_badge = endpoint->badge;
}

static seL4_Error configure(seL4_CPtr address, seL4_CPtr fault_endpoint,
			    seL4_CPtr cspace, seL4_CPtr vspace)
{
	struct cap *cap, *cnode;

	model_enter();
	cap = model_look(address, TCB);
	cnode = model_look(cspace, CNODE);
	if (!cap || !cnode || !model_look(vspace, VSPACE))
		return model_leave(seL4_InvalidCapability);
	cap->object->tcb->cspace = cnode->object;
	/* seL4 looks this up in the thread's own CSpace, at each fault. */
	if (fault_endpoint)
		set_fault_endpoint(cap->object->tcb,
				   model_slot(cnode->object, fault_endpoint));
	return model_leave(seL4_NoError);
}

#ifdef CONFIG_KERNEL_MCS
seL4_Error seL4_TCB_Configure(seL4_CPtr tcb, seL4_CPtr cspace, seL4_Word guard,
			      seL4_CPtr vspace, seL4_Word vspace_data,
			      seL4_Word buffer, seL4_CPtr frame)
{
	(void)guard, (void)vspace_data, (void)buffer, (void)frame;
	return configure(tcb, 0, cspace, vspace);
}

/* The fault endpoint is of the caller's CSpace, and copied. */
seL4_Error seL4_TCB_SetSchedParams(seL4_CPtr address, seL4_CPtr authority,
				   seL4_Word mcp, seL4_Word priority,
				   seL4_CPtr sc, seL4_CPtr fault_endpoint)
{
	struct cap *cap;

	(void)authority, (void)mcp, (void)priority, (void)sc;
	model_enter();
	cap = model_look(address, TCB);
	if (!cap)
		return model_leave(seL4_InvalidCapability);
	if (fault_endpoint)
		set_fault_endpoint(
			cap->object->tcb,
			model_slot(model_self->cspace, fault_endpoint));
	return model_leave(seL4_NoError);
}
#else
seL4_Error seL4_TCB_Configure(seL4_CPtr tcb, seL4_Word fault_endpoint,
			      seL4_CPtr cspace, seL4_Word guard,
			      seL4_CPtr vspace, seL4_Word vspace_data,
			      seL4_Word buffer, seL4_CPtr frame)
{
	(void)guard, (void)vspace_data, (void)buffer, (void)frame;
	return configure(tcb, fault_endpoint, cspace, vspace);
}

seL4_Error seL4_TCB_SetSchedParams(seL4_CPtr tcb, seL4_CPtr authority,
				   seL4_Word mcp, seL4_Word priority)
{
	(void)tcb, (void)authority, (void)mcp, (void)priority;
	return seL4_NoError;
}
#endif

/* The frame is an argument and not invoked.  The TCB keeps a copy, derived from
 * what was given, until it is given none. */
seL4_Error seL4_TCB_SetIPCBuffer(seL4_CPtr address, seL4_Word buffer,
				 seL4_CPtr frame)
{
	struct cap *cap, *given;

	model_enter();
	cap = model_look(address, TCB);
	if (!cap)
		return model_leave(seL4_InvalidCapability);
	given = model_slot(model_self->cspace, frame);
	if (buffer && (!given || !given->object ||
		       given->object->type != FRAME || given->object->device))
		return model_leave(seL4_IllegalOperation);
	model_delete(&cap->object->tcb->buffer);
	if (buffer)
		model_derive(given, &cap->object->tcb->buffer);
	return model_leave(seL4_NoError);
}

/* ---- faults -------------------------------------------------------------- */

#define ERROR_PRESENT 1
#define ERROR_WRITE   2
#define ERROR_FETCH   16

/* Linux enters a mapping in the page table at the first access only, so the
 * model says by its own books whether a page is there. */
static bool is_late(uint64_t at, uint64_t error)
{
	return (model_prot(at) & PROT_WRITE) ||
	       ((model_prot(at) & PROT_READ) && !(error & ERROR_WRITE));
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t error = (uint64_t)regs[REG_ERR];
	uint64_t at = (uint64_t)info->si_addr;
	struct tcb *self = model_self;

	if (!self || !self->fault_endpoint || sig != SIGSEGV)
		model_wrong("a fault without a handler: ip %llx at %llx",
			    (unsigned long long)regs[REG_RIP],
			    (unsigned long long)at);
	pthread_mutex_lock(&model_lock);
	if (is_late(at, error)) {
		pthread_mutex_unlock(&model_lock);
		return;
	}
	self->registers = regs;
	self->mr[seL4_VMFault_IP] = (uint64_t)regs[REG_RIP];
	self->mr[seL4_VMFault_Addr] = at;
	self->mr[seL4_VMFault_PrefetchFault] = (error & ERROR_FETCH) != 0;
	self->mr[seL4_VMFault_FSR] = (error & ~(uint64_t)ERROR_PRESENT) |
				     (model_prot(at) ? ERROR_PRESENT : 0);
	self->label = seL4_Fault_VMFault;
	self->badge = self->fault_badge;
	self->state = FAULTED;
	send_and_wait(self->fault_endpoint);
	self->registers = NULL;
	pthread_mutex_unlock(&model_lock);
}

void model_threads_start(void)
{
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };
	static struct tcb first = { .state = RUNNING };

	first.cspace = &model_root;
	model_self = &first;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}
