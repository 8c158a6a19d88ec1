//! Folders encoded for the map.

use super::*;

const MAP: Ticket = Ticket(9);

/// A folder of pictures of the toy's size, each of one colour with a pattern of its own.
fn folder_of(pictures: &[(&str, [u8; 3])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (n, (name, colour)) in pictures.iter().enumerate() {
        let picture = image::RgbImage::from_fn(8, 8, |x, y| {
            let grain = (x * 7 + y * 13 + n as u32 * 29) % 23;
            image::Rgb(colour.map(|c| c.saturating_add(grain as u8)))
        });
        picture.save(folder.path().join(name)).unwrap();
    }
    folder
}

fn encode(folder: &Path) -> Command {
    Command::EncodeFolder {
        ticket: MAP,
        path: folder.to_owned(),
    }
}

fn is_done(event: &Event) -> bool {
    let done = |news: &FolderNews| matches!(news, FolderNews::Done { .. });
    matches!(event, Event::Folder { news, .. } if done(news))
        || matches!(
            event,
            Event::Failed {
                ticket: Some(MAP),
                ..
            }
        )
}

fn news(events: Vec<Event>) -> Vec<FolderNews> {
    let of_map = events.into_iter().filter_map(|event| match event {
        Event::Folder { ticket: MAP, news } => Some(news),
        _ => None,
    });
    of_map.collect()
}

fn pictures(news: &[FolderNews]) -> Vec<&MapPicture> {
    let pictures = news.iter().filter_map(|news| match news {
        FolderNews::Picture(picture) => Some(&**picture),
        _ => None,
    });
    pictures.collect()
}

#[test]
fn a_folder_is_encoded_in_order_and_what_cannot_be_is_named() {
    let folder = folder_of(&[("a.png", [40; 3]), ("c.png", [90; 3]), ("d.png", [200; 3])]);
    std::fs::write(folder.path().join("b.png"), "no picture").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "text").unwrap();
    std::fs::write(folder.path().join("labels.csv"), "file,age\na.png,30\n").unwrap();
    let bench = Bench::new(false);
    bench.send([encode(folder.path())]);
    let events = bench.until(is_done);
    let words: Vec<String> = events.iter().map(word).collect();
    assert_eq!(
        words.join(" "),
        "9:begun4 p9:0 9:a.png p9:1 9:out p9:2 9:c.png p9:3 9:d.png p9:4 9:planes 9:done0"
    );
    let news = news(events);
    let FolderNews::Begun { tables, .. } = &news[0] else {
        panic!("{news:?}");
    };
    assert!(tables.contains(&folder.path().join("labels.csv")));
    let left_out = news.iter().find_map(|news| match news {
        FolderNews::LeftOut(why) => Some(why.clone()),
        _ => None,
    });
    let left_out = left_out.unwrap();
    assert!(
        left_out.contains(&folder.path().join("b.png").display().to_string()),
        "{left_out}"
    );
    let first = pictures(&news)[0];
    assert_eq!(first.path, Some(folder.path().join("a.png")));
    assert_eq!(first.thumbnail.dimensions(), (48, 48));
    assert!(first.bits_per_dim.is_finite());
}

#[test]
fn two_kinds_of_pictures_lie_apart() {
    let all: Vec<(String, [u8; 3])> = (0..24)
        .map(|i| match i % 2 {
            0 => (format!("{i:02}-dark.png"), [20, 30, 60]),
            _ => (format!("{i:02}-light.png"), [210, 190, 150]),
        })
        .collect();
    let named: Vec<(&str, [u8; 3])> = all.iter().map(|(name, c)| (name.as_str(), *c)).collect();
    let folder = folder_of(&named);
    let bench = Bench::new(false);
    bench.send([encode(folder.path())]);
    let news = news(bench.until(is_done));
    let planes = news.iter().filter_map(|news| match news {
        FolderNews::Planes { eps, .. } => Some(eps),
        _ => None,
    });
    let planes: Vec<&MapPlane> = planes.collect();
    assert_eq!(planes.len(), 3, "at 8, at 16 and at the end");
    let last = planes.last().unwrap();
    assert_eq!(last.positions.len(), 24);
    assert!(last.shares[0] > 0.9, "{:?}", last.shares);
    let side = |dark: bool| {
        let places = last.positions.iter().enumerate();
        let of_kind = places.filter(move |(i, _)| (i % 2 == 0) == dark);
        of_kind.map(|(_, p)| p[0]).collect::<Vec<f32>>()
    };
    let (dark, light) = (side(true), side(false));
    let apart = |low: &[f32], high: &[f32]| {
        let most = low.iter().copied().fold(f32::MIN, f32::max);
        let least = high.iter().copied().fold(f32::MAX, f32::min);
        most < least
    };
    assert!(
        apart(&dark, &light) || apart(&light, &dark),
        "{dark:?} {light:?}"
    );
    // The axis does not turn over while the map grows.
    let sign = |plane: &MapPlane| plane.positions[0][0] > 0.0;
    assert!(planes.iter().all(|plane| sign(plane) == sign(last)));

    // Neighbours are of the same kind.
    bench.send([Command::Ask {
        ticket: Ticket(3),
        question: Question::MapNeighbours {
            map: MAP,
            picture: 4,
            space: MapSpace::Eps,
            pictures: 24,
        },
    }]);
    match bench.until(|e| matches!(e, Event::Answered { .. })).pop() {
        Some(Event::Answered {
            answer: Answer::MapNeighbours(near),
            ..
        }) => {
            assert_eq!(near.len(), 8);
            assert!(near.iter().all(|n| n.picture % 2 == 0 && n.picture != 4));
            assert!(near.is_sorted_by(|a, b| a.distance <= b.distance));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_is_given_up_between_pictures_and_keeps_what_came() {
    let names: Vec<String> = (0..60).map(|i| format!("{i:02}.png")).collect();
    let named: Vec<(&str, [u8; 3])> = names.iter().map(|n| (n.as_str(), [80; 3])).collect();
    let folder = folder_of(&named);
    let mut bench = Bench::new(true);
    bench.send([render(1, View(0), [sample(0)])]);
    bench.held();
    // Pictures that somebody looks at go first: of five steps, one is the folder's.
    bench.send([
        encode(folder.path()),
        render(2, View(1), (1..42).map(sample)),
    ]);
    bench.release();
    for _ in 0..9 {
        bench.held();
        bench.release();
    }
    bench.held();
    bench.send([Command::Cancel(MAP)]);
    bench.open_gate();
    let news = news(bench.until(is_done));
    assert!(matches!(
        news.last(),
        Some(FolderNews::Done { cancelled: true })
    ));
    let n = pictures(&news).len();
    assert!((1..10).contains(&n), "{n}");
    let placed = news.iter().rev().find_map(|news| match news {
        FolderNews::Planes { eps, .. } => Some(eps.positions.len()),
        _ => None,
    });
    assert_eq!(placed, Some(n), "what came has its place");
}

#[test]
fn a_picture_that_makes_the_model_panic_is_left_out_and_the_rest_goes_on() {
    let folder = folder_of(&[("a.png", [40; 3]), ("z.png", [90; 3])]);
    let panics = image::RgbImage::from_pixel(8, 8, toy::PANICS_ON);
    panics.save(folder.path().join("b.png")).unwrap();
    let bench = Bench::new(false);
    bench.send([encode(folder.path())]);
    let events = bench.until(is_done);
    let words: Vec<String> = events
        .iter()
        .map(word)
        .filter(|w| !w.starts_with('p'))
        .collect();
    assert_eq!(
        words.join(" "),
        "9:begun3 9:a.png f 9:out 9:z.png 9:planes 9:done0"
    );
}

#[test]
fn photos_that_are_wanted_go_ahead_of_a_folder() {
    let folder = folder_of(&[("a.png", [40; 3]), ("b.png", [90; 3])]);
    let mut bench = Bench::new(true);
    bench.send([render(1, View(0), [sample(0)])]);
    bench.held();
    bench.send([encode(folder.path()), import(5, 30), import(6, 40)]);
    bench.open_gate();
    let words = bench.words_until(is_done);
    let at = |word: &str| {
        words
            .find(word)
            .unwrap_or_else(|| panic!("{word} in {words}"))
    };
    assert!(at("e6") < at("9:a.png"), "{words}");
}

#[test]
fn a_table_is_read_by_the_names_of_the_pictures() {
    let folder = folder_of(&[("a.png", [40; 3]), ("b.png", [90; 3]), ("c.png", [140; 3])]);
    let table = folder.path().join("labels.csv");
    std::fs::write(
        &table,
        "file,age,hat\nc.png,30,no\nA.PNG,40,yes\nother.png,2,no\n",
    )
    .unwrap();
    let bench = Bench::new(false);
    bench.send([encode(folder.path())]);
    bench.until(is_done);
    let ask = |table: &Path| {
        bench.send([Command::Ask {
            ticket: Ticket(4),
            question: Question::MapLabels {
                map: MAP,
                table: table.to_owned(),
                pictures: 3,
            },
        }]);
        let last = |e: &Event| matches!(e, Event::Answered { .. } | Event::Failed { .. });
        bench.until(last).pop().unwrap()
    };
    match ask(&table) {
        Event::Answered {
            answer: Answer::MapLabels(columns),
            ..
        } => {
            let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            assert_eq!(names, ["age", "hat"]);
            assert_eq!(columns[0].values[0], 40.0);
            assert!(columns[0].values[1].is_nan());
            assert_eq!(columns[1].values[2], -1.0);
        }
        other => panic!("{other:?}"),
    }
    std::fs::write(&table, "file,age\nother.png,2\n").unwrap();
    match ask(&table) {
        Event::Failed { message, .. } => {
            assert!(
                message.contains("says nothing of these pictures"),
                "{message}"
            );
            assert!(message.contains("labels.csv"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    // With another model the map is gone.
    bench.send([Command::OpenModel(Some("16".into()))]);
    bench.until(|e| matches!(e, Event::AttributesOpened(_)));
    match ask(&table) {
        Event::Failed { message, .. } => {
            assert!(message.contains("open its folder again"), "{message}")
        }
        other => panic!("{other:?}"),
    }
}
