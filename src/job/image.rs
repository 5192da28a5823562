//! The form of an image reference: `[host[:port]/]name[/name…][:tag][@algorithm:digest]`.
//!
//! Only the form: whether the operator allows the image is decided later. A reference that isn't one never reaches the
//! engine's API, whatever the allow-list says.

/// Bytes of everything before the tag.
const MAX_NAME_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;

pub(super) fn is_reference(text: &str) -> bool {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    // A colon behind the last slash begins a tag; before it, a port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let path = match name.split_once('/') {
        Some((host, path)) if is_host(host) => path,
        _ => name,
    };
    name.len() <= MAX_NAME_BYTES
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

/// Only a host has a dot, a port or the one name `localhost`; anything else before the first slash is part of the name.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let looks_like_one = port.is_some() || host.contains('.') || host == "localhost";
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    looks_like_one
        && host.split('.').all(label)
        && port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_component(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    text.bytes().next().is_some_and(word)
        && text.bytes().next_back().is_some_and(word)
        && text.split(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit()).all(separator)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_TAG_BYTES).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_what_only_looks_like_them() {
        let digest = format!("python@sha256:{}", "0a".repeat(32));
        for good in [
            "python",
            "python:3.12-slim",
            "library/python",
            "ghcr.io/some-one/a__b/c.d:v1_2",
            "localhost/x",
            "localhost:5000/x:y",
            "registry.example.com:5000/team/image",
            digest.as_str(),
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "x/",
            "/x",
            "X",
            "a//b",
            "-x",
            "--privileged",
            "x:",
            "x:-t",
            "x:a b",
            "x@sha256:12",
            "x@md5:1",
            "https://host/x",
            "a_-b",
            "a..b",
            "a___b",
            "x:y:z",
            "x\0",
            "x\n",
            "a b",
            "é",
            "host:port/x",
            "x@",
            "@",
            ":t",
        ] {
            assert!(!is_reference(bad), "{bad:?}");
        }
        assert!(!is_reference(&"a".repeat(256)));
        assert!(!is_reference(&format!("a:{}", "b".repeat(129))));
    }
}
