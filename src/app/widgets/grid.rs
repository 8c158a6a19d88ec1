//! Where the cells of a grid lie.

use egui::{Rect, Vec2, pos2, vec2};

/// Square cells, as large as the room allows, centred in it.
pub fn cells(room: Rect, columns: u32, rows: u32, gap: f32) -> Vec<Rect> {
    let (columns, rows) = (columns.max(1), rows.max(1));
    let fit = |length: f32, n: u32| (length - gap * (n - 1) as f32) / n as f32;
    let side = fit(room.width(), columns)
        .min(fit(room.height(), rows))
        .floor()
        .max(8.0);
    let pitch = side + gap;
    let whole = vec2(pitch * columns as f32 - gap, pitch * rows as f32 - gap);
    let origin = room.center() - whole / 2.0;
    let origin = pos2(origin.x.round(), origin.y.round());
    (0..columns * rows)
        .map(|cell| {
            let at = vec2((cell % columns) as f32, (cell / columns) as f32) * pitch;
            Rect::from_min_size(origin + at, Vec2::splat(side))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fill_the_room_and_stay_inside() {
        let room = Rect::from_min_size(pos2(10.0, 20.0), vec2(700.0, 400.0));
        let cells = cells(room, 6, 4, 6.0);
        assert_eq!(cells.len(), 24);
        assert!(cells.iter().all(|cell| room.contains_rect(*cell)));
        assert!(cells[0].width() > 90.0, "{:?}", cells[0]);
        assert!(cells[1].left() >= cells[0].right() + 5.0);
    }
}
