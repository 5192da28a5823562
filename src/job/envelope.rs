//! What other systems put around a message. A queue that is wired to one of them without being told to leave the envelope away
//! gets nothing but envelopes, and their senders want to know what to turn on. An id in there is not a job's.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::Rejection;
use super::explain::{WHOLE, shown};
use super::shape::Object;

/// Why a message that is no job can't be one, if it is an envelope.
pub(super) fn look(text: &str) -> Option<Rejection> {
    let outermost = if text.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<First<Object<Shape<'_>>>>(text).ok()?.0?
    } else {
        serde_json::from_str(text).ok()?
    };
    let Object(shape) = outermost;
    // Whatever else stands in it, this is somebody's job.
    if shape.files.is_some() {
        return None;
    }
    shape.name().map(|name| Rejection::new(WHOLE, format!("looks like {name}")))
}

/// The keys by which envelopes are told. None of them is a job's but the first.
#[derive(Deserialize)]
struct Shape<'a> {
    files: Option<IgnoredAny>,
    #[serde(rename = "TopicArn")]
    topic: Option<IgnoredAny>,
    #[serde(rename = "Message")]
    message: Option<IgnoredAny>,
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
    detail: Option<IgnoredAny>,
    specversion: Option<IgnoredAny>,
    source: Option<IgnoredAny>,
    r#type: Option<IgnoredAny>,
    #[serde(rename = "Records", borrow)]
    records: Option<First<Box<Object<Shape<'a>>>>>,
    #[serde(rename = "eventSource", alias = "EventSource", borrow)]
    event_source: Option<Cow<'a, str>>,
    #[serde(rename = "Service", borrow)]
    service: Option<Cow<'a, str>>,
    #[serde(rename = "ReceiptHandle")]
    receipt_handle: Option<IgnoredAny>,
    #[serde(rename = "Body")]
    body: Option<IgnoredAny>,
    execution_id: Option<IgnoredAny>,
    verdict: Option<IgnoredAny>,
}

const S3: &str = "an S3 event notification, which holds no job: send a bucket's notifications to another queue";

impl Shape<'_> {
    fn name(&self) -> Option<String> {
        let all = |keys: &[&Option<IgnoredAny>]| keys.iter().all(|key| key.is_some());
        if let Some(First(Some(record))) = &self.records {
            return record.0.event_source.as_deref().map(record_of);
        }
        if let Some(service) = &self.event_source {
            return Some(record_of(service));
        }
        let name = match () {
            () if all(&[&self.topic, &self.message]) => {
                "an SNS envelope: turn on raw message delivery for the subscription"
            }
            () if all(&[&self.detail_type, &self.source, &self.detail]) => {
                "an EventBridge event: let the rule's target send only the detail (input path $.detail)"
            }
            () if all(&[&self.specversion, &self.source, &self.r#type]) => {
                "a CloudEvents envelope: send only its data (binary content mode)"
            }
            () if all(&[&self.execution_id, &self.verdict]) => "a result of Caisson's, which holds no job",
            () if all(&[&self.receipt_handle, &self.body]) => "a message as SQS hands it out: send only its Body",
            () if self.service.as_deref() == Some("Amazon S3") => S3,
            () => return None,
        };
        Some(name.to_owned())
    }
}

/// Of a list of records as AWS hands them to functions.
fn record_of(service: &str) -> String {
    match service {
        "aws:s3" => S3.to_owned(),
        "aws:sqs" => "an event of SQS messages for a function: send only the body of each record".to_owned(),
        "aws:sns" => "an event of SNS messages for a function: send only the Sns.Message of each record".to_owned(),
        other => format!("an event of {}, which holds no job", shown(other)),
    }
}

/// The first of a list; what follows it is passed over.
struct First<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstVisitor(PhantomData))
    }
}

struct FirstVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstVisitor<T> {
    type Value = First<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<First<T>, A::Error> {
        let first = seq.next_element()?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(First(first))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn envelopes_are_told_and_their_ids_are_not_a_jobs() {
        let job = r#"{"id":"inner","language":"bash","files":[]}"#;
        let text = serde_json::to_string(job).expect("a text is JSON");
        for (body, name) in [
            (
                format!(
                    r#"{{"Type":"Notification","MessageId":"m","TopicArn":"arn:a","Message":{text},"Timestamp":"t"}}"#
                ),
                "SNS",
            ),
            (
                r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn:a","Message":"m","SubscribeURL":"u","id":"x"}"#
                    .into(),
                "SNS",
            ),
            (format!(r#"{{"version":"0","id":"e-1","detail-type":"t","source":"s","detail":{job}}}"#), "EventBridge"),
            (format!(r#"{{"specversion":"1.0","id":"c-1","source":"/s","type":"t","data":{job}}}"#), "CloudEvents"),
            (r#"{"specversion":"1.0","id":"c-1","source":"/s","type":"t","data_base64":""}"#.into(), "CloudEvents"),
            (r#" [{"specversion":"1.0","id":"c-1","source":"/s","type":"t"},7,[]]"#.into(), "CloudEvents"),
            (r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","s3":{}},{}]}"#.into(), "S3 event"),
            (r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b","id":"x"}"#.into(), "S3 event"),
            (format!(r#"{{"Records":[{{"messageId":"m","body":{text},"eventSource":"aws:sqs"}}]}}"#), "SQS messages"),
            (format!(r#"{{"messageId":"m","body":{text},"eventSource":"aws:sqs","id":"x"}}"#), "SQS messages"),
            (format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{{"Message":{text}}}}}]}}"#), "SNS messages"),
            (r#"{"Records":[{"eventSource":"aws:kinesis","kinesis":{}}],"id":"x"}"#.into(), "an event of aws:kinesis"),
            (
                r#"{"version":1,"job_id":"of-others","execution_id":"e","verdict":"accepted","metadata":{"a":1}}"#
                    .into(),
                "a result of Caisson's",
            ),
            (format!(r#"{{"MessageId":"m","ReceiptHandle":"r","MD5OfBody":"","Body":{text}}}"#), "as SQS hands it out"),
        ] {
            let refused = parse(body.as_bytes()).expect_err(&body);
            let said = refused.to_string();
            assert!(said.starts_with("job: looks like a") && said.contains(name), "{body}: {said}");
            assert!(refused.job_id.is_none() && refused.metadata.is_none(), "{body}");
        }
    }

    #[test]
    fn a_job_with_a_stranger_among_its_fields_is_a_job() {
        for body in [
            r#"{"id":"mine","language":"c","files":[{"path":"a","content":""}],"source":"s","type":"t","specversion":"1.0"}"#,
            r#"{"id":"mine","source":"s","detail":{}}"#,
            r#"{"id":"mine","Records":[]}"#,
            r#"{"id":"mine","Records":{"eventSource":"aws:s3"}}"#,
            r#"{"id":"mine","specversion":"1.0"}"#,
        ] {
            let refused = parse(body.as_bytes()).expect_err(body);
            assert_eq!(refused.job_id.as_deref(), Some("mine"), "{body}");
            assert!(!refused.to_string().contains("looks like"), "{body}: {refused}");
        }
        // However deep or long, it is looked at once and without recursion to speak of.
        let deep = format!("{}7{}", r#"{"Records":["#.repeat(100_000), "]}".repeat(100_000));
        assert!(!parse(deep.as_bytes()).expect_err("it is no job").to_string().contains("looks like"));
    }
}
