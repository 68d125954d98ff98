// The processor forbids CPUID itself and raises SIGSEGV (Intel, "CPUID Enumeration and CPUID Faulting", 323850; Linux:
// arch_prctl(2), ARCH_SET_CPUID).
#define _GNU_SOURCE
#include "trapped_cpuid.h"
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012 // <asm/prctl.h>

const int TRAP_SIGNAL = SIGSEGV;

int is_trapped(const siginfo_t *info, const unsigned char *instruction) {
  return info->si_code == SI_KERNEL && instruction[0] == 0x0f && instruction[1] == 0xa2; // CPUID
}

int trap_cpuid(int trapped) {
  return syscall(SYS_arch_prctl, ARCH_SET_CPUID, trapped ? 0 : 1);
}
