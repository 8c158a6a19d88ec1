//! The table: a row a picture on the shelf.

use super::{CompareDesk, SortColumn, neighbours_question};
use crate::app::state::State;
use crate::engine::message::{Answer, Inspection, ItemId, Neighbour};

/// A row.
#[derive(Clone, Debug)]
pub struct ShelfRow {
    /// The picture.
    pub id: ItemId,
    /// Its name.
    pub name: String,
    /// Its figures.
    pub figures: Inspection,
    /// The nearest other one, and what that is called.
    pub nearest: Option<(Neighbour, String)>,
}

/// The rows, sorted.
pub fn rows(state: &State) -> Vec<ShelfRow> {
    let question = neighbours_question(state);
    let neighbours = match state.live.answers.get(&question) {
        Some(Answer::Neighbours(neighbours)) => neighbours.as_slice(),
        _ => &[],
    };
    let name_of = |id: ItemId| {
        let entry = state.doc.shelf.iter().find(|e| e.id == id);
        entry.map(|e| e.name.clone())
    };
    let row = |entry: &crate::app::state::ShelfEntry| {
        let figures = state.items.get(&entry.id)?.inspection.clone()?;
        let nearest = neighbours.iter().find(|(id, _)| *id == entry.id);
        let nearest = nearest.and_then(|(_, n)| *n);
        Some(ShelfRow {
            id: entry.id,
            name: entry.name.clone(),
            figures,
            nearest: nearest.and_then(|n| Some((n, name_of(n.item)?))),
        })
    };
    let mut rows: Vec<ShelfRow> = state.doc.shelf.iter().filter_map(row).collect();
    sort(&mut rows, &state.desks.compare);
    rows
}

fn sort(rows: &mut [ShelfRow], desk: &CompareDesk) {
    let number = |row: &ShelfRow| match desk.sort {
        SortColumn::Shelf | SortColumn::Name => 0.0,
        SortColumn::Bits => row.figures.bits_per_dim,
        SortColumn::Level(level) => row
            .figures
            .level_bits
            .get(level)
            .copied()
            .unwrap_or(f64::NAN),
        SortColumn::Norm => row.figures.relative_norm,
        SortColumn::RoundTrip => row.figures.round_trip,
        SortColumn::Nearest => row.nearest.as_ref().map_or(f64::NAN, |(n, _)| n.distance),
    };
    rows.sort_by(|a, b| match desk.sort {
        SortColumn::Name => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
        _ => number(a).total_cmp(&number(b)),
    });
    if desk.descending {
        rows.reverse();
    }
}

/// The rows as comma-separated values, with a heading.
pub fn csv(state: &State, rows: &[ShelfRow]) -> String {
    let n_levels = rows.first().map_or(0, |row| row.figures.level_bits.len());
    let mut text = String::from("name,bits_per_dim");
    for level in 0..n_levels {
        let name = state.level_name(level).to_lowercase().replace(' ', "_");
        text += &format!(",{name}_bits");
    }
    text += ",relative_norm,round_trip,nearest,distance\n";
    for row in rows {
        let f = &row.figures;
        text += &format!("{},{}", quoted(&row.name), f.bits_per_dim);
        for bits in &f.level_bits {
            text += &format!(",{bits}");
        }
        text += &format!(",{},{},", f.relative_norm, f.round_trip);
        if let Some((nearest, name)) = &row.nearest {
            text += &format!("{},{}", quoted(name), nearest.distance);
        } else {
            text.push(',');
        }
        text.push('\n');
    }
    text
}

/// A field, in quotes where it needs them (RFC 4180).
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_quotes_stay_one_field() {
        assert_eq!(quoted("anna.jpg"), "anna.jpg");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
    }
}
