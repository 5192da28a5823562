//! Arguments, configuration, telemetry, command, exit code: in this order and nothing else.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use caisson::cli::Cli;
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Declared first, so dropped last.
    let _log = caisson::telemetry::FlushAtEnd;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("caisson: the runtime could not start: {error}");
            return caisson::command::FAILED.into();
        }
    };
    let code = runtime.block_on(caisson::command::run(cli));
    // Not a plain drop: that would wait for whoever types at our stdin to type once more.
    runtime.shutdown_background();
    code
}
