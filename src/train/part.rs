//! Which part of a chain learns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Part {
    /// The plain Glow at the bottom.
    Base,
    /// A detail stage, 0 the coarsest.
    Stage(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => write!(f, "base"),
            Self::Stage(i) => write!(f, "{i}"),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "base" => Ok(Self::Base),
            number => number.parse().map(Self::Stage).map_err(|_| {
                "a part is \"base\", or a detail stage by its number, 0 the coarsest".to_owned()
            }),
        }
    }
}

impl From<Part> for String {
    fn from(part: Part) -> Self {
        part.to_string()
    }
}

impl TryFrom<String> for Part {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
