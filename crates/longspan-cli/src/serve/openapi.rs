//! The description of the API in OpenAPI 3.1, made from the table of routes and the types of requests and answers.

use axum::http::Method;
use axum::routing::MethodRouter;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::sync::Arc;

use super::documents::PASSWORD_HEADER;
use super::error::{ERRORS, ErrorObject};
use super::page;
use super::state::ServerState;

/// A route: what it takes and gives, and who answers it.
pub struct RouteEntry {
    /// Its method.
    pub method: &'static str,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Parameters of the query: name, type and meaning.
    pub query: &'static [(&'static str, &'static str, &'static str)],
    /// The body of a request.
    pub takes: RouteBody,
    /// The bodies of answers: status, and what it has.
    pub gives: &'static [(u16, RouteAnswer)],
    /// The codes of its own errors, besides those that any route may have.
    pub errors: &'static [&'static str],
    /// Who answers it.
    pub handler: fn() -> MethodRouter<Arc<ServerState>>,
}

/// A function that describes a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The body of a request.
pub enum RouteBody {
    /// None.
    Nothing,
    /// JSON.
    Json(SchemaOf),
    /// A file, plain or as a part of a form.
    File,
}

/// The body of an answer.
pub enum RouteAnswer {
    /// None.
    Nothing,
    /// JSON.
    Json(SchemaOf),
    /// JSON, or a stream of events if the request accepts one.
    Events(SchemaOf),
    /// Of this type.
    Other(&'static str),
}

/// The schema of a type.
pub fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Errors of every route.
const COMMON_ERRORS: [&str; 7] = ["malformed", "key", "host", "origin", "overloaded", "internal", "deadline"];

/// The description.
pub fn document(routes: &[RouteEntry]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let (mut requests, mut answers) =
        (settings.clone().for_deserialize().into_generator(), settings.for_serialize().into_generator());
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route, &mut requests, &mut answers);
    }
    let mut schemas = requests.take_definitions(true);
    schemas.extend(answers.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Longspan",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Exact answers from long documents, or an honest 'no answer'. Whoever has the key can list and \
                            ask every document.",
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn operation(route: &RouteEntry, requests: &mut SchemaGenerator, answers: &mut SchemaGenerator) -> Value {
    let in_path = route
        .path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = route.query.iter().map(
        |(name, kind, meaning)| json!({"name": name, "in": "query", "description": meaning, "schema": {"type": kind}}),
    );
    let in_headers = matches!(route.takes, RouteBody::File).then(|| {
        json!({"name": PASSWORD_HEADER, "in": "header", "description": "password of an encrypted file, in ASCII",
            "schema": {"type": "string"}})
    });
    let mut operation = json!({
        "summary": route.summary,
        "operationId": format!("{}_{}", route.method.to_lowercase(), route.path.replace(['/', '{', '}'], "_")),
        "parameters": in_path.chain(in_query).chain(in_headers).collect::<Vec<_>>(),
        "responses": responses(route, answers),
    });
    if page::is_open(&Method::GET, route.path) && route.method == "GET" {
        operation["security"] = json!([]);
    }
    let file = json!({"schema": {"type": "string", "format": "binary"}});
    match route.takes {
        RouteBody::Nothing => {}
        RouteBody::Json(schema) => {
            let content = json!({"application/json": {"schema": schema(requests)}});
            operation["requestBody"] = json!({"required": true, "content": content});
        }
        RouteBody::File => {
            let form = json!({"schema": {"type": "object", "required": ["file"], "properties": {
                "file": {"type": "string", "format": "binary"}, "password": {"type": "string"}}}});
            let content = json!({"application/octet-stream": file, "multipart/form-data": form});
            operation["requestBody"] = json!({"required": true, "content": content});
        }
    }
    operation
}

fn responses(route: &RouteEntry, answers: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for (status, answer) in route.gives {
        let content = match answer {
            RouteAnswer::Nothing => json!({}),
            RouteAnswer::Json(schema) => json!({"application/json": {"schema": schema(answers)}}),
            RouteAnswer::Events(schema) => json!({
                "application/json": {"schema": schema(answers)},
                "text/event-stream": {"schema": {"type": "string", "description":
                    "`progress` after every pass, `answer` for each question and document, then `done` or `error`"}},
            }),
            RouteAnswer::Other(kind) => json!({*kind: {}}),
        };
        let response = responses.entry(status.to_string()).or_insert(json!({"description": "Done.", "content": {}}));
        for (kind, schema) in content.as_object().into_iter().flatten() {
            response["content"][kind] = schema.clone();
        }
    }
    let error = schema::<ErrorObject<'static>>(answers);
    for (error_type, status, meaning) in ERRORS {
        if COMMON_ERRORS.contains(&error_type) || route.errors.contains(&error_type) {
            let content = json!({"application/json": {"schema": error}});
            let response = json!({"description": "", "content": content});
            let response = responses.entry(status.to_string()).or_insert(response);
            let described = response["description"].as_str().unwrap_or_default();
            response["description"] = format!("{described} `{error_type}`: {meaning}").trim().into();
        }
    }
    Value::Object(responses)
}
