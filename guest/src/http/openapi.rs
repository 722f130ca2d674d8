//! The OpenAPI 3.1 description of what exists.

use super::plots::{self, PICTURES};
use crate::page::assets::{ASSETS, Asset};
use serde_json::{Value, json};

/// The document, as JSON.
pub fn document() -> String {
    let stats = super::stats::describe(problem);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "netwatch-server",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Collects telemetry reports and keeps them as zstd-compressed JSON Lines.",
            "license": { "name": "MIT", "identifier": "MIT" }
        },
        "paths": {
            "/api/v1/reports": {
                "get": get_reports(), "post": post_reports(), "options": preflight()
            },
            super::stats::STATS: { "get": stats },
            "/": { "get": page() },
            "/login": { "post": log_in(), "get": to_page("lookAtLogin") },
            "/logout": { "post": log_out(), "get": to_page("lookAtLogout") },
            "/.well-known/healthcheck": { "get": health("healthcheck") },
            "/healthz": { "get": health("healthz") },
            "/readyz": { "get": ready() },
            "/openapi.json": { "get": openapi() },
            "/metrics": { "get": metrics() }
        },
        "components": {
            "schemas": { "Problem": problem_schema(), "Report": report_schema() },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "header": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
                "query": { "type": "apiKey", "in": "query", "name": "key" },
                "readToken": { "type": "http", "scheme": "bearer", "description": "READ_TOKEN" }
            }
        }
    });
    for picture in PICTURES {
        document["paths"][picture.path()] = json!({ "get": plots::describe(picture, &stats) });
    }
    for asset in ASSETS {
        document["paths"][asset.path()] = json!({ "get": file(asset) });
    }
    document.to_string()
}

fn page() -> Value {
    let page = json!({ "text/html": { "schema": { "type": "string" } } });
    let parameter = |name: &str, description: &str, many: bool| {
        let text = json!({ "type": "string" });
        let schema = if many {
            json!({ "type": "array", "items": text })
        } else {
            text
        };
        json!({
            "name": name, "in": "query", "required": false,
            "description": description, "schema": schema
        })
    };
    json!({
        "operationId": "page",
        "summary": "The page that shows what was measured, or the form to log in.",
        "security": [{}, { "readToken": [] }],
        "parameters": [
            parameter("period", "1h, 6h, 24h, 7d or 30d; others are passed over.", false),
            parameter("since", "RFC 3339, or relative like -15m.", false),
            parameter("until", "The same; now by itself.", false),
            parameter("host", "Only these.", true),
            parameter("by", "client, country, city or network.", false),
            parameter("refresh", "Seconds between looks.", false),
            parameter("token", "Logs in, and leads back here without it.", false)
        ],
        "responses": {
            "200": { "description": "The page, or the form.", "content": page },
            "303": { "description": "Logged in by token." },
            "400": { "description": "The page, with what is wrong with the question.", "content": page },
            "401": { "description": "No login, or a wrong token.", "content": both() },
            "403": { "description": "Reading is closed, or a wrong token.", "content": both() },
            "503": { "description": "The page, with what is not possible now.", "content": page }
        }
    })
}

fn both() -> Value {
    json!({
        "text/html": { "schema": { "type": "string" } },
        "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } }
    })
}

fn log_in() -> Value {
    json!({
        "operationId": "logIn",
        "summary": "Logs a browser in, by a cookie.",
        "requestBody": { "required": true, "content": {
            "application/x-www-form-urlencoded": { "schema": {
                "type": "object",
                "required": ["token"],
                "properties": { "token": { "type": "string", "description": "READ_TOKEN" } }
            } }
        } },
        "responses": {
            "303": { "description": "Logged in; on to the page." },
            "400": problem("The form did not arrive whole."),
            "401": { "description": "A wrong token.", "content": both() },
            "403": { "description": "Reading is closed, or the form is another site's.", "content": both() },
            "413": problem("More than a form of this kind has."),
            "503": problem("Not now; try again after Retry-After seconds.")
        }
    })
}

fn log_out() -> Value {
    json!({
        "operationId": "logOut",
        "summary": "Ends the login of a browser.",
        "responses": {
            "303": { "description": "Logged out; on to the form." },
            "403": { "description": "The form is another site's.", "content": both() }
        }
    })
}

fn to_page(id: &str) -> Value {
    json!({
        "operationId": id,
        "summary": "Leads to the page.",
        "responses": { "303": { "description": "On to the page." } }
    })
}

fn file(asset: Asset) -> Value {
    let essence = asset.media_type().split(';').next();
    let id = asset.path().trim_start_matches('/').replace('.', "_");
    json!({
        "operationId": id,
        "summary": "A file of the page.",
        "responses": { "200": {
            "description": "The file.",
            "content": { essence.unwrap_or_default(): { "schema": { "type": "string" } } }
        } }
    })
}

fn post_reports() -> Value {
    let report = json!({ "$ref": "#/components/schemas/Report" });
    let one_or_many = json!({ "oneOf": [
        report, { "type": "array", "items": report, "maxItems": crate::limits::MAX_REPORTS_PER_REQUEST }
    ] });
    json!({
        "operationId": "postReports",
        "summary": "Stores one report or several; all of a request or none of it.",
        "security": [{}, { "bearer": [] }, { "header": [] }, { "query": [] }],
        "parameters": [{
            "name": "Content-Encoding", "in": "header", "required": false,
            "schema": { "enum": ["gzip", "zstd", "identity"] }
        }],
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": one_or_many },
            "application/reports+json": { "schema": one_or_many },
            "application/x-ndjson": { "schema": { "type": "string" } },
            "text/plain": { "schema": { "type": "string" } }
        } },
        "responses": {
            "202": {
                "description": "Stored, as durably as DURABILITY says.",
                "content": { "application/json": { "schema": {
                    "type": "object",
                    "required": ["accepted"],
                    "properties": { "accepted": { "type": "integer", "minimum": 0 } }
                } } }
            },
            "400": problem("Not JSON, not UTF-8, or the content encoding is broken."),
            "401": problem("An ingest key is needed."),
            "403": problem("The ingest key or the origin is not allowed."),
            "408": problem("The body did not arrive in time."),
            "413": problem("More bytes or reports than a request may have."),
            "415": problem("A content type or encoding that is not known."),
            "422": problem("JSON, but not a report."),
            "503": problem("Not stored; try again after Retry-After seconds.")
        }
    })
}

fn get_reports() -> Value {
    let ndjson = json!({ "schema": { "type": "string", "description": "A report a line." } });
    let array = json!({ "schema": { "type": "array", "items": { "type": "object" } } });
    json!({
        "operationId": "getReports",
        "summary": "Reads reports back, in order of their receive time.",
        "description": "A last element {\"_error\":{\"file\":…,\"detail\":…}} stands for each \
            file that could not be read.",
        "security": [{ "readToken": [] }],
        "parameters": [
            moment("since", "Received at this moment or later."),
            moment("until", "Received before this moment."),
            parameter("order", "Oldest or newest first.", json!({ "enum": ["asc", "desc"] })),
            parameter("limit", "Reports in one answer.", json!({
                "type": "integer", "minimum": 1, "default": crate::limits::REPORTS_PER_PAGE,
                "description": "More than 10000 counts as 10000."
            })),
            parameter("cursor", "Where to go on: from the Link of the answer before.",
                json!({ "type": "string" })),
            conditions(),
            parameter("fields", "JSON Pointers to the parts wanted, separated by commas.",
                json!({ "type": "string" }))
        ],
        "responses": {
            "200": {
                "description": "The reports; a Link with rel=\"next\" where there may be more.",
                "headers": { "Link": { "schema": { "type": "string" } } },
                "content": { "application/x-ndjson": ndjson, "application/json": array }
            },
            "400": problem("A parameter that cannot be used."),
            "401": problem("READ_TOKEN is needed."),
            "403": problem("Another token, or reading is closed: there is no READ_TOKEN."),
            "503": problem("Too many questions at once, or the disk cannot be read.")
        }
    })
}

/// A query parameter that need not be there.
fn parameter(name: &str, description: &str, schema: Value) -> Value {
    json!({
        "name": name, "in": "query", "required": false, "description": description,
        "schema": schema
    })
}

fn moment(name: &str, description: &str) -> Value {
    let form = "RFC 3339, or relative like -15m, -24h, or now.";
    parameter(
        name,
        description,
        json!({ "type": "string", "description": form }),
    )
}

fn conditions() -> Value {
    json!({
        "name": "where", "in": "query", "required": false, "explode": true,
        "description": "Conditions like /clientId:eq:abc that all must hold; eq, ne, gt, ge, lt, \
            le, contains, and /geo:exists.",
        "schema": {
            "type": "array", "maxItems": crate::limits::MAX_WHERE, "items": { "type": "string" }
        }
    })
}

fn preflight() -> Value {
    json!({
        "operationId": "preflightReports",
        "summary": "CORS preflight.",
        "responses": { "204": { "description": "What pages may send." } }
    })
}

fn health(id: &str) -> Value {
    json!({
        "operationId": id,
        "summary": "Whether the server answers.",
        "responses": { "200": status("It does.", &["status"]) }
    })
}

fn ready() -> Value {
    json!({
        "operationId": "readyz",
        "summary": "Whether a report would be stored now.",
        "responses": {
            "200": status("It would.", &["status"]),
            "503": problem("The server is stopping, or the disk refuses writes.")
        }
    })
}

fn openapi() -> Value {
    json!({
        "operationId": "openapi",
        "summary": "This document.",
        "responses": { "200": {
            "description": "OpenAPI 3.1.",
            "content": { "application/json": { "schema": { "type": "object" } } }
        } }
    })
}

fn metrics() -> Value {
    json!({
        "operationId": "metrics",
        "summary": "What the server counts, for Prometheus. Needs no token.",
        "responses": { "200": {
            "description": "The text exposition format, version 0.0.4.",
            "content": { "text/plain": { "schema": { "type": "string" } } }
        } }
    })
}

fn status(description: &str, members: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> = members
        .iter()
        .map(|member| ((*member).to_owned(), json!({ "type": "string" })))
        .collect();
    json!({
        "description": description,
        "content": { "application/json": { "schema": {
            "type": "object", "required": members, "properties": properties
        } } }
    })
}

fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" }
        } }
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457 problem details.",
        "required": ["status", "title", "reason", "detail"],
        "properties": {
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "title": { "type": "string" },
            "reason": { "type": "string", "description": "A word for programs." },
            "detail": { "type": "string" },
            "line": { "type": "integer", "minimum": 1 },
            "column": { "type": "integer", "minimum": 1, "description": "In characters." },
            "pointer": { "type": "string", "description": "JSON Pointer (RFC 6901)." }
        }
    })
}

fn report_schema() -> Value {
    json!({
        "type": "object",
        "description": "Any JSON object, at most 64 levels deep, without a member _received.",
        "properties": { "_received": false }
    })
}
