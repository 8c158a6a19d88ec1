//! A worker by script: answers commands with procedurally drawn faces, for tests of the window.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use image::{Rgb, RgbImage};

use crate::engine::EngineLink;
use crate::engine::message::{
    Answer, AttributeInfo, BuildReport, BuildRequest, ColumnCount, Command, CropSquare, CurvePoint,
    DirectionId, EarlierState, EarlierTraining, EarlierWork, Event, ExampleCounts, ExampleSource,
    Fit, FolderNews, Inspection, ItemId, LabelColumn, LevelReport, LevelStatistics, MapNeighbour,
    MapPicture, MapPlane, ModelInfo, Neighbour, PathEntry, PictureSource, Question, Recipe,
    SelfTest, TensorInfo, Ticket, TrainCommand, TrainReport, TrainingBegun, TrainingEnd,
    TrainingStep, WalkStep,
};
use crate::latent::LevelEps;
use crate::latent::tests::tiny_config;
use crate::model::{GlowConfig, Padding};

/// Numbers that make up a drawn face.
const N: usize = 10;
/// Attributes of the scripted model, each moving one of those numbers.
pub const ATTRIBUTES: [&str; 10] = [
    "Smiling",
    "Blond_Hair",
    "Male",
    "Young",
    "Eyeglasses",
    "Mouth_Slightly_Open",
    "Pale_Skin",
    "Narrow_Eyes",
    "Wavy_Hair",
    "Heavy_Makeup",
];

/// What the scripted model's file says of itself.
const PROVENANCE: &str = r#"{
  "curve": [
    { "pictures": 1000, "train_bits_per_dim": 2.1, "valid_bits_per_dim": 2.2 },
    { "pictures": 2000, "train_bits_per_dim": 1.6, "valid_bits_per_dim": 1.7 },
    { "pictures": 4000, "train_bits_per_dim": 1.4, "valid_bits_per_dim": 1.5 }
  ],
  "data": "faces",
  "steps": 12000
}"#;

/// The script.
pub struct FakeEngine {
    commands: Receiver<Command>,
    events: Sender<Event>,
    items: HashMap<ItemId, [f32; N]>,
    /// Directions that were built and are open.
    arranged: Vec<(DirectionId, String)>,
    /// Begins builds and never ends them.
    pub holds_builds: bool,
    /// Everything that was asked for, oldest first.
    pub heard: Vec<Command>,
}

impl FakeEngine {
    /// A script and the window's end of its channels.
    pub fn new() -> (Self, EngineLink) {
        let (commands_out, commands) = unbounded();
        let (events, events_in) = unbounded();
        let link = EngineLink {
            commands: commands_out,
            events: events_in,
        };
        let engine = Self {
            commands,
            events,
            items: HashMap::new(),
            arranged: Vec::new(),
            holds_builds: false,
            heard: Vec::new(),
        };
        (engine, link)
    }

    /// Answers everything that waits; how many commands that were.
    pub fn answer(&mut self) -> usize {
        let waiting: Vec<Command> = self.commands.try_iter().collect();
        for command in &waiting {
            self.heard.push(command.clone());
            self.answer_one(command);
        }
        waiting.len()
    }

    /// Answers the oldest command that waits; whether there was one.
    pub fn answer_next(&mut self) -> bool {
        let Ok(command) = self.commands.try_recv() else {
            return false;
        };
        self.answer_one(&command);
        self.heard.push(command);
        true
    }

    /// Commands that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.commands.len()
    }

    fn say(&self, event: Event) {
        self.events.send(event).unwrap();
    }

    fn answer_one(&mut self, command: &Command) {
        match command {
            Command::OpenModel(path) => {
                self.say(Event::ModelOpened(Box::new(model_info(path.clone()))));
                self.say(Event::AttributesOpened(self.all_attributes()));
            }
            Command::Import { item, source, crop } => self.import(*item, source, *crop),
            Command::ReadFolder { ticket, path } => {
                match crate::data::folder::list_pictures(path) {
                    Ok(listing) => self.say(Event::FolderRead {
                        ticket: Some(*ticket),
                        listing,
                    }),
                    Err(error) => self.say(Event::Failed {
                        ticket: Some(*ticket),
                        item: None,
                        message: error.to_string(),
                    }),
                }
            }
            Command::EncodeFolder { ticket, path } => self.encode_folder(*ticket, path),
            Command::Recrop { item, crop } => {
                let numbers = normals(crop.side as u64 + 3);
                self.encoded(*item, numbers);
            }
            Command::SetCondition(_) | Command::TryModel { .. } => {}
            Command::OpenModelAs { path, .. } => {
                self.say(Event::ModelOpened(Box::new(model_info(Some(path.clone())))));
            }
            Command::Give { item, condition } => {
                let numbers = normals(condition.0.len() as u64 + 5);
                self.encoded(*item, numbers);
            }
            Command::Pin { item, recipe } => {
                let numbers = self.numbers(recipe);
                self.encoded(*item, numbers);
            }
            Command::Forget(items) => {
                for item in items {
                    self.items.remove(item);
                }
            }
            Command::Render {
                view,
                ticket,
                cells,
                draft,
            } => {
                for (cell, recipe) in cells {
                    let numbers = self.numbers(recipe);
                    self.say(Event::Rendered {
                        view: *view,
                        ticket: *ticket,
                        cell: *cell,
                        pixels: Arc::new(face(&numbers)),
                        non_finite: usize::from(numbers.iter().any(|v| v.abs() > 8.0)) * 96,
                        draft: *draft,
                        elapsed: Some(Duration::from_micros(
                            11_000 + 700 * u64::from(cell % 5) + 150 * (ticket.0 % 7),
                        )),
                    });
                }
                self.say(Event::RenderDone {
                    view: *view,
                    ticket: *ticket,
                });
            }
            Command::Inspect { ticket, recipe } => {
                let inspection = inspection(&self.numbers(recipe));
                self.say(Event::Inspected {
                    ticket: *ticket,
                    inspection,
                });
            }
            Command::Ask { ticket, question } => {
                let answer = self.answer_to(question);
                let ticket = *ticket;
                self.say(Event::Answered { ticket, answer });
            }
            Command::Build { ticket, request } => {
                self.say(Event::Progress {
                    ticket: Some(*ticket),
                    what: "encoding".to_owned(),
                    done: 3,
                    total: 12,
                });
                if !self.holds_builds {
                    self.built(*ticket, request);
                }
            }
            Command::ArrangeDirections(list) => {
                self.arranged.clone_from(list);
                self.say(Event::DirectionsArranged(self.all_attributes()));
            }
            Command::SaveDirections { ticket, path, .. } => self.say(Event::Exported {
                ticket: *ticket,
                path: path.clone(),
            }),
            Command::Cancel(ticket) if self.holds_builds => self.say(Event::Failed {
                ticket: Some(*ticket),
                item: None,
                message: "building the directions was cancelled".to_owned(),
            }),
            Command::Export { ticket, request } => {
                self.say(Event::Exported {
                    ticket: *ticket,
                    path: request.path.clone(),
                });
            }
            Command::OpenAttributes(_) => {
                self.say(Event::AttributesOpened(self.all_attributes()));
            }
            Command::Inquire { item, path } => self.say(Event::Inquired {
                item: *item,
                path: path.clone(),
                settings: crate::export::read_settings(path),
            }),
            Command::SaveSession { ticket, path, .. } => self.say(Event::SessionSaved {
                ticket: *ticket,
                path: path.clone(),
            }),
            Command::OpenSession { ticket, .. } => self.say(Event::Failed {
                ticket: Some(*ticket),
                item: None,
                message: "the session cannot be read".to_owned(),
            }),
            Command::RestoreItems { ticket, .. } => self.say(Event::ItemsRestored {
                ticket: *ticket,
                fit: Fit::default(),
            }),
            Command::Cancel(_) => {}
            Command::Train(command) => self.train(command),
        }
    }

    fn answer_to(&self, question: &Question) -> Answer {
        match question {
            Question::Levels(recipe) => {
                let numbers = self.numbers(recipe);
                let level = |level: usize| LevelReport {
                    statistics: LevelStatistics::of(&LevelEps {
                        channels: 1,
                        side: 10,
                        data: (0..10u64)
                            .flat_map(|i| normals(i + 100 * level as u64))
                            .map(|v| v * 0.5 + 0.1 * numbers[level])
                            .collect(),
                    }),
                    eps: Arc::new(face(&numbers)),
                };
                Answer::Levels((0..3).map(level).collect())
            }
            Question::Walk(recipe) => {
                let numbers = self.numbers(recipe);
                let step = |at: usize| WalkStep {
                    level: 2 - at / 5,
                    undone: at % 5,
                    pixels: Arc::new(face(&numbers.map(|v| v * at as f32 / 14.0))),
                };
                Answer::Walk(Arc::new((0..15).map(step).collect()))
            }
            Question::Photo { recipe, .. } => Answer::Photo {
                before: Arc::new(face(&[0.0; N])),
                after: Arc::new(face(&self.numbers(recipe))),
            },
            Question::Neighbours(items) => {
                let numbers = |id: &ItemId| self.items.get(id).copied().unwrap_or_default();
                let distance = |a: &ItemId, b: &ItemId| {
                    let (a, b) = (numbers(a), numbers(b));
                    let squares = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2));
                    (squares.sum::<f64>() / (2 * N) as f64).sqrt()
                };
                let nearest = |id: &ItemId| {
                    let others = items.iter().filter(|other| *other != id);
                    let all = others.map(|other| Neighbour {
                        item: *other,
                        distance: distance(id, other),
                    });
                    (*id, all.min_by(|a, b| a.distance.total_cmp(&b.distance)))
                };
                Answer::Neighbours(items.iter().map(nearest).collect())
            }
            Question::MapNeighbours {
                picture, pictures, ..
            } => {
                let others = (0..*pictures).filter(|other| other != picture).take(5);
                let near = others.enumerate().map(|(i, picture)| MapNeighbour {
                    picture,
                    distance: 0.5 + 0.1 * i as f64,
                });
                Answer::MapNeighbours(near.collect())
            }
            Question::Entries { folder } => {
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                let mut entries: Vec<PathEntry> = entries
                    .map(|entry| PathEntry {
                        name: entry.file_name().into_string().unwrap(),
                        is_folder: entry.path().is_dir(),
                    })
                    .collect();
                entries.sort_by_key(|entry| (!entry.is_folder, entry.name.clone()));
                Answer::Entries(entries)
            }
            Question::MapLabels { pictures, .. } => {
                let column = |name: &str, value: fn(usize) -> f32| LabelColumn {
                    name: name.to_owned(),
                    values: (0..*pictures).map(value).collect(),
                };
                Answer::MapLabels(Arc::new(vec![
                    column("age", |i| 20.0 + i as f32),
                    column("hat", |i| if i % 3 == 0 { 1.0 } else { -1.0 }),
                ]))
            }
            Question::Examples(source) => Answer::Examples(example_counts(source)),
            Question::SelfTest { count, .. } => Answer::SelfTest(SelfTest {
                count: *count as usize,
                finite: *count as usize,
                round_trip: 2.4e-6,
                bits_per_dim: 1.27,
                decode_ms: 11.0,
                encode_ms: 13.0,
            }),
        }
    }

    /// Names alone decide what the pictures are; one that is `missing` cannot be read.
    fn encode_folder(&self, ticket: Ticket, path: &Path) {
        let listing = match crate::data::folder::list_pictures(path) {
            Ok(listing) => listing,
            Err(error) => {
                return self.say(Event::Failed {
                    ticket: Some(ticket),
                    item: None,
                    message: error.to_string(),
                });
            }
        };
        let say = |news| self.say(Event::Folder { ticket, news });
        let is_table = |name: &&String| name.ends_with(".csv");
        let tables = listing.others.iter().filter(is_table);
        say(FolderNews::Begun {
            folder: path.to_owned(),
            total: listing.pictures.len(),
            scores: ATTRIBUTES.map(str::to_owned).into(),
            tables: tables.map(|name| path.join(name)).collect(),
        });
        let (mut eps, mut scores) = (Vec::new(), Vec::new());
        for name in &listing.pictures {
            let file = path.join(name);
            if name.contains("missing") {
                let why = format!("the file is empty; copy it again: {}", file.display());
                say(FolderNews::LeftOut(why));
                continue;
            }
            let numbers = normals(name.bytes().fold(7, |h, b| h * 31 + u64::from(b)));
            eps.push([numbers[0], numbers[1]]);
            scores.push([numbers[2] + 0.5 * numbers[0], numbers[3]]);
            say(FolderNews::Picture(Box::new(MapPicture {
                name: name.clone(),
                path: Some(file),
                thumbnail: Arc::new(image::imageops::thumbnail(&face(&numbers), 48, 48)),
                bits_per_dim: inspection(&numbers).bits_per_dim,
                scores: numbers.to_vec(),
            })));
        }
        let plane = |positions: Vec<[f32; 2]>, words: [[&str; 2]; 2]| MapPlane {
            positions: Arc::new(positions),
            shares: [0.145, 0.082],
            words: words.map(|ends| ends.map(str::to_owned)),
        };
        let words = [["Male, Beard", "Wearing_Lipstick"], ["Young", "Gray_Hair"]];
        say(FolderNews::Planes {
            eps: plane(eps, [["", ""], ["", ""]]),
            scores: Some(plane(scores, words)),
        });
        say(FolderNews::Done { cancelled: false });
    }

    fn built(&self, ticket: Ticket, request: &BuildRequest) {
        let names = match request.columns.is_empty() {
            true => std::slice::from_ref(&request.name),
            false => &request.columns,
        };
        let id = |name: &String| DirectionId(name.bytes().map(u64::from).sum());
        let report = BuildReport {
            directions: names.iter().map(|name| (id(name), name.clone())).collect(),
            left_out: Vec::new(),
            unreadable: match request.source {
                ExampleSource::Folders { .. } => {
                    vec!["the picture is damaged; save it anew: /home/me/smiling/7.png".to_owned()]
                }
                _ => Vec::new(),
            },
        };
        self.say(Event::Built { ticket, report });
    }

    /// Those of the file, and those that were built.
    fn all_attributes(&self) -> Vec<AttributeInfo> {
        let built = self.arranged.iter().map(|(id, name)| AttributeInfo {
            name: name.clone(),
            auc: (id.0 % 2 == 0).then_some(0.91),
            counts: [14, 16],
            range: [-3.0, 3.0],
            built: Some(*id),
            method: "difference of means".to_owned(),
            held_out: 6,
            leakage: vec![("Smiling".to_owned(), 0.42), ("Male".to_owned(), -0.17)],
        });
        attributes().into_iter().chain(built).collect()
    }

    fn train(&mut self, command: &TrainCommand) {
        let say = |report| self.say(Event::Training(report));
        match command {
            TrainCommand::Start(order) => {
                let path = order.out.clone();
                let name = path.display().to_string();
                if order.images.display().to_string().contains("missing") {
                    let message =
                        format!("no such folder; check the path: {}", order.images.display());
                    return say(TrainReport::Ended(TrainingEnd::Failed { message, path }));
                }
                if name.contains("earlier") && order.earlier == EarlierWork::Keep {
                    let resumable = Some(EarlierState {
                        pictures_seen: 12_300,
                        side: 64,
                    });
                    let earlier = EarlierTraining { path, resumable };
                    return say(TrainReport::Ended(TrainingEnd::Earlier(earlier)));
                }
                let before = match order.earlier {
                    EarlierWork::Resume => 12_300,
                    EarlierWork::Keep | EarlierWork::Replace => 0,
                };
                say(TrainReport::Begun(Box::new(TrainingBegun {
                    model: "3 levels of 16 steps, width 128".to_owned(),
                    side: 64,
                    n_parameters: 4_812_000,
                    n_pictures: 7600,
                    n_valid: 400,
                    pictures_seen: before,
                    curve: Vec::new(),
                    threads: 1,
                })));
                for step in 1..=400u64 {
                    let seen = before + 64 * step;
                    let noise = normals(step)[0];
                    say(TrainReport::Step(TrainingStep {
                        pictures_seen: seen,
                        bits_per_dim: 2.4
                            + 3.0 / (1.0 + step as f64 / 12.0)
                            + 0.05 * f64::from(noise),
                        pictures_per_sec: 23.6,
                        secs_left: order.pictures.map(|n| n.saturating_sub(seen) as f64 / 23.6),
                    }));
                    if step % 40 == 0 {
                        say(TrainReport::Saved(CurvePoint {
                            pictures: seen,
                            train_bits_per_dim: 2.4 + 3.0 / (1.0 + step as f64 / 12.0),
                            valid_bits_per_dim: Some(2.45 + 3.0 / (1.0 + step as f64 / 12.0)),
                            valid_bits_per_detail: None,
                            round_trip: 1e-5,
                            seconds: step as f64,
                        }));
                    }
                }
                let samples = (0..16).map(|i| Arc::new(face(&normals(900 + i))));
                say(TrainReport::Samples(samples.collect()));
            }
            TrainCommand::Pause(paused) => say(TrainReport::Paused(*paused)),
            TrainCommand::Stop => say(TrainReport::Ended(TrainingEnd::Stopped)),
        }
    }

    fn import(&mut self, item: ItemId, source: &PictureSource, crop: Option<CropSquare>) {
        if let PictureSource::Path(path) = source
            && let Ok(listing) = crate::data::folder::list_pictures(path)
        {
            self.say(Event::Forgotten(vec![item]));
            let ticket = None;
            self.say(Event::FolderRead { ticket, listing });
            return;
        }
        let name = match source {
            PictureSource::Path(path) => path.display().to_string(),
            PictureSource::Bytes { name, .. } => name.clone(),
            PictureSource::Rgba { .. } => "pasted".to_owned(),
        };
        if name.contains("missing") {
            self.say(Event::Failed {
                ticket: None,
                item: Some(item),
                message: format!("cannot read the picture: no such file; check the path: {name}"),
            });
            return;
        }
        let numbers = normals(name.bytes().map(u64::from).sum());
        let photo = RgbImage::from_fn(360, 480, |x, y| {
            let (u, v) = (x as f32 / 360.0, y as f32 / 480.0);
            let (fx, fy) = (
                (u - 0.5) * 360.0 / 220.0 + 0.5,
                (v - 0.42) * 480.0 / 220.0 + 0.5,
            );
            if (0.0..1.0).contains(&fx) && (0.0..1.0).contains(&fy) {
                shade(&numbers, fx, fy)
            } else {
                Rgb([60 + (u * 50.0) as u8, 70 + (v * 60.0) as u8, 96])
            }
        });
        self.say(Event::Imported {
            item,
            name,
            preview: Arc::new(photo),
            size: [1080, 1440],
            crop: crop.unwrap_or(CropSquare {
                cx: 540.0,
                cy: 605.0,
                side: 660.0,
            }),
            face_found: true,
            notes: Vec::new(),
        });
        self.encoded(item, numbers);
    }

    fn encoded(&mut self, item: ItemId, numbers: [f32; N]) {
        self.items.insert(item, numbers);
        self.say(Event::Encoded {
            item,
            thumbnail: Arc::new(face(&numbers)),
            inspection: Some(inspection(&numbers)),
        });
    }

    fn numbers(&self, recipe: &Recipe) -> [f32; N] {
        match recipe {
            Recipe::Item(item) => self.items.get(item).copied().unwrap_or_default(),
            Recipe::Sample { seed, index } => normals(seed * 7919 + u64::from(*index)),
            Recipe::Morph { keys, t, .. } => {
                let at = t * (keys.len() - 1) as f32;
                let i = (at as usize).min(keys.len() - 2);
                let (a, b) = (self.numbers(&keys[i]), self.numbers(&keys[i + 1]));
                std::array::from_fn(|k| a[k] + (at - i as f32) * (b[k] - a[k]))
            }
            Recipe::Edited { base, edits, .. } => {
                let mut numbers = self.numbers(base);
                for edit in edits {
                    let known = ATTRIBUTES.iter().position(|a| *a == edit.name);
                    let at = known.unwrap_or(edit.name.len() % N);
                    numbers[at] += edit.amount;
                }
                numbers
            }
            Recipe::Varied { base, seed, amount } => {
                let (base, noise) = (self.numbers(base), normals(*seed));
                std::array::from_fn(|k| base[k] + amount * noise[k])
            }
            Recipe::Scaled { base, temperature } => self.numbers(base).map(|v| v * temperature[0]),
            Recipe::Mixed { a, b, shares } => {
                let (a, b) = (self.numbers(a), self.numbers(b));
                let share = |k: usize| shares[k % shares.len()];
                std::array::from_fn(|k| a[k] + share(k) * (b[k] - a[k]))
            }
            Recipe::Given { base, .. } => self.numbers(base),
        }
    }
}

fn model_info(path: Option<PathBuf>) -> ModelInfo {
    let config = GlowConfig {
        image_size: 64,
        levels: 3,
        depth: 16,
        width: 128,
        padding: Padding::EdgeBias,
        ..tiny_config()
    };
    ModelInfo {
        name: "faces-64 (shipped)".to_owned(),
        path,
        answers: Default::default(),
        config: config.validated().unwrap(),
        n_parameters: 4_812_000,
        fingerprint: "0".repeat(32).parse().unwrap(),
        provenance: PROVENANCE.to_owned(),
        device: "cpu, 2 threads".to_owned(),
        tensors: Arc::new(tensors()),
        condition_names: Vec::new(),
    }
}

fn tensors() -> Vec<TensorInfo> {
    let level = |l: usize| {
        let name = |part: &str| format!("levels.{l}.steps.0.{part}");
        let c = 12 << l;
        [
            (name("actnorm.bias"), vec![c]),
            (name("permutation.l"), vec![c, c]),
            (name("coupling.conv1.weight"), vec![128, c / 2, 3, 3]),
        ]
    };
    let all = (0..3).flat_map(level);
    all.map(|(name, shape)| TensorInfo { name, shape })
        .collect()
}

fn attributes() -> Vec<AttributeInfo> {
    let names = ATTRIBUTES.iter().enumerate();
    names
        .map(|(i, name)| AttributeInfo {
            name: (*name).to_owned(),
            auc: Some(0.97 - 0.02 * i as f32),
            counts: [900 - 40 * i, 1100 + 40 * i],
            range: [-2.0, 2.0],
            built: None,
            method: String::new(),
            held_out: 0,
            leakage: Vec::new(),
        })
        .collect()
}

fn example_counts(source: &ExampleSource) -> ExampleCounts {
    let column = |name: &str, counts| ColumnCount {
        name: name.to_owned(),
        counts,
        is_number: name == "age",
    };
    let (columns, notes) = match source {
        ExampleSource::Labels { .. } => (
            vec![
                column("glasses", [40, 160]),
                column("age", [100, 100]),
                column("hat", [0, 200]),
            ],
            vec!["column `place` is left out: it has more than two texts".to_owned()],
        ),
        _ => (vec![column("", [14, 16])], Vec::new()),
    };
    ExampleCounts { columns, notes }
}

fn inspection(numbers: &[f32; N]) -> Inspection {
    let norm = (numbers.iter().map(|v| v * v).sum::<f32>() / N as f32).sqrt();
    let norm = f64::from(norm);
    Inspection {
        bits_per_dim: 2.9 + 0.5 * norm,
        level_bits: vec![-1.21 + 0.2 * norm, -0.62, -0.28 + 0.1 * norm],
        relative_norm: norm,
        level_norms: vec![norm * 0.98, norm * 1.04, norm * 0.93],
        round_trip: 1.2e-6 * (1.0 + norm),
        projections: numbers.to_vec(),
        condition: Default::default(),
        non_finite: usize::from(numbers.iter().any(|v| v.abs() > 8.0)) * 96,
    }
}

/// Ten numbers, roughly standard normal, from a seed.
fn normals(seed: u64) -> [f32; N] {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        let sum: f32 = (0..4)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
            })
            .sum();
        sum * 1.7
    })
}

fn face(numbers: &[f32; N]) -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| {
        shade(numbers, (x as f32 + 0.5) / 64.0, (y as f32 + 0.5) / 64.0)
    })
}

/// One point of a face: background, hair, head, eyes, mouth.
fn shade(n: &[f32; N], u: f32, v: f32) -> Rgb<u8> {
    let mix = |a: [f32; 3], b: [f32; 3], t: f32| {
        let t = t.clamp(0.0, 1.0);
        [
            a[0] + t * (b[0] - a[0]),
            a[1] + t * (b[1] - a[1]),
            a[2] + t * (b[2] - a[2]),
        ]
    };
    let soft = |d: f32| (0.5 - d * 30.0).clamp(0.0, 1.0);
    let ellipse = |cx: f32, cy: f32, rx: f32, ry: f32| {
        (((u - cx) / rx).powi(2) + ((v - cy) / ry).powi(2)).sqrt() * rx.min(ry) - rx.min(ry)
    };
    let mut color = mix(
        [0.35, 0.42, 0.5],
        [0.62, 0.55, 0.48],
        0.5 + 0.3 * n[8] + 0.4 * (v - 0.5),
    );
    let hair = mix([0.16, 0.1, 0.07], [0.86, 0.7, 0.42], 0.35 + 0.35 * n[1]);
    let length = 0.42 - 0.08 * n[2];
    let wave = 0.012 * n[8] * (v * 40.0).sin();
    color = mix(color, hair, soft(ellipse(0.5 + wave, 0.46, 0.34, length)));
    let skin = mix([0.55, 0.36, 0.26], [0.98, 0.82, 0.72], 0.6 + 0.25 * n[6]);
    let width = 0.23 + 0.02 * n[2];
    color = mix(
        color,
        mix(skin, [0.2, 0.1, 0.1], 0.25),
        soft(ellipse(0.5, 0.86, 0.13, 0.2)),
    );
    let lit = mix(skin, [1.0, 0.95, 0.9], 0.3 * (0.6 - u) + 0.02 * n[3]);
    color = mix(color, lit, soft(ellipse(0.5, 0.53, width, 0.31)));
    for side in [-1.0, 1.0] {
        let x = 0.5 + side * 0.1;
        let open = (0.022 - 0.006 * n[7]).max(0.006);
        color = mix(
            color,
            [0.97, 0.96, 0.95],
            soft(ellipse(x, 0.48, 0.042, open)),
        );
        color = mix(
            color,
            [0.15, 0.1, 0.08],
            soft(ellipse(x, 0.48, 0.018, open)),
        );
        color = mix(color, hair, soft(ellipse(x, 0.43, 0.055, 0.008)) * 0.8);
        if n[4] > 0.9 {
            let ring = ellipse(x, 0.48, 0.07, 0.055).abs() - 0.006;
            color = mix(color, [0.1, 0.1, 0.12], soft(ring));
        }
    }
    color = mix(
        color,
        mix(skin, [0.4, 0.2, 0.15], 0.35),
        soft(ellipse(0.505, 0.58, 0.022, 0.035)) * 0.6,
    );
    let bend = 0.66 + 0.03 * n[0] * (1.0 - ((u - 0.5) / 0.1).powi(2));
    let thickness = 0.012 + (0.012 * n[5]).max(0.0);
    if (u - 0.5).abs() < 0.1 {
        let lips = mix([0.6, 0.3, 0.28], [0.8, 0.15, 0.2], 0.3 + 0.3 * n[9]);
        color = mix(color, lips, soft((v - bend).abs() - thickness));
    }
    Rgb(color.map(|c| (c * 255.0).clamp(0.0, 255.0) as u8))
}
