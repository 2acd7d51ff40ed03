//! Wire types of OpenAI's Responses API: requests as those of a chat that ask for the same ([`request`], with the
//! conversation from `input`), what of them an answer repeats ([`echo`]), and what is answered ([`response`]).

pub mod echo;
mod input;
pub mod request;
pub mod response;
