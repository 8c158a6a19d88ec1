//! Directions as a NumPy array, as the demo of openai/glow keeps them: `[directions, D]`, a row the difference that +1 adds to
//! eps, finest level first, each level `[h, w, c]`.

use std::path::Path;

use crate::files::FormatError;
use crate::latent::attributes::{Direction, Directions, Figures};
use crate::model::{GlowConfig, Latent};

/// How every such file begins.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The attributes of CelebA in their usual order, which the demo's rows have.
const CELEBA: [&str; 40] = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
];

/// The range of the demo's sliders.
const RANGE: [f32; 2] = [-1.0, 1.0];

/// Whether the bytes are an array.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The directions of an array for a model of this configuration.
///
/// Errors: an array of other numbers than floats, of another shape than the model's latents have, or damaged.
pub(super) fn directions(
    bytes: &[u8],
    path: &Path,
    config: &GlowConfig,
) -> Result<Directions, FormatError> {
    let wrong = |found: String, expected: String| FormatError::Tensor {
        name: "array".to_owned(),
        found,
        expected,
        path: path.to_owned(),
    };
    let shape = config.latent_shape();
    let dims = shape.dims();
    let expected = || format!("shape [directions, {dims}] of floats");
    let array = Array::of(bytes).ok_or_else(|| {
        wrong(
            "cut off, or not an array of floats in rows".to_owned(),
            expected(),
        )
    })?;
    let &[n, columns] = array.shape.as_slice() else {
        return Err(wrong(format!("shape {:?}", array.shape), expected()));
    };
    if columns != dims || n == 0 {
        return Err(wrong(format!("shape {:?}", array.shape), expected()));
    }
    let name = |i: usize| match CELEBA.get(i) {
        Some(name) if n == CELEBA.len() => (*name).to_owned(),
        _ => format!("Direction {}", i + 1),
    };
    let direction = |i: usize| {
        let mut vector = Latent::zeros(&shape);
        let mut at = i * dims;
        for level in &mut vector.levels {
            let (c, pixels) = (level.channels, level.side * level.side);
            for j in 0..c {
                for p in 0..pixels {
                    level.data[j * pixels + p] = array.at(at + p * c + j);
                }
            }
            at += c * pixels;
        }
        Direction {
            name: name(i),
            vector,
            center: 0.0,
            range: RANGE,
            figures: Figures {
                method: "difference".to_owned(),
                provenance: "a NumPy array".to_owned(),
                ..Figures::default()
            },
        }
    };
    Directions::new((0..n).map(direction).collect()).map_err(|e| wrong(e.to_string(), expected()))
}

/// Numbers in a row.
struct Array<'a> {
    shape: Vec<usize>,
    data: &'a [u8],
    /// Bytes of a number.
    width: usize,
}

impl<'a> Array<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let version = *bytes.get(MAGIC.len())?;
        let (start, len): (usize, usize) = match version {
            1 => (
                10,
                usize::from(u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?)),
            ),
            _ => (
                12,
                u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?) as usize,
            ),
        };
        let end = start.checked_add(len)?;
        let header = std::str::from_utf8(bytes.get(start..end)?).ok()?;
        // A Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (40, 196608), }
        let after = |key: &str| Some(header.split_once(key)?.1.trim_start_matches([':', ' ']));
        let width: usize = match after("'descr'")?.get(..5)? {
            "'<f2'" => 2,
            "'<f4'" => 4,
            "'<f8'" => 8,
            _ => return None,
        };
        if !after("'fortran_order'")?.starts_with("False") {
            return None;
        }
        let shape = after("'shape'")?.strip_prefix('(')?.split_once(')')?.0;
        let sizes = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
        let shape: Option<Vec<usize>> = sizes.map(|s| s.parse().ok()).collect();
        let shape = shape?;
        let count = shape.iter().try_fold(width, |n, &d| n.checked_mul(d))?;
        let data = bytes.get(end..end.checked_add(count)?)?;
        Some(Self { shape, data, width })
    }

    fn at(&self, index: usize) -> f32 {
        let bytes = &self.data[index * self.width..(index + 1) * self.width];
        match *bytes {
            [a, b] => half::f16::from_le_bytes([a, b]).to_f32(),
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
            _ => f64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::tests::tiny_config;

    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn an_array_of_the_demo_is_read_pixels_before_channels() {
        let config = tiny_config();
        // 6x4x4, then 24x2x2.
        let numbers: Vec<u8> = (0..2 * 192)
            .flat_map(|i| (i as f32 + 1.0).to_le_bytes())
            .collect();
        let bytes = npy("<f4", "(2, 192)", &numbers);
        assert!(is_npy(&bytes));
        let found = directions(&bytes, Path::new("z.npy"), &config).unwrap();
        let [a, b] = found.as_slice() else { panic!() };
        assert_eq!((a.name.as_str(), a.range), ("Direction 1", [-1.0, 1.0]));
        // Channel 1 of pixel 2 of the finest level stands behind two pixels of six channels.
        assert_eq!(a.vector.levels[0].data[16 + 2], 2.0 * 6.0 + 1.0 + 1.0);
        assert_eq!(b.vector.levels[1].data[4 * 3], 192.0 + 96.0 + 3.0 + 1.0);
        for bad in [
            npy("<f4", "(2, 191)", &numbers),
            npy("<i4", "(2, 192)", &numbers),
            npy("<f4", "(384,)", &numbers),
            npy("<f8", "(2, 192)", &numbers),
            npy("<f4", "(99999999999, 99999999999)", &numbers),
            bytes[..40].to_vec(),
            MAGIC.to_vec(),
        ] {
            let error = directions(&bad, Path::new("z.npy"), &config)
                .unwrap_err()
                .to_string();
            assert!(error.contains("192") && error.contains("z.npy"), "{error}");
        }
    }

    #[test]
    fn forty_rows_are_celebas() {
        let numbers = vec![1u8; 40 * 192 * 2];
        let found = directions(
            &npy("<f2", "(40, 192)", &numbers),
            Path::new("z"),
            &tiny_config(),
        );
        let found = found.unwrap();
        assert_eq!(found.as_slice()[31].name, "Smiling");
        assert_eq!(found.as_slice()[39].name, "Young");
    }
}
