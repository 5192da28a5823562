//! A file's content, an input or an expected output: in the message itself, or in S3 and named by its hash.
//!
//! A [`Reference`] is only a name. Somebody with a store turns a job's references into [`Data`], and the plan is made with
//! that; without it a job that has references is refused, so that nothing is ever run with less than it asked for.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;

use super::{Job, Rejection};
use crate::sha256::Sha256;

/// Bytes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Here(Bytes),
    Stored(Reference),
}

/// Bytes that are elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The path of the field that they stand for, as `tests[3].stdin`; what is given in the message is this with
    /// `_s3_uri` and `_sha256`.
    pub field: String,
    pub object: S3Object,
    /// Of the whole object. Data with another hash isn't what the job means.
    pub sha256: Sha256,
}

impl Reference {
    pub fn refuse_uri(&self, reason: impl Into<String>) -> Rejection {
        Rejection::new(format!("{}_s3_uri", self.field), reason)
    }

    pub fn refuse_sha256(&self, reason: impl Into<String>) -> Rejection {
        Rejection::new(format!("{}_sha256", self.field), reason)
    }
}

/// An object's bucket and key, of a form that S3 takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Object {
    bucket: String,
    key: String,
}

/// Bytes of the longest key.
const MAX_KEY_BYTES: usize = 1_024;

impl S3Object {
    /// # Errors
    /// What is wrong with it, in words that follow its name.
    pub fn new(bucket: &str, key: &str) -> Result<S3Object, &'static str> {
        if !is_bucket_name(bucket) {
            return Err("has no valid bucket name: 3 to 63 of a-z, 0-9, '.' and '-'");
        }
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) || key.chars().any(char::is_control) {
            return Err("has no valid key: 1 to 1024 bytes without control characters");
        }
        // Where the bucket is part of the path, whatever tidies paths on the way would make another bucket of these.
        if key.split('/').any(|component| component == "." || component == "..") {
            return Err("has a key with a component '.' or '..'");
        }
        Ok(S3Object { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Reads `s3://bucket/key`.
    ///
    /// # Errors
    /// As [`new`](S3Object::new).
    pub fn from_uri(uri: &str) -> Result<S3Object, &'static str> {
        let path = uri.strip_prefix("s3://").ok_or("is not of the form s3://bucket/key")?;
        let (bucket, key) = path.split_once('/').ok_or("is not of the form s3://bucket/key")?;
        S3Object::new(bucket, key)
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for S3Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}

pub fn is_bucket_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| letter(byte) || byte == b'.' || byte == b'-')
        && name.bytes().next().is_some_and(letter)
        && name.bytes().next_back().is_some_and(letter)
}

/// What a job's references stand for.
#[derive(Debug, Clone, Default)]
pub struct Data {
    found: HashMap<Sha256, Bytes>,
    /// Every reference stands for nothing: good for finding out what else is wrong with a job, and for no more.
    blank: bool,
}

impl Data {
    pub(crate) fn blank() -> Data {
        Data { blank: true, ..Data::default() }
    }

    pub fn insert(&mut self, sha256: Sha256, bytes: Bytes) {
        self.found.insert(sha256, bytes);
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Content {
        Content::Here(bytes)
    }
}

impl Content {
    /// The bytes.
    ///
    /// # Errors
    /// A [`Rejection`] that names the field when they are elsewhere and not in `data`.
    pub fn bytes(&self, data: &Data) -> Result<Bytes, Rejection> {
        let reference = match self {
            Content::Here(bytes) => return Ok(bytes.clone()),
            Content::Stored(_) if data.blank => return Ok(Bytes::new()),
            Content::Stored(reference) => reference,
        };
        data.found.get(&reference.sha256).cloned().ok_or_else(|| {
            reference.refuse_uri(
                "names data in S3, and there is no store to fetch it from here; the operator has to set store.data_buckets",
            )
        })
    }

    fn reference(&self) -> Option<&Reference> {
        match self {
            Content::Here(_) => None,
            Content::Stored(reference) => Some(reference),
        }
    }
}

impl Job {
    /// Everything that the job means but doesn't bring along.
    pub fn references(&self) -> Vec<&Reference> {
        let files = self.files.iter().map(|file| &file.content);
        let tests = self.tests.iter().flat_map(|test| [Some(&test.stdin), test.expected_stdout.as_ref()]).flatten();
        files.chain(tests).filter_map(Content::reference).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_a_bucket_and_a_key() {
        let object = S3Object::from_uri("s3://my.bucket-1/a/b c/é").expect("it is one");
        assert_eq!((object.bucket(), object.key()), ("my.bucket-1", "a/b c/é"));
        assert_eq!(object.to_string(), "s3://my.bucket-1/a/b c/é");
        assert_eq!(S3Object::from_uri("s3://bucket//k").expect("a key may begin with a slash").key(), "/k");
        let long = format!("s3://bucket/{}", "k".repeat(1_025));
        for wrong in [
            "", "s3://", "s3://b/k", "s3://bucket", "s3://bucket/", "S3://bucket/k", "https://bucket/k", "s3://Bucket/k",
            "s3://-bucket/k", "s3://bucket./k", "s3://buc ket/k", "s3://bucket/a\nb", "s3://bucket/../other/k",
            "s3://bucket/./k", &long,
        ] {
            assert!(S3Object::from_uri(wrong).is_err(), "{wrong}");
        }
    }
}
