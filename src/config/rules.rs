//! Which texts the settings take, each in words and as a test.

use crate::strict_toml::TextRule;

pub(super) const URL: TextRule = TextRule {
    allowed: "a queue's URL such as https://sqs.eu-central-1.amazonaws.com/123456789012/jobs",
    holds: |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    },
};

pub(super) const ID: TextRule = TextRule {
    allowed: "1 to 128 of A-Z a-z 0-9 . _ : -",
    holds: |text| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
    },
};

pub(super) const SOCKET: TextRule = TextRule {
    allowed: "an absolute path such as /var/run/docker.sock, or unix:// and one",
    holds: |text| text.strip_prefix("unix://").unwrap_or(text).starts_with('/'),
};

pub(super) const WORD: TextRule = TextRule {
    allowed: "a name without blanks such as runsc",
    holds: |text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
};

pub(super) const FILTER: TextRule = TextRule {
    allowed: "a level or directives such as info,caisson::queue=debug",
    holds: |text| {
        let parsed = tracing_subscriber::filter::EnvFilter::builder().parse(text);
        // The parser takes any single word for a target's name, so that `infos` would silently log nothing.
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let known =
            |part: &str| part.contains(['=', ':', '[']) || levels.contains(&part.trim().to_ascii_lowercase().as_str());
        !text.is_empty() && parsed.is_ok() && text.split(',').all(known)
    },
};
