// Which bits of CPUID's answers are cleared: AVX-512, VNNI, bfloat16, AVX-VNNI, AVX10 and AMX.
// Leaf 7 of CPUID by Intel's Software Developer's Manual, volume 2A, table 3-17
#define BIT(n) (1u << (n))

static const unsigned HIDDEN_EBX = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31); // F, DQ, IFMA, PF, ER, CD, BW, VL
static const unsigned HIDDEN_ECX = BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14);                                 // VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ
static const unsigned HIDDEN_EDX = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);              // 4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, FP16, AMX
static const unsigned HIDDEN_1_EAX = BIT(4) | BIT(5) | BIT(21) | BIT(23);                                         // AVX-VNNI, BF16, AMX-FP16, AVX-IFMA
static const unsigned HIDDEN_1_EDX = BIT(4) | BIT(5) | BIT(8) | BIT(10) | BIT(19);                                // AVX-VNNI-INT8, NE-CONVERT, AMX-COMPLEX, INT16, AVX10

// What a processor with AVX2 alone answers, of what this one answers
static void hide_features(unsigned leaf, unsigned subleaf, unsigned *a, unsigned *b, unsigned *c, unsigned *d) {
  if (leaf == 7 && subleaf == 0) {
    *b &= ~HIDDEN_EBX;
    *c &= ~HIDDEN_ECX;
    *d &= ~HIDDEN_EDX;
  } else if (leaf == 7 && subleaf == 1) {
    *a &= ~HIDDEN_1_EAX;
    *d &= ~HIDDEN_1_EDX;
  }
}
