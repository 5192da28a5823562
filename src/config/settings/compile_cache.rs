//! The rows of `[compile_cache]`.

use std::borrow::Cow;

use super::super::setting::{Access, Fallback, Setting};
use crate::strict_toml::{Field, Kind, Value};

pub(super) fn rows() -> [Setting; 2] {
    [
        setting!(
            compile_cache.enabled,
            Kind::Bool,
            Fallback::Value(Value::Bool(false)),
            "Whether the result of a compile step is kept for jobs with the same sources, command, environment, limits and \
             image. Off by default: with it, whoever sends a job learns whether this worker has compiled the very same \
             before."
        ),
        setting!(
            compile_cache.max_bytes,
            Kind::Integer { least: 1 << 20, most: 1 << 40 },
            Fallback::Value(Value::Integer(256 << 20)),
            "Bytes of the worker's own memory that kept results may take together. What was used longest ago goes first. One \
             result takes a quarter of it at most, and never more than 32 MiB; a larger one isn't kept. 256 MiB are some \
             thousand programs of C, or a hundred that are linked statically. It comes on top of `worker.memory_bytes`."
        ),
    ]
}
