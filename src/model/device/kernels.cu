/* What the folded form needs on a CUDA device beside matrix products.
 *
 * Activations are channels-last: a matrix of pixel rows, dense, `side * side` rows a picture. One thread computes
 * one number (or the nine of a neighbourhood); neighbouring threads touch neighbouring channels. Every kernel takes
 * the number of its threads first and the pointer that it writes last, before the sizes.
 *
 * The file is plain C but for the two macros below: a test compiles it with the system's C compiler, with other
 * macros and a loop for the grid, and compares every kernel with its definition in `definitions.rs`.
 * `kernels.ptx` is made from this file by `build_ptx.sh`.
 */

#ifndef KERNEL
#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __forceinline__
#endif

#define INPUT const float *__restrict__
#define OUTPUT float *__restrict__

typedef unsigned int uint;

/* Bits of a border class: which sides of the picture a pixel touches. */
#define TOP 1u
#define BOTTOM 2u
#define LEFT 4u
#define RIGHT 8u

DEVICE uint border_class(uint row, uint side) {
    uint inside = row % (side * side);
    uint y = inside / side, x = inside % side;
    return (y == 0 ? TOP : 0) | (y + 1 == side ? BOTTOM : 0) | (x == 0 ? LEFT : 0) | (x + 1 == side ? RIGHT : 0);
}

/* Whether tap `t` looks inside the picture from a pixel of class `at`. */
DEVICE int tap_is_inside(uint at, uint t) {
    uint dy = t / 3, dx = t % 3;
    return !((dy == 0 && (at & TOP)) || (dy == 2 && (at & BOTTOM)) || (dx == 0 && (at & LEFT)) ||
             (dx == 2 && (at & RIGHT)));
}

/* The row that tap `t` looks at; unsigned numbers wrap around, so the sum is right. */
DEVICE uint tap_row(uint row, uint side, uint t) {
    return row + t / 3 * side + t % 3 - side - 1;
}

/* Output `j` of a 3x3 convolution: its bias and nine taps, each of which stands in the row that it looks at. */
DEVICE float sum_taps(INPUT taps, INPUT table, uint row, uint side, uint at, uint o, uint j, uint by_class) {
    float sum = table[(by_class ? at : 0) * o + j];
    for (uint t = 0; t < 9; t++) {
        if (tap_is_inside(at, t)) {
            sum += taps[tap_row(row, side, t) * 9 * o + t * o + j];
        }
    }
    return sum;
}

/* out[row, t m + ch] = x[neighbour t of row, ch] + bias[ch], zero outside. A thread for each row and channel. */
KERNEL gather(uint n, INPUT x, INPUT bias, OUTPUT out, uint side, uint m, uint stride) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / m, ch = i % m;
    uint at = border_class(row, side);
    float add = bias[ch];
    for (uint t = 0; t < 9; t++) {
        float v = 0.0f;
        if (tap_is_inside(at, t)) {
            v = x[tap_row(row, side, t) * stride + ch] + add;
        }
        out[row * 9 * m + t * m + ch] = v;
    }
}

/* In place: h = max(0, h + bias of the row's class), where NaN stays NaN, which fmaxf would hide. A thread for each
 * entry. */
KERNEL bias_relu(uint n, INPUT table, OUTPUT h, uint side, uint width, uint by_class) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / width, j = i % width;
    uint at = by_class ? border_class(row, side) : 0;
    float v = h[i] + table[at * width + j];
    h[i] = v < 0.0f ? 0.0f : v;
}

/* y1 = x1 + b1; y2 = ((x2 + b2) + shift) * sigmoid(raw + 2). `out` has the rows y, then m columns a row with the
 * sum so far of ln sigmoid(raw + 2). A thread for each row and channel of a half. */
KERNEL couple_affine(uint n, INPUT x, INPUT taps, INPUT log_det, INPUT bias, INPUT table, OUTPUT out, uint side,
                     uint m, uint by_class) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / m, j = i % m, o = 2 * m;
    uint at = border_class(row, side), first = row * o + j;
    float shift = sum_taps(taps, table, row, side, at, o, j, by_class);
    float v = sum_taps(taps, table, row, side, at, o, m + j, by_class) + 2.0f;
    out[first] = x[first] + bias[j];
    out[first + m] = (x[first + m] + bias[m + j] + shift) / (1.0f + expf(-v));
    out[n * 2 + i] = log_det[i] + fminf(v, 0.0f) - log1pf(expf(-fabsf(v)));
}

/* y1 = x1 + b1; y2 = (x2 + b2) / sigmoid(raw + 2) - shift. Threads as above. */
KERNEL uncouple_affine(uint n, INPUT x, INPUT taps, INPUT bias, INPUT table, OUTPUT out, uint side, uint m,
                       uint by_class) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / m, j = i % m, o = 2 * m;
    uint at = border_class(row, side), first = row * o + j;
    float shift = sum_taps(taps, table, row, side, at, o, j, by_class);
    float v = sum_taps(taps, table, row, side, at, o, m + j, by_class) + 2.0f;
    out[first] = x[first] + bias[j];
    out[first + m] = (x[first + m] + bias[m + j]) * (1.0f + expf(-v)) - shift;
}

/* y1 = x1 + b1; y2 = (x2 + b2) + shift, or - shift where `inverse`. Threads as above. */
KERNEL couple_additive(uint n, INPUT x, INPUT taps, INPUT bias, INPUT table, OUTPUT out, uint side, uint m,
                       uint by_class, uint inverse) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / m, j = i % m;
    uint at = border_class(row, side), first = row * 2 * m + j;
    float shift = sum_taps(taps, table, row, side, at, m, j, by_class);
    out[first] = x[first] + bias[j];
    out[first + m] = x[first + m] + bias[m + j] + (inverse ? -shift : shift);
}

/* eps = (z - mean) * exp(-log_std) of `e` channels that stand at column `first` of rows of `stride`. `prior` has a
 * row [mean, log_std] for each of `period` rows, to which the class's bias is added. `out` has the rows eps, then
 * the rows ln N(z). A thread for each row and channel. */
KERNEL eps_from_z(uint n, INPUT z, INPUT prior, INPUT table, OUTPUT out, uint side, uint e, uint stride, uint first,
                  uint period, uint by_class) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / e, j = i % e;
    uint at = by_class ? border_class(row, side) : 0;
    INPUT line = prior + row % period * 2 * e;
    INPUT add = table + at * 2 * e;
    float mean = line[j] + add[j], log_std = line[e + j] + add[e + j];
    float eps = (z[row * stride + first + j] - mean) * expf(-log_std);
    out[i] = eps;
    out[n + i] = -(log_std + 0.5f * eps * eps) - 0.9189385332f; /* ln(2 pi) / 2 */
}

/* The inverse, into place: z = eps * exp(log_std) + mean. */
KERNEL z_from_eps(uint n, INPUT eps, INPUT prior, INPUT table, OUTPUT z, uint side, uint e, uint stride, uint first,
                  uint period, uint by_class) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / e, j = i % e;
    uint at = by_class ? border_class(row, side) : 0;
    INPUT line = prior + row % period * 2 * e;
    INPUT add = table + at * 2 * e;
    float mean = line[j] + add[j], log_std = line[e + j] + add[e + j];
    z[row * stride + first + j] = eps[i] * expf(log_std) + mean;
}

/* Rows of pictures of `side`, from the first m channels of four rows each of pictures twice as large: the new channel
 * is 4 ch + 2 dy + dx. A thread for each entry of `out`. */
KERNEL squeeze(uint n, INPUT fine, OUTPUT out, uint side, uint m, uint stride) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / (4 * m), to = i % (4 * m);
    uint ch = to / 4, dy = to / 2 % 2, dx = to % 2;
    uint picture = row / (side * side), inside = row % (side * side);
    uint y = 2 * (inside / side) + dy, x = 2 * (inside % side) + dx;
    out[i] = fine[(picture * 4 * side * side + y * 2 * side + x) * stride + ch];
}

/* The inverse, with a bias of the coarse channels: the first m channels of rows of `stride` of pictures of `side`, and
 * zero in the others. A thread for each entry of `out`. */
KERNEL unsqueeze(uint n, INPUT coarse, INPUT bias, OUTPUT out, uint side, uint m, uint stride) {
    uint i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) {
        return;
    }
    uint row = i / stride, ch = i % stride;
    uint picture = row / (side * side), inside = row % (side * side);
    uint y = inside / side, x = inside % side, half = side / 2;
    uint from = 4 * ch + 2 * (y % 2) + x % 2;
    out[i] = ch < m ? coarse[(picture * half * half + y / 2 * half + x / 2) * 4 * m + from] + bias[from] : 0.0f;
}
