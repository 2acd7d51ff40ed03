//! The table of rates by length: what a chosen plan gives over all lengths, to one user and to many.
//!
//! [`table_plan`] says what is measured, [`budget`] cuts it to the time there is by [`speed`], [`table`]
//! measures it and [`more_runs`] adds runs where rates are unsure. [`sampled`] has the lengths that are too
//! long to be decoded all the way, [`sampling`] where such a pass stops. [`data`] holds all rates with what
//! the host gave beside them ([`core_readings`]), [`between_runs`] how much rates differ between runs.
//! [`concurrency`] are steps of many sequences, [`split`] where a step's time goes and [`survey`] what memory
//! nodes give.
//!
//! Nothing here decides between plans, and hosts are seen only through a probe.
#![forbid(unsafe_code)]

pub mod between_runs;
pub mod budget;
pub mod concurrency;
pub mod core_readings;
pub mod data;
pub mod more_runs;
pub mod sampled;
pub mod sampling;
pub mod speed;
pub mod split;
pub mod survey;
pub mod table;
pub mod table_plan;
mod task;

pub use data::{Sampled, Stops, TableData};
pub use sampling::{Sampling, SamplingLimits};
pub use speed::{Speed, prompt_growth};
pub use table_plan::{TablePlan, join};
pub use task::Task;
