//! Tables of limits in TOML, and how far an operator may go with each.

use toml::Spanned;
use toml::de::DeValue;

use crate::limits::{LIMIT_FIELDS, LimitField, LimitsRequest};
use crate::strict_toml::{Kind, Mistake, Source, Value, did_you_mean};

/// The longest time that can be allowed, in milliseconds: SQS lets no message be in flight longer than twelve hours.
pub(crate) const LONGEST_MS: u64 = 12 * 3_600_000;

/// The kind of a limit in a configuration. The ends are where the kernel's or the queue's own limits are, so that a
/// number with three digits too many is seen at the start and not in the middle of a job.
pub(crate) fn limit_kind(field: &LimitField) -> Kind {
    const TIB: u64 = 1 << 40;
    let most = match field.name {
        "cpu_time_ms" | "wall_time_ms" => LONGEST_MS,
        // The kernel's largest pid.
        "processes" => 4_194_304,
        // The worker holds a part of it in memory.
        "output_bytes" => 1 << 30,
        // The kernel's `nr_open`.
        "open_files" => 1_048_576,
        _ => TIB,
    };
    Kind::Integer { least: field.minimum, most }
}

/// Reads a table of limits. The operator's maximum is not known here; the configuration checks against it.
pub(super) fn limits(
    source: &Source<'_>,
    value: &Spanned<DeValue<'_>>,
    at: &str,
    mistakes: &mut Vec<Mistake>,
) -> LimitsRequest {
    let mut request = LimitsRequest::default();
    let Some(table) = value.get_ref().as_table() else {
        mistakes.push(source.mistake(value.span().start, at, "is no table; allowed is a table of limits"));
        return request;
    };
    for (key, value) in table {
        let full = format!("{at}.{}", key.get_ref());
        match LIMIT_FIELDS.iter().find(|field| field.name == key.get_ref()) {
            Some(field) => {
                if let Some(Value::Integer(value)) = source.value(&limit_kind(field), &full, value, mistakes) {
                    (field.request)(&mut request, value);
                }
            }
            None => {
                let near = did_you_mean(key.get_ref(), LIMIT_FIELDS.iter().map(|field| field.name));
                mistakes.push(source.mistake(key.span().start, full, format!("unknown key{near}")));
            }
        }
    }
    request
}
