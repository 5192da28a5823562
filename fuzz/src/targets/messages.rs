//! What else a message holds than a job: a pointer to where the job is, and the headers of a trace.

use caisson::job::{self, S3Object};
use caisson::store::pointer;
use caisson::trace::Trace;

use super::Input;
use super::jobs::check_words;

/// A pointer points to an object that can be named, or is refused in words; and none is a job as well.
pub fn s3_pointer(data: &[u8]) {
    let Some(read) = pointer::read(data) else { return };
    assert!(job::parse(data).is_err(), "a pointer is a job, too");
    match read {
        Ok(object) => {
            assert_eq!(S3Object::from_uri(&object.to_string()).as_ref(), Ok(&object));
            assert_eq!(S3Object::new(object.bucket(), object.key()).as_ref(), Ok(&object));
            assert_eq!(pointer::read(pointer::write(&object).as_bytes()), Some(Ok(object)));
        }
        Err(rejection) => check_words(data, &rejection.to_string()),
    }
}

/// Which of the three headers are there, the lengths of two, and the headers. What is passed on is by the letter of the
/// formats, can do no harm in a log or a header, and is read again as it was.
pub fn trace_context(data: &[u8]) {
    let mut input = Input(data);
    let (there, parent, state) = (input.byte(), usize::from(input.byte()), input.number());
    let (parent, state) = (input.text(parent), input.text(state));
    let aws = String::from_utf8_lossy(input.0);
    let header = |bit: u8, text| (there & bit == 0).then_some(text);
    let trace = Trace::read(header(1, parent.as_str()), header(2, state.as_str()), header(4, &aws));

    check_trace(&trace);
    assert!(trace.tracestate().is_none_or(|passed_on| passed_on == state));
    assert!(trace.aws_header().is_none_or(|passed_on| passed_on == aws));

    let execution = "6f1c9f0e-6f2b-4b59-9d6d-3f1f3c1c2b6a";
    let continued = trace.continued(execution);
    check_trace(&continued);
    assert_eq!(continued.id(), trace.id());
    assert_eq!((continued.tracestate(), continued.aws_header()), (trace.tracestate(), trace.aws_header()));
    assert!(trace.traceparent().is_none() || continued.parent_span() == Some("9d6d3f1f3c1c2b6a"));
    // Whatever stands for an execution, the trace stays the same one.
    let by_anything = trace.continued(&aws);
    check_trace(&by_anything);
    assert_eq!(by_anything.aws_header(), trace.aws_header());
}

fn check_trace(trace: &Trace) {
    let is_id = |id: &str, length: usize| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        id.len() == length && id.bytes().all(is_digit) && id.bytes().any(|byte| byte != b'0')
    };
    assert!(trace.id().is_none_or(|id| is_id(id, 32)), "{trace:?}");
    assert!(trace.parent_span().is_none_or(|id| is_id(id, 16)), "{trace:?}");
    let parent = trace.traceparent();
    let passed_on = [parent.as_deref(), trace.tracestate(), trace.aws_header()];
    for text in passed_on.into_iter().flatten() {
        assert!(text.len() <= 512 && text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')), "{text:?}");
    }
    assert!(trace.tracestate().is_none() || parent.is_some(), "{trace:?}");
    assert_eq!(trace.id().is_none(), parent.is_none() && trace.aws_header().is_none());
    assert_eq!(Trace::read(passed_on[0], passed_on[1], passed_on[2]), *trace);
}
