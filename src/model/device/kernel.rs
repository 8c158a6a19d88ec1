//! The kernels by name, and how much of each buffer they touch.

use crate::kernels::neighbours::BORDER_CLASSES;

/// The kernels of `kernels.cu`; `definitions` says what they compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// The nine neighbours of each row side by side.
    Gather,
    /// Bias and relu, in place.
    BiasRelu,
    /// Affine coupling with its log-determinant.
    CoupleAffine,
    /// Its inverse.
    UncoupleAffine,
    /// Additive coupling and its inverse.
    CoupleAdditive,
    /// eps and log-probability under a Gaussian.
    EpsFromZ,
    /// The inverse, in place.
    ZFromEps,
    /// Space to channels.
    Squeeze,
    /// Channels to space.
    Unsqueeze,
}

/// The sizes of a launch, as many as the kernel has, then zeros.
pub(super) type Sizes = [u32; 6];

impl Kernel {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 9] = [
        Self::Gather,
        Self::BiasRelu,
        Self::CoupleAffine,
        Self::UncoupleAffine,
        Self::CoupleAdditive,
        Self::EpsFromZ,
        Self::ZFromEps,
        Self::Squeeze,
        Self::Unsqueeze,
    ];

    /// Its name in `kernels.cu`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gather => "gather",
            Self::BiasRelu => "bias_relu",
            Self::CoupleAffine => "couple_affine",
            Self::UncoupleAffine => "uncouple_affine",
            Self::CoupleAdditive => "couple_additive",
            Self::EpsFromZ => "eps_from_z",
            Self::ZFromEps => "z_from_eps",
            Self::Squeeze => "squeeze",
            Self::Unsqueeze => "unsqueeze",
        }
    }

    /// How many sizes it takes.
    pub(super) fn n_sizes(self) -> usize {
        match self {
            Self::CoupleAdditive => 4,
            Self::EpsFromZ | Self::ZFromEps => 6,
            _ => 3,
        }
    }

    /// Pixel rows of a launch with `n` threads, the side of their pictures, and how many floats the kernel touches of
    /// each input and of what it writes (the last).
    pub(super) fn lengths(self, n: usize, sizes: &Sizes) -> (usize, usize, Vec<usize>) {
        let s = sizes.map(|v| v as usize);
        let (side, m) = (s[0], s[1]);
        let rows = n / self.threads_a_row(sizes).max(1);
        let table = |columns: usize, by_class: usize| table_rows(by_class != 0) * columns;
        let lengths = match self {
            Self::Gather => vec![rows * s[2], m, 9 * n],
            Self::BiasRelu => vec![table(m, s[2]), n],
            Self::CoupleAffine => vec![2 * n, 18 * n, n, 2 * m, table(2 * m, s[2]), 3 * n],
            Self::UncoupleAffine => vec![2 * n, 18 * n, 2 * m, table(2 * m, s[2]), 2 * n],
            Self::CoupleAdditive => vec![2 * n, 9 * n, 2 * m, table(m, s[2]), 2 * n],
            Self::EpsFromZ => vec![rows * s[2], s[4] * 2 * m, table(2 * m, s[5]), 2 * n],
            Self::ZFromEps => vec![n, s[4] * 2 * m, table(2 * m, s[5]), rows * s[2]],
            Self::Squeeze => vec![rows * 4 * s[2], n],
            Self::Unsqueeze => vec![rows * m, 4 * m, n],
        };
        (rows, side, lengths)
    }

    /// Threads of a pixel row.
    pub(super) fn threads_a_row(self, sizes: &Sizes) -> usize {
        let [_, m, stride, ..] = sizes.map(|v| v as usize);
        match self {
            Self::Squeeze => 4 * m,
            Self::Unsqueeze => stride,
            _ => m,
        }
    }

    /// Whether columns lie within rows and so on: what lengths alone do not say.
    pub(super) fn columns_fit(self, sizes: &Sizes) -> bool {
        let [side, m, stride, first, period, _] = sizes.map(u64::from);
        let columns = match self {
            Self::Gather | Self::Squeeze => m <= stride,
            Self::Unsqueeze => m <= stride && side % 2 == 0,
            Self::EpsFromZ | Self::ZFromEps => first + m <= stride && period > 0,
            _ => true,
        };
        columns && m > 0
    }
}

/// Rows of a bias table.
fn table_rows(by_class: bool) -> usize {
    if by_class { BORDER_CLASSES } else { 1 }
}
