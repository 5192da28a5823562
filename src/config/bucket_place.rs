//! Where in S3 something may be: a bucket, or what lies under one prefix of it.

use crate::job::{S3Object, is_bucket_name};

/// The longest prefix, in bytes. A key has at most 1,024, and something has to follow.
const LONGEST_PREFIX: usize = 512;

/// A bucket, or its keys under a prefix that ends with a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketPlace<'a> {
    bucket: &'a str,
    /// Empty, or with a slash at its end.
    prefix: &'a str,
}

impl<'a> BucketPlace<'a> {
    /// Reads `bucket`, `bucket/` or `bucket/some/prefix/`. A prefix without a slash at its end is none: `jobs` would take in
    /// `jobs-of-others/` too.
    pub fn read(text: &'a str) -> Option<BucketPlace<'a>> {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        let is_whole = prefix.is_empty() || prefix.ends_with('/');
        (is_bucket_name(bucket) && is_whole && is_prefix(prefix)).then_some(BucketPlace { bucket, prefix })
    }

    /// The keys of `bucket` that begin with `prefix`, with or without a slash.
    pub fn under(bucket: &'a str, prefix: &'a str) -> BucketPlace<'a> {
        BucketPlace { bucket, prefix }
    }

    pub fn holds(&self, object: &S3Object) -> bool {
        self.bucket == object.bucket() && object.key().starts_with(self.prefix)
    }

    /// Whether some object may lie in both.
    pub fn overlaps(&self, other: &BucketPlace<'_>) -> bool {
        let meet = self.prefix.starts_with(other.prefix) || other.prefix.starts_with(self.prefix);
        self.bucket == other.bucket && meet
    }
}

/// Whether keys may begin so: characters that need no escape anywhere, and no component `.` or `..`.
pub(super) fn is_prefix(text: &str) -> bool {
    text.len() <= LONGEST_PREFIX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!-_.*'()/".contains(&byte))
        && !text.split('/').any(|component| component == "." || component == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> BucketPlace<'_> {
        BucketPlace::read(text).unwrap_or_else(|| panic!("{text} is a place"))
    }

    #[test]
    fn a_place_is_a_bucket_or_what_lies_under_a_prefix() {
        let object = |key| S3Object::new("payloads", key).expect("it is an object");
        assert!(place("payloads").holds(&object("any/key")) && place("payloads/").holds(&object("any")));
        assert!(place("payloads/jobs/").holds(&object("jobs/1")));
        for (text, key) in
            [("payloads/jobs/", "jobs-of-others/1"), ("payloads/jobs/", "results/jobs/1"), ("others", "1")]
        {
            assert!(!place(text).holds(&object(key)), "{text} {key}");
        }
        for bad in ["", "/", "UPPER", "payloads/jobs", "payloads/../", "payloads/a b/", "s3://payloads/"] {
            assert_eq!(BucketPlace::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn places_overlap_where_an_object_may_lie_in_both() {
        for (one, other) in [("pay", "pay"), ("pay", "pay/jobs/"), ("pay/jobs/", "pay/jobs/large/")] {
            assert!(place(one).overlaps(&place(other)) && place(other).overlaps(&place(one)), "{one} {other}");
        }
        for (one, other) in [("pay", "others"), ("pay/jobs/", "pay/data/"), ("pay/jobs/", "pay/jobs-old/")] {
            assert!(!place(one).overlaps(&place(other)), "{one} {other}");
        }
        assert!(BucketPlace::under("pay", "res").overlaps(&place("pay/results/")));
    }
}
