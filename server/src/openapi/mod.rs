//! What this server answers, as OpenAPI 3.1: for programs that write clients, documentation and tests.
//!
//! An [`Endpoint`] is its route and its description ([`Described`]) at once, so that there is no route without.
//! Bodies are described by the tables by which they are read ([`bodies`]).

pub mod bodies;
mod described;
mod endpoint;

pub use described::Described;
pub use endpoint::Endpoint;

use described::KEY;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApiBuilder, PathsBuilder, path::PathItem,
};

/// The document of all endpoints.
///
/// # Errors
/// None: all of it is made of texts and numbers.
pub fn document(endpoints: &[Endpoint]) -> Result<Value, serde_json::Error> {
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let key = key.description(Some(
        "One of the keys that the server was started with; any, or none, if it has none",
    ));
    let mut components =
        ComponentsBuilder::new().security_scheme(KEY, SecurityScheme::Http(key.build()));
    let mut paths = PathsBuilder::new();
    for endpoint in endpoints {
        components = components.schemas_from_iter(endpoint.described.components());
        let operation = endpoint.described.operation();
        let item = PathItem::new(endpoint.method.clone(), operation);
        paths = paths.path(endpoint.documented_path(), item);
    }
    let info = InfoBuilder::new()
        .title("sysInfer")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "One language model, over OpenAI's API and Ollama's. OpenAI's paths are also there without /v1. Fields that are not described pass without effect.",
        ));
    let document = OpenApiBuilder::new()
        .info(info.build())
        .paths(paths)
        .components(Some(components.build()))
        .build();
    let mut document = serde_json::to_value(document)?;
    for endpoint in endpoints {
        if let Some((name, schema)) = endpoint.described.body() {
            document["components"]["schemas"][name] = schema;
        }
    }
    Ok(document)
}
