//! The JSON Schema of the config file, for editors: made of the same table of
//! settings that reads it.

use crate::config_file::{OF_ONE_TENANT, TENANT_KEYS};
use crate::settings::{SETTINGS, Setting};
use serde_json::{Map, Value, json};

/// The schema (draft 2020-12), as text.
pub(super) fn of_config_file() -> String {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netwatch-server config file",
        "anyOf": [
            table(|_| true, Map::new(), &[]),
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["tenant"],
                "properties": {
                    "server": table(Setting::is_of_server, Map::new(), &[]),
                    "defaults": table(
                        |setting| setting.is_of_tenant() && !OF_ONE_TENANT.contains(&setting.name),
                        Map::new(),
                        &[],
                    ),
                    "tenant": {
                        "type": "array",
                        "minItems": 1,
                        "items": table(Setting::is_of_tenant, of_tenant(), &["name"]),
                    },
                },
            },
        ],
    });
    // Values of JSON always serialize.
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn of_tenant() -> Map<String, Value> {
    let keys = TENANT_KEYS.map(|key| {
        let schema = match key {
            "name" => json!({
                "type": "string",
                "pattern": "^[a-z0-9][a-z0-9-]{0,62}$",
                "description": "Part of its URL /t/NAME, its directory, metrics and log lines",
            }),
            "hosts" => json!({
                "type": "array",
                "items": { "type": "string" },
                "description": "Host names that lead to it, without port",
            }),
            "component_sha256" => json!({
                "type": "string",
                "pattern": "^[0-9A-Fa-f]{64}$",
                "description": "What the component file must be",
            }),
            _ => json!({
                "type": "object",
                "additionalProperties": { "type": ["string", "number", "boolean"] },
                "description": "Environment variables for its component beside the settings",
            }),
        };
        (key.to_owned(), schema)
    });
    keys.into_iter().collect()
}

fn table(
    takes: impl Fn(&Setting) -> bool,
    mut properties: Map<String, Value>,
    required: &[&str],
) -> Value {
    for setting in SETTINGS.iter().filter(|setting| takes(setting)) {
        properties.insert(setting.key(), value(setting));
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn value(setting: &Setting) -> Value {
    let kinds: &[&str] = match setting.value {
        "NUMBER" | "SIZE" => &["integer", "string"],
        "FACTOR" => &["number", "string"],
        "SWITCH" => &["boolean", "string"],
        "ORIGINS" => &["string", "array"],
        _ => &["string"],
    };
    json!({
        "type": kinds,
        "description": format!("{} (default: {})", setting.help, setting.default),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_the_table_it_belongs_to() {
        let schema: Value = serde_json::from_str(&of_config_file()).unwrap();
        let flat = &schema["anyOf"][0]["properties"];
        let tables = &schema["anyOf"][1]["properties"];
        let server = &tables["server"]["properties"];
        let tenant = &tables["tenant"]["items"]["properties"];
        for setting in SETTINGS {
            let key = setting.key();
            assert!(flat[&key].is_object(), "{key}");
            assert_eq!(server[&key].is_object(), setting.is_of_server(), "{key}");
            assert_eq!(tenant[&key].is_object(), setting.is_of_tenant(), "{key}");
        }
        assert!(
            tenant["hosts"].is_object() && tables["defaults"]["properties"]["ingest_key"].is_null()
        );
    }
}
