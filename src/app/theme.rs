//! Every colour, size and distance of the program, in one place.

use egui::epaint::Shadow;
use egui::{
    Color32, CornerRadius, FontDefinitions, FontFamily, FontId, Margin, Stroke, Style, TextStyle,
    Theme, ThemePreference, Vec2, Visuals, vec2,
};

use super::state::{Settings, ThemeChoice};

/// Distance between things that belong together.
pub const GAP: f32 = 8.0;
/// Distance between groups.
pub const GROUP_GAP: f32 = 16.0;
/// Distance between cells of a grid.
pub const CELL_GAP: f32 = 6.0;
/// Rounding of buttons and pictures.
pub const ROUNDING: u8 = 5;
/// Rounding of windows.
pub const WINDOW_ROUNDING: u8 = 10;
/// Width of the label in front of a slider.
pub const LABEL_WIDTH: f32 = 96.0;
/// The same in the list of attributes.
pub const ATTRIBUTE_LABEL_WIDTH: f32 = 128.0;
/// Width of a slider's handle, of its height.
pub const HANDLE_ASPECT: f32 = 0.5;
/// Width of a value behind a slider.
pub const VALUE_WIDTH: f32 = 48.0;
/// Height of a control.
pub const CONTROL_HEIGHT: f32 = 26.0;
/// Width of the shelf.
pub const SHELF_WIDTH: f32 = 196.0;
/// Width of the inspector.
pub const INSPECTOR_WIDTH: f32 = 236.0;

const SIZE_SMALL: f32 = 11.5;
const SIZE_BODY: f32 = 13.5;
const SIZE_HEADING: f32 = 17.0;

/// The colours of one theme.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Behind the work area.
    pub background: Color32,
    /// Behind side panels and bars.
    pub panel: Color32,
    /// Behind windows and menus.
    pub raised: Color32,
    /// Behind buttons and rails.
    pub control: Color32,
    /// The same under the pointer.
    pub control_hover: Color32,
    /// Behind text that is typed.
    pub field: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text that steps back.
    pub text_weak: Color32,
    /// The one accent.
    pub accent: Color32,
    /// The accent as a quiet background.
    pub accent_soft: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Something is off.
    pub warning: Color32,
    /// Something failed.
    pub error: Color32,
    /// Something was done.
    pub done: Color32,
}

const DARK: Tokens = Tokens {
    background: Color32::from_rgb(0x14, 0x15, 0x18),
    panel: Color32::from_rgb(0x1a, 0x1c, 0x20),
    raised: Color32::from_rgb(0x22, 0x24, 0x2a),
    control: Color32::from_rgb(0x2a, 0x2d, 0x34),
    control_hover: Color32::from_rgb(0x36, 0x3a, 0x43),
    field: Color32::from_rgb(0x10, 0x11, 0x14),
    line: Color32::from_rgb(0x2e, 0x31, 0x38),
    text: Color32::from_rgb(0xe8, 0xe8, 0xea),
    text_weak: Color32::from_rgb(0xa0, 0xa4, 0xae),
    accent: Color32::from_rgb(0xf0, 0xa5, 0x4a),
    accent_soft: Color32::from_rgb(0x4a, 0x39, 0x23),
    on_accent: Color32::from_rgb(0x1c, 0x14, 0x09),
    warning: Color32::from_rgb(0xf2, 0xc8, 0x4b),
    error: Color32::from_rgb(0xf2, 0x7a, 0x72),
    done: Color32::from_rgb(0x7c, 0xc9, 0x8f),
};

const LIGHT: Tokens = Tokens {
    background: Color32::from_rgb(0xf4, 0xf3, 0xf0),
    panel: Color32::from_rgb(0xfb, 0xfa, 0xf8),
    raised: Color32::from_rgb(0xff, 0xff, 0xff),
    control: Color32::from_rgb(0xe9, 0xe7, 0xe3),
    control_hover: Color32::from_rgb(0xdd, 0xda, 0xd4),
    field: Color32::from_rgb(0xff, 0xff, 0xff),
    line: Color32::from_rgb(0xdc, 0xd9, 0xd3),
    text: Color32::from_rgb(0x22, 0x22, 0x26),
    text_weak: Color32::from_rgb(0x62, 0x62, 0x6a),
    accent: Color32::from_rgb(0x9a, 0x50, 0x08),
    accent_soft: Color32::from_rgb(0xfb, 0xef, 0xdd),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    warning: Color32::from_rgb(0x8a, 0x63, 0x00),
    error: Color32::from_rgb(0xb3, 0x26, 0x1e),
    done: Color32::from_rgb(0x1f, 0x7a, 0x3d),
};

impl Tokens {
    /// The colours of the theme in use.
    pub fn of(ui: &egui::Ui) -> Self {
        Self::of_theme(ui.theme())
    }

    /// The colours of a theme.
    pub fn of_theme(theme: Theme) -> Self {
        match theme {
            Theme::Dark => DARK,
            Theme::Light => LIGHT,
        }
    }
}

/// Fonts and styles, once at the start.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, style(theme));
    }
    // Ctrl + and Ctrl - are ours, so that they end up in the settings.
    ctx.options_mut(|options| options.zoom_with_keyboard = false);
}

/// Brings the window in line with the settings.
pub fn follow(ctx: &egui::Context, settings: &Settings) {
    let preference = match settings.theme {
        ThemeChoice::System => ThemePreference::System,
        ThemeChoice::Light => ThemePreference::Light,
        ThemeChoice::Dark => ThemePreference::Dark,
    };
    if ctx.options(|o| o.theme_preference) != preference {
        ctx.set_theme(preference);
    }
    if ctx.zoom_factor() != settings.ui_scale {
        ctx.set_zoom_factor(settings.ui_scale);
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    // Arrows live in the monospace face only; without this they would be boxes.
    if let Some(proportional) = fonts.families.get_mut(&FontFamily::Proportional)
        && !proportional.iter().any(|name| name == "Hack")
    {
        proportional.push("Hack".to_owned());
    }
    fonts
}

fn style(theme: Theme) -> Style {
    let tokens = Tokens::of_theme(theme);
    let mut style = Style {
        visuals: visuals(theme, &tokens),
        ..Style::default()
    };
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(SIZE_SMALL)),
        (TextStyle::Body, FontId::proportional(SIZE_BODY)),
        (TextStyle::Button, FontId::proportional(SIZE_BODY)),
        (TextStyle::Heading, FontId::proportional(SIZE_HEADING)),
        (TextStyle::Monospace, FontId::monospace(SIZE_BODY - 1.0)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(GAP, 6.0);
    spacing.button_padding = vec2(9.0, 4.0);
    spacing.interact_size = vec2(34.0, CONTROL_HEIGHT);
    spacing.slider_width = 150.0;
    spacing.slider_rail_height = 4.0;
    spacing.combo_width = 96.0;
    spacing.window_margin = Margin::same(16);
    spacing.menu_margin = Margin::same(6);
    spacing.tooltip_width = 320.0;
    spacing.icon_width = 16.0;
    spacing.scroll.bar_width = 8.0;
    style.interaction.tooltip_delay = 0.4;
    style.animation_time = 0.1;
    style
}

fn visuals(theme: Theme, t: &Tokens) -> Visuals {
    let mut v = theme.default_visuals();
    let round = CornerRadius::same(ROUNDING);
    v.panel_fill = t.panel;
    v.window_fill = t.raised;
    v.window_stroke = Stroke::new(1.0, t.line);
    v.window_corner_radius = CornerRadius::same(WINDOW_ROUNDING);
    v.menu_corner_radius = CornerRadius::same(ROUNDING + 2);
    let shadow = Shadow {
        offset: [0, 6],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(if theme == Theme::Dark { 130 } else { 50 }),
    };
    v.window_shadow = shadow;
    v.popup_shadow = Shadow { blur: 14, ..shadow };
    v.extreme_bg_color = t.field;
    v.text_edit_bg_color = Some(t.field);
    v.faint_bg_color = t.control.gamma_multiply(0.4);
    v.code_bg_color = t.control;
    v.hyperlink_color = t.accent;
    v.warn_fg_color = t.warning;
    v.error_fg_color = t.error;
    v.weak_text_color = Some(t.text_weak);
    v.selection.bg_fill = t.accent_soft;
    v.selection.stroke = Stroke::new(1.0, t.accent);
    v.slider_trailing_fill = true;
    v.striped = false;
    v.handle_shape = egui::style::HandleShape::Rect {
        aspect_ratio: HANDLE_ASPECT,
    };

    let widgets = &mut v.widgets;
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, t.text);
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, t.line);
    widgets.noninteractive.bg_fill = t.panel;
    widgets.noninteractive.weak_bg_fill = t.panel;
    for (widget, fill, stroke) in [
        (&mut widgets.inactive, t.control, t.control),
        (&mut widgets.hovered, t.control_hover, t.text_weak),
        (&mut widgets.active, t.control_hover, t.accent),
        (&mut widgets.open, t.control_hover, t.line),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::new(1.0, stroke);
        widget.fg_stroke = Stroke::new(1.0, t.text);
        widget.expansion = 0.0;
    }
    for widget in [
        &mut widgets.noninteractive,
        &mut widgets.inactive,
        &mut widgets.hovered,
        &mut widgets.active,
        &mut widgets.open,
    ] {
        widget.corner_radius = round;
    }
    v
}

/// A frame for bars and side panels.
pub fn panel_frame(tokens: &Tokens, margin: Margin) -> egui::Frame {
    egui::Frame::new().fill(tokens.panel).inner_margin(margin)
}

/// The heading of a group of controls: small and quiet.
pub fn section_ui(ui: &mut egui::Ui, title: &str) {
    let tokens = Tokens::of(ui);
    ui.label(
        egui::RichText::new(title)
            .small()
            .strong()
            .color(tokens.text_weak),
    );
}

/// The one button of a dialog that does what the dialog is for.
pub fn primary_button<'a>(ui: &egui::Ui, text: &str) -> egui::Button<'a> {
    let tokens = Tokens::of(ui);
    egui::Button::new(egui::RichText::new(text).color(tokens.on_accent))
        .fill(tokens.accent)
        .min_size(Vec2::new(84.0, CONTROL_HEIGHT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast as in WCAG 2.1.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |c: Color32| {
            let [r, g, b, _] = egui::Rgba::from(c).to_array();
            0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
        };
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_is_readable_on_every_surface() {
        for theme in [Theme::Dark, Theme::Light] {
            let t = Tokens::of_theme(theme);
            for surface in [t.background, t.panel, t.raised] {
                for ink in [t.text, t.text_weak, t.accent, t.warning, t.error, t.done] {
                    let ratio = contrast(ink, surface);
                    assert!(ratio >= 4.5, "{theme:?}: {ink:?} on {surface:?}: {ratio}");
                }
            }
            assert!(contrast(t.on_accent, t.accent) >= 4.5);
            assert!(contrast(t.text, t.accent_soft) >= 4.5);
            assert!(contrast(t.accent, t.accent_soft) >= 4.5);
            assert!(contrast(t.text, t.control_hover) >= 4.5);
        }
    }
}
