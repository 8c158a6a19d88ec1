//! The map itself: points or pictures on a plane that is moved and enlarged.

use std::collections::HashSet;

use egui::{
    Color32, Id, Mesh, Pos2, Rect, Role, Sense, Stroke, StrokeKind, TextureId, Tooltip, Ui, Vec2,
    WidgetInfo, vec2,
};
use egui_plot::{Plot, PlotPoint, PlotTransform};

use super::colour::ColourScale;
use super::{MapAxes, MapWish};
use crate::app::maps::FolderMap;
use crate::app::screens::edit::pretty;
use crate::app::widgets::Cx;
use crate::engine::message::MapNeighbour;

/// Side of a point on the screen.
const POINT: f32 = 6.0;
/// How far from a point the pointer still means it.
const REACH: f32 = 12.0;
/// Width of the coloured edge of a picture.
const EDGE: f32 = 2.0;
/// Smaller pictures are points.
const LEAST: f32 = 12.0;
/// A lower map has no numbers along its axes.
const LOW: f32 = 240.0;
/// Side of the picture in the text under the pointer.
const LARGE: f32 = 96.0;

/// A change of what is seen of the map.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MapZoom {
    /// All of it.
    #[default]
    Whole,
    /// So many times larger, round the middle.
    By(f32),
}

/// Where a button leaves what the map is to do in the same frame.
fn zoom_id() -> Id {
    Id::unique("map zoom")
}

/// Asks for a change of what is seen.
pub fn ask_zoom(ui: &Ui, zoom: MapZoom) {
    ui.data_mut(|data| data.insert_temp(zoom_id(), zoom));
    ui.ctx().request_repaint();
}

/// The map in all the room there is.
pub fn canvas_ui(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    map: &FolderMap,
    places: &[[f32; 2]],
    scale: &ColourScale,
    neighbours: &[MapNeighbour],
) {
    let axes = cx.state.desks.map.axes;
    let asked = ui.data_mut(|data| data.remove_temp::<MapZoom>(zoom_id()));
    let key = format!("{} {axes:?} {}", map.ticket, map.scores.is_some());
    // In a low window the room is the map's own; what the axes are stands under their choice.
    let is_low = ui.available_height() < LOW;
    let mut plot = Plot::new(("map", key))
        .show_axes(!is_low)
        .grid_color(cx.tokens.text_weak.gamma_multiply(0.6))
        .sense(Sense::click_and_drag())
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_x(false)
        .show_y(false)
        .set_margin_fraction(Vec2::splat(0.08));
    if !is_low {
        let size = ui.available_size();
        plot = plot
            .x_axis_label(axis_text(map, axes, 0, size.x))
            .y_axis_label(axis_text(map, axes, 1, size.y));
    }
    for [x, y] in places {
        plot = plot.include_x(*x).include_y(*y);
    }
    let shown = plot.show(ui, |plot_ui| {
        let response = plot_ui.response();
        if response.contains_pointer() {
            let (scroll, pinch) = plot_ui
                .ctx()
                .input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
            let by = pinch * (scroll * 0.004).exp();
            if by != 1.0 {
                plot_ui.zoom_bounds_around_hovered(Vec2::splat(by));
            }
        }
        match asked {
            Some(MapZoom::Whole) => plot_ui.set_auto_bounds(true),
            Some(MapZoom::By(by)) => {
                let middle = plot_ui.plot_bounds().center();
                plot_ui.zoom_bounds(Vec2::splat(by), middle);
            }
            None => {}
        }
    });
    let (response, transform) = (shown.response, shown.transform);
    let name = format!("Map of {} pictures of {}", places.len(), map.name());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let points = on_screen(places, &transform);
    let drawing = MapDrawing {
        map,
        points: &points,
        scale,
        side: match cx.state.desks.map.size {
            size if size < LEAST => 0.0,
            size => size,
        },
        with_picture: with_picture(&points, &transform, response.rect, cx.state.desks.map.size),
    };
    let hovered = response.hover_pos().and_then(|at| drawing.under(at));
    drawing.paint(ui, cx, response.rect, neighbours, hovered);
    if let Some(at) = hovered {
        hover_ui(ui, cx, map, scale, at, &response);
        ui.ctx().set_cursor_icon(egui::CursorIcon::PointingHand);
    }
    if response.clicked() {
        let picked = cx.state.desks.map.picked;
        match hovered {
            // The second click on the same picture.
            Some(at) if picked == Some(at) => cx.push(MapWish::Take(at)),
            at if at != picked => cx.push(MapWish::Pick(at)),
            _ => {}
        }
    }
}

/// What stands along an axis.
pub fn axis_text(map: &FolderMap, axes: MapAxes, k: usize, room: f32) -> String {
    if let MapAxes::Two(x, y) = axes
        && let Some(name) = map.score_names.get([x, y][k])
    {
        return pretty(name);
    }
    let plane = match (axes, &map.scores) {
        (MapAxes::Scores, Some(plane)) => plane,
        _ => &map.eps,
    };
    let share = 100.0 * plane.shares[k];
    let share = format!("{share:.*} % of the variance", usize::from(share < 10.0));
    let [low, high] = plane.words[k].clone().map(|w| w.replace('_', " "));
    match low.is_empty() && high.is_empty() {
        true => format!("component {}: {share}", k + 1),
        false if room < 420.0 => format!("← {low}  ·  {high} →"),
        false => format!("← {low}  ·  {share}  ·  {high} →"),
    }
}

fn on_screen(places: &[[f32; 2]], transform: &PlotTransform) -> Vec<Pos2> {
    let place = |[x, y]: &[f32; 2]| {
        transform.position_from_point(&PlotPoint::new(f64::from(*x), f64::from(*y)))
    };
    places.iter().map(place).collect()
}

/// The pictures that are drawn as such: one for each place of their size, the first to claim it. The places move with
/// the map, so that pictures do not flicker while it is dragged.
fn with_picture(points: &[Pos2], transform: &PlotTransform, seen: Rect, side: f32) -> Vec<usize> {
    if side < LEAST {
        return Vec::new();
    }
    let origin = transform.position_from_point(&PlotPoint::new(0.0, 0.0));
    let seen = seen.expand(side);
    let mut taken = HashSet::new();
    let mut claims = |at: &Pos2| {
        let place = (*at - origin) / (1.05 * side);
        taken.insert((place.x.floor() as i64, place.y.floor() as i64))
    };
    let points = points.iter().enumerate();
    let free = points.filter(|(_, at)| seen.contains(**at) && claims(at));
    free.map(|(i, _)| i).collect()
}

/// The picture next to `from` in a direction, y downwards; the one nearest the middle where there is none yet.
pub fn next_in_direction(
    places: &[[f32; 2]],
    from: Option<usize>,
    dx: i32,
    dy: i32,
) -> Option<usize> {
    let middle = || {
        let n = places.len().max(1) as f32;
        [0, 1].map(|k| places.iter().map(|p| p[k]).sum::<f32>() / n)
    };
    let start = from.and_then(|at| places.get(at).copied());
    let center = start.unwrap_or_else(middle);
    // An axis may have another unit than the other: both in their own spread.
    let spread = |k: usize| {
        let values = || places.iter().map(|p| p[k]);
        let (low, high) = values().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(v), h.max(v)));
        (high - low).max(f32::MIN_POSITIVE)
    };
    let (width, height) = (spread(0), spread(1));
    let direction = vec2(dx as f32, -dy as f32);
    let cost = |place: &[f32; 2]| -> Option<f32> {
        let way = vec2(
            (place[0] - center[0]) / width,
            (place[1] - center[1]) / height,
        );
        if start.is_none() {
            return Some(way.length());
        }
        let (along, across) = (way.dot(direction), way.dot(direction.rot90()).abs());
        (along > 0.0 && along >= across).then_some(along + 2.0 * across)
    };
    let all = places.iter().enumerate().filter(|(i, _)| Some(*i) != from);
    let costs = all.filter_map(|(i, place)| Some((i, cost(place)?)));
    let nearest = costs.min_by(|a, b| a.1.total_cmp(&b.1));
    nearest.map(|(i, _)| i)
}

/// All that is painted of the pictures.
struct MapDrawing<'a> {
    map: &'a FolderMap,
    points: &'a [Pos2],
    scale: &'a ColourScale,
    /// Side of a picture; 0 for points.
    side: f32,
    /// Those that are drawn as pictures, in the order in which they are painted.
    with_picture: Vec<usize>,
}

impl MapDrawing<'_> {
    fn square(&self, at: usize, side: f32) -> Rect {
        Rect::from_center_size(self.points[at], Vec2::splat(side))
    }

    /// The picture under the pointer: the uppermost, or else the nearest point.
    fn under(&self, pointer: Pos2) -> Option<usize> {
        let mut uppermost = self.with_picture.iter().rev();
        let hit = uppermost.find(|at| self.square(**at, self.side).contains(pointer));
        if let Some(at) = hit {
            return Some(*at);
        }
        let distances = self.points.iter().map(|p| p.distance(pointer)).enumerate();
        let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
        nearest.filter(|(_, d)| *d <= REACH).map(|(at, _)| at)
    }

    fn paint(
        &self,
        ui: &Ui,
        cx: &Cx<'_>,
        seen: Rect,
        neighbours: &[MapNeighbour],
        hovered: Option<usize>,
    ) {
        let painter = ui.painter().with_clip_rect(seen.intersect(ui.clip_rect()));
        let mut dots = Mesh::default();
        for (i, at) in self.points.iter().enumerate() {
            if seen.contains(*at) {
                let colour = self.scale.colour(i, &cx.tokens);
                let dot = Rect::from_center_size(*at, Vec2::splat(POINT));
                dots.add_colored_rect(dot.expand(1.0), cx.tokens.background);
                dots.add_colored_rect(dot, colour);
            }
        }
        painter.add(dots);
        // Runs of pictures from the same texture are one shape.
        let mut run: Option<(TextureId, Mesh, Mesh)> = None;
        for &at in &self.with_picture {
            let Some((texture, uv)) = cx.textures.on_sheet(self.map.ticket, at) else {
                continue;
            };
            if run.as_ref().is_none_or(|(open, ..)| *open != texture) {
                self.paint_run(&painter, run.take());
                run = Some((texture, Mesh::default(), Mesh::with_texture(texture)));
            }
            if let Some((_, edges, pictures)) = &mut run {
                let rect = self.square(at, self.side);
                edges.add_colored_rect(rect, self.scale.colour(at, &cx.tokens));
                pictures.add_rect_with_uv(rect.shrink(EDGE), uv, Color32::WHITE);
            }
        }
        self.paint_run(&painter, run);

        let picked = cx
            .state
            .desks
            .map
            .picked
            .filter(|at| *at < self.points.len());
        if let Some(picked) = picked {
            let near = neighbours.iter().filter(|n| n.picture < self.points.len());
            for neighbour in near {
                let ends = [self.points[picked], self.points[neighbour.picture]];
                let stroke = Stroke::new(1.0, cx.tokens.accent.gamma_multiply(0.7));
                painter.line_segment(ends, stroke);
                self.paint_one(&painter, cx, neighbour.picture, self.side, 1.5);
            }
            self.paint_one(&painter, cx, picked, self.side + 12.0, 3.0);
        }
        if let Some(at) = hovered.filter(|at| Some(*at) != picked) {
            self.paint_one(&painter, cx, at, self.side + 6.0, 1.5);
        }
    }

    /// Edges below pictures within a run; order between runs is that of the pictures.
    fn paint_run(&self, painter: &egui::Painter, run: Option<(TextureId, Mesh, Mesh)>) {
        if let Some((_, edges, pictures)) = run {
            painter.add(edges);
            painter.add(pictures);
        }
    }

    /// One picture on top of the others, with a ring.
    fn paint_one(&self, painter: &egui::Painter, cx: &Cx<'_>, at: usize, side: f32, ring: f32) {
        let rect = self.square(at, side.max(POINT + 4.0));
        painter.rect_filled(rect, 0, self.scale.colour(at, &cx.tokens));
        if let Some((texture, uv)) = cx.textures.on_sheet(self.map.ticket, at)
            && self.side > 0.0
        {
            painter.image(texture, rect.shrink(EDGE), uv, Color32::WHITE);
        }
        let stroke = Stroke::new(ring, cx.tokens.accent);
        painter.rect_stroke(rect, 2, stroke, StrokeKind::Outside);
    }
}

/// What is said of the picture under the pointer.
fn hover_ui(
    ui: &Ui,
    cx: &Cx<'_>,
    map: &FolderMap,
    scale: &ColourScale,
    at: usize,
    response: &egui::Response,
) {
    let Some(picture) = map.pictures.get(at) else {
        return;
    };
    let place = egui::PopupAnchor::Pointer;
    let tip = Tooltip::always_open(ui.ctx().clone(), response.layer_id, response.id, place);
    tip.gap(14.0).show(|ui| {
        ui.set_max_width(260.0);
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(LARGE), Sense::hover());
        paint_cell(ui, cx, map, at, rect);
        ui.label(egui::RichText::new(&picture.name).strong());
        for line in lines(map, scale, at) {
            ui.label(line);
        }
    });
}

/// A picture of the map, in a list or alone.
pub fn paint_cell(ui: &Ui, cx: &Cx<'_>, map: &FolderMap, at: usize, rect: Rect) {
    match cx.textures.on_sheet(map.ticket, at) {
        Some((texture, uv)) => {
            ui.painter().image(texture, rect, uv, Color32::WHITE);
        }
        None => {
            ui.painter().rect_filled(rect, 3, cx.tokens.control);
        }
    }
}

/// A picture's numbers: its bits, where it stands among the others, and what its colour says.
pub fn lines(map: &FolderMap, scale: &ColourScale, at: usize) -> Vec<String> {
    let Some(picture) = map.pictures.get(at) else {
        return Vec::new();
    };
    let bits = picture.bits_per_dim;
    let share = map.percentile(bits);
    let share = share.map_or(String::new(), |share| {
        format!(", more than {:.0} % of the folder", 100.0 * share)
    });
    let mut lines = vec![format!("{bits:.3} bits/dim{share}")];
    if scale.name != "Bits/dim" {
        let value = scale
            .value(at)
            .map_or("not known".to_owned(), |v| scale.text(v));
        lines.push(format!("{}: {value}", scale.name));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_to_the_next_picture_of_that_side() {
        let places = [[0.0, 0.0], [1.0, 0.1], [2.0, 0.0], [0.1, 5.0], [-1.0, 0.0]];
        let next = |from, dx, dy| next_in_direction(&places, Some(from), dx, dy);
        assert_eq!(next(0, 1, 0), Some(1));
        assert_eq!(next(1, 1, 0), Some(2));
        assert_eq!(next(0, -1, 0), Some(4));
        assert_eq!(next(0, 0, -1), Some(3), "up is where y is larger");
        assert_eq!(next(2, 1, 0), None);
        assert_eq!(
            next_in_direction(&places, None, 1, 0),
            Some(0),
            "the middle at first"
        );
        assert_eq!(next_in_direction(&[], None, 1, 0), None);
        assert_eq!(next_in_direction(&[[f32::NAN; 2]], Some(0), 1, 0), None);
    }
}
