//! Opening weight files, and the shipped model, for the worker.

use std::path::Path;
use std::sync::Arc;

use super::EngineOptions;
use super::message::{ModelInfo, TensorInfo};
use super::seams::{ModelOpener, OpenedModel};
use crate::files::attributes::{self, AttributesFile};
use crate::files::import;
use crate::files::shipped::{self, Choice};
use crate::files::weights::WeightFile;
use crate::latent::attributes::Directions;
use crate::model::{DeviceChoice, Fingerprint, GlowModel};

/// How models are opened.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Where they run.
    pub device: DeviceChoice,
    /// Threads on the CPU.
    pub threads: usize,
    /// Whether a CUDA device may round to TF32 ([`GlowModel::with_tf32`]).
    pub tf32: bool,
    /// What checkpoints of other programs do not say of themselves.
    pub foreign: import::Options,
}

impl Loader {
    /// The loader as the engine takes it, for those whom nobody can ask: what a file does not say is guessed.
    pub fn into_open(self) -> ModelOpener {
        Box::new(move |path| {
            let mut opened = self.open(path)?;
            opened.asks = import::Options::default();
            Ok(opened)
        })
    }

    /// The options of an engine that asks about what a file does not say.
    pub fn into_options(self) -> EngineOptions {
        let foreign = self.clone();
        EngineOptions {
            open_foreign: Box::new(move |path, options| foreign.open_as(path, options)),
            ..EngineOptions::new(Box::new(move |path| self.open(path)))
        }
    }

    /// Opens a model, given what its file does not say; what is not said even so is guessed.
    ///
    /// Errors: as [`Loader::open`].
    pub fn open_as(&self, path: &Path, options: &import::Options) -> Result<OpenedModel, String> {
        let loader = Self {
            foreign: options.clone(),
            ..self.clone()
        };
        loader.open(Some(path))
    }

    /// Opens a weight file and the attributes beside it, or the shipped model.
    ///
    /// Errors: one message that names the file, what is wrong and what to do.
    pub fn open(&self, path: Option<&Path>) -> Result<OpenedModel, String> {
        let (mut notes, mut asks) = (Vec::new(), import::Options::default());
        let mut answers = import::Options::default();
        let (place, name, file, attributes) = match shipped::choose(path) {
            Choice::Shipped(shipped) => (
                // By its name it is found again from everywhere.
                (shipped.name != shipped::usual().name).then(|| shipped.name.into()),
                shipped.label.to_owned(),
                shipped.weights().map_err(|e| e.to_string())?,
                Some(shipped.attributes()),
            ),
            Choice::File(path) => {
                let opened = import::guess(path, &self.foreign).map_err(|e| e.to_string())?;
                let file = opened.file;
                (notes, asks) = (opened.notes, opened.unsaid);
                if opened.program.is_some() {
                    answers.clone_from(&self.foreign);
                }
                let beside = attributes::path_beside(path);
                let attributes = beside.is_file().then(|| attributes::read(&beside));
                let name = path.file_name().unwrap_or(path.as_os_str());
                let name = name.to_string_lossy().into_owned();
                // Absolute, so that a session finds it again from another folder.
                let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                (Some(place), name, file, attributes)
            }
        };
        let condition_names = file.condition_names();
        let WeightFile {
            params, provenance, ..
        } = file;
        let model = GlowModel::new(&params, &self.device, self.threads)
            .and_then(|model| model.with_drafts(&params))
            .map_err(|e| format!("{e}: {name}"))?
            .with_tf32(self.tf32);
        let (directions, mut warnings) = match attributes {
            None => (Directions::default(), Vec::new()),
            Some(Ok(AttributesFile { directions, .. })) => (directions, Vec::new()),
            // The model is of use without them.
            Some(Err(error)) => (Directions::default(), vec![error.to_string()]),
        };
        warnings.extend(notes);
        let tensors = params.layout.entries().iter().map(|entry| TensorInfo {
            name: entry.name.clone(),
            shape: entry.shape.clone(),
        });
        let info = ModelInfo {
            name,
            path: place,
            answers,
            config: params.config.clone(),
            n_parameters: params.layout.len(),
            fingerprint: Fingerprint::of(&params),
            provenance: serde_json::to_string_pretty(&provenance).unwrap_or_default(),
            device: model.device_label(),
            tensors: Arc::new(tensors.collect()),
            condition_names,
        };
        Ok(OpenedModel {
            codec: Box::new(model),
            info,
            directions,
            warnings,
            asks,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::engine::Engine;
    use crate::engine::message::{
        Command, Condition, Event, ItemId, PictureSource, Recipe, Ticket, View,
    };
    use crate::files::weights;
    use crate::latent::tests::tiny_config;
    use crate::model::params::Params;

    fn loader() -> Loader {
        Loader {
            device: DeviceChoice::Cpu,
            threads: 1,
            tf32: false,
            foreign: import::Options::default(),
        }
    }

    /// A folder with the weights of a tiny model.
    fn weights_in_folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.safetensors");
        let params = Params::perturbed(tiny_config(), 1);
        let provenance = serde_json::json!({ "seed": 1 });
        let precision = weights::Precision::F32;
        weights::write(&path, &params, &provenance, None, precision).unwrap();
        (folder, path)
    }

    #[test]
    fn shipped_models_are_found_again_by_name_from_every_folder() {
        let loader = loader();
        let path = |path: Option<&str>| loader.open(path.map(Path::new)).unwrap().info.path;
        assert_eq!(path(None), None);
        assert_eq!(path(Some("faces-128")), None);
        assert_eq!(path(Some("faces-64")), Some("faces-64".into()));
    }

    #[test]
    fn a_broken_attributes_file_does_not_keep_a_model_from_opening() {
        let (folder, path) = weights_in_folder();
        let opened = loader().open(Some(&path)).unwrap();
        assert_eq!(opened.info.name, "tiny.safetensors");
        assert!(opened.info.n_parameters > 100 && opened.info.provenance.contains("seed"));
        assert!(opened.warnings.is_empty());
        let beside = folder.path().join("tiny.attributes.safetensors");
        std::fs::write(&beside, b"broken").unwrap();
        let opened = loader().open(Some(&path)).unwrap();
        assert!(opened.warnings[0].contains("tiny.attributes.safetensors"));
        assert!(loader().open(Some(&beside)).is_err());
    }

    #[test]
    fn the_real_model_renders_and_inspects() {
        let (_folder, path) = weights_in_folder();
        let options = loader().into_options();
        let engine = Engine::spawn(options, || {});
        engine.send(Command::OpenModel(Some(path)));
        let recipe = Recipe::Sample { seed: 1, index: 0 };
        engine.send(Command::Render {
            view: View(3),
            ticket: Ticket(1),
            cells: vec![(0, recipe.clone())],
            draft: false,
        });
        let ticket = Ticket(2);
        engine.send(Command::Inspect { ticket, recipe });
        let events = engine.link().events;
        let (mut drawn, mut round_trip) = (None, None);
        while drawn.is_none() || round_trip.is_none() {
            match events.recv_timeout(std::time::Duration::from_secs(60)) {
                Ok(Event::Rendered { pixels, .. }) => drawn = Some(pixels.dimensions()),
                Ok(Event::Inspected { inspection, .. }) => round_trip = Some(inspection.round_trip),
                Ok(Event::Failed { message, .. }) => panic!("{message}"),
                Ok(_) => {}
                Err(e) => panic!("no event came: {e}"),
            }
        }
        assert_eq!(drawn, Some((8, 8)));
        assert!(round_trip.is_some_and(|r| r < 1e-4), "{round_trip:?}");
    }

    #[test]
    fn photos_and_samples_are_given_their_conditions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conditional.safetensors");
        let mut config = tiny_config();
        config.variant.condition = 2;
        let params = Params::perturbed(config, 1);
        let provenance = serde_json::json!({ "condition_names": ["cat", "dog"] });
        let precision = weights::Precision::F32;
        weights::write(&path, &params, &provenance, None, precision).unwrap();
        assert_eq!(
            loader().open(Some(&path)).unwrap().info.condition_names,
            ["cat", "dog"]
        );

        let engine = Engine::spawn(loader().into_options(), || {});
        engine.send(Command::OpenModel(Some(path)));
        engine.send(Command::SetCondition(Condition::class(0, 2)));
        let item = ItemId(1);
        let pixels = vec![120; 4 * 64];
        engine.send(Command::Import {
            item,
            source: PictureSource::Rgba {
                size: [8, 8],
                pixels: pixels.into(),
            },
            crop: None,
        });
        let sample = Recipe::Sample { seed: 1, index: 0 };
        let given = |class| sample.clone().given(&Condition::class(class, 2));
        engine.send(Command::Render {
            view: View(0),
            ticket: Ticket(1),
            cells: vec![(0, given(0)), (1, given(1)), (2, given(0))],
            draft: false,
        });
        let events = engine.link().events;
        let (mut cells, mut encoded) = (Vec::new(), Vec::new());
        while cells.len() < 3 || encoded.len() < 2 {
            match events.recv_timeout(std::time::Duration::from_secs(60)) {
                Ok(Event::Rendered { pixels, .. }) => cells.push(pixels),
                Ok(Event::Encoded { inspection, .. }) => {
                    if encoded.is_empty() {
                        let condition = Condition::class(1, 2);
                        engine.send(Command::Give { item, condition });
                    }
                    encoded.extend(inspection);
                }
                Ok(Event::Failed { message, .. }) => panic!("{message}"),
                Ok(_) => {}
                Err(e) => panic!("no event came: {e}"),
            }
        }
        assert_ne!(cells[0], cells[1]);
        assert_eq!(cells[0], cells[2]);
        assert_eq!(encoded[0].condition, Condition::class(0, 2));
        assert_eq!(encoded[1].condition, Condition::class(1, 2));
        assert_ne!(encoded[0].bits_per_dim, encoded[1].bits_per_dim);
        assert!(encoded.iter().all(|i| i.round_trip < 1e-4));
    }

    #[test]
    fn what_a_file_does_not_say_is_asked_and_a_dropped_model_opens() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/foreign");
        let folder = tempfile::tempdir().unwrap();
        // Whatever it is called.
        let path = folder.path().join("checkpoint");
        std::fs::copy(data.join("ros_affine_lu.pt"), &path).unwrap();
        let engine = Engine::spawn(loader().into_options(), || {});
        let events = engine.link().events;
        let next = || loop {
            match events.recv_timeout(std::time::Duration::from_secs(60)) {
                Ok(Event::Queue { .. }) => {}
                Ok(event) => return event,
                Err(e) => panic!("no event came: {e}"),
            }
        };
        let item = ItemId(1);
        engine.send(Command::Import {
            item,
            source: PictureSource::Path(path.clone()),
            crop: None,
        });
        assert!(matches!(next(), Event::Forgotten(items) if items == [item]));
        let asked = match next() {
            Event::ModelAsks {
                asks,
                pictures,
                again: false,
                ..
            } => {
                assert_eq!(pictures.len(), 4);
                asks
            }
            other => panic!("{other:?}"),
        };
        assert_eq!((asked.image_size, asked.bits), (Some(16), Some(5)));
        let options = import::Options {
            image_size: Some(8),
            ..asked
        };
        engine.send(Command::TryModel {
            path: path.clone(),
            options: options.clone(),
        });
        match next() {
            Event::ModelAsks {
                pictures,
                again: true,
                ..
            } => assert_eq!(pictures[0].width(), 8),
            other => panic!("{other:?}"),
        }
        let said = options.clone();
        engine.send(Command::OpenModelAs { path, options });
        match next() {
            Event::ModelOpened(info) => assert_eq!(info.config.image_size, 8),
            other => panic!("{other:?}"),
        }
        // A session knows what was said of its model, so that nobody is asked again.
        let session = folder.path().join("s.glow.json");
        let ticket = Ticket(1);
        engine.send(Command::SaveSession {
            ticket,
            path: session.clone(),
            items: Vec::new(),
            model: None,
            window: serde_json::json!({}),
        });
        engine.send(Command::OpenSession {
            ticket,
            path: session,
        });
        let session = loop {
            match next() {
                Event::SessionRead { session, .. } => break session,
                Event::Failed { message, .. } => panic!("{message}"),
                _ => {}
            }
        };
        assert_eq!(session.model.unwrap().answers, said);
        engine.send(Command::OpenModel(Some(data.join("cha_reverse.pkg"))));
        let asks = loop {
            match next() {
                Event::ModelAsks { asks, .. } => break asks,
                Event::Failed { message, .. } => panic!("{message}"),
                _ => {}
            }
        };
        assert_eq!(asks.permutation, Some(crate::config::Permutation::Reverse));
    }
}
