//! [`Described`]: what is said of an endpoint, and the statuses that follow from it.

use std::borrow::Cow;

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Ref, RefOr, Required, ResponseBuilder};

use crate::api::error::ErrorBody;
use crate::api::ollama::response::OllamaError;

const JSON: &str = "application/json";

/// The scheme of `Authorization: Bearer KEY`.
pub(super) const KEY: &str = "key";

/// Statuses of refusals, and what they mean.
const REFUSALS: [(u16, &str); 9] = [
    (400, "The request is wrong"),
    (401, "There is no API key, or a wrong one"),
    (404, "There is no such model or file"),
    (408, "The body did not arrive in time"),
    (413, "The body is too large"),
    (415, "The body is not declared as JSON, or is encoded"),
    (429, "As many requests wait as may; try again later"),
    (500, "The server failed at this request"),
    (
        503,
        "The model is being loaded, or the server is stopping or has no memory for the body; try again later",
    ),
];

/// What is said of an endpoint. Schemas are made when they are asked for.
#[derive(Clone)]
pub struct Described {
    id: &'static str,
    summary: &'static str,
    body: Option<Body>,
    /// Types of content of a success, with what it is.
    answers: Vec<(&'static str, Answer)>,
    /// Whether clients keep a success and ask whether it is still the same.
    kept: bool,
    parameter: Option<(&'static str, &'static str)>,
    /// Add the components that schemas refer to.
    components: Vec<fn(&mut Components)>,
    /// Statuses of refusals.
    refusals: Vec<u16>,
    /// The component that errors are.
    error: Cow<'static, str>,
}

/// The name of a body's schema, and what makes that.
type Body = (&'static str, fn() -> Value);

type Components = Vec<(String, RefOr<Schema>)>;

/// What a success is.
#[derive(Clone)]
enum Answer {
    /// A component.
    Named(Cow<'static, str>),
    /// An object of which nothing more is said.
    Object,
    /// A text, or pieces of one.
    Text,
}

impl Described {
    /// An endpoint that needs a key and the model, whose errors are objects of OpenAI's API.
    pub fn new(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            body: None,
            answers: Vec::new(),
            kept: false,
            parameter: None,
            components: vec![component::<ErrorBody<'_>>],
            refusals: vec![401, 500, 503],
            error: ErrorBody::name(),
        }
    }

    /// Errors are those of Ollama's API.
    pub fn of_ollama(mut self) -> Self {
        self.components.push(component::<OllamaError<'_>>);
        self.error = OllamaError::name();
        self
    }

    /// It is asked with a body, of a schema that gets a name.
    pub fn asked(mut self, name: &'static str, schema: fn() -> Value) -> Self {
        self.body = Some((name, schema));
        self.refused(&[400, 408, 413, 415])
    }

    /// It has a variable part of its path.
    pub fn named(mut self, name: &'static str, what: &'static str) -> Self {
        self.parameter = Some((name, what));
        self.refused(&[400, 404])
    }

    /// It answers with an object of this type.
    pub fn answered<T: ToSchema>(mut self) -> Self {
        self.components.push(component::<T>);
        self.answers.push((JSON, Answer::Named(T::name())));
        self
    }

    /// It answers with an object of which nothing more is said.
    pub fn answered_freely(mut self) -> Self {
        self.answers.push((JSON, Answer::Object));
        self
    }

    /// It answers with a text of this type of content.
    pub fn answered_as(mut self, content_type: &'static str) -> Self {
        self.answers.push((content_type, Answer::Text));
        self
    }

    /// Its answer has an `ETag`, and clients that have it already get 304.
    pub fn kept_by_clients(mut self) -> Self {
        self.kept = true;
        self
    }

    /// It generates, whole or in pieces of this type of content, and may have to wait.
    pub fn streamed(mut self, content_type: &'static str) -> Self {
        self.answers.push((content_type, Answer::Text));
        self.refused(&[429])
    }

    /// It may refuse with more statuses.
    pub fn refused(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    /// It never refuses with these.
    pub fn never(mut self, statuses: &[u16]) -> Self {
        self.refusals.retain(|status| !statuses.contains(status));
        self
    }

    /// Whether it is answered to those with a key only, where the server has any.
    pub fn needs_key(&self) -> bool {
        self.refusals.contains(&401)
    }

    /// Components that it refers to, but for its body.
    pub(super) fn components(&self) -> Components {
        let mut all = Components::new();
        self.components.iter().for_each(|add| add(&mut all));
        all
    }

    /// The name and the schema of its body.
    pub(super) fn body(&self) -> Option<(&'static str, Value)> {
        self.body.map(|(name, schema)| (name, schema()))
    }

    pub(super) fn operation(&self) -> Operation {
        let mut operation = OperationBuilder::new()
            .operation_id(Some(self.id))
            .summary(Some(self.summary));
        if let Some((name, _)) = self.body {
            let content = Content::new(Some(Ref::from_schema_name(name)));
            let body = RequestBodyBuilder::new()
                .required(Some(Required::True))
                .content(JSON, content);
            operation = operation.request_body(Some(body.build()));
        }
        if let Some((name, what)) = self.parameter {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .description(Some(what))
                .schema(Some(Schema::from(text.build())));
            operation = operation.parameter(parameter);
        }
        let mut success = ResponseBuilder::new().description("The answer");
        for (kind, answer) in &self.answers {
            success = success.content(*kind, Content::new(Some(answer.schema())));
        }
        operation = operation.response("200", success.build());
        if self.kept {
            let same = ResponseBuilder::new().description("The answer is as the client has it");
            operation = operation.response("304", same);
        }
        for (status, what) in REFUSALS {
            if self.refusals.contains(&status) {
                let error = Content::new(Some(Ref::from_schema_name(self.error.as_ref())));
                let refusal = ResponseBuilder::new()
                    .description(what)
                    .content(JSON, error);
                operation = operation.response(status.to_string(), refusal.build());
            }
        }
        // Without a key too: a server that has none takes any.
        if self.needs_key() {
            let nothing = SecurityRequirement::default();
            let key = SecurityRequirement::new(KEY, Vec::<String>::new());
            operation = operation.security(nothing).security(key);
        }
        operation.build()
    }
}

impl Answer {
    fn schema(&self) -> RefOr<Schema> {
        let plain =
            |kind: Type| Schema::from(ObjectBuilder::new().schema_type(kind).build()).into();
        match self {
            Self::Named(name) => Ref::from_schema_name(name.as_ref()).into(),
            Self::Object => plain(Type::Object),
            Self::Text => plain(Type::String),
        }
    }
}

/// Adds a type, and those that it is made of.
fn component<T: ToSchema>(all: &mut Components) {
    T::schemas(all);
    all.push((T::name().into_owned(), T::schema()));
}
