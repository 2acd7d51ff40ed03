//! A route and what is said of it.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use utoipa::openapi::HttpMethod;

use super::Described;
use crate::state::ServerState;

/// A method of a path: who answers, and what.
pub struct Endpoint {
    /// The method.
    pub method: HttpMethod,
    /// The path, with names of its variable parts as routers read them.
    pub path: String,
    /// What is said of it.
    pub described: Described,
    handler: MethodRouter<Arc<ServerState>>,
}

impl Endpoint {
    /// One that is read.
    pub fn get<H, T>(path: &str, handler: H, described: Described) -> Self
    where
        H: Handler<T, Arc<ServerState>>,
        T: 'static,
    {
        Self {
            method: HttpMethod::Get,
            path: path.to_owned(),
            described,
            handler: routing::get(handler),
        }
    }

    /// One to which a body is sent.
    pub fn post<H, T>(path: &str, handler: H, described: Described) -> Self
    where
        H: Handler<T, Arc<ServerState>>,
        T: 'static,
    {
        Self {
            method: HttpMethod::Post,
            path: path.to_owned(),
            described,
            handler: routing::post(handler),
        }
    }

    /// The same with `prefix` before its path.
    pub fn under(self, prefix: &str) -> Self {
        Self {
            path: prefix.to_owned() + &self.path,
            ..self
        }
    }

    /// The path as OpenAPI has it: a variable part that may hold slashes looks like any other.
    pub fn documented_path(&self) -> String {
        self.path.replace("{*", "{")
    }

    /// The router with this route, whose path there begins behind `prefix`.
    pub fn added_to(
        &self,
        router: Router<Arc<ServerState>>,
        prefix: &str,
    ) -> Router<Arc<ServerState>> {
        let path = self.path.strip_prefix(prefix).unwrap_or(&self.path);
        router.route(path, self.handler.clone())
    }
}
