//! Colours: from what a file says of its own to sRGB.

use std::io::Cursor;

use image::{DynamicImage, RgbImage, RgbaImage};
use moxcms::{
    Chromaticity, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ToneReprCurve, TransformOptions, white_point_d65,
};
use png::CodingIndependentCodePoints;

use super::over_backdrop;

/// The note where a profile is of no use.
pub(super) const UNUSABLE: &str = "the colour profile could not be used and was ignored";

/// The gamma that stands for sRGB's curve, and how far from it is still meant.
const SRGB_GAMMA: f32 = 0.45455;
const GAMMA_TOLERANCE: f32 = 0.01;
/// sRGB's chromaticities of red, green, blue and white, and how far from them is still meant.
const SRGB_CHROMATICITIES: [(f32, f32); 4] =
    [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290)];
const CHROMATICITY_TOLERANCE: f32 = 0.003;

/// The profile in a file, where it is one.
pub(super) fn of_icc(bytes: Option<&[u8]>, notes: &mut Vec<String>) -> Option<ColorProfile> {
    let profile = ColorProfile::new_from_slice(bytes?).ok();
    if profile.is_none() {
        notes.push(UNUSABLE.to_owned());
    }
    profile
}

/// What the chunks of a PNG say, in the order in which the third edition lets one decide over the others: cICP, iCCP, sRGB,
/// then gAMA and cHRM. `None`: sRGB.
pub(super) fn of_png(
    bytes: &[u8],
    icc: Option<&[u8]>,
    notes: &mut Vec<String>,
) -> Option<ColorProfile> {
    let reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
    let info = reader.info();
    if let Some(coding) = info.coding_independent_code_points {
        let profile = of_code_points(coding);
        if profile.is_none() {
            notes.push(format!(
                "the colour coding (primaries {}, transfer {}) is not known and was ignored",
                coding.color_primaries, coding.transfer_function
            ));
        }
        return profile;
    }
    if icc.is_some() {
        return of_icc(icc, notes);
    }
    if info.srgb.is_some() {
        return None;
    }
    let gamma = info.gama_chunk.map(png::ScaledFloat::into_value);
    let gamma = gamma.filter(|g| *g > 0.0 && (g - SRGB_GAMMA).abs() > GAMMA_TOLERANCE);
    let chromaticities = info
        .chrm_chunk
        .map(|c| [c.red, c.green, c.blue, c.white].map(|(x, y)| (x.into_value(), y.into_value())));
    let is_other = |c: &[(f32, f32); 4]| {
        let pairs = c.iter().zip(&SRGB_CHROMATICITIES);
        pairs.into_iter().any(|(a, b)| {
            (a.0 - b.0).abs() > CHROMATICITY_TOLERANCE || (a.1 - b.1).abs() > CHROMATICITY_TOLERANCE
        })
    };
    let chromaticities = chromaticities.filter(is_other);
    if gamma.is_none() && chromaticities.is_none() {
        return None;
    }
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    if let Some([red, green, blue, white]) = chromaticities {
        let of = |(x, y): (f32, f32)| Chromaticity { x, y };
        let primaries = ColorPrimaries {
            red: of(red),
            green: of(green),
            blue: of(blue),
        };
        let white = match white.1 > 0.0 {
            true => of(white).to_xyyb(),
            false => white_point_d65(),
        };
        profile.update_rgb_colorimetry(white, primaries);
    }
    if let Some(gamma) = gamma {
        let curve = ToneReprCurve::Parametric(vec![1.0 / gamma]);
        profile.red_trc = Some(curve.clone());
        profile.green_trc = Some(curve.clone());
        profile.blue_trc = Some(curve);
    }
    Some(profile)
}

/// The profile of code points of H.273; `None` for sRGB too, which needs no conversion, and for others than full-range RGB.
fn of_code_points(coding: CodingIndependentCodePoints) -> Option<ColorProfile> {
    let color_primaries = coding.color_primaries.try_into().ok()?;
    let transfer_characteristics = coding.transfer_function.try_into().ok()?;
    if coding.matrix_coefficients != 0 || !coding.is_video_full_range_image {
        return None;
    }
    let profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries,
        transfer_characteristics,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    profile.red_trc.is_some().then_some(profile)
}

/// Converts from a profile to sRGB; `None` where it does not fit the picture.
pub(super) fn apply(picture: &DynamicImage, profile: &ColorProfile) -> Option<RgbImage> {
    let (width, height) = (picture.width(), picture.height());
    let has_alpha = picture.color().has_alpha();
    let (source, from) = match (profile.color_space, has_alpha) {
        (DataColorSpace::Rgb, false) => (picture.to_rgb8().into_raw(), Layout::Rgb),
        (DataColorSpace::Rgb, true) => (picture.to_rgba8().into_raw(), Layout::Rgba),
        (DataColorSpace::Gray, false) if !picture.color().has_color() => {
            (picture.to_luma8().into_raw(), Layout::Gray)
        }
        (DataColorSpace::Gray, true) if !picture.color().has_color() => {
            (picture.to_luma_alpha8().into_raw(), Layout::GrayAlpha)
        }
        _ => return None,
    };
    let to = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let transform = profile
        .create_transform_8bit(
            from,
            &ColorProfile::new_srgb(),
            to,
            TransformOptions::default(),
        )
        .ok()?;
    let n_pixels = width as usize * height as usize;
    let mut target = vec![0u8; n_pixels * if has_alpha { 4 } else { 3 }];
    transform.transform(&source, &mut target).ok()?;
    if has_alpha {
        RgbaImage::from_raw(width, height, target).map(|rgba| over_backdrop(&rgba))
    } else {
        RgbImage::from_raw(width, height, target)
    }
}
