//! The configuration file as JSON Schema, for editors; written to schema/config.json.

use serde_json::{Map, Value as Json, json};

use super::{Fallback, Setting, TABLES, settings};
use crate::language::{LANGUAGE_FIELDS, limit_kind};
use crate::limits::LIMIT_FIELDS;
use crate::strict_toml::Value;

/// The schema (draft 2020-12) of the configuration file.
pub fn schema() -> Json {
    let mut properties = Map::new();
    for (table, doc) in TABLES {
        let rows = settings().iter().filter(|setting| setting.table == table);
        let fields: Map<String, Json> = rows.map(|setting| (setting.name.to_owned(), of_setting(setting))).collect();
        if table.is_empty() {
            properties.extend(fields);
        } else {
            properties.insert(table.to_owned(), strict(doc, fields, &[]));
        }
    }
    properties.insert(
        "languages".to_owned(),
        json!({
            "type": "object",
            "description": "Languages to add, or to put in the place of built-in ones of the same name.",
            "additionalProperties": language(),
        }),
    );
    let mut schema = strict("The configuration of a Caisson worker.", properties, &[]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Caisson configuration");
    schema
}

fn of_setting(setting: &Setting) -> Json {
    let mut schema = setting.kind.schema();
    schema["description"] = json!(setting.doc);
    if let Fallback::Value(value) = &setting.fallback {
        schema["default"] = json_value(value);
    }
    schema
}

fn language() -> Json {
    let fields = || LANGUAGE_FIELDS.iter().filter(|field| field.name != "name");
    let mut properties = Map::new();
    for field in fields() {
        let mut schema = field.kind.schema();
        schema["description"] = json!(field.doc);
        properties.insert(field.name.to_owned(), schema);
    }
    let limits: Map<String, Json> =
        LIMIT_FIELDS.iter().map(|field| (field.name.to_owned(), limit_kind(field).schema())).collect();
    properties.insert("limits".to_owned(), strict("Limits of a run that differ from [limits].", limits.clone(), &[]));
    let doc = "Limits of the compile step that differ from [compile_limits].";
    properties.insert("compile_limits".to_owned(), strict(doc, limits, &[]));
    let required: Vec<&str> = fields().filter(|field| field.required).map(|field| field.name).collect();
    strict("A language.", properties, &required)
}

fn strict(description: &str, properties: Map<String, Json>, required: &[&str]) -> Json {
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::List(list) => json!(list),
        Value::Map(map) => json!(map),
    }
}
