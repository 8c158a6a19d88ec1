//! Generated pictures that no photograph of a face is like, to see whether their way back is exact as well.

use crate::noise::Noise;

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OddKind {
    Black,
    White,
    Noise,
    BlackAndWhiteNoise,
    HalfTone,
    Checkerboard,
    Stripes,
    Strokes,
    Ramp,
}

/// All of them.
pub(super) const KINDS: [OddKind; 9] = [
    OddKind::Black,
    OddKind::White,
    OddKind::Noise,
    OddKind::BlackAndWhiteNoise,
    OddKind::HalfTone,
    OddKind::Checkerboard,
    OddKind::Stripes,
    OddKind::Strokes,
    OddKind::Ramp,
];

/// Thresholds of an ordered dither (Bayer 1973), in sixteenths.
const DITHER: [[u32; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

impl OddKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::White => "white",
            Self::Noise => "uniform noise",
            Self::BlackAndWhiteNoise => "black and white noise",
            Self::HalfTone => "half-tones",
            Self::Checkerboard => "checkerboards",
            Self::Stripes => "stripes of pure colours",
            Self::Strokes => "strokes as of letters",
            Self::Ramp => "ramps from black to white",
        }
    }

    /// One picture, bytes `[side, side, channels]`.
    pub(super) fn bytes(self, side: usize, channels: usize, noise: &mut Noise) -> Vec<u8> {
        let full = |on: bool| if on { 255 } else { 0 };
        let cell = 1 << noise.below(4);
        let phase = noise.below(side);
        let strokes = strokes(side, noise);
        let mut bytes = Vec::with_capacity(side * side * channels);
        for (at, ink) in strokes.iter().enumerate() {
            let (y, x) = (at / side, at % side);
            let grey = (255 * ((x + y + phase) % (2 * side))) / (2 * side);
            let flip = noise.below(2) == 1;
            for channel in 0..channels {
                bytes.push(match self {
                    Self::Black => 0,
                    Self::White => 255,
                    Self::Noise => noise.below(256) as u8,
                    Self::BlackAndWhiteNoise => full(flip),
                    Self::HalfTone => full(grey as u32 / 16 > DITHER[y % 4][x % 4]),
                    Self::Checkerboard => full((x / cell + y / cell).is_multiple_of(2)),
                    Self::Stripes => full((x / cell + phase) % (channels + 1) == channel),
                    Self::Strokes => full(!ink),
                    Self::Ramp => grey as u8,
                });
            }
        }
        bytes
    }
}

/// Where the ink is: short lines across and down, in rows.
fn strokes(side: usize, noise: &mut Noise) -> Vec<bool> {
    let mut ink = vec![false; side * side];
    for row in (0..side.saturating_sub(6)).step_by(8) {
        for column in (0..side.saturating_sub(4)).step_by(5) {
            for _ in 0..3 {
                let (across, offset) = (noise.below(2) == 1, noise.below(4));
                for i in 0..if across { 4 } else { 6 } {
                    let (y, x) = if across {
                        (row + offset, column + i)
                    } else {
                        (row + i, column + offset)
                    };
                    ink[y * side + x] = true;
                }
            }
        }
    }
    ink
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_differ_and_repeat() {
        let of = |kind: OddKind| kind.bytes(16, 3, &mut Noise::new(4));
        for (at, &kind) in KINDS.iter().enumerate() {
            assert_eq!(of(kind).len(), 16 * 16 * 3);
            assert_eq!(of(kind), of(kind));
            for &other in &KINDS[..at] {
                assert_ne!(of(kind), of(other), "{} and {}", kind.name(), other.name());
            }
        }
        let half_tone = of(OddKind::HalfTone);
        assert!(half_tone.iter().all(|&v| v == 0 || v == 255));
        assert!(half_tone.contains(&0) && half_tone.contains(&255));
    }
}
