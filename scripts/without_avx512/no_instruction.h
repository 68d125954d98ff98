// The first byte of what stands in place of CPUID (0f a2): 06, "push es", is invalid in 64-bit code. UD2 would be too, but
// compilers emit it where a program must not go on.
#define NO_INSTRUCTION 0x06
