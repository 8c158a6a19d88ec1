/* Runs the kernels on the CPU, for their test: `harness KERNEL THREADS SIZE... < numbers > numbers`.
 *
 * Standard input: the number of buffers (32 bits), then for each its length (32 bits) and floats, in the order of the
 * kernel's pointers. Standard output: the last buffer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned int x;
} Index;
static Index blockIdx, blockDim, threadIdx;

#define KERNEL static void
#define DEVICE static
#include "kernels.cu"

#define MOST 8
static float *b[MOST];
static uint s[MOST];

/* As many blocks as a launch has, the last one with threads beyond the end. */
#define RUN(name, ...)                                                           \
    if (strcmp(argv[1], #name) == 0) {                                           \
        blockDim.x = 256;                                                        \
        for (blockIdx.x = 0; blockIdx.x * 256 < n; blockIdx.x++)                 \
            for (threadIdx.x = 0; threadIdx.x < 256; threadIdx.x++)              \
                name(n, __VA_ARGS__);                                            \
        found = 1;                                                               \
    }

static void take(void *to, size_t size, size_t count) {
    if (fread(to, size, count, stdin) != count) {
        exit(2);
    }
}

int main(int argc, char **argv) {
    uint n = (uint)strtoul(argv[2], NULL, 10), buffers, len = 0;
    int found = 0;
    for (int i = 3; i < argc && i < 3 + MOST; i++) {
        s[i - 3] = (uint)strtoul(argv[i], NULL, 10);
    }
    take(&buffers, sizeof buffers, 1);
    for (uint i = 0; i < buffers && i < MOST; i++) {
        take(&len, sizeof len, 1);
        b[i] = malloc(sizeof(float) * len + 1);
        take(b[i], sizeof(float), len);
    }
    RUN(gather, b[0], b[1], b[2], s[0], s[1], s[2])
    RUN(bias_relu, b[0], b[1], s[0], s[1], s[2])
    RUN(couple_affine, b[0], b[1], b[2], b[3], b[4], b[5], s[0], s[1], s[2])
    RUN(uncouple_affine, b[0], b[1], b[2], b[3], b[4], s[0], s[1], s[2])
    RUN(couple_additive, b[0], b[1], b[2], b[3], b[4], s[0], s[1], s[2], s[3])
    RUN(eps_from_z, b[0], b[1], b[2], b[3], s[0], s[1], s[2], s[3], s[4], s[5])
    RUN(z_from_eps, b[0], b[1], b[2], b[3], s[0], s[1], s[2], s[3], s[4], s[5])
    RUN(squeeze, b[0], b[1], s[0], s[1], s[2])
    RUN(unsqueeze, b[0], b[1], b[2], s[0], s[1], s[2])
    if (!found) {
        return 3;
    }
    fwrite(b[buffers - 1], sizeof(float), len, stdout);
    return 0;
}
