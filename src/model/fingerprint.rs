//! What tells one training from another of the same shape.

use std::fmt;
use std::str::FromStr;

use half::f16;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::params::Params;

/// The first 16 bytes of SHA-256 over a model's parameters, in the order of its layout, each rounded to f16 in little
/// endian. So a weight file and its copy in half precision have one fingerprint: what either encodes the other decodes.
///
/// Text form: 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of a model's parameters.
    pub fn of(params: &Params) -> Self {
        let mut hash = Sha256::new();
        let mut bytes = Vec::with_capacity(2 << 12);
        for values in params.data.chunks(1 << 12) {
            bytes.clear();
            bytes.extend(values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()));
            hash.update(&bytes);
        }
        let hash = hash.finalize();
        Self(std::array::from_fn(|i| hash[i]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digit = |at: usize| {
            text.get(at..=at)
                .and_then(|d| u8::from_str_radix(d, 16).ok())
        };
        let mut bytes = [0; 16];
        for (i, byte) in bytes.iter_mut().enumerate() {
            let pair = digit(2 * i).zip(digit(2 * i + 1));
            let (high, low) = pair.ok_or_else(|| not_one(text))?;
            *byte = 16 * high + low;
        }
        match text.len() {
            32 => Ok(Self(bytes)),
            _ => Err(not_one(text)),
        }
    }
}

fn not_one(text: &str) -> String {
    format!("a fingerprint has 32 hexadecimal digits, not {text:?}")
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::tests::tiny_config;

    #[test]
    fn trainings_differ_and_half_precision_does_not() {
        let params = Params::perturbed(tiny_config(), 1);
        let fingerprint = Fingerprint::of(&params);
        assert_ne!(
            fingerprint,
            Fingerprint::of(&Params::perturbed(tiny_config(), 2))
        );
        let mut half = params;
        for value in &mut half.data {
            *value = f16::from_f32(*value).to_f32();
        }
        assert_eq!(fingerprint, Fingerprint::of(&half));
    }

    #[test]
    fn its_text_is_read_back_and_another_refused() {
        let fingerprint = Fingerprint::of(&Params::perturbed(tiny_config(), 1));
        let text = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(text.len(), 34);
        assert_eq!(
            serde_json::from_str::<Fingerprint>(&text).unwrap(),
            fingerprint
        );
        for bad in ["", "00", "é", &"0".repeat(33), &"g".repeat(32)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
