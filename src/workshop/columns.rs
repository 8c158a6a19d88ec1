//! What the tables say, by column, and which columns share their pictures.

use std::collections::BTreeSet;

use super::WorkshopError;
use crate::data::batches::PictureSet;
use crate::data::labels::LabelTable;
use crate::latent::attributes::compare::Labels;
use crate::latent::attributes::measure::quantile;

/// What the tables say of one attribute.
pub(super) struct Column {
    pub(super) name: String,
    /// By picture of the set; `None` where nothing is known.
    pub(super) values: Vec<Option<f32>>,
    /// A measure rather than a yes or no.
    pub(super) is_number: bool,
    /// The value that parts the yes from the no.
    threshold: f64,
}

impl Column {
    pub(super) fn new(set: &PictureSet, table: &LabelTable, name: &str) -> Self {
        let of = |i| table.value(set.name(i)?, name);
        Self::of(name, (0..set.len()).map(of).collect())
    }

    /// A column of these values.
    pub(super) fn of(name: &str, mut values: Vec<Option<f32>>) -> Self {
        let is_number = values
            .iter()
            .flatten()
            .any(|v| ![-1.0, 0.0, 1.0].contains(v));
        let has_no = values.iter().flatten().any(|&v| v == -1.0);
        if !is_number && has_no {
            // Beside 1 and -1, a 0 means that it cannot be told.
            values.iter_mut().for_each(|v| *v = v.filter(|&v| v != 0.0));
        }
        let known = values.iter().flatten().map(|&v| f64::from(v));
        let threshold = match is_number {
            true => quantile(&known.collect::<Vec<f64>>(), 0.5).unwrap_or(0.0),
            false => 0.0,
        };
        Self {
            name: name.to_owned(),
            values,
            is_number,
            threshold,
        }
    }

    /// Why nothing can be learnt from these pictures, where their labels alone tell.
    pub(super) fn misfit(&self, pictures: &[usize]) -> Option<String> {
        let known = pictures.iter().filter_map(|&i| self.values[i]);
        let is_yes = |v: f32| f64::from(v) > self.threshold;
        let (yes, no): (Vec<f32>, Vec<f32>) = known.partition(|&v| is_yes(v));
        let (yes, no) = (yes.len(), no.len());
        match (yes, no) {
            (0, 0) => Some("no picture has a value".to_owned()),
            (0, _) | (_, 0) => Some(format!(
                "{yes} pictures above {} and {no} at or below it, but both sides are needed",
                self.threshold
            )),
            _ => None,
        }
    }

    /// Pictures with the attribute and without it.
    pub(super) fn counts(&self) -> [usize; 2] {
        let known = self.values.iter().flatten();
        let (yes, no): (Vec<f32>, Vec<f32>) = known.partition(|&&v| f64::from(v) > self.threshold);
        [yes.len(), no.len()]
    }

    /// The same by row, for the pictures of the rows.
    pub(super) fn labels(&self, pictures: &[usize]) -> Labels {
        let value = |i: &usize| self.values.get(*i).copied().flatten();
        Labels {
            name: self.name.clone(),
            values: pictures.iter().map(|i| value(i).map(f64::from)).collect(),
            threshold: self.threshold,
            is_number: self.is_number,
        }
    }
}

/// The name of a column as the table spells it.
pub(super) fn known_column(name: &str, table: &LabelTable) -> Result<String, WorkshopError> {
    let name = name.trim();
    if table.columns().iter().any(|c| c == name) {
        return Ok(name.to_owned());
    }
    Err(WorkshopError::UnknownColumn {
        name: name.to_owned(),
        known: table.columns().to_vec(),
    })
}

/// Columns that are built from the same encoded pictures.
pub(super) struct Group {
    pub(super) columns: Vec<usize>,
    pub(super) pictures: BTreeSet<usize>,
}

/// Columns put together as long as their pictures are no more than `limit`, which bounds the memory
/// for latents; columns that share their pictures share the work of encoding them. Columns without pictures are
/// left out.
pub(super) fn groups(chosen: &[Vec<usize>], limit: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, pictures) in chosen.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
        let wanted: BTreeSet<usize> = pictures.iter().copied().collect();
        let fits = |g: &&mut Group| g.pictures.union(&wanted).count() <= limit;
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.columns.push(at);
                group.pictures.extend(wanted);
            }
            None => groups.push(Group {
                columns: vec![at],
                pictures: wanted,
            }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_with_the_same_pictures_are_encoded_together() {
        let none = vec![];
        let chosen = [
            vec![0, 1, 2, 3],
            none,
            vec![3, 2, 1, 0],
            vec![4, 5],
            vec![5, 6],
        ];
        let groups = groups(&chosen, 4);
        let columns: Vec<&[usize]> = groups.iter().map(|g| g.columns.as_slice()).collect();
        assert_eq!(columns, [&[0, 2][..], &[3, 4]]);
        assert_eq!(groups[1].pictures, BTreeSet::from([4, 5, 6]));
    }

    #[test]
    fn a_column_with_one_side_is_refused_by_its_labels_alone() {
        let misfit = |values: &[f32]| {
            let column = Column::of("age", values.iter().map(|&v| Some(v)).collect());
            column.misfit(&(0..values.len()).collect::<Vec<_>>())
        };
        assert_eq!(misfit(&[1.0, -1.0, 0.0]), None);
        assert_eq!(misfit(&[12.0, 40.0, 41.0]), None);
        assert!(misfit(&[1.0, 1.0]).is_some_and(|why| why.starts_with("2 pictures above 0")));
        assert!(misfit(&[30.0, 30.0]).is_some_and(|why| why.contains("2 at or below")));
        // Beside -1, a 0 is no label.
        assert!(misfit(&[-1.0, 0.0]).is_some_and(|why| why.contains("and 1 at or below")));
        assert!(misfit(&[]).is_some_and(|why| why.contains("no picture")));
    }
}
