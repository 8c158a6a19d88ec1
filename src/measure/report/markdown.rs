//! A report as the section of a model card.

use super::Report;
use crate::measure::figures::{cell, count};
use crate::model::WILD;

impl Report {
    /// The report as Markdown tables.
    pub fn markdown(&self) -> String {
        let config = &self.config;
        let bits = &self.bits_per_dim;
        let [q1, q2, q3] = bits.quartiles;
        let mut text = format!(
            "Model: {}, {} px, {}, {} bits. Measured on {} held-out photographs",
            cell(&self.model),
            config.image_size,
            config.parts_text(),
            config.bits,
            count(self.pictures),
        );
        text += &match self.left_out {
            0 => ".\n\n".to_owned(),
            n => format!("; {} more cannot be read.\n\n", count(n)),
        };
        text += "| Figure | Value |\n| --- | --- |\n";
        let mut row = |what: &str, value: String| text += &format!("| {what} | {value} |\n");
        row(
            "bits per dimension, mean",
            format!(
                "{:.4} ± {:.4} (standard error)",
                bits.mean, bits.standard_error
            ),
        );
        row(
            "… spread over photographs (standard deviation)",
            format!("{:.4}", bits.std),
        );
        row("… quartiles", format!("{q1:.4}, {q2:.4}, {q3:.4}"));
        row(
            "… least and largest",
            format!("{:.4}, {:.4}", bits.min, bits.max),
        );
        let shape = config.latent_shape();
        let of_level = |(level, bits): (usize, &f64)| match level < shape.stages {
            true => format!("{} {bits:+.4}", shape.level_name(level)),
            false => format!("{bits:+.4}"),
        };
        let levels: Vec<String> = self.level_bits.iter().enumerate().map(of_level).collect();
        row(
            &format!(
                "… by level, finest first (they add up to the mean less {})",
                config.bits
            ),
            levels.join(", "),
        );
        if let Some(trip) = &self.round_trip {
            row(
                &format!(
                    "round trip, largest difference of a value (of a range of 1), {} photographs",
                    count(trip.pictures)
                ),
                format!(
                    "{:.1e} at most, {:.1e} in the median",
                    trip.max, trip.median
                ),
            );
        }
        if let Some(ms) = self.decode_ms {
            row(
                &format!("decoding one picture, median of {}", self.options.decodes),
                format!("{ms:.1} ms ({})", cell(&self.device)),
            );
        }
        text += &self.odd_markdown();
        text += &self.faces_markdown();
        text += &self.directions_markdown();
        text += &format!(
            "\nMade by `glow-explorer evaluate --report --seed {}` of {}.\n",
            self.options.seed, self.made_by
        );
        text
    }

    fn odd_markdown(&self) -> String {
        if self.odd.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "\nThe way back of generated pictures that are nothing like faces (largest difference of a value, of a \
             range of 1):\n\n| Pictures | Number | Round trip |\n| --- | --- | --- |\n",
        );
        for kind in &self.odd {
            let max = if kind.max.is_finite() {
                format!("{:.1e}", kind.max)
            } else {
                "lost".to_owned()
            };
            text += &format!("| {} | {} | {max} |\n", cell(&kind.what), kind.pictures);
        }
        text
    }

    fn faces_markdown(&self) -> String {
        let mut text = format!(
            "\nPictures in which a face detector finds a face, all at {0}x{0}; the first line says how many it finds in \
             photographs. Broken: a value is not finite. Wild: a value is {WILD} or more from 0, where pixels lie within \
             0.5. Detail: mean magnitude of the finest Haar details, in 256ths.\n\n\
             | Pictures | With a face | Share | 95 % interval | Broken | Wild | Detail |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
            self.config.image_size
        );
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        for kind in &self.faces {
            text += &format!(
                "| {} | {} of {} | {} | {} to {} | {} | {} | {:.2} |\n",
                cell(&kind.what),
                kind.faces,
                kind.pictures,
                percent(kind.share),
                percent(kind.interval[0]),
                percent(kind.interval[1]),
                kind.non_finite,
                kind.wild,
                kind.mean_detail
            );
        }
        text
    }

    fn directions_markdown(&self) -> String {
        if self.directions.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "\nDirections, as measured when they were built on pictures held out (area under the ROC curve; the \
             largest change of another direction's score by +1):\n\n\
             | Direction | Method | + and - | AUC | Largest leak |\n| --- | --- | --- | --- | --- |\n",
        );
        for d in &self.directions {
            let f = &d.figures;
            let auc = f.auc.map_or("unknown".to_owned(), |v| {
                format!("{v:.3} of {}", f.held_out)
            });
            let leak = f.largest_leak().map_or("unknown".to_owned(), |(name, v)| {
                format!("{v:+.2} on {}", cell(name))
            });
            text += &format!(
                "| {} | {} | {}, {} | {auc} | {leak} |\n",
                cell(&d.name),
                cell(&f.method),
                f.counts[0],
                f.counts[1]
            );
        }
        text
    }
}
