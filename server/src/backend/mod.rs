//! The real [`Backend`](crate::scheduler::Backend): [`load`] makes it from a model file, [`engine`]
//! runs it, `step` by `step`; `live` is an answer at work, [`answer`] draws and says its tokens, [`stop`] finds stop texts
//! in what it says; `embedding` is a request for embeddings at work; [`inspector`] finds the weights that broke an
//! answer.

pub mod answer;
pub mod capacity;
mod embedding;
pub mod engine;
pub mod inspector;
mod live;
pub mod load;
pub mod load_error;
mod step;
pub mod stop;
mod template_choice;
