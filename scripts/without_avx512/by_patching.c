// patch_libraries.c has put an instruction that no 64-bit processor has in place of each CPUID; it raises SIGILL.
#include "trapped_cpuid.h"
#include "no_instruction.h"

const int TRAP_SIGNAL = SIGILL;

int is_trapped(const siginfo_t *info, const unsigned char *instruction) {
  (void)info;
  return instruction[0] == NO_INSTRUCTION && instruction[1] == 0xa2;
}

int trap_cpuid(int trapped) {
  (void)trapped; // ours is not among the libraries that are patched
  return 0;
}
