//! Builds what `caisson` carries inside itself: the agent as a static program, and the list of built-in languages, and the
//! cases of its self-test.
//!
//! The agent runs as PID 1 in images of any kind (glibc, musl, or nothing at all), so it must be static, while the worker
//! must not be (a static glibc can't resolve host names). Cargo has no stable way to say that of one package's two
//! programs, so the agent is built here by a cargo of its own: same sources, no default features, other flags.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[path = "build/languages.rs"]
mod languages;
#[path = "build/selftest.rs"]
mod selftest;

fn main() {
    for source in [
        "build.rs",
        "build",
        "Cargo.lock",
        "src/lib.rs",
        "src/protocol.rs",
        "src/protocol",
        "src/cgroup.rs",
        "src/network.rs",
        "src/process.rs",
        "src/bin/caisson-agent",
    ] {
        println!("cargo:rerun-if-changed={source}");
    }
    // The agent's own build comes through here too and needs none of this.
    if env::var_os("CARGO_FEATURE_HOST").is_none() {
        return;
    }
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    languages::generate(&root, &out);
    selftest::generate(&root, &out);
    build_agent(&root, &out);
}

fn build_agent(root: &Path, out: &Path) {
    let target = variable("TARGET");
    let target_dir = out.join("agent");
    let status = Command::new(variable("CARGO"))
        .args([
            "build",
            "--release",
            "--quiet",
            "--no-default-features",
            "--features",
            "agent",
            "--bin",
            "caisson-agent",
        ])
        .arg("--target")
        .arg(&target)
        .arg("--target-dir")
        .arg(&target_dir)
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        // Or the inner build script would think that it is this one.
        .env_remove("CARGO_FEATURE_HOST")
        // Whatever wraps the outer compiler (clippy, coverage) has no business with the agent's code.
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .status();
    match status {
        Ok(status) if status.success() => {}
        outcome => panic!(
            "the static agent could not be built ({outcome:?}); it needs a C compiler and the static C library \
             (Debian: apt-get install build-essential)"
        ),
    }
    let built = target_dir.join(&target).join("release/caisson-agent");
    fs::copy(&built, out.join("caisson-agent")).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}
