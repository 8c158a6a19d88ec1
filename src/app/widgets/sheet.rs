//! Thousands of small pictures in few textures: laid side by side as they come.

use egui::{Color32, ColorImage, Context, Rect, TextureHandle, TextureId, TextureOptions, pos2};
use image::RgbImage;

/// Pixels a side of a cell.
const CELL: usize = 48;
/// Pixels a side of a texture: 16 MiB each.
const SIDE: usize = 2048;
/// Textures of one sheet at most. What comes after that has no picture.
const TEXTURES: usize = 4;
/// Pictures that are put on their places in a frame; the others follow in the next.
const AT_ONCE: usize = 256;

/// The textures of one map.
#[derive(Default)]
pub struct Sheet {
    textures: Vec<TextureHandle>,
    /// Cells in a row.
    columns: usize,
    placed: usize,
    /// The frame in which it was drawn last.
    pub(super) used: u64,
}

impl Sheet {
    /// Puts further pictures on their places, as many as a frame takes. `total`: how many there will be.
    pub(super) fn lay_out<'a>(
        &mut self,
        ctx: &Context,
        count: usize,
        total: usize,
        picture: impl Fn(usize) -> &'a RgbImage,
    ) {
        // How large its textures are is known with how many pictures come.
        if count == 0 {
            return;
        }
        if self.columns == 0 {
            let most = ctx.input(|i| i.max_texture_side).min(SIDE) / CELL;
            let needed = (total.max(count) as f64).sqrt().ceil() as usize;
            self.columns = needed.clamp(1, most.max(1));
        }
        let last = count.min(self.placed + AT_ONCE).min(self.room());
        while self.placed < last {
            self.place(ctx, picture(self.placed));
        }
        if last < count.min(self.room()) {
            ctx.request_repaint();
        }
    }

    /// Cells in all.
    fn room(&self) -> usize {
        TEXTURES * self.columns * self.columns
    }

    fn place(&mut self, ctx: &Context, picture: &RgbImage) {
        let (texture, column, row) = self.at(self.placed);
        self.placed += 1;
        if texture == self.textures.len() {
            let side = self.columns * CELL;
            let empty = ColorImage::filled([side, side], Color32::BLACK);
            let handle = ctx.load_texture("sheet", empty, TextureOptions::LINEAR);
            self.textures.push(handle);
        }
        let size = [picture.width() as usize, picture.height() as usize];
        if size == [CELL, CELL] {
            let image = ColorImage::from_rgb(size, picture.as_raw());
            self.textures[texture].set_partial(
                [column * CELL, row * CELL],
                image,
                TextureOptions::LINEAR,
            );
        }
    }

    /// Texture, column and row of a cell.
    fn at(&self, cell: usize) -> (usize, usize, usize) {
        let of_texture = self.columns * self.columns;
        let inside = cell % of_texture;
        (
            cell / of_texture,
            inside % self.columns,
            inside / self.columns,
        )
    }

    /// A picture's texture, and its part of that; `None` where it has no place (yet).
    pub fn cell(&self, cell: usize) -> Option<(TextureId, Rect)> {
        if cell >= self.placed {
            return None;
        }
        let (texture, column, row) = self.at(cell);
        let handle = self.textures.get(texture)?;
        let side = (self.columns * CELL) as f32;
        // Half a pixel inside, so that no neighbour shines through.
        let edge = |at: usize, by: f32| ((at * CELL) as f32 + by) / side;
        let (first, last) = (0.5, CELL as f32 - 0.5);
        Some((
            handle.id(),
            Rect::from_min_max(
                pos2(edge(column, first), edge(row, first)),
                pos2(edge(column, last), edge(row, last)),
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_cells_do_not_overlap() {
        let ctx = Context::default();
        let picture = RgbImage::new(CELL as u32, CELL as u32);
        let mut sheet = Sheet::default();
        for _ in 0..40 {
            sheet.lay_out(&ctx, 9000, 9000, |_| &picture);
        }
        assert_eq!(sheet.textures.len(), TEXTURES);
        assert_eq!(sheet.placed, sheet.room());
        assert!(sheet.room() > 7000 && sheet.cell(sheet.room()).is_none());
        let (first, a) = sheet.cell(0).unwrap();
        let (second, b) = sheet.cell(1).unwrap();
        assert_eq!(first, second);
        assert!(!a.intersects(b));
        let (other, _) = sheet.cell(sheet.columns * sheet.columns).unwrap();
        assert_ne!(first, other);
    }

    #[test]
    fn few_pictures_take_a_small_texture() {
        let ctx = Context::default();
        let picture = RgbImage::new(CELL as u32, CELL as u32);
        let mut sheet = Sheet::default();
        sheet.lay_out(&ctx, 5, 10, |_| &picture);
        assert_eq!((sheet.columns, sheet.placed), (4, 5));
        assert!(sheet.cell(5).is_none());
        sheet.lay_out(&ctx, 10, 10, |_| &picture);
        assert!(sheet.cell(9).is_some());
    }
}
