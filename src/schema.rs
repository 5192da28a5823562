//! The JSON Schemas of the two messages, generated from the types that read and write them.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::report::Report;

/// The schema of the job. Its keys are sorted, so that two builds of the same types give the same text.
pub fn job() -> Value {
    crate::job::schema().to_value()
}

/// The schema of the result, as [`job`].
pub fn result() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), "Caisson result, version 1".into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemas_have_a_title_and_come_out_the_same_each_time() {
        for schema in [job, result] {
            assert!(schema()["title"].as_str().is_some_and(|title| title.starts_with("Caisson ")));
            assert_eq!(schema().to_string(), schema().to_string());
        }
    }

    #[test]
    fn the_result_always_has_its_verdict_and_may_lack_a_stream() {
        let schema = result();
        let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.contains(&name.into()));
        assert!(required("verdict") && required("job_id") && !required("metadata"));
        assert!(schema["$defs"]["TestReport"]["properties"]["stdout_base64"].is_object());
    }
}
