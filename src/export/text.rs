//! Small labels, drawn with the font that the window uses.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use epaint_default_fonts::{HACK_REGULAR, UBUNTU_LIGHT};
use image::{Rgb, RgbImage};

/// Text is made smaller down to this share of its size before it is cut.
const SMALLEST_SHARE: f32 = 0.7;

/// Where a label goes, in pixels of the picture: nothing is drawn outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The two fonts that a label draws from: the second knows more symbols.
struct Fonts([FontRef<'static>; 2]);

impl Fonts {
    fn load() -> Option<Self> {
        let font = |bytes| FontRef::try_from_slice(bytes).ok();
        Some(Self([font(UBUNTU_LIGHT)?, font(HACK_REGULAR)?]))
    }

    /// The font for a character, the first where none knows it.
    fn font_of(&self, c: char) -> &FontRef<'static> {
        let known = self.0.iter().find(|f| f.glyph_id(c).0 != 0);
        known.unwrap_or(&self.0[0])
    }

    /// Glyphs side by side from x = 0, and the width of them all.
    fn glyphs(&self, text: &str, size: f32) -> (Vec<(&FontRef<'static>, Glyph)>, f32) {
        let mut x = 0.0;
        let glyphs = text
            .chars()
            .map(|c| {
                let font = self.font_of(c);
                let id = font.glyph_id(c);
                let glyph = id.with_scale_and_position(PxScale::from(size), point(x, 0.0));
                x += font.as_scaled(PxScale::from(size)).h_advance(id);
                (font, glyph)
            })
            .collect();
        (glyphs, x)
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text, size).1
    }

    /// The text and size that fit: smaller first, then cut with an ellipsis; empty where not even
    /// that fits.
    fn fit(&self, text: &str, size: f32, width: f32) -> (String, f32) {
        let natural = self.width(text, size);
        if natural <= width {
            return (text.to_owned(), size);
        }
        let size = size * (width / natural).max(SMALLEST_SHARE);
        let mut kept: Vec<char> = text.chars().collect();
        // Rounding may leave the shrunken text a hair too wide.
        if self.width(text, size) <= width + 0.01 {
            return (text.to_owned(), size);
        }
        while kept.pop().is_some() {
            let cut: String = kept.iter().collect();
            let cut = format!("{}…", cut.trim_end());
            if self.width(&cut, size) <= width {
                return (cut, size);
            }
        }
        (String::new(), size)
    }
}

/// Draws one line of text in the middle of `place`, light on dark and dark on light.
pub(super) fn draw(picture: &mut RgbImage, place: Place, text: &str, background: Rgb<u8>) {
    let Some(fonts) = Fonts::load() else { return };
    // Thousands of characters never fit, and a line break has no place in one line.
    let text: String = text
        .chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let size = place.height as f32 * 0.75;
    let (text, size) = fonts.fit(text.trim(), size, place.width as f32);
    let (glyphs, width) = fonts.glyphs(&text, size);
    let scaled = fonts.0[0].as_scaled(PxScale::from(size));
    let left = place.x as f32 + (place.width as f32 - width).max(0.0) / 2.0;
    let free = place.height as f32 - (scaled.ascent() - scaled.descent());
    let baseline = place.y as f32 + free / 2.0 + scaled.ascent();
    let ink = ink_on(background);
    for (font, mut glyph) in glyphs {
        glyph.position = point(left + glyph.position.x, baseline);
        let Some(outline) = font.outline_glyph(glyph) else {
            continue;
        };
        let bounds = outline.px_bounds();
        outline.draw(|x, y, coverage| {
            let (x, y) = (
                bounds.min.x as i64 + i64::from(x),
                bounds.min.y as i64 + i64::from(y),
            );
            blend(picture, place, x, y, ink, coverage);
        });
    }
}

fn blend(picture: &mut RgbImage, place: Place, x: i64, y: i64, ink: Rgb<u8>, coverage: f32) {
    let inside = |v: i64, start: u32, length: u32| {
        (i64::from(start)..i64::from(start) + i64::from(length)).contains(&v)
    };
    if !inside(x, place.x, place.width) || !inside(y, place.y, place.height) {
        return;
    }
    if let Some(pixel) = picture.get_pixel_mut_checked(x as u32, y as u32) {
        let share = coverage.clamp(0.0, 1.0);
        for (to, from) in pixel.0.iter_mut().zip(ink.0) {
            *to = (f32::from(*to) * (1.0 - share) + f32::from(from) * share).round() as u8;
        }
    }
}

/// Near white on dark backgrounds, near black on light ones.
fn ink_on(background: Rgb<u8>) -> Rgb<u8> {
    let [r, g, b] = background.0.map(u32::from);
    if 299 * r + 587 * g + 114 * b < 128_000 {
        Rgb([230, 230, 230])
    } else {
        Rgb([25, 25, 25])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DARK: Rgb<u8> = Rgb([20, 20, 24]);

    fn drawn(text: &str, place: Place) -> RgbImage {
        let mut picture = RgbImage::from_pixel(120, 40, DARK);
        draw(&mut picture, place, text, DARK);
        picture
    }

    fn n_inked(picture: &RgbImage) -> usize {
        picture.pixels().filter(|p| **p != DARK).count()
    }

    #[test]
    fn text_stays_in_its_place() {
        let place = Place {
            x: 30,
            y: 10,
            width: 60,
            height: 20,
        };
        for text in [
            "0.7",
            "gjpqy ÄÇ",
            "a very long label that cannot fit",
            "WWWWWWWWWWWWWW",
        ] {
            let picture = drawn(text, place);
            assert!(n_inked(&picture) > 20, "{text}");
            for (x, y, pixel) in picture.enumerate_pixels() {
                let inside = (30..90).contains(&x) && (10..30).contains(&y);
                assert!(inside || *pixel == DARK, "{text} at {x}, {y}");
            }
        }
    }

    #[test]
    fn long_text_shrinks_and_then_ends_in_an_ellipsis() {
        let fonts = Fonts::load().unwrap();
        let width = fonts.width("temperature", 16.0);
        assert_eq!(
            fonts.fit("temperature", 16.0, width),
            ("temperature".into(), 16.0)
        );
        let (text, size) = fonts.fit("temperature", 16.0, width * 0.8);
        assert_eq!(text, "temperature");
        assert!(size < 16.0);
        let (text, size) = fonts.fit("temperature", 16.0, width * 0.4);
        assert!(text.ends_with('…') && text.starts_with("tem"), "{text}");
        assert!(fonts.width(&text, size) <= width * 0.4);
        assert_eq!(fonts.fit("temperature", 16.0, 1.0).0, "");
    }

    #[test]
    fn any_text_is_survived() {
        let place = Place {
            x: 100,
            y: 30,
            width: 50,
            height: 50,
        };
        for text in ["", "\n\t", "顔 🙂", "\u{202e}abc", &"x".repeat(100_000)] {
            drawn(text, place);
        }
    }
}
