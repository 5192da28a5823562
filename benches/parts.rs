//! The pure parts of a job's way, looked at closely: `just bench-parts`, or `just bench-parts checkers` for some.
//!
//! Memory is counted too: what a comparison allocates must not depend on how long the output is.

mod samples;

use caisson::cgroup::Version;
use caisson::job;
use caisson::protocol::{Ended, Event, HEADER, Header, Request, Restore, Sealer, Stdin, Step};
use caisson::report::to_message;
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// By number in [`samples::comparisons`], and for two lengths: allocations are the same for both, or memory isn't constant.
#[divan::bench(args = [0, 1, 2, 3, 4, 5, 6], consts = [64 << 10, 4 << 20])]
fn checkers<const BYTES: usize>(bencher: Bencher<'_, '_>, which: usize) {
    let comparing = samples::comparisons(BYTES).swap_remove(which);
    assert!(comparing.run(), "{}", comparing.name);
    bencher.counter(BytesCount::new(comparing.output.len())).bench(|| black_box(&comparing).run());
}

#[divan::bench(args = [(1, 16), (100, 256), (100, 4_900)])]
fn read_a_job(bencher: Bencher<'_, '_>, (tests, bytes): (usize, usize)) {
    let body = samples::job(tests, bytes);
    assert!(job::parse(&body).is_ok());
    bencher.counter(BytesCount::new(body.len())).bench(|| job::parse(black_box(&body)));
}

#[divan::bench(args = [(1, 16), (100, 256), (1_000, 16)])]
fn write_a_result(bencher: Bencher<'_, '_>, (tests, bytes): (usize, usize)) {
    let report = samples::report(tests, bytes).expect("a result has this form");
    bencher.bench(|| to_message(black_box(&report), 1 << 20));
}

#[divan::bench(args = [2, 8])]
fn cut_a_result_of_so_many_mebibytes(bencher: Bencher<'_, '_>, mebibytes: usize) {
    let report = samples::report(100, (mebibytes << 20) / 100).expect("a result has this form");
    bencher.counter(BytesCount::new(mebibytes << 20)).bench(|| to_message(black_box(&report), 256 << 10));
}

#[divan::bench(args = [64, 64 << 10])]
fn encode_data(bencher: Bencher<'_, '_>, bytes: usize) {
    let request = Request::Data(vec![7; bytes]);
    bencher.counter(BytesCount::new(bytes)).bench(|| black_box(&request).encode(1));
}

#[divan::bench]
fn encode_and_decode_a_step(bencher: Bencher<'_, '_>) {
    let step = Request::Step(Step {
        argv: vec![b"/usr/bin/python3".to_vec(), b"main.py".to_vec()],
        env: vec![b"HOME=/box".to_vec(), b"LANG=C.UTF-8".to_vec()],
        stdin: Stdin::Bytes(64),
        restore: Restore::Keep,
        cpu_time_us: 2_000_000,
        wall_time_us: 6_000_000,
        cpu_wait_us: 0,
        file_wait_us: 0,
        output_bytes: 16 << 20,
        file_size_bytes: 64 << 20,
        open_files: 256,
        stack_bytes: 256 << 20,
    });
    bencher.bench(|| {
        let frame = black_box(&step).encode(3);
        let header = frame.first_chunk::<HEADER>().map(|header| Header::decode(header, 3));
        let kind = header.and_then(Result::ok).map_or(0, |header| header.kind);
        Request::decode(kind, &frame[HEADER..])
    });
}

/// With its seal, as the worker does for all that a program prints.
#[divan::bench(args = [64, 64 << 10])]
fn take_an_output(bencher: Bencher<'_, '_>, bytes: usize) {
    let sealer = Sealer::new([7; 16]);
    let mut arrived = Event::Stdout(vec![7; bytes]).encode(0);
    arrived.extend(sealer.seal(&arrived));
    bencher.counter(BytesCount::new(bytes)).bench(|| Event::take(black_box(&arrived), 0, &sealer));
}

#[divan::bench]
fn take_an_end(bencher: Bencher<'_, '_>) {
    let sealer = Sealer::new([7; 16]);
    let mut arrived = Event::Ended(Ended::default()).encode(0);
    arrived.extend(sealer.seal(&arrived));
    bencher.bench(|| Event::take(black_box(&arrived), 0, &sealer));
}

#[divan::bench]
fn read_cgroup_v1(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let time = Version::V1.cpu_time_us(black_box(b"1503217845\n"));
        (time, Version::V1.oom_kills(black_box(b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")))
    });
}

#[divan::bench]
fn read_cgroup_v2(bencher: Bencher<'_, '_>) {
    let stat = b"usage_usec 1517282\nuser_usec 1480000\nsystem_usec 37282\nnr_periods 0\nnr_throttled 0\n";
    bencher.bench(|| {
        let time = Version::V2.cpu_time_us(black_box(stat));
        (time, Version::V2.oom_kills(black_box(b"low 0\nhigh 0\nmax 120\noom 2\noom_kill 2\noom_group_kill 0\n")))
    });
}
