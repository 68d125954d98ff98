// Loaded by the dynamic linker before all else (LD_AUDIT, see rtld-audit(7)), it changes each CPUID of the libraries listed
// in the file CPUID_LIST, in memory, before any of their code runs. The list is written by list_cpuid.py.
#define _GNU_SOURCE
#include "no_instruction.h"
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what, const char *library) {
  fprintf(stderr, "patch_libraries: %s: %s\n", library, what);
  _exit(125);
}

static void patch(unsigned char *instruction, const char *library) {
  unsigned long page_size = sysconf(_SC_PAGESIZE);
  void *page = (void *)((unsigned long)instruction & ~(page_size - 1)); // one page: only the first byte changes
  if (mprotect(page, page_size, PROT_READ | PROT_WRITE) != 0) {
    fail("its code cannot be changed", library);
  }
  if (instruction[0] != 0x0f || instruction[1] != 0xa2) {
    fail("it is not the file that was searched for CPUID", library);
  }
  instruction[0] = NO_INSTRUCTION;
  if (mprotect(page, page_size, PROT_READ | PROT_EXEC) != 0) {
    fail("its code cannot be made executable again", library);
  }
}

// A line: hexadecimal addresses, each with a space behind it, and the path
static void patch_by_line(char *line, const char *library, unsigned long loaded_at) {
  char *path = strchr(line, '/');
  line[strcspn(line, "\n")] = '\0';
  if (path == NULL || strcmp(path, library) != 0) {
    return;
  }
  for (char *at = line; at < path; at++) { // strtoul ends at the space
    patch((unsigned char *)loaded_at + strtoul(at, &at, 16), library);
  }
}

unsigned la_version(unsigned version) {
  (void)version;
  return LAV_CURRENT;
}

unsigned la_objopen(struct link_map *map, Lmid_t namespace, uintptr_t *cookie) {
  char library[PATH_MAX], *line = NULL;
  const char *list_path = getenv("CPUID_LIST");
  size_t capacity = 0;
  FILE *list;
  (void)namespace;
  (void)cookie;
  if (list_path == NULL || realpath(map->l_name, library) == NULL) { // the program itself has no name
    return 0;
  }
  list = fopen(list_path, "r");
  if (list == NULL) {
    fail("cannot be read", list_path);
  }
  while (getline(&line, &capacity, list) > 0) {
    patch_by_line(line, library, map->l_addr);
  }
  free(line);
  fclose(list);
  return 0;
}
