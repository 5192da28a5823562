use proptest::prelude::*;

use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const AWS: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn w3c(header: &str) -> Option<String> {
    Trace::read(Some(header), None, None).traceparent()
}

#[test]
fn a_traceparent_by_the_letter_is_read() {
    let trace = Trace::read(Some(PARENT), Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"), None);
    assert_eq!(trace.id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(trace.parent_span(), Some("00f067aa0ba902b7"));
    assert_eq!(trace.traceparent().as_deref(), Some(PARENT));
    assert_eq!(trace.tracestate(), Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"));
    assert_eq!(trace.aws_header(), None);
}

#[test]
fn any_other_traceparent_is_as_if_it_were_not_there() {
    let wrong = [
        "",
        "-",
        "----",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "+1-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
    ];
    for header in wrong {
        assert_eq!(Trace::read(Some(header), Some("a=1"), None), Trace::default(), "{header:?}");
    }
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known_and_unknown_flags_are_not_passed_on() {
    let later = PARENT.replacen("00", "cc", 1) + "-what-the-future-brings";
    assert_eq!(w3c(&later).as_deref(), Some(PARENT));
    let flags = PARENT.strip_suffix("01").expect("its flags").to_owned() + "fd";
    assert_eq!(w3c(&flags).as_deref(), Some(PARENT));
}

#[test]
fn a_tracestate_that_breaks_a_rule_is_left_out_alone() {
    let long = format!("a={}", "x".repeat(256));
    let right = ["a=1", "a=1,b=2", " a=1 ,\t,b=2", "a-b_c*d/e=!", "1t@s=x", long.as_str(), "a=b c"];
    for state in right {
        assert_eq!(Trace::read(Some(PARENT), Some(state), None).tracestate(), Some(state), "{state:?}");
    }
    let too_long = format!("a={},b={}", "x".repeat(256), "y".repeat(256));
    let many: String = (0..33).map(|number| format!("k{number}=1,")).collect();
    let wrong = ["", ",", "a", "=1", "a=", "a=1,a=2", "A=1", "1a=1", "a=\u{e9}", "a=1\nb=2", "a=b=c", "a@b@c=1", "t@1=x"];
    for state in wrong.into_iter().chain([too_long.as_str(), many.as_str()]) {
        let trace = Trace::read(Some(PARENT), Some(state), None);
        assert_eq!((trace.tracestate(), trace.traceparent().as_deref()), (None, Some(PARENT)), "{state:?}");
    }
    assert_eq!(Trace::read(None, Some("a=1"), None), Trace::default(), "it is nothing without a parent");
}

#[test]
fn the_header_of_aws_is_read_and_echoed_and_goes_behind_the_w3cs() {
    let trace = Trace::read(None, None, Some(AWS));
    assert_eq!(trace.id(), Some("5759e988bd862e3fe1be46a994272793"));
    assert_eq!((trace.parent_span(), trace.aws_header()), (Some("53995c3f42cd8ad8"), Some(AWS)));
    assert_eq!(trace.traceparent(), None);
    let both = Trace::read(Some(PARENT), None, Some(AWS));
    assert_eq!(both.id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    for header in [
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678",
        "Sampled=?;Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:1|68fd508a:5",
    ] {
        assert_eq!(Trace::read(None, None, Some(header)).aws_header(), Some(header));
    }
    let long = format!("{AWS};More={}", "x".repeat(600));
    for header in [
        "",
        ";",
        "Root",
        "Root=",
        "Parent=53995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a99427279",
        "Root=1-5759e988b-d862e3fe1be46a994272793",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        "Root=1-00000000-000000000000000000000000",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=2",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Root=1-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e988-bd862e3fe1be46a994272793;a=b\nc",
        "Root=1-5759e988-bd862e3fe1be46a994272793; Sampled=1",
        long.as_str(),
    ] {
        assert_eq!(Trace::read(None, None, Some(header)), Trace::default(), "{header:?}");
    }
}

#[test]
fn an_execution_goes_on_with_a_span_of_its_own() {
    let execution = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
    let trace = Trace::read(Some(PARENT), Some("a=1"), Some(AWS)).continued(execution);
    let expected = "00-4bf92f3577b34da6a3ce929d0e0e4736-80b400c04fd430c8-01";
    assert_eq!(trace.traceparent().as_deref(), Some(expected));
    assert_eq!((trace.tracestate(), trace.aws_header()), (Some("a=1"), Some(AWS)));
    assert_eq!(Trace::default().continued(execution), Trace::default());
    assert_eq!(Trace::read(Some(PARENT), None, None).continued("short").traceparent(), None);
}

proptest! {
    #[test]
    fn whatever_comes_nothing_leaves_that_is_not_by_the_letter(
        parent in ".*", state in ".*", aws in ".*", execution in ".*"
    ) {
        let trace = Trace::read(Some(&parent), Some(&state), Some(&aws)).continued(&execution);
        if let Some(header) = trace.traceparent() {
            prop_assert_eq!(w3c(&header), Some(header));
        }
        prop_assert!(trace.id().is_none_or(|id| is_id(id, 32)));
    }

    #[test]
    fn what_is_right_survives_and_one_wrong_byte_does_not_pass_unseen(
        trace_id in "[0-9a-f]{31}[1-9a-f]", span in "[0-9a-f]{15}[1-9a-f]", flags in 0u8..4, at in 0usize..55, byte in "[ -~]"
    ) {
        let header = format!("00-{trace_id}-{span}-{flags:02x}");
        prop_assert_eq!(w3c(&header), Some(header.clone()));
        let mut changed = header.clone();
        changed.replace_range(at..=at, &byte);
        // Either it is refused, or it is read as what it now says: never as what it said before.
        if let Some(read) = w3c(&changed) {
            let known = |header: &str| header[3..52].to_owned();
            prop_assert_eq!(known(&read), known(&changed));
        }
    }
}
