//! The environment a job may set for its program: not what the loader, an interpreter, a compiler or the sandbox reads.
//!
//! The program is untrusted anyway, but the command that starts it is the operator's: a variable must not turn `python3
//! main.py` into something else, nor point a compiler or the C library at another place.

/// What a forbidden name would do.
const LOADER: &str = "changes the dynamic loader";
const C_LIBRARY: &str = "changes the C library";
const INTERPRETER: &str = "changes an interpreter or a language's runtime";
const SHELL: &str = "changes the shell";
const COMPILER: &str = "changes a compiler or a linker";
const SANDBOX: &str = "is set by the sandbox";

/// The forbidden names; a name with a star at its end stands for all that begin so.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (LOADER, &["LD_*", "DYLD_*"]),
    (
        C_LIBRARY,
        &[
            "GCONV_PATH",
            "GETCONF_DIR",
            "GLIBC_TUNABLES",
            "HOSTALIASES",
            "LOCALDOMAIN",
            "LOCPATH",
            "MALLOC_*",
            "NIS_PATH",
            "NLSPATH",
            "RESOLV_*",
            "RES_OPTIONS",
            "TERMCAP",
            "TERMINFO",
            "TERMINFO_DIRS",
            "TZDIR",
        ],
    ),
    (
        INTERPRETER,
        &[
            "BUN_*",
            "CAML*",
            "CLASSPATH",
            "COMPlus_*",
            "CORECLR_*",
            "DENO_*",
            "DOTNET_*",
            "ERL_*",
            "GEM_*",
            "GHCRTS",
            "GODEBUG",
            "GOTRACEBACK",
            "JAVA_*",
            "JDK_*",
            "JULIA_*",
            "KOTLIN_*",
            "LUA_*",
            "MONO_*",
            "NODE_*",
            "OCAMLRUNPARAM",
            "PERL*",
            "PHP*",
            "PYTHON*",
            "RUBY*",
            "R_*",
            "TCLLIBPATH",
            "_JAVA_*",
        ],
    ),
    (
        SHELL,
        &[
            "BASHOPTS",
            "BASH_ENV",
            "BASH_FUNC_*",
            "CDPATH",
            "ENV",
            "IFS",
            "INPUTRC",
            "PROMPT_COMMAND",
            "PS4",
            "SHELLOPTS",
        ],
    ),
    (
        COMPILER,
        &[
            "CARGO*",
            "COLLECT_*",
            "COMPILER_PATH",
            "CPATH",
            "CPLUS_INCLUDE_PATH",
            "C_INCLUDE_PATH",
            "DEPENDENCIES_OUTPUT",
            "GCC_*",
            "GOFLAGS",
            "LIBRARY_PATH",
            "OBJC_INCLUDE_PATH",
            "RUSTC*",
            "RUSTFLAGS",
            "SUNPRO_DEPENDENCIES",
        ],
    ),
    (SANDBOX, &["CAISSON_*", "HOME", "PATH", "PWD", "TEMP", "TMP", "TMPDIR"]),
];

/// Bytes of a name.
const MAX_NAME_BYTES: usize = 128;

/// Every forbidden name (`LD_*` stands for all that begin with `LD_`) and why it is forbidden, for the documentation.
pub fn forbidden_environment_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORBIDDEN.iter().flat_map(|(reason, names)| names.iter().map(|name| (*name, *reason)))
}

/// # Errors
/// What is wrong with the name, worded to follow it.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = name.bytes().next().is_some_and(|byte| word(byte) && !byte.is_ascii_digit());
    if !starts_well || !name.bytes().all(word) || name.len() > MAX_NAME_BYTES {
        return Err(format!(
            "is not a name: letters, digits and _, no digit at its start, at most {MAX_NAME_BYTES} bytes"
        ));
    }
    let forbids = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    match forbidden_environment_names().find(|(pattern, _)| forbids(pattern)) {
        Some((_, reason)) => Err(format!("is not for a job to set: it {reason}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_change_how_programs_start_are_refused_and_others_are_not() {
        for bad in [
            "LD_PRELOAD",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "PYTHONSTARTUP",
            "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "CLASSPATH",
            "PERL5OPT",
            "RUBYOPT",
            "BASH_ENV",
            "ENV",
            "SHELLOPTS",
            "PS4",
            "IFS",
            "PATH",
            "HOME",
            "TMPDIR",
            "GCONV_PATH",
            "GLIBC_TUNABLES",
            "MALLOC_CHECK_",
            "LOCPATH",
            "NLSPATH",
            "GCC_EXEC_PREFIX",
            "COMPILER_PATH",
            "LIBRARY_PATH",
            "CPATH",
            "TERMINFO",
        ] {
            let reason = check_name(bad).expect_err(bad);
            assert!(reason.starts_with("is not for a job to set: it "), "{bad}: {reason}");
        }
        for bad in ["", "1A", "A-B", "A=B", "A B", "A\0", "É", &"A".repeat(129)] {
            assert!(check_name(bad).expect_err(bad).starts_with("is not a name"), "{bad:?}");
        }
        for good in ["LANG", "LC_ALL", "TZ", "DEBUG", "_", "a1", "OMP_NUM_THREADS", "ENVIRONMENT", &"A".repeat(128)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
    }
}
