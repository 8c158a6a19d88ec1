//! The left side of the attributes screen: what to learn from, and the button that begins.

use egui::{Rect, RichText, Sense, Ui, Vec2, vec2};

use super::tab::{ExampleOrigin, Tag};
use super::{AttributesWish, counted, on_shelf, plan};
use crate::app::action::Action;
use crate::app::dialog::{ExamplePath, PathPurpose};
use crate::app::document::Named;
use crate::app::theme::{self, section_ui};
use crate::app::widgets::Cx;
use crate::app::widgets::controls::{button_ui, choice_ui, label_ui};
use crate::app::widgets::icons::{Icon, note_ui};
use crate::app::widgets::picture::{paint_ring, picture_button};
use crate::engine::message::{ColumnCount, ExampleCounts, FindBy, Method, Question};

/// Side of a tagged picture.
const THUMBNAIL: f32 = 48.0;
/// Columns beyond which a search box helps.
const SEARCH_FROM: usize = 8;
/// Height of the list of columns.
const COLUMNS_HEIGHT: f32 = 190.0;
/// With fewer than this on a side a direction shows what else they have in common.
const FEW: usize = 20;

const ORIGINS: &[(ExampleOrigin, &str, &str)] = &[
    (
        ExampleOrigin::Tags,
        "Tagged pictures",
        "Pictures that you tag by hand; two on each side are a beginning",
    ),
    (
        ExampleOrigin::Folders,
        "Two folders",
        "A folder of pictures with the attribute, and one of pictures without it",
    ),
    (
        ExampleOrigin::Labels,
        "Label file",
        "A table that says which picture has what: CSV, or CelebA's list_attr text",
    ),
    (
        ExampleOrigin::Unlabelled,
        "No labels",
        "The principal components of pictures: the directions along which they differ most, to be named by you",
    ),
];

const WAYS: &[(FindBy, &str, &str)] = &[
    (
        FindBy::Usual,
        "Automatic",
        "The difference of means of a few examples, ridge regression of many",
    ),
    (
        FindBy::Method(Method::Difference),
        "Difference of means",
        "The average of one side less the average of the other, as in the paper",
    ),
    (
        FindBy::Method(Method::Ridge),
        "Ridge regression",
        "Weighs each number of the latent by how well it tells the sides apart",
    ),
    (
        FindBy::Method(Method::Joint),
        "Joint regression",
        "The same, kept free of what the table's other columns say",
    ),
    (
        FindBy::Method(Method::Balanced),
        "Balanced difference",
        "The difference of means within groups that are alike in the other columns",
    ),
    (
        FindBy::Compared,
        "Try them all",
        "Takes what tells examples held out apart best and moves the other columns least; takes longer",
    ),
];

/// Where examples come from, how many there are, and how a direction is found.
pub fn examples_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.heading("Build a direction");
    let text = "From examples with a trait and without it the program finds what to add to a latent, as a slider on Edit.";
    ui.add(egui::Label::new(RichText::new(text).color(cx.tokens.text_weak)).wrap());
    ui.add_space(4.0);
    section_ui(ui, "EXAMPLES FROM");
    let origin = cx.state.desks.attributes.origin;
    ui.horizontal_wrapped(|ui| {
        let chosen = choice_ui(ui, origin, ORIGINS);
        cx.extend(chosen.map(AttributesWish::SetOrigin));
    });
    ui.add_space(4.0);
    match origin {
        ExampleOrigin::Tags => tags_ui(ui, cx),
        ExampleOrigin::Folders => {
            path_ui(ui, cx, ExamplePath::With, "With it", "/home/me/smiling");
            path_ui(ui, cx, ExamplePath::Without, "Without", "/home/me/serious");
            counts_ui(ui, cx);
        }
        ExampleOrigin::Labels => {
            path_ui(ui, cx, ExamplePath::Table, "Table", "/home/me/labels.csv");
            path_ui(ui, cx, ExamplePath::Pictures, "Pictures", "/home/me/faces");
            counts_ui(ui, cx);
        }
        ExampleOrigin::Unlabelled => unlabelled_ui(ui, cx),
    }
    ui.add_space(theme::GAP);
    options_ui(ui, cx, origin);
    ui.add_space(theme::GAP);
    build_ui(ui, cx);
}

// --- Tagged pictures ---

fn tags_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let selected = cx.state.selected();
    let tab = &cx.state.doc.attributes;
    let tagged = selected.as_ref().and_then(|n| tab.tag_of(&n.recipe));
    let any = !tab.tags.is_empty();
    ui.horizontal_wrapped(|ui| {
        for (tag, text, key) in [
            (Tag::With, "+ Has it", "Y"),
            (Tag::Without, "− Lacks it", "N"),
        ] {
            let on = tagged == Some(tag);
            let button = egui::Button::selectable(on, text).frame_when_inactive(true);
            let tip = match &selected {
                Some(named) => format!("Tag {} ({key}); once more takes the tag away", named.label),
                None => format!("Select a picture first, on the shelf or on a screen ({key})"),
            };
            let response = ui.add_enabled(selected.is_some(), button);
            let response = response.on_hover_text(&tip).on_disabled_hover_text(&tip);
            if let (true, Some(named)) = (response.clicked(), &selected) {
                cx.push(AttributesWish::SetTag(named.clone(), tag));
            }
        }
        if button_ui(ui, any, "Take all tags away", "Undo brings them back") {
            cx.push(AttributesWish::ClearTags);
        }
    });
    for tag in Tag::ALL {
        side_ui(ui, cx, tag);
    }
}

/// The tagged pictures of a side; pictures can be dropped on it.
fn side_ui(ui: &mut Ui, cx: &mut Cx<'_>, tag: Tag) {
    let pictures: Vec<Named> = cx.state.doc.attributes.tagged(tag).cloned().collect();
    let what = match tag {
        Tag::With => "With it",
        Tag::Without => "Without it",
    };
    ui.label(format!("{} {what}: {}", tag.sign(), pictures.len()));
    let gap = theme::CELL_GAP;
    let width = ui.available_width();
    let columns = ((width + gap) / (THUMBNAIL + gap)).floor().max(1.0) as usize;
    let n_rows = pictures.len().div_ceil(columns).max(1);
    let height = n_rows as f32 * (THUMBNAIL + gap) - gap;
    let (room, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    if pictures.is_empty() {
        let hint = match tag {
            Tag::With => "Drop pictures that have it here, or select them and press Y",
            Tag::Without => "Drop pictures that lack it here, or select them and press N",
        };
        ui.painter()
            .rect_filled(room, theme::ROUNDING, cx.tokens.control.gamma_multiply(0.4));
        let place = room.shrink2(vec2(10.0, 4.0));
        let label = egui::Label::new(RichText::new(hint).small().color(cx.tokens.text_weak));
        ui.put(place, label.wrap());
    }
    for (i, named) in pictures.iter().enumerate() {
        let at = vec2((i % columns) as f32, (i / columns) as f32) * (THUMBNAIL + gap);
        let rect = Rect::from_min_size(room.min + at, Vec2::splat(THUMBNAIL));
        let picture = cx.state.picture_of(&named.recipe).cloned();
        let id = ui.scope_id().with(("tagged", tag, i));
        let name = format!("Untag {}", named.label);
        let response = picture_button(ui, cx, rect, id, &name, false, picture.as_ref());
        let tip = format!("{}\nA click takes the tag away", named.label);
        if response.on_hover_text(tip).clicked() {
            cx.push(AttributesWish::Untag(named.recipe.clone()));
        }
    }
    if response.dnd_hover_payload::<Named>().is_some() {
        paint_ring(ui.painter(), &cx.tokens, room, true, false);
    }
    if let Some(named) = response.dnd_release_payload::<Named>()
        && cx.state.doc.attributes.tag_of(&named.recipe) != Some(tag)
    {
        cx.push(AttributesWish::SetTag((*named).clone(), tag));
    }
}

// --- Files ---

/// A path that is typed or chosen.
fn path_ui(ui: &mut Ui, cx: &mut Cx<'_>, which: ExamplePath, label: &str, hint: &str) {
    let mut text = cx.state.desks.attributes.path(which).clone();
    ui.horizontal(|ui| {
        let name = label_ui(ui, label);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let tip = match which {
                ExamplePath::Table => "Choose the file",
                _ => "Choose the folder",
            };
            let button = ui.button("Choose…").on_hover_text(tip);
            button.widget_info(|| {
                let text = format!("Choose {}…", label.to_lowercase());
                egui::WidgetInfo::labeled(egui::Role::Button, true, text)
            });
            if button.clicked() {
                cx.push(Action::Browse(PathPurpose::Examples(which)));
            }
            let field = egui::TextEdit::singleline(&mut text)
                .hint_text(hint)
                .desired_width(ui.available_width());
            let response = ui.add(field).labelled_by(name.id);
            let tip = match which {
                ExamplePath::With => "The folder of pictures that have the attribute",
                ExamplePath::Without => "The folder of pictures that lack it",
                ExamplePath::Table => {
                    "A row a picture: its file name, and 1 or -1 for each attribute"
                }
                ExamplePath::Pictures => "The folder with the pictures that the table names",
            };
            let response = response.on_hover_text(tip);
            if response.lost_focus() {
                cx.push(AttributesWish::SetPath(which, text.clone()));
            } else if response.changed() {
                cx.push(AttributesWish::TypePath(which, text.clone()));
            }
        });
    });
}

/// The shelf, or a folder where one is named, and how many components.
fn unlabelled_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let n = on_shelf(cx.state).len();
    let text = format!(
        "The directions along which the {n} pictures on the shelf differ most, or those of a folder:"
    );
    ui.add(egui::Label::new(text).wrap());
    path_ui(ui, cx, ExamplePath::Pictures, "Folder", "The shelf");
    counts_ui(ui, cx);
    ui.horizontal(|ui| {
        let label = label_ui(ui, "Components");
        let mut n = cx.state.desks.attributes.components;
        let number = egui::DragValue::new(&mut n).range(1..=8).speed(0.05);
        let tip = "How many, the one along which they differ most first";
        if ui
            .add(number)
            .labelled_by(label.id)
            .on_hover_text(tip)
            .changed()
        {
            cx.push(AttributesWish::SetComponents(n));
        }
    });
}

/// How many examples the files hold; of a table the columns to choose from.
fn counts_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let desk = &cx.state.desks.attributes;
    let Some(source) = desk.files() else {
        return;
    };
    let weak = cx.tokens.text_weak;
    let Some(counts) = counted(cx.state).cloned() else {
        let failed = cx
            .state
            .live
            .answers
            .has_failed(&Question::Examples(source));
        if failed {
            let text = "These files cannot be used; the message says why (Ctrl+L)";
            note_ui(ui, Icon::Warning, cx.tokens.error, text);
            if button_ui(ui, true, "Look again", "Once the files are put right") {
                cx.push(AttributesWish::CountAgain);
            }
        } else if !desk.is_typing {
            ui.label(RichText::new("Counting…").color(weak));
        }
        return;
    };
    match desk.origin {
        ExampleOrigin::Labels => columns_ui(ui, cx, &counts),
        _ => {
            if let Some(ColumnCount { counts, .. }) = counts.columns.first() {
                ui.label(match desk.origin {
                    ExampleOrigin::Unlabelled => format!("{} pictures", counts[0]),
                    _ => sides(*counts),
                });
            }
        }
    }
    for note in &counts.notes {
        note_ui(ui, Icon::Info, weak, note);
    }
}

/// `12 with it, 30 without`.
fn sides([with, without]: [usize; 2]) -> String {
    format!("{with} with it, {without} without")
}

/// The attributes of a table, to choose from.
fn columns_ui(ui: &mut Ui, cx: &mut Cx<'_>, counts: &ExampleCounts) {
    let desk = &cx.state.desks.attributes;
    if counts.columns.len() > SEARCH_FROM {
        let mut text = desk.search.clone();
        let field = egui::TextEdit::singleline(&mut text)
            .hint_text("Search")
            .desired_width(150.0);
        let response = ui.add(field);
        response.widget_info(|| {
            let mut info = egui::WidgetInfo::text_edit(true, &desk.search, &text, "");
            info.label = Some("Search columns".to_owned());
            info
        });
        if response.changed() {
            cx.push(AttributesWish::SetSearch(text));
        }
    }
    let needle = desk.search.to_lowercase();
    egui::ScrollArea::vertical()
        .id_salt("columns")
        .max_height(COLUMNS_HEIGHT)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for column in &counts.columns {
                if !column.name.to_lowercase().contains(&needle) {
                    continue;
                }
                let mut on = desk.columns.contains(&column.name);
                let [with, without] = column.counts;
                let text = match column.is_number {
                    true => format!(
                        "{}: a measure, {with} above the middle, {without} below",
                        column.name
                    ),
                    false => format!("{}: {}", column.name, sides(column.counts)),
                };
                let tip = "Build a direction from this column";
                let response = ui.checkbox(&mut on, text).on_hover_text(tip);
                if response.changed() {
                    cx.push(AttributesWish::SetColumn(column.name.clone(), on));
                }
            }
        });
}

// --- How ---

fn options_ui(ui: &mut Ui, cx: &mut Cx<'_>, origin: ExampleOrigin) {
    let desk = &cx.state.desks.attributes;
    if origin != ExampleOrigin::Labels {
        ui.horizontal(|ui| {
            let label = label_ui(ui, "Name");
            let mut text = desk.name.clone();
            let field = egui::TextEdit::singleline(&mut text)
                .hint_text("What the slider is to be called")
                .desired_width(220.0_f32.min(ui.available_width()));
            let response = ui.add(field).labelled_by(label.id);
            if response.changed() {
                cx.push(AttributesWish::SetName(text));
            }
        });
    }
    if origin == ExampleOrigin::Unlabelled {
        if desk.files().is_some() {
            faces_ui(ui, cx);
        }
        return;
    }
    ui.horizontal(|ui| {
        label_ui(ui, "Found by");
        let now = WAYS.iter().find(|(how, _, _)| *how == desk.how);
        let shown = now.map_or("", |(_, name, _)| name);
        let combo = egui::ComboBox::from_id_salt("found by")
            .selected_text(shown)
            .width(170.0);
        let response = combo.show_ui(ui, |ui| {
            for (how, name, tip) in WAYS {
                let button = ui.selectable_label(*how == desk.how, *name);
                if button.on_hover_text(*tip).clicked() {
                    cx.push(AttributesWish::SetHow(*how));
                }
            }
        });
        response.response.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Found by");
            info.current_text_value = Some(shown.to_owned());
            info
        });
        response
            .response
            .on_hover_text(now.map_or("", |(_, _, tip)| tip));
    });
    if origin == ExampleOrigin::Tags {
        return;
    }
    let mut mirror = desk.mirror;
    ui.horizontal_wrapped(|ui| {
        let tip = "Each picture counts as it is and with left and right exchanged; not for traits that tell them apart";
        let response = ui.checkbox(&mut mirror, "Mirrored as well");
        if response.on_hover_text(tip).changed() {
            cx.push(AttributesWish::SetMirror(mirror));
        }
        faces_ui(ui, cx);
    });
}

fn faces_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let mut frame = cx.state.desks.attributes.frame_faces;
    let tip = "The square round the face of each photo, as the window frames photos; without it the largest in the middle, for pictures that are framed already";
    let response = ui.checkbox(&mut frame, "Frame the faces");
    if response.on_hover_text(tip).changed() {
        cx.push(AttributesWish::SetFrameFaces(frame));
    }
}

fn build_ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if let Some(ticket) = cx.state.live.building {
        let progress = cx.state.live.progress.as_ref();
        let progress = progress.filter(|p| p.ticket == Some(ticket));
        let (text, share) = match progress {
            Some(p) => (
                format!("{} {}/{}", p.what, p.done, p.total),
                p.done as f32 / p.total.max(1) as f32,
            ),
            None => ("building…".to_owned(), 0.0),
        };
        let bar = egui::ProgressBar::new(share).desired_width(ui.available_width().min(260.0));
        let response = ui.add(bar.fill(cx.tokens.accent));
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, "Building directions")
        });
        ui.horizontal(|ui| {
            let tip = "Give it up; nothing half-done is left behind";
            if button_ui(ui, true, "Cancel building", tip) {
                cx.push(Action::Cancel(ticket));
            }
            ui.label(RichText::new(text).color(cx.tokens.text_weak));
        });
        return;
    }
    let plan = plan(cx.state);
    let ready = plan.is_ok();
    let tip = match &plan {
        Ok(_) => "In the background; the other screens stay usable meanwhile",
        Err(why) => why.as_str(),
    };
    let button = theme::primary_button(ui, "Build");
    let response = ui.add_enabled(ready, button);
    let response = response.on_hover_text(tip).on_disabled_hover_text(tip);
    if response.clicked() {
        cx.push(AttributesWish::Build);
    }
    let weak = cx.tokens.text_weak;
    match &plan {
        Err(why) => {
            ui.add(egui::Label::new(RichText::new(why).color(weak)).wrap());
        }
        Ok(plan) if plan.counts[0].min(plan.counts[1]) < FEW => {
            let text = "From so few a direction moves whatever else they have in common; more examples make it surer";
            ui.add(egui::Label::new(RichText::new(text).small().color(weak)).wrap());
        }
        Ok(_) => {}
    }
}
