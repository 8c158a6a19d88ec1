//! What can be wished for on the train screen, and what that does.

use super::tab::order;
use crate::app::action::Action;
use crate::app::state::{LogLevel, State};
use crate::app::training::TrainingPhase;
use crate::engine::message::{Command, EarlierWork, NetworkSize, TrainOrder};

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainWish {
    /// Folder of pictures.
    SetImages(String),
    /// Whether faces are framed.
    SetCropFaces(bool),
    /// Whether the open model is what it begins with.
    SetFromOpen(bool),
    /// Pixels a side.
    SetSide(u32),
    /// How large the network is.
    SetNetwork(NetworkSize),
    /// Bits a subpixel.
    SetBits(u32),
    /// Pictures in all; 0 has no end.
    SetLength(u64),
    /// Smaller steps.
    SetCareful(bool),
    /// Mirror half of the pictures.
    SetFlips(bool),
    /// The weight file.
    SetOut(String),
    /// Begin.
    Start,
    /// What is to become of the earlier training that was found.
    Answer(EarlierWork),
    /// Go on with the training that did not come to its end.
    Resume,
    /// Do not offer that any more; its files stay.
    Forget,
    /// Hold it up, or let it go on.
    Pause(bool),
    /// Save and end.
    Stop,
    /// Open the weights.
    Use,
}

pub(super) fn apply(state: &mut State, wish: TrainWish) -> Vec<Command> {
    let desk = &mut state.desks.train;
    match wish {
        TrainWish::SetImages(images) => desk.set_images(images),
        TrainWish::SetCropFaces(crop_faces) => desk.crop_faces = crop_faces,
        TrainWish::SetFromOpen(from_open) => desk.from_open = from_open,
        TrainWish::SetSide(side) => desk.side = side,
        TrainWish::SetNetwork(network) => desk.network = network,
        TrainWish::SetBits(bits) => desk.bits = bits,
        TrainWish::SetLength(length) => desk.length = length,
        TrainWish::SetCareful(careful) => desk.careful = careful,
        TrainWish::SetFlips(flips) => desk.flips = flips,
        TrainWish::SetOut(out) => desk.out = out,
        TrainWish::Start => match order(state) {
            Ok(order) => return state.start_training(order).into_iter().collect(),
            Err(reason) => state.log(LogLevel::Notice, reason),
        },
        TrainWish::Answer(earlier) => return answer(state, earlier),
        TrainWish::Resume => {
            if let Some(order) = state.training.resumable() {
                // Care is what helps a training that broke.
                let careful = order.careful || state.desks.train.careful;
                let order = TrainOrder { careful, ..order };
                return state.start_training(order).into_iter().collect();
            }
        }
        TrainWish::Forget => state.training.unfinished = None,
        TrainWish::Pause(paused) => return state.pause_training(paused).into_iter().collect(),
        TrainWish::Stop => return state.stop_training().into_iter().collect(),
        TrainWish::Use => {
            if let Some(path) = state.training.result() {
                return state.apply(Action::OpenModel(Some(path)));
            }
        }
    }
    Vec::new()
}

fn answer(state: &mut State, earlier: EarlierWork) -> Vec<Command> {
    let run = state.training.run.as_ref();
    let found = run.filter(|run| matches!(run.phase, TrainingPhase::Earlier(_)));
    let Some(order) = found.map(|run| run.order.clone()) else {
        return Vec::new();
    };
    if earlier == EarlierWork::Keep {
        state.training.run = None;
        return Vec::new();
    }
    let order = TrainOrder { earlier, ..order };
    state.start_training(order).into_iter().collect()
}
