//! The real [`Backend`](crate::scheduler::Backend): [`load`] makes it from a model file, [`engine`]
//! runs it, `live` is a job at work, [`answer`] draws and says one answer's tokens, [`stop`] finds stop texts in what it says,
//! [`inspector`] finds the weights that broke an answer.

pub mod answer;
pub mod capacity;
pub mod engine;
pub mod inspector;
mod live;
pub mod load;
pub mod load_error;
pub mod stop;
mod template_choice;
