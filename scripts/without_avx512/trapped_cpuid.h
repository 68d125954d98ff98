// A way to have CPUID raise a signal instead of being executed. Each way is one file that defines these.
#include <signal.h>

extern const int TRAP_SIGNAL;
// Whether the instruction that raised TRAP_SIGNAL stands for a CPUID
int is_trapped(const siginfo_t *info, const unsigned char *instruction);
// From now on (1) this thread's CPUID raises the signal, or (0) it is executed. Not 0: this processor or kernel cannot do so
int trap_cpuid(int trapped);
