use super::*;
use crate::engine::message::{ExportKind, ExportRequest};

fn import(id: u64) -> Command {
    Command::Import {
        item: ItemId(id),
        source: PictureSource::Path(PathBuf::from("a.png")),
        crop: None,
    }
}

fn render(ticket: u64, view: View, recipe: Recipe) -> Command {
    Command::Render {
        view,
        ticket: Ticket(ticket),
        cells: vec![(0, recipe)],
        draft: false,
    }
}

fn export(ticket: u64) -> Command {
    Command::Export {
        ticket: Ticket(ticket),
        request: ExportRequest {
            recipes: vec![sample()],
            kind: ExportKind::Latents,
            scale: 1,
            path: PathBuf::from("x"),
        },
    }
}

fn sample() -> Recipe {
    Recipe::Sample { seed: 0, index: 0 }
}

fn queue(commands: impl IntoIterator<Item = Command>) -> Queue {
    let mut queue = Queue::default();
    for command in commands {
        queue.accept(command);
    }
    queue
}

/// `r5` a render or inspection with ticket 5, `i3` a job that makes item 3, `open`, `e9` an export.
fn order(queue: &mut Queue) -> String {
    let mut words = Vec::new();
    while let Some(next) = queue.next() {
        words.push(match next {
            Next::Slot(slot) => format!("r{}", slot.ticket.0),
            Next::Job(Job::Export(job)) => format!("e{}", job.ticket.0),
            Next::Job(Job::Open(_, n) | Job::Attributes(_, n)) => {
                queue.pass(n);
                "open".to_owned()
            }
            Next::Job(job) => format!("i{}", job.item().unwrap().0),
        });
    }
    words.join(" ")
}

#[test]
fn the_newest_render_of_a_view_replaces_the_older() {
    let mut queue = queue([
        render(1, View(3), sample()),
        render(2, View(1), sample()),
        render(3, View(3), sample()),
    ]);
    assert_eq!(queue.len(), 2);
    assert_eq!(order(&mut queue), "r2 r3");
}

#[test]
fn a_model_overtakes_imports_only_and_renders_wait_for_it() {
    let mut queue = queue([
        import(1),
        export(9),
        import(2),
        Command::OpenModel(None),
        render(5, View(3), sample()),
    ]);
    assert_eq!(order(&mut queue), "i1 e9 open r5 i2");
}

#[test]
fn a_render_waits_for_its_item_which_is_made_first() {
    let pin = Command::Pin {
        item: ItemId(3),
        recipe: sample(),
    };
    let watched = render(5, View(3), Recipe::Item(ItemId(3)));
    let mut queue = queue([import(1), import(2), pin, watched]);
    assert_eq!(order(&mut queue), "i3 r5 i1 i2");
}

#[test]
fn a_pin_of_a_pending_picture_comes_after_it() {
    let pin = Command::Pin {
        item: ItemId(3),
        recipe: Recipe::Item(ItemId(2)),
    };
    let watched = render(5, View(3), Recipe::Item(ItemId(3)));
    let mut queue = queue([import(1), import(2), pin, watched]);
    assert_eq!(order(&mut queue), "i1 i2 i3 r5");
}

#[test]
fn batch_work_goes_on_under_an_endless_animation() {
    let mut queue = queue([export(9)]);
    let mut steps = String::new();
    for ticket in 0..10 {
        queue.accept(render(ticket, View(1), sample()));
        match queue.next() {
            Some(Next::Slot(_)) => steps.push('r'),
            Some(Next::Job(job)) => {
                steps.push('e');
                queue.resume(job);
            }
            None => unreachable!(),
        }
    }
    assert_eq!(steps, "rrrrerrrre");
}

#[test]
fn forgotten_and_cancelled_requests_leave_the_line() {
    let mut queue = queue([import(1), import(2), export(9), export(10)]);
    queue.accept(Command::Forget(vec![ItemId(1)]));
    let cancelled = queue.accept(Command::Cancel(Ticket(9)));
    assert!(matches!(cancelled, Accepted::ExportCancelled(job) if job.ticket == Ticket(9)));
    queue.accept(render(5, View(3), sample()));
    queue.accept(Command::Cancel(Ticket(5)));
    assert_eq!(order(&mut queue), "i2 e10");
}

#[test]
fn only_the_newest_crop_counts() {
    let recrop = |side| Command::Recrop {
        item: ItemId(1),
        crop: CropSquare {
            cx: 0.0,
            cy: 0.0,
            side,
        },
    };
    let mut queue = queue([recrop(1.0), recrop(2.0)]);
    assert_eq!(queue.len(), 1);
    let Some(Next::Job(Job::Recrop { crop, .. })) = queue.next() else {
        unreachable!()
    };
    assert_eq!(crop.side, 2.0);
}
