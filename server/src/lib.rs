//! The OpenAI API over the tuned engine: HTTP at the edge, one thread that drives the engine.
//!
//! A request goes wire type ([`api`]) -> checked values ([`validate`]) -> prompt tokens
//! ([`prompt`]) -> [`scheduler::Job`] -> queue -> worker -> [`scheduler::Backend`], and its
//! answer comes back as [`scheduler::Event`]s, in which [`reading`] finds thoughts, text and calls of
//! [`tools`], and which [`render`] turns into JSON or server-sent events. [`app`] shows all routes on
//! one screen, [`start`] what happens before the first request.
//!
//! What happens is measured on the way: [`metrics`], and [`rate`], which compares with the profile.
//!
//! The scheduler knows no HTTP, the routes know no engine: tests drive either side alone, with a
//! scripted backend. Environment variables are read in [`environment`] only, those of a service manager
//! in [`service_manager`].
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod auth;
pub mod backend;
pub mod cli;
pub mod connections;
pub mod constraint;
pub mod cors;
pub mod environment;
pub mod error;
pub mod http_threads;
pub mod intake;
pub mod keys;
pub mod listen;
pub mod metrics;
pub mod network_arguments;
pub mod observe;
pub mod openapi;
pub mod plan_choice;
pub mod profile_use;
pub mod program;
pub mod prompt;
pub mod rate;
pub mod reading;
pub mod reload;
pub mod render;
pub mod routes;
pub mod scheduler;
pub mod serve;
pub mod service_manager;
pub mod serving;
pub mod start;
pub mod state;
pub mod thinking;
pub mod tls;
pub mod tools;
pub mod validate;

pub use program::Program;
pub use start::run;
