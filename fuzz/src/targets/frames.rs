//! Frames of both directions.

use caisson::protocol::{Event, FrameError, HEADER, Header, MAX_PAYLOAD, Request, SEAL, Sealer, kind};

use super::Input;

/// What decodes encodes to as many bytes and decodes to the same.
pub fn request_frame(data: &[u8]) {
    check_header(data);
    let Some((&number, payload)) = data.split_first() else { return };
    match Request::decode(number, payload) {
        Ok(request) => {
            let frame = request.encode(7);
            assert_eq!(Request::decode(number, payload_of(&frame, number, payload.len())).as_ref(), Ok(&request));
            if !matches!(request, Request::Data(_)) {
                let shorter = payload.split_last().map(|(_, shorter)| Request::decode(number, shorter));
                assert!(shorter.is_none_or(|it| it == Err(FrameError::Malformed)), "a cut {request:?} is still one");
            }
        }
        Err(error) => check_frame_error(error, number, kind::HELLO..=kind::LOAD),
    }
}

/// The same for what the agent sends, which may be anything.
pub fn event_frame(data: &[u8]) {
    check_header(data);
    let Some((&number, payload)) = data.split_first() else { return };
    match Event::decode(number, payload) {
        Ok(event) => {
            let frame = event.encode(7);
            let again = payload_of(&frame, number, payload.len());
            // Events have one form only.
            assert_eq!(again, payload);
            assert_eq!(Event::decode(number, again).as_ref(), Ok(&event));
            if !matches!(event, Event::Stdout(_) | Event::Stderr(_) | Event::Data(_)) {
                let shorter = payload.split_last().map(|(_, shorter)| Event::decode(number, shorter));
                assert!(shorter.is_none_or(|it| it == Err(FrameError::Malformed)), "a cut {event:?} is still one");
            }
        }
        Err(error) => check_frame_error(error, number, kind::READY..=kind::FAILED),
    }
}

/// A frame on its way, as the worker takes it off what has arrived: a key, a sequence number, a place, what is changed
/// there, and then a kind and a payload. Only the agent's own frame, whole and unchanged and in its turn, is an event.
pub fn sealed_frame(data: &[u8]) {
    let mut input = Input(data);
    let key: [u8; 16] = std::array::from_fn(|_| input.byte());
    let sequence = u32::from_le_bytes(std::array::from_fn(|_| input.byte()));
    let (place, change) = (input.number(), input.byte());
    let sealer = Sealer::new(key);

    let by_anybody = Event::take(input.0, sequence, &sealer);
    assert!(!matches!(by_anybody, Ok(Some(_))), "a seal was guessed: {by_anybody:?}");

    let number = input.byte();
    let Ok(event) = Event::decode(number, input.0) else { return };
    let frame = event.encode(sequence);
    if frame.len() > HEADER + MAX_PAYLOAD {
        return;
    }
    let whole = frame.len() + SEAL;
    let mut arrived = [&frame[..], &sealer.seal(&frame), b"and more"].concat();
    assert_eq!(Event::take(&arrived, sequence, &sealer), Ok(Some((event.clone(), whole))));
    assert_eq!(Event::take(&arrived, sequence.wrapping_add(1), &sealer), Err(FrameError::OutOfSequence));
    assert_eq!(Event::take(&arrived[..place % whole], sequence, &sealer), Ok(None), "half a frame");
    if change != 0 {
        arrived[place % whole] ^= change;
        let changed = Event::take(&arrived, sequence, &sealer);
        assert!(!matches!(changed, Ok(Some(_))), "a changed frame was taken: {changed:?}");
    }
    // Before it has the key the agent can say one thing only.
    let keyless = [&frame[..], &Sealer::default().seal(&frame)].concat();
    let is_taken = key == [0; 16] || (sequence == 0 && number == kind::FAILED);
    let expected = if is_taken { Ok(Some((event, whole))) } else { Err(FrameError::Forged) };
    assert_eq!(Event::take(&keyless, sequence, &sealer), expected);
}

fn payload_of(frame: &[u8], number: u8, length: usize) -> &[u8] {
    let (header, payload) = frame.split_first_chunk::<HEADER>().expect("a frame has a header");
    assert_eq!(payload.len(), length);
    if length <= MAX_PAYLOAD {
        assert_eq!(Header::decode(header, 7), Ok(Header { length, kind: number, sequence: 7 }));
    } else {
        assert_eq!(Header::decode(header, 7), Err(FrameError::TooLong));
    }
    payload
}

fn check_frame_error(error: FrameError, number: u8, known: std::ops::RangeInclusive<u8>) {
    match error {
        FrameError::UnknownKind(kind) => assert!(kind == number && !known.contains(&number)),
        FrameError::Malformed => assert!(known.contains(&number)),
        FrameError::TooLong | FrameError::OutOfSequence => panic!("{error} is about the header"),
        FrameError::Forged => panic!("{error} is about the seal"),
    }
}

fn check_header(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<HEADER>() else { return };
    let sequence = u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
    match Header::decode(bytes, sequence) {
        Ok(header) => {
            assert!(header.length <= MAX_PAYLOAD);
            assert_eq!(header.encode(), *bytes);
            assert_eq!(Header::decode(bytes, sequence.wrapping_add(1)), Err(FrameError::OutOfSequence));
        }
        Err(error) => assert_eq!(error, FrameError::TooLong),
    }
}
