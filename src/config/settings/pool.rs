//! The rows of `[pool]`.

use std::borrow::Cow;

use super::super::setting::{Access, Fallback, Setting};
use crate::strict_toml::{Field, Kind, Value};

pub(super) fn rows() -> [Setting; 4] {
    [
        setting!(
            pool.enabled,
            Kind::Bool,
            Fallback::Value(Value::Bool(true)),
            "Whether containers are made ahead. A job that finds one waiting starts a tenth of a second earlier; nothing else \
             differs. Off, every container is made when its job has come."
        ),
        setting!(
            pool.containers,
            Kind::Integer { least: 0, most: 1_024 },
            Fallback::Words("twice the slots"),
            "How many containers may wait at the same time, of all kinds together. A kind is an image with a job's first \
             limits; two for each slot keep two kinds ready under load. Each has a uid of its own, out of `sandbox.uids`."
        ),
        setting!(
            pool.memory_percent,
            Kind::Integer { least: 0, most: 50 },
            Fallback::Value(Value::Integer(10)),
            "How much of `worker.memory_bytes` waiting containers may take, in percent. Each is counted with 16 MiB, which is \
             what it takes of the host until a job gets it, and not with its limit. There are fewer of them where this, or \
             what the largest job may need, leaves no room for all."
        ),
        setting!(
            pool.age_s,
            Kind::Integer { least: 5, most: 86_400 },
            Fallback::Value(Value::Integer(300)),
            "How many seconds a container waits at most before it is replaced, and for how long a kind that was asked for once \
             is kept ready. Five minutes bound what a forgotten container can be, and cost next to nothing."
        ),
    ]
}
