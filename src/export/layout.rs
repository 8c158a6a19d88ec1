//! Sheets: several pictures in one, with gaps and labels.

use std::borrow::Cow;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::ExportError;
use super::text::{self, Place};

/// Sheets past this many pixels, or this many a side, open in few programs.
const MAX_PIXELS: u64 = 200_000_000;
const MAX_SIDE: u64 = 65_000;

/// Height of a label as a share of a cell's width, within these pixels.
const LABEL_SHARE: f32 = 0.14;
const LABEL_HEIGHT: (f32, f32) = (14.0, 40.0);

/// Puts pictures side by side, row by row.
///
/// `columns` 0 means one row of all of them, a strip. Each picture is enlarged `scale` times,
/// smoothly; `gap` pixels of the sheet separate cells. With `labels`, a line below each cell holds
/// its label; missing or empty ones leave the line free. Pictures smaller than the largest are
/// centred in their cell.
pub fn compose(
    cells: &[RgbImage],
    columns: u32,
    gap: u32,
    scale: u32,
    labels: Option<&[String]>,
    background: [u8; 3],
) -> Result<RgbImage, ExportError> {
    let n = cells.len() as u64;
    let widest = cells.iter().map(RgbImage::width).max().unwrap_or(0);
    let highest = cells.iter().map(RgbImage::height).max().unwrap_or(0);
    if widest == 0 || highest == 0 {
        return Err(ExportError::Nothing);
    }
    let scale = scale.max(1);
    let columns = columns_of(n, columns);
    let cell_width = u64::from(widest) * u64::from(scale);
    let cell_height = u64::from(highest) * u64::from(scale);
    let label_height = match labels {
        Some(labels) if labels.iter().any(|l| !l.is_empty()) => label_height(cell_width),
        _ => 0,
    };
    let pitch_x = cell_width + u64::from(gap);
    let pitch_y = cell_height + u64::from(label_height) + u64::from(gap);
    let (width, height) = checked_size(n, columns, (pitch_x, pitch_y), gap)?;

    let background = Rgb(background);
    let mut sheet = RgbImage::from_pixel(width as u32, height as u32, background);
    for (index, cell) in cells.iter().enumerate() {
        let left = index as u64 % columns * pitch_x;
        let top = index as u64 / columns * pitch_y;
        if cell.width() > 0 && cell.height() > 0 {
            let cell = enlarge(cell, scale);
            let x = left + (cell_width - u64::from(cell.width())) / 2;
            let y = top + (cell_height - u64::from(cell.height())) / 2;
            imageops::replace(&mut sheet, cell.as_ref(), x as i64, y as i64);
        }
        let label = labels.and_then(|l| l.get(index));
        if let Some(label) = label.filter(|_| label_height > 0) {
            let place = Place {
                x: left as u32,
                y: (top + cell_height) as u32,
                width: cell_width as u32,
                height: label_height,
            };
            text::draw(&mut sheet, place, label, background);
        }
    }
    Ok(sheet)
}

/// The size of a sheet of `n` pictures without labels, as [`compose`] would make it; to be asked before
/// the pictures are drawn.
///
/// Errors: no picture, a sheet past what viewers open.
pub fn sheet_size(
    n: usize,
    cell: (u32, u32),
    columns: u32,
    gap: u32,
    scale: u32,
) -> Result<(u32, u32), ExportError> {
    if n == 0 || cell.0 == 0 || cell.1 == 0 {
        return Err(ExportError::Nothing);
    }
    let pitch = |side: u32| u64::from(side) * u64::from(scale.max(1)) + u64::from(gap);
    let columns = columns_of(n as u64, columns);
    let size = checked_size(n as u64, columns, (pitch(cell.0), pitch(cell.1)), gap)?;
    Ok((size.0 as u32, size.1 as u32))
}

/// Columns of a sheet of `n` cells; 0 asks for one row.
fn columns_of(n: u64, columns: u32) -> u64 {
    if columns == 0 {
        n
    } else {
        u64::from(columns).min(n)
    }
}

fn checked_size(
    n: u64,
    columns: u64,
    pitch: (u64, u64),
    gap: u32,
) -> Result<(u64, u64), ExportError> {
    let extent = |n: u64, pitch: u64| n.saturating_mul(pitch).saturating_sub(gap.into());
    let (width, height) = (
        extent(columns, pitch.0),
        extent(n.div_ceil(columns), pitch.1),
    );
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(ExportError::TooLarge { width, height });
    }
    Ok((width, height))
}

/// A picture `scale` times as large, smooth.
pub fn enlarge(picture: &RgbImage, scale: u32) -> Cow<'_, RgbImage> {
    if scale <= 1 {
        return Cow::Borrowed(picture);
    }
    let (width, height) = picture.dimensions();
    let to = |v: u32| v.saturating_mul(scale);
    // Catmull-Rom keeps edges clear without the ripples of Lanczos.
    Cow::Owned(imageops::resize(
        picture,
        to(width),
        to(height),
        FilterType::CatmullRom,
    ))
}

fn label_height(cell_width: u64) -> u32 {
    let (low, high) = LABEL_HEIGHT;
    (cell_width as f32 * LABEL_SHARE).clamp(low, high).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: [u8; 3] = [40, 40, 40];

    fn cells(n: u8) -> Vec<RgbImage> {
        (0..n)
            .map(|i| RgbImage::from_pixel(10, 8, Rgb([i + 100, 0, 0])))
            .collect()
    }

    #[test]
    fn cells_lie_in_rows_with_gaps_between_them() {
        let sheet = compose(&cells(5), 3, 2, 1, None, GREY).unwrap();
        assert_eq!(sheet.dimensions(), (3 * 10 + 2 * 2, 2 * 8 + 2));
        assert_eq!(sheet_size(5, (10, 8), 3, 2, 1).unwrap(), sheet.dimensions());
        assert_eq!(sheet.get_pixel(0, 0).0[0], 100);
        assert_eq!(sheet.get_pixel(10, 0).0, GREY);
        assert_eq!(sheet.get_pixel(12, 7).0[0], 101);
        assert_eq!(sheet.get_pixel(12, 8).0, GREY);
        assert_eq!(sheet.get_pixel(12, 10).0[0], 104);
        // The sixth place is free.
        assert_eq!(sheet.get_pixel(30, 14).0, GREY);
    }

    #[test]
    fn no_columns_make_a_strip_and_scale_enlarges() {
        let sheet = compose(&cells(4), 0, 0, 3, None, GREY).unwrap();
        assert_eq!(sheet.dimensions(), (120, 24));
        assert_eq!(sheet.get_pixel(45, 12).0[0], 101);
        // More columns than cells leave no empty ones.
        let sheet = compose(&cells(2), 9, 1, 1, None, GREY).unwrap();
        assert_eq!(sheet.dimensions(), (21, 8));
    }

    #[test]
    fn labels_stand_below_their_cells() {
        let labels = vec!["A".to_owned(), String::new(), "temperature 0.7".to_owned()];
        let cells: Vec<RgbImage> = vec![RgbImage::from_pixel(64, 64, Rgb([90, 90, 200])); 4];
        let sheet = compose(&cells, 2, 4, 2, Some(&labels), GREY).unwrap();
        let band = label_height(128);
        assert_eq!(sheet.dimensions(), (2 * 128 + 4, 2 * (128 + band) + 4));
        let inked = |left: u32, top: u32| {
            let band = imageops::crop_imm(&sheet, left, top, 128, band).to_image();
            band.pixels().any(|p| p.0 != GREY)
        };
        assert!(inked(0, 128));
        assert!(!inked(132, 128));
        assert!(inked(0, 2 * 128 + band + 4));
        assert!(!inked(132, 2 * 128 + band + 4));
        // Labels touch neither pictures nor gaps.
        assert_eq!(sheet.get_pixel(64, 127).0, [90, 90, 200]);
        assert_eq!(sheet.get_pixel(64, 128 + band + 2).0, GREY);
    }

    #[test]
    fn smaller_pictures_are_centred() {
        let mut cells = cells(2);
        cells[1] = RgbImage::from_pixel(4, 4, Rgb([200, 0, 0]));
        let sheet = compose(&cells, 0, 0, 1, None, GREY).unwrap();
        assert_eq!(sheet.get_pixel(12, 4).0, GREY);
        assert_eq!(sheet.get_pixel(13, 2).0[0], 200);
    }

    #[test]
    fn impossible_sheets_are_refused() {
        assert!(matches!(
            compose(&[], 1, 0, 1, None, GREY),
            Err(ExportError::Nothing)
        ));
        assert!(matches!(
            compose(&cells(9), 3, 0, u32::MAX, None, GREY),
            Err(ExportError::TooLarge { .. })
        ));
        assert!(matches!(
            compose(&cells(9), 3, u32::MAX, 1, None, GREY),
            Err(ExportError::TooLarge { .. })
        ));
    }
}
