//! The environment a job may set for its program: not what the loader, an interpreter, a compiler or the sandbox reads.
//!
//! The program is untrusted anyway, but the command that starts it is the operator's: a variable must not turn `python3
//! main.py` into something else, nor point a compiler or the C library at another place.
//!
//! What is refused has two sources. The table below has what is documented. `environment/read-by-images.txt` has the names that
//! the binaries of the images that come along read, as `scripts/environment_names.py` finds them (`just environment-names`);
//! a name that isn't in [`HARMLESS`] is refused.

/// What a forbidden name would do.
const LOADER: &str = "changes the dynamic loader";
const C_LIBRARY: &str = "changes the C library";
const INTERPRETER: &str = "changes an interpreter or a language's runtime";
const SHELL: &str = "changes the shell";
const COMPILER: &str = "changes a compiler or a linker";
const CRYPTOGRAPHY: &str = "changes a library of cryptography, which may load code for it";
const TOOLS: &str = "leads tools and libraries to other settings";
const IMAGES: &str = "is read by programs or libraries of the images";
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
            "POSIXLY_CORRECT",
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
            "NPM_*",
            "OCAMLRUNPARAM",
            "PERL*",
            "PHP*",
            "PYTHON*",
            "RUBY*",
            "R_*",
            "TCLLIBPATH",
            "UV_USE_IO_URING",
            "VIRTUAL_ENV",
            "_JAVA_*",
            "__PYVENV_LAUNCHER__",
            "npm_*",
        ],
    ),
    (
        SHELL,
        &[
            "BASH*",
            "CDPATH",
            "CHILD_MAX",
            "ENV",
            "EXECIGNORE",
            "FIGNORE",
            "FUNCNEST",
            "GLOBIGNORE",
            "HIST*",
            "HOSTFILE",
            "IFS",
            "INPUTRC",
            "MAILPATH",
            "OPTERR",
            "OPTIND",
            "PROMPT_COMMAND",
            "PS0",
            "PS4",
            "SHELLOPTS",
            "TIMEFORMAT",
            "TMOUT",
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
            "DEBUGINFOD_*",
            "DEPENDENCIES_OUTPUT",
            "GCC_*",
            "GCOV_*",
            "GNUTARGET",
            "GOFLAGS",
            "LDEMULATION",
            "LIBRARY_PATH",
            "LPATH",
            "OBJC_INCLUDE_PATH",
            "RUSTC*",
            "RUSTFLAGS",
            "SOURCE_DATE_EPOCH",
            "SUNPRO_DEPENDENCIES",
        ],
    ),
    (CRYPTOGRAPHY, &["CTLOG_FILE", "GNUTLS_*", "NSS_*", "OPENSSL_*", "RANDFILE", "SSLKEYLOGFILE", "SSL_*"]),
    (TOOLS, &["GIT_*", "ICU_*", "SYSTEMD_*", "XDG_*"]),
    (SANDBOX, &["CAISSON_*", "HOME", "PATH", "PWD", "TEMP", "TMP", "TMPDIR"]),
];

/// What binaries of the images that come along read: a name a line, and some of those that read it.
const READ_BY_IMAGES: &str = include_str!("environment/read-by-images.txt");

/// Those of them that change no more than what the job's own program is told: languages and times, terminals and colours,
/// people's preferences, numbers of threads.
const HARMLESS: &[&str] = &[
    "BLOCKSIZE",
    "BLOCK_SIZE",
    "CC",
    "COLORTERM",
    "COLUMNS",
    "EDITOR",
    "GREP_COLOR",
    "GREP_COLORS",
    "HTTPS_PROXY",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LINES",
    "LS_COLORS",
    "MAKE",
    "NO_COLOR",
    "NO_PROXY",
    "OMP_DISPLAY_ENV",
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "PAGER",
    "QUOTING_STYLE",
    "SHELL",
    "TERM",
    "TIME_STYLE",
    "TZ",
    "USER",
    "UV_THREADPOOL_SIZE",
    "VISUAL",
    "container",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "signal",
];

fn read_by_images() -> impl Iterator<Item = &'static str> {
    READ_BY_IMAGES.lines().filter_map(|line| line.split(' ').next())
}

/// Bytes of a name.
const MAX_NAME_BYTES: usize = 128;

/// Every forbidden name (`LD_*` stands for all that begin with `LD_`) and why it is forbidden, for the documentation.
pub fn forbidden_environment_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let documented = FORBIDDEN.iter().flat_map(|(reason, names)| names.iter().map(|name| (*name, *reason)));
    documented.chain(read_by_images().filter(|name| !HARMLESS.contains(name)).map(|name| (name, IMAGES)))
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
            "OPENSSL_CONF",
            "OPENSSL_MODULES",
            "SSL_CERT_FILE",
            "GNUTARGET",
            "SOURCE_DATE_EPOCH",
            "POSIXLY_CORRECT",
            "TMOUT",
            "GOMP_CPU_AFFINITY",
        ] {
            let reason = check_name(bad).expect_err(bad);
            assert!(reason.starts_with("is not for a job to set: it "), "{bad}: {reason}");
        }
        for bad in ["", "1A", "A-B", "A=B", "A B", "A\0", "É", &"A".repeat(129)] {
            assert!(check_name(bad).expect_err(bad).starts_with("is not a name"), "{bad:?}");
        }
        for good in HARMLESS {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for good in ["LANG", "LC_ALL", "TZ", "DEBUG", "_", "a1", "OMP_NUM_THREADS", "ENVIRONMENT", &"A".repeat(128)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_list_of_the_images_is_whole_and_each_name_that_is_let_through_is_on_it() {
        let names: Vec<&str> = read_by_images().collect();
        assert!(names.is_sorted() && names.len() > 300, "{}", names.len());
        // One of each kind of reader: the C library, the linker, cryptography, a shell's tools, two runtimes.
        for name in ["GCONV_PATH", "GNUTARGET", "OPENSSL_CONF", "POSIXLY_CORRECT", "_JAVA_OPTIONS", "UV_THREADPOOL_SIZE"] {
            assert!(names.contains(&name), "{name}");
        }
        for name in HARMLESS {
            assert!(names.contains(name), "no image reads {name} any more");
        }
    }
}
