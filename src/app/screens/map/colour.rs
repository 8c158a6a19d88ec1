//! What the colours of the map say: a value for each picture, and the scale that it is read on.

use std::ops::RangeInclusive;

use egui::Color32;

use super::{MapColour, labels};
use crate::app::maps::FolderMap;
use crate::app::screens::edit::pretty;
use crate::app::state::State;
use crate::app::theme::Tokens;

/// Shares of the pictures that lie beyond the ends of the scale: one odd picture must not make all others alike.
const BEYOND: f64 = 0.02;
/// The colours of low to high values; brightness alone tells them apart, too.
const RAMP: [[u8; 3]; 5] = [
    [0x2c, 0x2f, 0x8c],
    [0x26, 0x72, 0xb0],
    [0x2c, 0xa5, 0x98],
    [0x8a, 0xcb, 0x5e],
    [0xf7, 0xe1, 0x4a],
];

/// A value for each picture, and how it is coloured.
pub struct ColourScale {
    /// What the values are.
    pub name: String,
    /// Each picture's value; not a number where nothing is known.
    pub values: Vec<f32>,
    /// The ends of the scale.
    pub range: RangeInclusive<f32>,
    /// Whether values lie below and above.
    pub beyond: [bool; 2],
    /// Where there are two values only, how many pictures have the lower and the higher.
    pub two: Option<[usize; 2]>,
    /// Pictures of which nothing is known.
    pub unknown: usize,
}

impl ColourScale {
    /// The scale of what was chosen, or of bits per dimension where that cannot be had.
    pub fn of(state: &State, map: &FolderMap) -> Self {
        let chosen = match &state.desks.map.colour {
            MapColour::Bits => None,
            MapColour::Score(at) => map.score_names.get(*at).map(|name| {
                let score = map.pictures.iter().map(|p| p.scores.get(*at).copied());
                let values: Vec<f32> = score.map(|s| s.unwrap_or(f32::NAN)).collect();
                (pretty(name), values)
            }),
            MapColour::Label(name) => {
                let column = labels(state).iter().find(|column| column.name == *name);
                column.map(|column| (pretty(name), column.values.clone()))
            }
        };
        let (name, mut values) = chosen.unwrap_or_else(|| {
            let bits = map.pictures.iter().map(|p| p.bits_per_dim as f32);
            ("Bits/dim".to_owned(), bits.collect())
        });
        values.resize(map.pictures.len(), f32::NAN);
        Self::of_values(name, values)
    }

    fn of_values(name: String, values: Vec<f32>) -> Self {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f32::total_cmp);
        let n = sorted.len();
        let unknown = values.len() - n;
        let at = |share: f64| {
            let place = (share * n.saturating_sub(1) as f64).round() as usize;
            sorted.get(place).copied().unwrap_or(0.0)
        };
        let (least, most) = (at(0.0), at(1.0));
        let lower = sorted.iter().filter(|v| **v == least).count();
        let upper = sorted.iter().filter(|v| **v == most).count();
        let two = (n > 0 && least < most && lower + upper == n).then_some([lower, upper]);
        let (low, high) = match two {
            Some(_) => (least, most),
            None => (at(BEYOND), at(1.0 - BEYOND)),
        };
        Self {
            name,
            values,
            range: low..=high,
            beyond: [least < low, most > high],
            two,
            unknown,
        }
    }

    /// The value of a picture, where it is known.
    pub fn value(&self, picture: usize) -> Option<f32> {
        self.values.get(picture).copied().filter(|v| v.is_finite())
    }

    /// The colour of a picture.
    pub fn colour(&self, picture: usize, tokens: &Tokens) -> Color32 {
        match self.value(picture) {
            Some(value) => self.colour_of(value),
            None => tokens.text_weak,
        }
    }

    /// The colour of a value.
    pub fn colour_of(&self, value: f32) -> Color32 {
        let (low, high) = (*self.range.start(), *self.range.end());
        if high <= low {
            return ramp(0.5);
        }
        ramp((value - low) / (high - low))
    }

    /// A value as text, with as many digits as the scale asks for.
    pub fn text(&self, value: f32) -> String {
        let spread = (self.range.end() - self.range.start()).abs();
        let decimals = match spread {
            s if self.two.is_some() && s.fract() == 0.0 && value.fract() == 0.0 => 0,
            s if s < 2.0 => 3,
            s if s < 50.0 => 2,
            _ => 0,
        };
        format!("{value:.decimals$}")
    }

    /// The numbers at both ends, as the legend has them.
    pub fn ends(&self) -> [String; 2] {
        let sign = |beyond: bool, sign: &str| {
            if beyond {
                sign.to_owned()
            } else {
                String::new()
            }
        };
        [
            sign(self.beyond[0], "≤ ") + &self.text(*self.range.start()),
            sign(self.beyond[1], "≥ ") + &self.text(*self.range.end()),
        ]
    }
}

/// The colour at a share of the ramp.
pub fn ramp(share: f32) -> Color32 {
    let last = RAMP.len() - 1;
    let at = share.clamp(0.0, 1.0) * last as f32;
    let i = (at as usize).min(last - 1);
    let t = at - i as f32;
    let mix = |k: usize| {
        let (a, b) = (f32::from(RAMP[i][k]), f32::from(RAMP[i + 1][k]));
        (a + t * (b - a)).round() as u8
    };
    Color32::from_rgb(mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(values: Vec<f32>) -> ColourScale {
        ColourScale::of_values("x".to_owned(), values)
    }

    #[test]
    fn one_odd_value_does_not_stretch_the_scale() {
        let mut values: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
        values.push(1000.0);
        values.push(f32::NAN);
        let scale = scale(values);
        assert!(*scale.range.end() < 1.0);
        assert_eq!((scale.beyond, scale.unknown), ([true, true], 1));
        assert_eq!(scale.ends()[1], "≥ 0.980");
        assert_eq!(scale.colour_of(1000.0), ramp(1.0));
        assert_eq!(scale.value(101), None);
    }

    #[test]
    fn two_values_are_counted() {
        let scale = scale(vec![-1.0, 1.0, 1.0, f32::NAN]);
        assert_eq!(scale.two, Some([1, 2]));
        assert_eq!(scale.ends(), ["-1", "1"]);
        assert_eq!(scale.colour_of(-1.0), ramp(0.0));
    }

    #[test]
    fn nothing_known_is_no_trouble() {
        let scale = scale(vec![f32::NAN; 3]);
        assert_eq!((scale.unknown, scale.two), (3, None));
        assert_eq!(
            super::ColourScale::of_values(String::new(), Vec::new()).unknown,
            0
        );
    }

    #[test]
    fn the_ramp_grows_lighter() {
        let light = |share: f32| {
            let c = ramp(share);
            0.3 * f32::from(c.r()) + 0.6 * f32::from(c.g()) + 0.1 * f32::from(c.b())
        };
        assert!((0..20).all(|i| light(i as f32 / 20.0) < light((i + 1) as f32 / 20.0)));
    }
}
