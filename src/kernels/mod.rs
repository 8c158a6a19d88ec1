//! Arithmetic on the CPU: matrix products on packed weights, 3x3 neighbourhoods, vector functions.
//!
//! Activations are channels-last: a matrix of `n * h * w` pixel rows. Every row starts on a multiple of
//! [`LANES`] floats, and the columns beyond the last channel are padding whose values mean nothing but
//! must be finite wherever a product reads them as a right-hand side.
//!
//! This module knows nothing of Glow. Its `unsafe` is vector instructions behind run-time detection, with bounds
//! checked by the safe functions round them, and the buffers that a [`team`] shares.

pub mod aligned;
pub mod bf16;
pub mod gemm;
pub mod math;
pub mod neighbours;
mod parallel;
mod simd;
pub mod team;
mod tile;
pub mod winograd;

pub use aligned::Aligned;
pub use bf16::Arithmetic;
pub use gemm::{Finish, Init, Lhs, PackedMatrix, Rhs, gemm};
pub use parallel::in_parallel;

/// Floats a vector; row strides are multiples of it.
pub const LANES: usize = 16;

/// The row stride of a matrix with `n` columns: the next multiple of [`LANES`].
pub const fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Instruction sets that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512F: 8 x 32 tiles.
    Avx512,
    /// AVX2 and FMA: 6 x 16 tiles.
    Avx2,
    /// Whatever the compiler makes of plain loops.
    Portable,
}

impl Isa {
    /// What `GLOW_ISA` may be, beside nothing.
    pub const WISHES: [&str; 3] = ["avx512", "avx2", "portable"];

    /// The best set that this machine has. `GLOW_ISA=avx2` or `portable` forces a lower one, for tests
    /// and comparisons.
    pub fn detect() -> Self {
        use std::sync::OnceLock;
        static ISA: OnceLock<Isa> = OnceLock::new();
        *ISA.get_or_init(|| {
            let wish = std::env::var("GLOW_ISA").unwrap_or_default();
            #[cfg(target_arch = "x86_64")]
            {
                let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                let has_avx512 = has_avx2 && is_x86_feature_detected!("avx512f");
                if has_avx512 && wish != "avx2" && wish != "portable" {
                    return Isa::Avx512;
                }
                if has_avx2 && wish != "portable" {
                    return Isa::Avx2;
                }
            }
            let _ = wish;
            Isa::Portable
        })
    }
}

/// Compiles a function body once for each instruction set and picks one at run time.
///
/// The body must be safe code: the wrappers only widen what the compiler may use.
macro_rules! multiversion {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "the arguments of one inner loop")]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[allow(clippy::too_many_arguments, reason = "the arguments of one inner loop")]
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments, reason = "the arguments of one inner loop")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }

            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments, reason = "the arguments of one inner loop")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }

            match $crate::kernels::Isa::detect() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `detect` returns this value only where the processor has the features.
                $crate::kernels::Isa::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::kernels::Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    };
}
pub(crate) use multiversion;
