//! How wide charts are.

/// How wide a chart is drawn. Text has the same size in both, so that it stays readable on a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As wide as a phone; three stand side by side on a desktop.
    Narrow,
    /// For a page, or a file of its own.
    Wide,
}

impl Size {
    /// Width in pixels.
    pub(super) fn width(self) -> u32 {
        match self {
            Size::Narrow => 360,
            Size::Wide => 720,
        }
    }
}
