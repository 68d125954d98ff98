// Preloaded into a program, it hides AVX-512, VNNI, bfloat16, AVX-VNNI and AMX from it, so that every library in it takes
// the code for AVX2, at the speed of this machine.
//
// Libraries ask the instruction CPUID what a processor can do. It raises a signal instead (trapped_cpuid.h), and the handler
// below answers with those bits cleared. The C library asks before this is loaded: its memcpy stays as it is.
#define _GNU_SOURCE
#include "hidden_features.h"
#include "trapped_cpuid.h"
#include <cpuid.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

typedef int (*sigaction_function)(int, const struct sigaction *, struct sigaction *);

static struct sigaction theirs; // what the program wants done with TRAP_SIGNAL

static sigaction_function real_sigaction(void) {
  return (sigaction_function)dlsym(RTLD_NEXT, "sigaction");
}

static void answer_cpuid(greg_t *registers) {
  unsigned leaf = registers[REG_RAX], subleaf = registers[REG_RCX], a, b, c, d;
  trap_cpuid(0);
  __cpuid_count(leaf, subleaf, a, b, c, d);
  trap_cpuid(1);
  hide_features(leaf, subleaf, &a, &b, &c, &d);
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2; // the length of the instruction
}

static void on_trap(int number, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (is_trapped(info, (const unsigned char *)registers[REG_RIP])) {
    answer_cpuid(registers);
  } else if (theirs.sa_flags & SA_SIGINFO) {
    theirs.sa_sigaction(number, info, context);
  } else if (theirs.sa_handler != SIG_DFL && theirs.sa_handler != SIG_IGN) {
    theirs.sa_handler(number);
  } else {
    signal(TRAP_SIGNAL, SIG_DFL); // raised again on return, and then it ends the program
  }
}

// The handler has to stay: Python's faulthandler, say, sets its own
int sigaction(int number, const struct sigaction *new, struct sigaction *old) {
  if (number != TRAP_SIGNAL) {
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
  ours.sa_sigaction = on_trap;
  ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  if (real_sigaction()(TRAP_SIGNAL, &ours, &theirs) != 0 || trap_cpuid(1) != 0) {
    perror("hide_avx512: this processor or this kernel cannot forbid CPUID");
    _exit(125);
  }
}
