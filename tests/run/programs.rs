//! One program at a terminal: its streams, its exit code, what is said when it cannot be run.

use crate::Desk;
use crate::support::engine::{nothing_left_of, running_container_of};
use crate::support::process::{caisson, finish, signal};
use crate::support::within;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_streams_arguments_and_exit_code_are_the_callers() {
    let desk = Desk::new();
    let source = "import sys\nprint(sys.argv[1:], sys.stdin.read())\nprint('oops', file=sys.stderr)\nsys.exit(7)";
    // A blank and letters beyond ASCII, as people name their files.
    let file = desk.write("my prögram.py", source);
    let ended = desk.caisson(&["run", &file, "--", "--flag", "two words", ""], b"in").await;
    assert_eq!((ended.text(), ended.stderr.as_str()), ("['--flag', 'two words', ''] in\n", "oops\n"));
    assert_eq!(ended.code, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_how_a_program_ended() {
    let desk = Desk::new();
    let cases: [(&str, &str, &[&str], i32, &str); 9] = [
        ("fine.sh", "exit 0", &[], 0, ""),
        (
            "signal.sh",
            "kill -SEGV $$",
            &[],
            128 + 11,
            "caisson: the program was ended by SIGSEGV (bad memory access)\n",
        ),
        ("killed.sh", "kill -KILL $$", &[], 128 + 9, "caisson: the program was ended by SIGKILL\n"),
        ("cpu.py", "while True: pass", &["--limit", "cpu_time_ms=300"], 124, "the limit is 0.30 s\n"),
        ("wall.sh", "sleep 60", &["--limit", "wall_time_ms=300"], 124, "the limit is 0.30 s\n"),
        (
            "memory.py",
            "x = bytearray(300 << 20)",
            &["--limit", "cpu_time_ms=20000"],
            124,
            "caisson: the program needed more than its 256 MiB of memory\n",
        ),
        ("output.sh", "yes", &["--limit", "output_bytes=10000"], 124, "printed more than 10000 bytes to stdout\n"),
        (
            "wrong.c",
            "int main(void) { return missing; }",
            &[],
            65,
            "caisson: the compile step ended with exit code 1\n",
        ),
        ("right.c", "int main(void) { return 3; }", &[], 3, ""),
    ];
    for (name, source, more, code, last_words) in cases {
        let ended = desk.run(name, source, more).await;
        assert_eq!(ended.code, Some(code), "{name}: {}", ended.stderr);
        assert!(ended.stderr.ends_with(last_words), "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr.is_empty(), last_words.is_empty(), "{name}: {}", ended.stderr);
    }
    let ended = desk.run("wrong.c", "int main(void) { return missing; }", &[]).await;
    assert!(ended.stderr.contains("wrong.c:1:25: error: ") && ended.stdout.is_empty(), "{}", ended.stderr);
}

#[tokio::test]
async fn what_cannot_be_run_is_told_before_anything_runs() {
    let desk = Desk::new();
    let program = desk.write("program.unknown", "");
    let python = desk.write("program.py", "");
    let absent = desk.path("absent.py").into_os_string().into_string().expect("the path is UTF-8");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["run", &program], 64, "no language has the extension \"unknown\"; say --language with one of bash, "),
        (&["run", "--language", "cobol", &program], 64, "\"cobol\" isn't one of the languages bash, "),
        (&["run", &absent], 64, "absent.py: No such file or directory"),
        (&["run", &python, "--limit", "cpu_time_ms=999999999"], 64, "limits.cpu_time_ms"),
        (&["run", &python, "--limit", "speed=1"], 2, "\"speed\" isn't one of cpu_time_ms, "),
        (&["run"], 2, "required"),
        (&["run", "--jobs", &python], 2, "--out"),
    ];
    for (arguments, code, words) in cases {
        let ended = desk.caisson(arguments, b"").await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.stderr);
    }
    // Our own failure has a code that no program's own end is mistaken for.
    for (arguments, code) in [(["run", &python].as_slice(), 125), (&["run", "--job", "-"], 1)] {
        let mut command = caisson(&desk.worker, arguments);
        command.env("CAISSON_SANDBOX_ENGINE_SOCKET", "/nowhere/docker.sock");
        let ended = finish(command, b"{}").await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("/nowhere/docker.sock"), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_can_be_talked_to_line_by_line() {
    let desk = Desk::new();
    let file = desk.write("echo.py", "for line in iter(input, 'end'): print('heard', line, flush=True)\nprint('bye')");
    let mut process =
        caisson(&desk.worker, &["run", &file]).stdin(std::process::Stdio::piped()).spawn().expect("it can be started");
    let mut stdin = process.stdin.take().expect("its stdin is a pipe");
    let mut stdout = BufReader::new(process.stdout.take().expect("its stdout is a pipe")).lines();
    // Each answer is there before the next question is asked, with stdin open all the while.
    for (question, answer) in [("one", "heard one"), ("two", "heard two"), ("end", "bye")] {
        stdin.write_all(format!("{question}\n").as_bytes()).await.expect("it listens");
        let heard = within("an answer", stdout.next_line()).await.expect("it is text");
        assert_eq!(heard.as_deref(), Some(answer));
    }
    let status = within("its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(0));
    nothing_left_of(&desk.worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn megabytes_stream_through_a_program_and_one_that_does_not_read_is_not_waited_for() {
    let desk = Desk::new();
    let bytes: Vec<u8> = (0..5_000_000u32).map(|number| number.to_le_bytes()[usize::from(number % 3 == 0)]).collect();
    let file = desk.write("cat.sh", "cat");
    let ended = desk.caisson(&["run", &file], &bytes).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout == bytes, "{} bytes came back of {}", ended.stdout.len(), bytes.len());

    let file = desk.write("deaf.sh", "echo no");
    let ended = desk.caisson(&["run", &file], &bytes).await;
    assert_eq!((ended.code, ended.text()), (Some(0), "no\n"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_program_and_leaves_nothing() {
    let desk = Desk::new();
    let file = desk.write("slow.sh", "sleep 200");
    let mut process = caisson(&desk.worker, &["run", &file]).spawn().expect("it can be started");
    running_container_of(&desk.worker).await;
    signal(&process, libc::SIGINT);
    let status = within("its end", process.wait()).await.expect("it can be waited for");
    assert_eq!(status.code(), Some(130));
    nothing_left_of(&desk.worker).await;
}
