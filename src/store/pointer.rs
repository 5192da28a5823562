//! Messages that say where their body is, as the SQS Extended Client Library writes them:
//! `["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"…","s3Key":"…"}]`.
//!
//! That library's readers also want a message attribute with the body's size: `ExtendedPayloadSize`, in old versions
//! `SQSLargePayloadSize`. The queue writes it beside our pointers. We don't need it, and take messages with either or none:
//! no job is a JSON array, so a pointer is told by its form.

use serde_json::Value;

use crate::job::{Rejection, S3Object};

/// The class that the Java library writes since version 2, and the Python one.
const CLASS: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";
/// Java's version 1, still written where somebody asks for the legacy attribute `SQSLargePayloadSize`.
const LEGACY_CLASS: &str = "com.amazon.sqs.javamessaging.MessageS3Pointer";

/// Bytes of the longest pointer: a bucket, and a key in which each byte is escaped.
const MAX_POINTER_BYTES: usize = 8 << 10;

/// The object that a message's body points to; `None` when the body is no pointer.
///
/// # Errors
/// A [`Rejection`] of a pointer that points nowhere.
pub fn read(body: &[u8]) -> Option<Result<S3Object, Rejection>> {
    // Neither an ordinary job nor a huge array is read twice.
    if body.trim_ascii_start().first() != Some(&b'[') || body.len() > MAX_POINTER_BYTES {
        return None;
    }
    let Ok(Value::Array(parts)) = serde_json::from_slice(body) else { return None };
    let class = parts.first()?.as_str()?;
    if class != CLASS && class != LEGACY_CLASS {
        return None;
    }
    let text = |name| parts.get(1).and_then(|place| place.get(name)).and_then(Value::as_str);
    Some(match (text("s3BucketName"), text("s3Key")) {
        (Some(bucket), Some(key)) => {
            S3Object::new(bucket, key).map_err(|reason| Rejection::new("job", format!("is a pointer to S3 that {reason}")))
        }
        _ => Err(Rejection::new("job", "is a pointer to S3 without s3BucketName and s3Key")),
    })
}

/// A message's body that points to the object.
pub fn write(object: &S3Object) -> String {
    serde_json::json!([CLASS, { "s3BucketName": object.bucket(), "s3Key": object.key() }]).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As amazon-sqs-extended-client 1.0.1 (Python) put them on a queue.
    const PYTHON: &str = r#"["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "jobs-bucket", "s3Key": "0d2b1f0e-7c0f-4f6a-bb41-6dd0a5c6d8de"}]"#;
    const PYTHON_LEGACY: &str =
        r#"["com.amazon.sqs.javamessaging.MessageS3Pointer", {"s3BucketName": "jobs-bucket", "s3Key": "k"}]"#;

    fn object(bucket: &str, key: &str) -> S3Object {
        S3Object::new(bucket, key).expect("it is an object")
    }

    #[test]
    fn what_other_libraries_write_is_read_and_what_we_write_is_theirs() {
        let key = "0d2b1f0e-7c0f-4f6a-bb41-6dd0a5c6d8de";
        assert_eq!(read(PYTHON.as_bytes()), Some(Ok(object("jobs-bucket", key))));
        assert_eq!(read(PYTHON_LEGACY.as_bytes()), Some(Ok(object("jobs-bucket", "k"))));
        let java = format!("  [\"{CLASS}\",{{\"s3BucketName\":\"jobs-bucket\",\"s3Key\":\"{key}\"}}]\n");
        assert_eq!(read(java.as_bytes()), Some(Ok(object("jobs-bucket", key))));
        assert_eq!(write(&object("jobs-bucket", key)), java.trim());
    }

    #[test]
    fn what_is_no_pointer_is_left_to_the_reader_of_jobs() {
        for body in [
            "", "[", "{}", "[]", "[1]", "null", r#"{"id":"a"}"#, r#"["another.Class",{"s3BucketName":"bucket","s3Key":"k"}]"#,
            r#""software.amazon.payloadoffloading.PayloadS3Pointer""#,
        ] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(read(&[b'['; 1 << 20]), None);
    }

    #[test]
    fn a_pointer_that_points_nowhere_is_refused_in_words() {
        for place in [
            "", ",null", ",{}", r#",{"s3BucketName":"bucket"}"#, r#",{"s3BucketName":1,"s3Key":"k"}"#,
            r#",{"s3BucketName":"B","s3Key":"k"}"#, r#",{"s3BucketName":"bucket","s3Key":"../k"}"#,
        ] {
            let refused = read(format!("[\"{CLASS}\"{place}]").as_bytes()).expect("it is a pointer");
            let said = refused.expect_err(place).to_string();
            assert!(said.starts_with("job: is a pointer to S3 "), "{said}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_a_pointer_or_not(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&body), None);
        }

        #[test]
        fn a_changed_pointer_points_to_a_valid_object_or_nowhere(
            at in any::<prop::sample::Index>(), cut in 0usize..4, put in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut body = PYTHON.as_bytes().to_vec();
            let start = at.index(body.len() + 1);
            let end = (start + cut).min(body.len());
            body.splice(start..end, put);
            if let Some(Ok(found)) = read(&body) {
                prop_assert_eq!(S3Object::from_uri(&found.to_string()), Ok(found));
            }
        }

        #[test]
        fn any_object_comes_back(key in "\\PC{1,100}") {
            if let Ok(object) = S3Object::new("some.bucket-1", &key) {
                prop_assert_eq!(read(write(&object).as_bytes()), Some(Ok(object)));
            }
        }
    }
}
