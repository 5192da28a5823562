use proptest::prelude::*;

use super::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..64)
}

fn step() -> impl Strategy<Value = Step> {
    (
        prop::collection::vec(bytes(), 0..8),
        prop::collection::vec(bytes(), 0..8),
        any::<[u64; 9]>(),
        any::<bool>(),
        0..3usize,
    )
        .prop_map(|(argv, env, numbers, is_streamed, restore)| Step {
            argv,
            env,
            stdin: if is_streamed { Stdin::Stream } else { Stdin::Bytes(numbers[8]) },
            restore: [Restore::No, Restore::Keep, Restore::Last][restore],
            cpu_time_us: numbers[0],
            wall_time_us: numbers[1],
            output_bytes: numbers[2],
            file_size_bytes: numbers[3],
            open_files: numbers[4],
            stack_bytes: numbers[5],
            cpu_wait_us: numbers[6],
            file_wait_us: numbers[7],
        })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        any::<(u32, u64, [u8; 16])>().prop_map(|(version, nonce, key)| Request::Hello { version, nonce, key }),
        (bytes(), any::<bool>(), any::<u64>()).prop_map(|(path, executable, size)| Request::File {
            path,
            executable,
            size
        }),
        bytes().prop_map(Request::Data),
        Just(Request::EndOfInput),
        step().prop_map(Request::Step),
        Just(Request::Snapshot),
        Just(Request::Collect),
        any::<u64>().prop_map(|size| Request::Load { size }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let ending = prop_oneof![
        any::<i32>().prop_map(StepEnding::Exited),
        any::<i32>().prop_map(StepEnding::Signalled),
        any::<i32>().prop_map(StepEnding::NotStarted)
    ];
    prop_oneof![
        any::<(u32, u64, u8, u8, bool, u8)>().prop_map(|(version, nonce, cgroup, landlock, network, places)| {
            Event::Ready { version, nonce, cgroup, landlock, network, places }
        }),
        bytes().prop_map(Event::Stdout),
        bytes().prop_map(Event::Stderr),
        (ending, any::<[u64; 9]>(), any::<[bool; 2]>(), any::<[Option<u64>; 8]>()).prop_map(
            |(ending, n, [thrashed, too_many_locks], counters)| Event::Ended(Ended {
                ending,
                cpu_time_us: n[0],
                wall_time_us: n[1],
                memory_peak_bytes: n[2],
                oom_kills: n[3],
                stdout_total_bytes: n[4],
                stderr_total_bytes: n[5],
                agent_cpu_us: n[6],
                killed_processes: n[7],
                full_places: n[8],
                thrashed,
                too_many_locks,
                hindrance: Hindrance::of_counters(counters),
            })
        ),
        any::<u64>().prop_map(|us| Event::Waited { us }),
        any::<u64>().prop_map(|size| Event::Snapshotted { size }),
        bytes().prop_map(Event::Data),
        Just(Event::Collected),
        (bytes(), any::<i32>()).prop_map(|(operation, errno)| Event::Failed { operation, errno }),
    ]
}

fn split(frame: &[u8], expected: u32) -> Result<(u8, &[u8]), FrameError> {
    let (header, payload) = frame.split_first_chunk::<HEADER>().expect("a frame has a header");
    let header = Header::decode(header, expected)?;
    assert_eq!(header.length, payload.len());
    Ok((header.kind, payload))
}

proptest! {
    #[test]
    fn requests_survive_the_round_trip(request in request(), sequence: u32) {
        let frame = request.encode(sequence);
        let (kind, payload) = split(&frame, sequence)?;
        prop_assert_eq!(Request::decode(kind, payload), Ok(request));
    }

    #[test]
    fn events_survive_the_round_trip(event in event(), sequence: u32) {
        let frame = event.encode(sequence);
        let (kind, payload) = split(&frame, sequence)?;
        prop_assert_eq!(Event::decode(kind, payload), Ok(event));
    }

    #[test]
    fn arbitrary_payloads_never_panic(kind: u8, payload in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Request::decode(kind, &payload);
        let _ = Event::decode(kind, &payload);
    }

    #[test]
    fn a_truncated_frame_is_malformed_unless_its_tail_is_raw_data(event in event(), cut in 1usize..64) {
        let frame = event.encode(0);
        let (kind, payload) = split(&frame, 0)?;
        prop_assume!(cut <= payload.len());
        let raw = matches!(event, Event::Stdout(_) | Event::Stderr(_) | Event::Data(_));
        prop_assert_eq!(Event::decode(kind, &payload[..payload.len() - cut]).is_ok(), raw);
    }
}

#[test]
fn an_overlong_frame_is_refused_by_its_header() {
    let header = Header { length: MAX_PAYLOAD + 1, kind: kind::STDOUT, sequence: 0 }.encode();
    assert_eq!(Header::decode(&header, 0), Err(FrameError::TooLong));
}

#[test]
fn a_repeated_frame_is_out_of_sequence() {
    let header = Header { length: 0, kind: kind::COLLECTED, sequence: 4 }.encode();
    assert_eq!(Header::decode(&header, 5), Err(FrameError::OutOfSequence));
}
