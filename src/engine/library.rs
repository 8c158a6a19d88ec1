//! What the worker owns: the model, the pictures and latents on the shelf, directions, caches.

mod answers;
mod directions;
mod items;
mod pasted;
pub(super) mod store;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use super::error::EngineError;
use super::figures;
use super::map::{MapRecords, MapShelf};
use super::message::{
    DirectionId, Event, Fingerprint, Inspection, ItemId, ModelInfo, ModelOptions, Recipe,
    StoredModel, Ticket,
};
use super::seams::{Cancelled, Codec, ModelOpener, OpenForeign, OpenedModel};
use crate::files;
use crate::latent::attributes::Directions;
use crate::latent::{Condition, Latent, LatentShape, temperature};
use crate::lru::Lru;
use crate::model::{Decoded, Encoded, GlowConfig, ModelError};
use crate::recipe::{self, RecipeError, Resolver};

use directions::BuiltDirection;
pub(super) use items::{Owned, ShelfItems, waits_for_model};
use pasted::LastPasted;

/// Drawn latents that are kept, in bytes.
const SAMPLES_BYTES: usize = 32 << 20;

/// A decoded picture, as views and caches hold it.
#[derive(Clone)]
pub(super) struct DrawnPicture {
    pub(super) pixels: Arc<RgbImage>,
    pub(super) non_finite: usize,
}

impl DrawnPicture {
    pub(super) fn new(decoded: Decoded) -> Self {
        Self {
            pixels: Arc::new(decoded.pixels),
            non_finite: decoded.non_finite,
        }
    }
}

/// The model that latents belong to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stamp {
    pub(super) config: GlowConfig,
    pub(super) model: StoredModel,
}

impl Stamp {
    /// Whether both are one training: one fingerprint, or one file where a session is too old to have any.
    pub(super) fn is(&self, model: &StoredModel) -> bool {
        match (self.model.fingerprint, model.fingerprint) {
            (Some(a), Some(b)) => a == b,
            _ => (&self.model.name, &self.model.path) == (&model.name, &model.path),
        }
    }
}

struct Model {
    codec: Box<dyn Codec>,
    info: ModelInfo,
    /// What its latents look like.
    shape: LatentShape,
    stamp: Arc<Stamp>,
}

impl Model {
    fn new(codec: Box<dyn Codec>, info: ModelInfo) -> Self {
        let shape = codec.config().latent_shape();
        let stamp = Arc::new(Stamp {
            config: codec.config().clone(),
            model: StoredModel {
                name: info.name.clone(),
                path: info.path.clone(),
                fingerprint: Some(info.fingerprint),
                answers: info.answers.clone(),
            },
        });
        Self {
            codec,
            info,
            shape,
            stamp,
        }
    }
}

/// See the module.
pub(super) struct Library {
    open: ModelOpener,
    model: Option<Model>,
    /// What `model` was opened from, to open it again after a panic.
    asked_for: Option<PathBuf>,
    /// What was said of it, where its file does not say everything.
    answers: ModelOptions,
    open_foreign: OpenForeign,
    /// Those of a file.
    opened: Directions,
    /// Those that were built here, open or not.
    built: BTreeMap<DirectionId, BuiltDirection>,
    /// Which of these are to be open, and by which names.
    arranged: Vec<(DirectionId, String)>,
    /// All that are open, with what each was built as.
    directions: Directions,
    built_as: Vec<Option<DirectionId>>,
    items: ShelfItems,
    last_version: u64,
    pictures: Lru<DrawnPicture>,
    samples: Lru<Arc<Latent>>,
    /// Given which photos are encoded that come from now on.
    condition: Condition,
    /// Whole pictures by item, so that a crop can be moved without reading the file again.
    sources: Lru<Arc<RgbImage>>,
    pasted: Option<LastPasted>,
    /// Folders that were encoded for a map.
    maps: MapShelf,
    /// Names of pictures that came from no file, beside a session: their pixels are hashed once.
    from_clipboard: RefCell<HashMap<ItemId, String>>,
    in_codec: Cell<bool>,
}

impl Library {
    pub(super) fn new(
        open: ModelOpener,
        open_foreign: OpenForeign,
        picture_bytes: usize,
        source_bytes: usize,
    ) -> Self {
        Self {
            open,
            model: None,
            asked_for: None,
            answers: ModelOptions::default(),
            open_foreign,
            opened: Directions::default(),
            built: BTreeMap::new(),
            arranged: Vec::new(),
            directions: Directions::default(),
            built_as: Vec::new(),
            items: ShelfItems::new(),
            last_version: 0,
            pictures: Lru::new(picture_bytes),
            samples: Lru::new(SAMPLES_BYTES),
            condition: Condition::default(),
            sources: Lru::new(source_bytes),
            pasted: None,
            maps: MapShelf::default(),
            from_clipboard: RefCell::default(),
            in_codec: Cell::new(false),
        }
    }

    // --- The model ---

    fn model(&self) -> Result<&Model, EngineError> {
        self.model.as_ref().ok_or(EngineError::NoModel)
    }

    /// Opens a model, unless its file does not say everything.
    pub(super) fn open_model(
        &mut self,
        path: Option<PathBuf>,
    ) -> Result<ModelOpening, EngineError> {
        let opened = (self.open)(path.as_deref()).map_err(EngineError::Outside)?;
        if let Some(path) = path.as_ref().filter(|_| !opened.asks.is_empty()) {
            return Ok(ModelOpening::Asks(asks(path, &opened, false)?));
        }
        self.asked_for = path;
        self.answers = ModelOptions::default();
        Ok(ModelOpening::Adopted(self.adopt(opened)))
    }

    /// Opens a model of another program, given what its file does not say.
    pub(super) fn open_model_as(
        &mut self,
        path: PathBuf,
        options: ModelOptions,
    ) -> Result<Adopted, EngineError> {
        let opened = (self.open_foreign)(&path, &options).map_err(EngineError::Outside)?;
        (self.asked_for, self.answers) = (Some(path), options);
        Ok(self.adopt(opened))
    }

    /// What a file comes to with these options.
    pub(super) fn try_model(
        &self,
        path: &Path,
        options: &ModelOptions,
    ) -> Result<Event, EngineError> {
        let mut opened = (self.open_foreign)(path, options).map_err(EngineError::Outside)?;
        opened.asks = options.clone();
        asks(path, &opened, true)
    }

    fn adopt(&mut self, opened: OpenedModel) -> Adopted {
        let OpenedModel {
            codec,
            info,
            directions,
            warnings,
            asks: _,
        } = opened;
        let model = Model::new(codec, info);
        let (shape, stamp) = (model.shape.clone(), Arc::clone(&model.stamp));
        let mut events = vec![Event::ModelOpened(Box::new(model.info.clone()))];
        events.extend(warnings.into_iter().map(|message| failed(None, message)));
        self.opened = directions;
        if let Some(d) = misfit(&self.opened, &shape) {
            let message = format!("{d} belongs to another model; open matching attributes");
            events.push(failed(None, message));
            self.opened = Directions::default();
        }
        if !self.condition.fits(shape.condition) {
            self.condition = Condition::default();
        }
        self.model = Some(model);
        self.samples.clear();
        self.maps.clear();
        self.rearrange();
        events.push(self.attributes_event());

        let (mut anew, mut waiting) = (Vec::new(), Vec::new());
        let (mut names, mut others) = (Vec::new(), Vec::new());
        let mut version = self.last_version;
        for (&id, item) in &mut self.items {
            version += 1;
            let adopted = item.for_model(&stamp, &shape, version);
            if adopted.is_photo() || adopted.latent.is_some() {
                anew.push(id);
            } else {
                names.push(item.name.clone());
                waiting.push((id, item.waits_for()));
            }
            if adopted.is_of_other_training(&stamp) {
                others.push(item.name.clone());
            }
            *item = Arc::new(adopted);
        }
        self.last_version = version;
        // One message, however many there are.
        if !waiting.is_empty() {
            let message = EngineError::Foreign { names }.to_string();
            events.push(Event::Waiting {
                items: waiting,
                message,
            });
        }
        events.extend(other_training(&others));
        (events, anew)
    }

    /// Whether the last panic happened inside the model, which may have left it in pieces.
    pub(super) fn model_panicked(&self) -> bool {
        self.in_codec.get()
    }

    /// Opens the same model again. Items keep their latents, unless the file is another one now.
    pub(super) fn reopen_model(&mut self) -> Result<Adopted, EngineError> {
        self.in_codec.set(false);
        let before = self.model.take();
        let opened = match &self.asked_for {
            Some(path) if !self.answers.is_empty() => (self.open_foreign)(path, &self.answers),
            path => (self.open)(path.as_deref()),
        };
        let opened = opened.map_err(EngineError::Outside)?;
        match before {
            Some(before) if is_same(&before.info, &opened.info) => {
                self.model = Some(Model::new(opened.codec, opened.info));
                Ok((Vec::new(), Vec::new()))
            }
            _ => Ok(self.adopt(opened)),
        }
    }

    /// Opens directions for the open model.
    pub(super) fn open_attributes(&mut self, path: &Path) -> Result<Vec<Event>, EngineError> {
        let shape = &self.model()?.shape;
        let config = self.model()?.codec.config();
        let file = files::attributes::read_for(path, config)?;
        if let Some(d) = misfit(&file.directions, shape) {
            return Err(EngineError::Outside(format!(
                "{d} belongs to another model; open matching attributes: {}",
                path.display()
            )));
        }
        let other = differs(file.fingerprint, self.model()?.info.fingerprint);
        self.opened = file.directions;
        self.rearrange();
        let mut events = vec![self.attributes_event()];
        if other {
            events.push(Event::Note(format!(
                "these attributes were found with another training of a model of this shape; what they move may differ: {}",
                path.display()
            )));
        }
        Ok(events)
    }

    fn attributes_event(&self) -> Event {
        Event::AttributesOpened(self.attribute_infos())
    }

    /// The open directions.
    pub(super) fn directions(&self) -> &Directions {
        &self.directions
    }

    /// What is kept of a folder that was encoded with the open model.
    pub(super) fn map(&self, ticket: Ticket) -> Option<&MapRecords> {
        self.maps.get(ticket)
    }

    pub(super) fn map_mut(&mut self, ticket: Ticket) -> Option<&mut MapRecords> {
        self.maps.get_mut(ticket)
    }

    pub(super) fn add_map(&mut self, ticket: Ticket, records: MapRecords) {
        self.maps.add(ticket, records);
    }

    /// Name of the open model.
    pub(super) fn model_name(&self) -> Result<&str, EngineError> {
        Ok(&self.model()?.info.name)
    }

    /// The open model, for those who compare it with another.
    pub(super) fn stamp(&self) -> Option<&Arc<Stamp>> {
        self.model.as_ref().map(|model| &model.stamp)
    }

    /// Fingerprint of the open model.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.model.as_ref().map(|model| model.info.fingerprint)
    }

    /// What the latents of the open model look like.
    pub(super) fn shape(&self) -> Result<&LatentShape, EngineError> {
        Ok(&self.model()?.shape)
    }

    /// Configuration of the open model.
    pub(super) fn config(&self) -> Result<&GlowConfig, EngineError> {
        Ok(self.model()?.codec.config())
    }

    // --- Encode and decode ---

    /// Cells of a view to decode together.
    pub(super) fn cells_at_once(&self) -> usize {
        let model = self.model.as_ref();
        model.map_or(1, |m| m.codec.cells_at_once().max(1))
    }

    /// Decodes latents; as many pictures as latents.
    pub(super) fn decode(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Decoded>, EngineError> {
        let decoded = self.run_codec(|codec| codec.decode(latents, cancelled))?;
        as_many(decoded, latents.len())
    }

    /// Runs `work` in the model. Where it panics, [`Library::model_panicked`] knows that it was there.
    fn run_codec<T>(
        &self,
        work: impl FnOnce(&dyn Codec) -> Result<T, ModelError>,
    ) -> Result<T, EngineError> {
        let codec = self.model()?.codec.as_ref();
        self.in_codec.set(true);
        let result = work(codec);
        self.in_codec.set(false);
        Ok(result?)
    }

    /// As [`Library::decode`], in a draft where the model has them; whether these are drafts.
    pub(super) fn draft(
        &self,
        latents: &[Latent],
        cancelled: Cancelled<'_>,
    ) -> Result<(Vec<Decoded>, bool), EngineError> {
        if !self.model()?.codec.has_drafts() {
            return Ok((self.decode(latents, cancelled)?, false));
        }
        let decoded = self.run_codec(|codec| codec.draft(latents, cancelled))?;
        Ok((as_many(decoded, latents.len())?, true))
    }

    fn decode_one(
        &self,
        latent: &Latent,
        cancelled: Cancelled<'_>,
    ) -> Result<Decoded, EngineError> {
        let decoded = self.decode(std::slice::from_ref(latent), cancelled)?;
        decoded.into_iter().next().ok_or(EngineError::NoModel)
    }

    /// Encodes model inputs.
    pub(super) fn encode_x(
        &self,
        x: Vec<Vec<f32>>,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Encoded>, EngineError> {
        let n = x.len();
        let encoded = self.run_codec(|codec| codec.encode_x(x, &self.condition, cancelled))?;
        as_many(encoded, n)
    }

    /// What photos are given that come from now on.
    pub(super) fn set_condition(&mut self, condition: Condition) {
        self.condition = condition;
    }

    /// Encodes a picture given what photos are given that come from now on; nothing of it is kept.
    pub(super) fn encode_for_map(
        &self,
        pixels: &RgbImage,
        cancelled: Cancelled<'_>,
    ) -> Result<Encoded, EngineError> {
        self.encode_given(pixels, &self.condition, cancelled)
    }

    fn encode_given(
        &self,
        pixels: &RgbImage,
        condition: &Condition,
        cancelled: Cancelled<'_>,
    ) -> Result<Encoded, EngineError> {
        let pixels = std::slice::from_ref(pixels);
        let encoded = self.run_codec(|codec| codec.encode_given(pixels, condition, cancelled))?;
        let encoded = as_many(encoded, 1)?;
        encoded.into_iter().next().ok_or(EngineError::NoModel)
    }

    // --- Recipes and their pictures ---

    /// The latent of a recipe.
    pub(super) fn latent(
        &mut self,
        recipe: &Recipe,
        items: Option<&ShelfItems>,
    ) -> Result<Arc<Latent>, EngineError> {
        let model = self.model.as_ref().ok_or(EngineError::NoModel)?;
        let latent = Resolver {
            shape: &model.shape,
            directions: &self.directions,
            items: items.unwrap_or(&self.items),
            samples: &mut self.samples,
        }
        .latent(recipe)?;
        Ok(latent)
    }

    /// The key of a recipe's picture.
    pub(super) fn key(
        &self,
        recipe: &Recipe,
        items: Option<&ShelfItems>,
    ) -> Result<Vec<u8>, EngineError> {
        Ok(recipe::key(recipe, items.unwrap_or(&self.items))?)
    }

    /// A picture that was decoded before.
    pub(super) fn cached(&mut self, key: &[u8]) -> Option<DrawnPicture> {
        self.pictures.get(key)
    }

    /// Keeps a decoded picture.
    pub(super) fn keep(&mut self, key: &[u8], decoded: Decoded) -> DrawnPicture {
        let picture = DrawnPicture::new(decoded);
        let bytes = picture.pixels.as_raw().len();
        self.pictures.insert(key, picture.clone(), bytes);
        picture
    }

    /// The items as they are now; cheap.
    pub(super) fn items(&self) -> ShelfItems {
        self.items.clone()
    }

    /// Figures of a recipe. An imported picture's come from the picture itself, any other's from what
    /// its latent decodes to.
    pub(super) fn inspect(
        &mut self,
        recipe: &Recipe,
        cancelled: Cancelled<'_>,
    ) -> Result<Inspection, EngineError> {
        let latent = self.latent(recipe, None)?;
        if let Recipe::Item(id) = recipe
            && let Some(known) = self.items.get(id).and_then(|item| item.figures.clone())
        {
            return Ok(self.with_projections(known, &latent));
        }
        let decoded = self.decode_one(&latent, cancelled)?;
        if let Recipe::Item(id) = recipe
            && let Some(encoded) = self.encoded_anew(*id, cancelled)?
        {
            let inspection = figures::of(&latent, &encoded, &decoded);
            self.measured(*id, &inspection);
            return Ok(self.with_projections(inspection, &latent));
        }
        let (inspection, decoded) = self.inspect_decoded(&latent, decoded, cancelled)?;
        if let Recipe::Item(id) = recipe {
            self.measured(*id, &inspection);
        }
        let key = self.key(recipe, None)?;
        self.keep(&key, decoded);
        Ok(self.with_projections(inspection, &latent))
    }

    /// Figures of a latent that was not encoded from a picture; gives `decoded` back.
    fn inspect_decoded(
        &self,
        latent: &Latent,
        decoded: Decoded,
        cancelled: Cancelled<'_>,
    ) -> Result<(Inspection, Decoded), EngineError> {
        if decoded.non_finite > 0 {
            // There is no picture whose likelihood could be asked for.
            return Ok((
                figures::without_picture(latent, decoded.non_finite),
                decoded,
            ));
        }
        let encoded = self.encode_given(&decoded.pixels, &latent.condition, cancelled)?;
        let again = self.decode_one(&encoded.latent, cancelled)?;
        Ok((figures::of(latent, &encoded, &again), decoded))
    }

    fn with_projections(&self, mut inspection: Inspection, latent: &Latent) -> Inspection {
        // Shapes were checked when the directions were opened, so that nothing is lost here.
        inspection.projections = self.directions.project_all(latent).unwrap_or_default();
        inspection
    }
}

/// Whether a file that was read again holds the model that it held before.
fn is_same(before: &ModelInfo, now: &ModelInfo) -> bool {
    before.config == now.config && before.fingerprint == now.fingerprint
}

/// Whether a file is known to belong to another training.
fn differs(found: Option<Fingerprint>, open: Fingerprint) -> bool {
    found.is_some_and(|found| found != open)
}

/// What is said of latents that decode, but to other pictures than they were made of.
pub(super) fn other_training(names: &[String]) -> Option<Event> {
    let text = || {
        format!(
            "made with another training of a model of this shape, so their pictures differ: {}",
            names.join(", ")
        )
    };
    (!names.is_empty()).then(|| Event::Note(text()))
}

/// What to tell the window of a model that was opened, and the items to encode anew.
pub(super) type Adopted = (Vec<Event>, Vec<ItemId>);

/// What came of opening a model.
pub(super) enum ModelOpening {
    /// It is open.
    Adopted(Adopted),
    /// Its file does not say everything, and nothing has changed.
    Asks(Event),
}

/// Samples in a question about a model, and their temperature.
const ASKED_WITH: u32 = 4;
const ASKED_AT: f32 = 0.7;

/// The question about a model whose file does not say everything.
fn asks(path: &Path, opened: &OpenedModel, again: bool) -> Result<Event, EngineError> {
    let shape = opened.codec.config().latent_shape();
    let sample = |index| temperature::scaled(&temperature::sample(&shape, 0, index), &[ASKED_AT]);
    let latents: Result<Vec<Latent>, _> = (0..ASKED_WITH).map(sample).collect();
    let decoded = opened
        .codec
        .decode(&latents.map_err(RecipeError::from)?, &|| false)?;
    let pictures = decoded.into_iter().map(|d| Arc::new(d.pixels));
    Ok(Event::ModelAsks {
        path: path.to_owned(),
        asks: opened.asks.clone(),
        pictures: pictures.collect(),
        again,
    })
}

/// The first direction that is not of this shape, for messages.
fn misfit(directions: &Directions, shape: &LatentShape) -> Option<String> {
    let mut all = directions.as_slice().iter();
    let misfit = all.find(|d| !d.vector.fits(shape));
    misfit.map(|d| format!("attribute \"{}\"", d.name))
}

fn as_many<T>(results: Vec<T>, n: usize) -> Result<Vec<T>, EngineError> {
    if results.len() == n {
        return Ok(results);
    }
    Err(EngineError::Model(ModelError::Shape {
        what: "the model's answer".to_owned(),
        expected: format!("{n} results"),
        found: results.len().to_string(),
    }))
}

/// A failure without a ticket.
pub(super) fn failed(item: Option<ItemId>, message: String) -> Event {
    Event::Failed {
        ticket: None,
        item,
        message,
    }
}
