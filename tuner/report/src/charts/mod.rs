//! The charts. `content` turns a report into charts ([`Chart`]); `lines` and `bars` draw one kind each on the `canvas`.

mod bars;
mod canvas;
mod chart;
mod content;
mod lines;
mod size;

pub use canvas::COLOURS;
pub use chart::Chart;
pub use content::all;
pub use size::Size;
