//! The job as it stands in a message: the types, the known fields, and what the JSON Schema says of them.
//!
//! The schema is generated from these; what it cannot say is in the descriptions, and decided in `check`.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::shape::{Capped, Env, Object};
use super::{Isolation, MAX_ARGUMENTS, MAX_FILES, MAX_TESTS, MAX_WHOLE_NUMBER};
use crate::checker::{Checker, CheckerMessage};
use crate::limits::{LIMIT_FIELDS, Limits, LimitsRequest};

/// One request to run a program. A field that is null counts as absent; an unknown field is refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Caisson job, version 1")]
pub(super) struct JobMessage {
    /// The contract's version; absent means 1.
    #[serde(default, deserialize_with = "crate::whole::optional")]
    #[schemars(range(min = 1, max = 1))]
    pub(super) version: Option<u64>,
    /// The producer's id, echoed in the result; the key on which consumers drop duplicates.
    #[schemars(regex(pattern = "^[A-Za-z0-9._:-]{1,128}$"))]
    pub(super) id: String,
    /// A key of the worker's language registry, as `python3`. Exactly one of `language` and `image` is given.
    #[schemars(regex(pattern = "^[a-z0-9_+-]{1,64}$"))]
    pub(super) language: Option<String>,
    /// An image on the operator's allow-list; needs `run`.
    pub(super) image: Option<String>,
    /// The files put into the sandbox.
    #[schemars(length(min = 1, max = 1000))]
    pub(super) files: Capped<Object<FileMessage>, MAX_FILES>,
    /// The path of the entry file, one of `files`. Absent: the language's file name when there is one of that name, else the
    /// first with an extension of the language, else the first.
    pub(super) main: Option<String>,
    /// The compile step's arguments, the program first; no shell. Placeholders: `{main}`, `{main_stem}`, `{program}`,
    /// `{memory_mb}`, `{heap_mb}`, `{stack_kb}`.
    /// Absent: the language's.
    #[schemars(length(min = 1, max = 256))]
    pub(super) compile: Option<Capped<String, MAX_ARGUMENTS>>,
    /// The run's arguments, the same way.
    #[schemars(length(min = 1, max = 256))]
    pub(super) run: Option<Capped<String, MAX_ARGUMENTS>>,
    /// The program's own arguments, put behind those of `run`.
    #[schemars(length(max = 256))]
    pub(super) args: Option<Capped<String, MAX_ARGUMENTS>>,
    /// The program's environment. Names that change the loader, an interpreter or the sandbox's own settings are refused.
    pub(super) env: Option<Env>,
    /// The input of a job without `tests`; absent means empty.
    pub(super) stdin: Option<String>,
    /// The same in base64 (standard alphabet, padded).
    pub(super) stdin_base64: Option<String>,
    /// Where in S3 it is, as `s3://bucket/key`, in a bucket that the operator has allowed; needs `stdin_sha256`.
    #[schemars(regex(pattern = "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$"))]
    pub(super) stdin_s3_uri: Option<String>,
    /// The SHA-256 of that object.
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    pub(super) stdin_sha256: Option<String>,
    /// One compile, many runs. Absent: one run, with `stdin`.
    #[schemars(length(min = 1, max = 2000))]
    pub(super) tests: Option<Capped<Object<TestMessage>, MAX_TESTS>>,
    /// How outputs are compared; absent means `{"type": "tokens"}`.
    #[schemars(with = "Option<Checker>")]
    pub(super) checker: Option<CheckerMessage>,
    /// Whether the tests after a failed one are skipped; absent means no.
    pub(super) stop_on_failure: Option<bool>,
    /// One container for all tests of the job (the default), or a fresh one for each test.
    #[schemars(with = "Option<Isolation>")]
    pub(super) isolation: Option<String>,
    /// The limits of each run; what is absent takes the operator's default.
    pub(super) limits: Option<Object<LimitsRequest>>,
    /// The limits of the compile step.
    pub(super) compile_limits: Option<Object<LimitsRequest>>,
    /// How many bytes of each stream come back in the result; absent means 65536.
    #[serde(default, deserialize_with = "crate::whole::optional")]
    #[schemars(range(max = 16_777_216))]
    pub(super) capture_bytes: Option<u64>,
    /// A time in RFC 3339; past it the job is answered `expired` without being run.
    #[schemars(extend("format" = "date-time"))]
    pub(super) expires_at: Option<String>,
    /// Echoed untouched: an object of at most 8 KiB as it is written, nested at most 32 deep.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub(super) metadata: Option<Box<RawValue>>,
}

/// One file, with `content`, `content_base64`, or `content_s3_uri` and `content_sha256`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "File")]
pub(super) struct FileMessage {
    /// A relative path of at most 8 components, none of them empty, `.`, `..` or longer than 255 bytes; no control
    /// characters.
    #[schemars(length(min = 1))]
    pub(super) path: String,
    pub(super) content: Option<String>,
    /// The content in base64 (standard alphabet, padded).
    pub(super) content_base64: Option<String>,
    /// Where in S3 it is, as `s3://bucket/key`, in a bucket that the operator has allowed; needs `content_sha256`.
    #[schemars(regex(pattern = "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$"))]
    pub(super) content_s3_uri: Option<String>,
    /// The SHA-256 of that object.
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    pub(super) content_sha256: Option<String>,
    /// Whether the file may be run by its name; absent: if it begins with `#!`.
    pub(super) executable: Option<bool>,
}

/// One run of the program.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Test")]
pub(super) struct TestMessage {
    /// The test's name in the result, distinct within the job: 1 to 128 bytes, without control characters, also those for lines
    /// and for the direction of text.
    #[schemars(length(max = 128), regex(pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u061C\\u200E\\u200F\\u2028-\\u202E\\u2066-\\u2069]+$"))]
    pub(super) id: String,
    /// The input; absent means empty.
    pub(super) stdin: Option<String>,
    /// The same in base64.
    pub(super) stdin_base64: Option<String>,
    /// Where in S3 it is, as `s3://bucket/key`, in a bucket that the operator has allowed; needs `stdin_sha256`.
    #[schemars(regex(pattern = "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$"))]
    pub(super) stdin_s3_uri: Option<String>,
    /// The SHA-256 of that object.
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    pub(super) stdin_sha256: Option<String>,
    /// The right output; absent means that the test is only run.
    pub(super) expected_stdout: Option<String>,
    /// The same in base64.
    pub(super) expected_stdout_base64: Option<String>,
    /// Where in S3 it is, as `s3://bucket/key`, in a bucket that the operator has allowed; needs `expected_stdout_sha256`.
    #[schemars(regex(pattern = "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$"))]
    pub(super) expected_stdout_s3_uri: Option<String>,
    /// The SHA-256 of that object.
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    pub(super) expected_stdout_sha256: Option<String>,
    /// In place of the job's `args`.
    #[schemars(length(max = 256))]
    pub(super) args: Option<Capped<String, MAX_ARGUMENTS>>,
    /// On top of the job's `limits`; `disk_bytes` can only be set for the whole job.
    pub(super) limits: Option<Object<LimitsRequest>>,
    /// Added to the result's `score` when the test is accepted. All points together have to be a finite number.
    #[schemars(range(min = 0))]
    pub(super) points: Option<f64>,
    /// Echoed in the result; no control characters.
    #[schemars(length(min = 1, max = 128))]
    pub(super) group: Option<String>,
}

/// The message's schema. A requested limit is described as the limit itself is, and bounded as it will be checked.
pub(super) fn schema() -> Schema {
    let generator = || SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator().into_root_schema_for::<JobMessage>();
    // Whoever leaves them out and whoever gives null are told alike what that means, by the descriptions.
    for name in ["version", "capture_bytes"] {
        let property = schema.pointer_mut(&format!("/properties/{name}")).and_then(|property| property.as_object_mut());
        property.and_then(|property| property.remove("default"));
    }
    let described = generator().into_root_schema_for::<Limits>();
    for limit in &LIMIT_FIELDS {
        let pointer = format!("/$defs/LimitsRequest/properties/{}", limit.name);
        let description = described.pointer(&format!("/properties/{}/description", limit.name));
        let property = schema.pointer_mut(&pointer).and_then(|property| property.as_object_mut());
        if let (Some(property), Some(description)) = (property, description) {
            property.insert("description".to_owned(), description.clone());
            property.insert("minimum".to_owned(), limit.minimum.into());
            property.insert("maximum".to_owned(), MAX_WHOLE_NUMBER.into());
        }
    }
    schema
}
