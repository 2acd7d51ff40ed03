//! Ollama's wire types: requests as those of OpenAI's API that ask for the same ([`request`]), and what is
//! answered ([`response`]).

pub mod request;
pub mod response;
