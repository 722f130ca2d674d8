//! The OpenAPI 3.1 description of what exists: `openapi.json`, which the tests here
//! hold against the routes, the limits and itself.

/// The document, as JSON.
pub const DOCUMENT: &str = include_str!("openapi.json");

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::http::plots::PICTURES;
    use crate::http::routes::{Pattern, Route};
    use crate::limits;
    use crate::page::assets::ASSETS;
    use serde_json::{Value, json};
    use std::collections::HashSet;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// Every method of every path, as (method, path, what it is).
    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let methods = |(path, item): (&String, &Value)| {
            let item = item.as_object().unwrap();
            let operation = |(method, operation): (&String, &Value)| {
                (method.to_uppercase(), path.clone(), operation.clone())
            };
            item.iter().map(operation).collect::<Vec<_>>()
        };
        paths.iter().flat_map(methods).collect()
    }

    fn parameter<'a>(document: &'a Value, path: &str, name: &str) -> &'a Value {
        let parameters = document["paths"][path]["get"]["parameters"].as_array();
        let mut named = parameters.unwrap().iter().filter(|p| p["name"] == name);
        named
            .next()
            .unwrap_or_else(|| panic!("{path} has no {name}"))
    }

    #[test]
    fn whatever_it_describes_is_there() {
        for (method, path, _) in operations(&document()) {
            let route = Route::of(&method, &path);
            let there = !matches!(route, Route::NotFound | Route::MethodNotAllowed(_));
            assert!(there, "{method} {path}");
        }
    }

    #[test]
    fn whatever_is_there_it_describes() {
        let document = document();
        let described: HashSet<_> = operations(&document)
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .collect();
        let paths = Pattern::ALL
            .iter()
            .filter(|pattern| !matches!(pattern, Pattern::Plots | Pattern::Other))
            .map(|pattern| pattern.as_str())
            .chain(["/logout", "/.well-known/healthcheck"])
            .chain(PICTURES.iter().map(|picture| picture.path()))
            .chain(ASSETS.iter().map(|asset| asset.path()));
        for path in paths {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let route = Route::of(method, path);
                let there = !matches!(route, Route::NotFound | Route::MethodNotAllowed(_));
                let pair = (method.to_owned(), path.to_owned());
                assert_eq!(described.contains(&pair), there, "{method} {path}");
            }
        }
        for asset in ASSETS {
            let essence = asset.media_type().split(';').next().unwrap();
            let content = &document["paths"][asset.path()]["get"]["responses"]["200"]["content"];
            assert!(content[essence].is_object(), "{}", asset.path());
        }
    }

    #[test]
    fn its_version_and_limits_are_those_in_force() {
        let document = document();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let report = &document["components"]["schemas"]["Reports"]["oneOf"][1];
        assert_eq!(report["maxItems"], json!(limits::MAX_REPORTS_PER_REQUEST));
        let limit = parameter(&document, "/api/v1/reports", "limit");
        assert_eq!(limit["schema"]["default"], json!(limits::REPORTS_PER_PAGE));
        for (name, parameter) in document["components"]["parameters"].as_object().unwrap() {
            let most = &parameter["schema"]["maxItems"];
            match name.as_str() {
                "where" => assert_eq!(*most, json!(limits::MAX_WHERE)),
                "hosts" => assert_eq!(*most, json!(limits::MAX_HOSTS_ASKED)),
                _ => assert!(most.is_null(), "{name}"),
            }
        }
    }

    #[test]
    fn names_are_given_once_and_references_lead_somewhere() {
        let document = document();
        let mut ids = HashSet::new();
        for (method, path, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id), "{method} {path}");
        }
        let mut references = 0;
        for piece in DOCUMENT.split("\"$ref\": \"#").skip(1) {
            let pointer = piece.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            references += 1;
        }
        assert!(references > 20, "{references} references");
        assert_eq!(references, DOCUMENT.matches("$ref").count());
    }
}
