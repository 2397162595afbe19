// The ptrace(2) of user-mode Linux, preloaded into it.
//
// It writes a process's registers back with the room that Linux 6.1 knows, 2696 bytes. Where the
// processor has more of them, the host wants more (11008 bytes with AMX) and refuses less
// (xstateregs_set in arch/x86/kernel/fpu/regset.c): the machine panics at its first process. So
// what is too short is filled up, as registers that have never been used. What is long enough,
// and every other request, goes through as it is.
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// XSAVE's area begins with the 512 bytes of FXSAVE; a header follows, whose first word says which
// registers are in the area (Intel's manual, volume 1, 13.4). Of those, Linux 6.1 has room for
// the x87, SSE, AVX and AVX-512 ones, MPX's left out, and for the protection keys.
#define HEADER 512
#define KNOWN 0x2e7

static char area[64 << 10] __attribute__((aligned(64)));
static size_t whole; // what the host wants; 0: not asked yet

static long request(long what, pid_t pid, void *addr, void *data)
{
	return syscall(SYS_ptrace, what, pid, addr, data);
}

static long write_back(pid_t pid, struct iovec *registers)
{
	if (!whole) {
		struct iovec all = {area, sizeof area};
		if (request(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &all) < 0)
			return -1;
		whole = all.iov_len;
		memset(area, 0, whole);
	}
	if (registers->iov_len >= whole)
		return request(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, registers);
	memcpy(area, registers->iov_base, registers->iov_len);
	*(uint64_t *)(area + HEADER) &= KNOWN;
	struct iovec all = {area, whole};
	return request(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &all);
}

long ptrace(enum __ptrace_request what, ...)
{
	va_list rest;
	va_start(rest, what);
	pid_t pid = va_arg(rest, pid_t);
	void *addr = va_arg(rest, void *);
	void *data = va_arg(rest, void *);
	va_end(rest);

	if (what == PTRACE_SETREGSET && (uintptr_t)addr == NT_X86_XSTATE)
		return write_back(pid, data);
	if (what != PTRACE_PEEKTEXT && what != PTRACE_PEEKDATA && what != PTRACE_PEEKUSER)
		return request(what, pid, addr, data);
	// The kernel stores the word that the C library returns.
	long word;
	if (request(what, pid, addr, &word) < 0)
		return -1;
	errno = 0;
	return word;
}
