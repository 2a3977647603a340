// SPDX-License-Identifier: MIT
/* One line after the other, for a person or for boot.py. */
#include "root.h"
#include "system.h"

#include <stdarg.h>
#include <stddef.h>

/* ---- a character --------------------------------------------------------- */

#if defined(CONFIG_PRINTING)
void console_open(void)
{
}

static void put(char c)
{
	seL4_DebugPutChar(c);
}
#elif defined(__aarch64__)
/* A PL011, where QEMU's machine "virt" has it. */
#define UART_PHYSICAL 0x9000000u
#define UART_DATA     0x00u
#define UART_FLAGS    0x18u
#define UART_FULL     0x20u

static volatile uint32_t *uart;

void console_open(void)
{
	uart = system_registers(UART_PHYSICAL);
}

static void put(char c)
{
	while (uart && uart[UART_FLAGS / 4] & UART_FULL)
		continue;
	if (uart)
		uart[UART_DATA / 4] = (uint8_t)c;
}
#else
#define COM1	    0x3f8u
#define COM1_STATUS (COM1 + 5)
#define COM1_EMPTY  0x20u

static seL4_CPtr ports;

void console_open(void)
{
	ports = system_slots(1);
	system_must(seL4_X86_IOPortControl_Issue(seL4_CapIOPortControl, COM1,
						 COM1 + 7, ROOT, ports, DEPTH),
		    "a serial port");
}

static void put(char c)
{
	while (!(seL4_X86_IOPort_In8(ports, COM1_STATUS).result & COM1_EMPTY))
		continue;
	seL4_X86_IOPort_Out8(ports, COM1, (uint8_t)c);
}
#endif

/* ---- a line -------------------------------------------------------------- */

static void pad(int count)
{
	while (count-- > 0)
		put(' ');
}

static void text(const char *from, int width, bool left)
{
	int length = 0;

	while (from[length])
		length++;
	if (!left)
		pad(width - length);
	for (int i = 0; i < length; i++)
		put(from[i]);
	if (left)
		pad(width - length);
}

static void number(uint64_t value, uint32_t base, int width)
{
	char digits[24];
	int at = sizeof(digits);

	digits[--at] = 0;
	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	text(&digits[at], width, false);
}

static void integer(int value, int width)
{
	if (value < 0)
		put('-');
	number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width);
}

/* Of printf: %d, and %s, %u and %x with a width, the latter two with l too. */
void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (; *format; format++) {
		bool left = false;
		int width = 0, longs = 0;

		if (*format != '%') {
			put(*format);
			continue;
		}
		format++;
		if (*format == '-') {
			left = true;
			format++;
		}
		for (; *format >= '0' && *format <= '9'; format++)
			width = 10 * width + *format - '0';
		for (; *format == 'l'; format++)
			longs++;
		if (*format == 's')
			text(va_arg(arguments, const char *), width, left);
		else if (*format == 'd')
			integer(va_arg(arguments, int), width);
		else
			number(longs ? va_arg(arguments, uint64_t)
				     : va_arg(arguments, uint32_t),
			       *format == 'x' ? 16 : 10, width);
	}
	va_end(arguments);
}
