//! What the HTTP server answers, as an OpenAPI 3.1 document. The server carries the committed copy, `docs/openapi.json`.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::base::event::{Body, Event};

const MEDIA_NAME: &str = "^[0-9a-f-]{36}(-strobe|-origin)?\\.jpg$|^[0-9a-f-]{36}\\.mp4$";

/// Pretty JSON.
pub fn document() -> String {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    generator.subschema_for::<Event>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert(
        "Refusal".into(),
        json!({
            "type": "object",
            "required": ["error"],
            "properties": { "error": { "type": "string", "description": "What was expected." } },
        }),
    );
    let id = json!({
        "name": "id", "in": "path", "required": true, "description": "An event's `id`.",
        "schema": { "type": "string", "pattern": "^[0-9a-f-]{36}$" },
    });
    let query = |name: &str, what: &str, schema: Value| json!({ "name": name, "in": "query", "description": what, "schema": schema });
    let file = json!({ "image/jpeg": {}, "video/mp4": {} });
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "oriel over HTTP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "On loopback without a token, elsewhere with one. GET and HEAD change nothing; one path takes DELETE. \
                            Every refusal is a JSON object with `error`: 401 without the token, 403 from a page of another \
                            site, 405 for another method, 413 for a body, 414 and 431 for too much, 421 for a foreign Host.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8642" }],
        // An empty one: none is asked for where no token is configured.
        "security": [{}, { "bearer": [] }, { "basic": [] }],
        "paths": {
            "/": { "get": get("page", "The page for people", answers([ok("text/html", None)])) },
            "/healthz": { "get": get("healthz", "Is the process sound?", answers([ok(JSON, Some(status())), unavailable()])) },
            "/readyz": { "get": get("readyz", "Does it do its work?", answers([ok(JSON, Some(status())), unavailable()])) },
            "/metrics": { "get": get("metrics", "Prometheus text 0.0.4", answers([ok("text/plain", None)])) },
            "/stats": {
                "get": get("stats", "The object of the MQTT topic `stats`, now", answers([ok(JSON, Some(json!({ "type": "object" })))])),
            },
            "/api/openapi.json": {
                "get": get("openapi", "This document", answers([ok(JSON, Some(json!({ "type": "object" })))])),
            },
            "/api/events": { "get": {
                "operationId": "events",
                "summary": "Events from the ledger, newest first",
                "parameters": [
                    query("limit", "At most so many.", json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 })),
                    query("camera", "Of this camera; `-` is the box.", json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" })),
                    query("type", "Of this type.", json!({ "type": "string", "enum": Body::SHORT_TYPES })),
                    query("since", "Captured at or after.", json!({ "type": "string", "format": "date-time" })),
                    query(
                        "before_sequence",
                        "Older than this one: `next` of the answer before.",
                        json!({ "type": "integer", "minimum": 1 }),
                    ),
                ],
                "responses": answers([ok(JSON, Some(page())), refused("400", "A parameter is wrong.")]),
            } },
            "/api/events/{id}": { "get": {
                "operationId": "event",
                "summary": "One event",
                "parameters": [id],
                "responses": answers([
                    ok("application/cloudevents+json", Some(reference("Event"))),
                    refused("404", "No event has this id, or it is no longer kept."),
                ]),
            } },
            "/api/events/{id}/media": { "delete": {
                "operationId": "forget",
                "summary": "Deletes the files that the event names; the event stays",
                "description": "Needs a token, on loopback too. A clip that several events share is gone for all of them; one \
                                that is not complete yet is told as absent and comes later.",
                "security": [{ "bearer": [] }, { "basic": [] }],
                "parameters": [id],
                "responses": answers([
                    ok(JSON, Some(forgotten())),
                    refused("403", "No token is configured."),
                    refused("404", "No event has this id, or it is no longer kept."),
                ]),
            } },
            "/media/{file}": { "get": {
                "operationId": "media",
                "summary": "A picture or a clip, as an event's `media` names it",
                "parameters": [
                    {
                        "name": "file", "in": "path", "required": true,
                        "schema": { "type": "string", "pattern": MEDIA_NAME },
                    },
                    {
                        "name": "Range", "in": "header", "description": "One range of bytes; several are answered with the whole file.",
                        "schema": { "type": "string", "examples": ["bytes=0-65535"] },
                    },
                ],
                "responses": answers([
                    ("200", json!({ "description": "The whole file.", "content": file })),
                    ("206", json!({ "description": "The range, as `Content-Range` says.", "content": file })),
                    refused("404", "No such file, or not yet complete."),
                    refused("416", "The file ends before the range."),
                ]),
            } },
        },
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "The token that `http` in oriel.yml names." },
                "basic": { "type": "http", "scheme": "basic", "description": "User `oriel`, the token as password." },
            },
            "schemas": schemas,
        },
    });
    format!("{document:#}")
}

const JSON: &str = "application/json";

type Answer = (&'static str, Value);

fn get(id: &str, summary: &str, responses: Value) -> Value {
    json!({ "operationId": id, "summary": summary, "responses": responses })
}

fn answers<const N: usize>(answers: [Answer; N]) -> Value {
    let mut all: serde_json::Map<String, Value> =
        answers.into_iter().map(|(status, answer)| (status.to_owned(), answer)).collect();
    all.insert("401".into(), refused("401", "A token is configured, and the request does not bring it.").1);
    all.into()
}

fn ok(kind: &str, schema: Option<Value>) -> Answer {
    let media = schema.map_or(json!({}), |schema| json!({ "schema": schema }));
    ("200", json!({ "description": "OK", "content": { kind: media } }))
}

fn refused(status: &'static str, why: &str) -> Answer {
    (status, json!({ "description": why, "content": { JSON: { "schema": reference("Refusal") } } }))
}

fn unavailable() -> Answer {
    refused("503", "No; `error` says why.")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn status() -> Value {
    json!({ "type": "object", "required": ["status"], "properties": { "status": { "const": "ok" } } })
}

fn page() -> Value {
    json!({
        "type": "object",
        "required": ["waiting", "damaged", "next", "events"],
        "properties": {
            "waiting": { "type": "integer", "description": "Events that the broker has not taken yet." },
            "damaged": { "type": "integer", "description": "Events left out because the disk has changed them." },
            "next": {
                "type": ["integer", "null"],
                "description": "`before_sequence` of the next page, which may have less than `limit`; null after the last.",
            },
            "events": { "type": "array", "items": reference("Event") },
        },
    })
}

fn forgotten() -> Value {
    let names = json!({ "type": "array", "items": { "type": "string" } });
    json!({
        "type": "object", "required": ["deleted", "absent"], "properties": { "deleted": names, "absent": names },
    })
}
