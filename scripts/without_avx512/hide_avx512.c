// Preloaded into a program, it hides AVX-512, VNNI, bfloat16, AVX-VNNI and AMX from it, so that every library in it takes
// the code for AVX2, at the speed of this machine.
//
// Libraries ask the instruction CPUID what a processor can do. Where the processor can forbid it (Intel, "CPUID Enumeration
// and CPUID Faulting", 323850; Linux: arch_prctl(2), ARCH_SET_CPUID), it raises SIGSEGV instead, and the handler below answers
// with those bits cleared. The C library asks before this is loaded: its memcpy stays as it is.
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012 // <asm/prctl.h>
#define BIT(n) (1u << (n))

typedef int (*sigaction_function)(int, const struct sigaction *, struct sigaction *);

// Leaf 7 of CPUID by Intel's Software Developer's Manual, volume 2A, table 3-17
static const unsigned HIDDEN_EBX = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31); // F, DQ, IFMA, PF, ER, CD, BW, VL
static const unsigned HIDDEN_ECX = BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14);                                 // VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ
static const unsigned HIDDEN_EDX = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);              // 4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, FP16, AMX
static const unsigned HIDDEN_1_EAX = BIT(4) | BIT(5) | BIT(21) | BIT(23);                                         // AVX-VNNI, BF16, AMX-FP16, AVX-IFMA
static const unsigned HIDDEN_1_EDX = BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19);                                // AVX-VNNI-INT8, NE-CONVERT, AMX-COMPLEX, INT16, AVX10

static struct sigaction theirs; // what the program wants done with SIGSEGV

static sigaction_function real_sigaction(void) {
  return (sigaction_function)dlsym(RTLD_NEXT, "sigaction");
}

static long allow_cpuid(long allowed) {
  return syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed);
}

static void answer_cpuid(greg_t *registers) {
  unsigned leaf = registers[REG_RAX], subleaf = registers[REG_RCX], a, b, c, d;
  allow_cpuid(1);
  __cpuid_count(leaf, subleaf, a, b, c, d);
  allow_cpuid(0);
  if (leaf == 7 && subleaf == 0) {
    b &= ~HIDDEN_EBX;
    c &= ~HIDDEN_ECX;
    d &= ~HIDDEN_EDX;
  } else if (leaf == 7 && subleaf == 1) {
    a &= ~HIDDEN_1_EAX;
    d &= ~HIDDEN_1_EDX;
  }
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2; // the length of the instruction
}

static void on_fault(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
  if (info->si_code == SI_KERNEL && instruction[0] == 0x0f && instruction[1] == 0xa2) { // CPUID
    answer_cpuid(registers);
  } else if (theirs.sa_flags & SA_SIGINFO) {
    theirs.sa_sigaction(number, info, context);
  } else if (theirs.sa_handler != SIG_DFL && theirs.sa_handler != SIG_IGN) {
    theirs.sa_handler(number);
  } else {
    signal(SIGSEGV, SIG_DFL); // raised again on return, and then it ends the program
  }
}

// The handler has to stay: Python's faulthandler, say, sets its own
int sigaction(int number, const struct sigaction *new, struct sigaction *old) {
  if (number != SIGSEGV) {
    return real_sigaction()(number, new, old);
  }
  if (old != NULL) {
    *old = theirs;
  }
  if (new != NULL) {
    theirs = *new;
  }
  return 0;
}

__attribute__((constructor)) static void hide(void) {
  struct sigaction ours;
  memset(&ours, 0, sizeof ours);
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  if (real_sigaction()(SIGSEGV, &ours, &theirs) != 0 || allow_cpuid(0) != 0) {
    perror("hide_avx512: this processor or this kernel cannot forbid CPUID");
    _exit(125);
  }
}
