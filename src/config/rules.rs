//! Which texts the settings take, each in words and as a test.

use super::Incoming;
use super::bucket_place::{BucketPlace, is_prefix};
use crate::job::is_bucket_name;
use crate::strict_toml::TextRule;

pub(super) const URL: TextRule = TextRule {
    allowed: "a queue's URL such as https://sqs.eu-central-1.amazonaws.com/123456789012/jobs",
    holds: |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    },
};

pub(super) const WEIGHTED_URL: TextRule = TextRule {
    allowed: "a queue's URL, or one with a weight from 1 to 100 such as \"https://sqs.eu-central-1.amazonaws.com/123456789012/jobs weight=4\"",
    holds: |text| incoming(text).is_some(),
};

/// The largest weight: what more could say nobody can measure.
const MOST_WEIGHT: u32 = 100;

/// Reads `URL` or `URL weight=N`.
pub(super) fn incoming(text: &str) -> Option<Incoming> {
    let (url, weight) = match text.split_once(' ') {
        None => (text, 1),
        Some((url, rest)) => (url, rest.trim_start().strip_prefix("weight=")?.parse().ok()?),
    };
    let fits = (URL.holds)(url) && (1..=MOST_WEIGHT).contains(&weight);
    fits.then(|| Incoming { url: url.to_owned(), weight })
}
pub(super) const ADDRESS: TextRule = TextRule {
    allowed: "an IP address with a port such as 127.0.0.1:9464 or [::1]:9464; port 0 takes any free one",
    holds: |text| text.parse::<std::net::SocketAddr>().is_ok(),
};

/// CloudWatch's own rule, but that a namespace of AWS's own services is not for others.
pub(super) const NAMESPACE: TextRule = TextRule {
    allowed: "1 to 255 of A-Z a-z 0-9 . _ : / # - that don't begin with a colon or AWS/",
    holds: |text| {
        (1..=255).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte))
            && !text.starts_with([':'])
            && !text.starts_with("AWS/")
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

/// As Auto Scaling takes a group's or a hook's name.
pub(super) const NAME: TextRule = TextRule {
    allowed: "1 to 255 characters without control characters",
    holds: |text| (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control),
};

pub(super) const BUCKET: TextRule = TextRule {
    allowed: "the name of an S3 bucket such as course-tests: 3 to 63 of a-z 0-9 . -",
    holds: is_bucket_name,
};

pub(super) const PLACE: TextRule = TextRule {
    allowed: "an S3 bucket such as course-tests, or a part of one such as course-tests/data/, with a slash at the end",
    holds: |text| BucketPlace::read(text).is_some(),
};

pub(super) const PREFIX: TextRule = TextRule {
    allowed: "the beginning of a key such as results/: at most 512 of A-Z a-z 0-9 ! - _ . * ' ( ) /, not . or .. between slashes",
    holds: is_prefix,
};

pub(super) const FOLDER: TextRule =
    TextRule { allowed: "an absolute path such as /var/cache/caisson", holds: |text| text.starts_with('/') };

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
