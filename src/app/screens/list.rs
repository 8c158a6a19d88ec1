//! What follows from the list of screens.

/// From the list: the tabs, what undo walks over, what lies about, and the wishes.
macro_rules! screens {
    ($($(#[$doc:meta])* $Name:ident: $module:ident::$Screen:ident;)*) => {
        /// The screens of the work area.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Tab {
            $($(#[$doc])* $Name,)*
        }

        impl Tab {
            /// All screens, in the order of the bar.
            pub const ALL: &'static [Self] = &[$(Self::$Name),*];

            /// The screen itself.
            pub fn screen(self) -> &'static dyn Screen {
                match self {
                    $(Self::$Name => &$module::$Screen,)*
                }
            }
        }

        /// Everything that undo brings back.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Document {
            $($(#[$doc])* pub $module: <$module::$Screen as Screen>::Doc,)*
            /// The shelf, top to bottom.
            pub shelf: Vec<ShelfEntry>,
        }

        /// What lies about on the screens while one works.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Desks {
            $($(#[$doc])* pub $module: <$module::$Screen as Screen>::Desk,)*
        }

        /// What can be wished for on one of the screens.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Wish {
            $($(#[$doc])* $Name(<$module::$Screen as Screen>::Wish),)*
        }

        impl Wish {
            pub(super) fn apply(self, state: &mut State) -> Vec<Command> {
                match self {
                    $(Self::$Name(wish) => $module::$Screen::apply(state, wish),)*
                }
            }

            /// Whether it needs no second frame.
            pub(super) fn is_quiet(&self) -> bool {
                match self {
                    $(Self::$Name(wish) => $module::$Screen::is_quiet(wish),)*
                }
            }
        }

        $(impl From<<$module::$Screen as Screen>::Wish> for Action {
            fn from(wish: <$module::$Screen as Screen>::Wish) -> Self {
                Self::Screen(Wish::$Name(wish))
            }
        })*
    };
}
pub(super) use screens;
