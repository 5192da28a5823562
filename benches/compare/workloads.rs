//! The programs that are run every way: the same files, in the same image or, for bare exec, in a copy of that image's files.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::machine::docker;
use crate::options::Options;
use crate::report::figures::{Figures, JAVA, PROGRAM, PYTHON};
use crate::{Fallible, note};

const PYTHON_SOURCE: &str = "print('hello,', input())\n";
const JAVA_SOURCE: &str = "public class Main { public static void main(String[] a) throws Exception { \
    System.out.println(\"hello, \" + new java.io.BufferedReader(new java.io.InputStreamReader(System.in)).readLine()); } }\n";
/// As `images/java/language.toml` has it, for a job of the default memory.
const JAVA_COMMAND: [&str; 8] = [
    "/usr/bin/java",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=warning:stderr",
    "-Xmx192m",
    "-Xss32m",
    "Main",
];

/// One program with its input and the output that is right.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) image: String,
    /// As in the container, where its folder is `/box`.
    pub(crate) argv: Vec<String>,
    /// The folder on the host.
    pub(crate) folder: PathBuf,
    pub(crate) stdin: &'static str,
    pub(crate) expected: &'static str,
    /// A copy of the image's files, with the folder as `/box`.
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct Workloads {
    pub(crate) all: Vec<Workload>,
    /// The image that was made for this run.
    image: String,
}

impl Workload {
    /// A job of so many equal tests.
    pub(crate) fn job(&self, tests: usize) -> Fallible<Value> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let content = BASE64.encode(std::fs::read(entry.path())?);
            files.push(json!({ "path": entry.file_name().to_string_lossy(), "content_base64": content }));
        }
        let tests: Vec<Value> = (1..=tests)
            .map(|id| json!({ "id": id.to_string(), "stdin": self.stdin, "expected_stdout": self.expected }))
            .collect();
        // Far above what any of them takes on a busy machine: nothing here is about limits.
        let limits = json!({ "cpu_time_ms": 10_000, "wall_time_ms": 30_000 });
        Ok(json!({
            "id": "bench", "image": self.image, "files": files, "run": self.argv, "tests": tests, "limits": limits,
        }))
    }
}

impl Workloads {
    pub(crate) async fn make(options: &Options, figures: &mut Figures) -> Fallible<Workloads> {
        let work = std::path::absolute(&options.work)?;
        let image = format!("caisson-bench/program:{}", options.id);
        let program = folder(&work, "program")?;
        compile(&program.join("program")).await?;
        import(&program, &image).await?;
        let (c, python, java) = (folder(&work, "c")?, folder(&work, "python")?, folder(&work, "java")?);
        // A job has at least one file.
        std::fs::write(c.join("note.txt"), "nothing\n")?;
        std::fs::write(python.join("main.py"), PYTHON_SOURCE)?;
        let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mut all = vec![
            Workload {
                name: PROGRAM,
                image: image.clone(),
                argv: strings(&["/program"]),
                folder: c,
                stdin: "",
                expected: "",
                root: None,
            },
            Workload {
                name: PYTHON,
                image: "caisson/python3".to_owned(),
                argv: strings(&["/usr/bin/python3", "main.py"]),
                folder: python,
                stdin: "world\n",
                expected: "hello, world\n",
                root: None,
            },
        ];
        match compile_java(&java).await {
            Ok(()) => all.push(Workload {
                name: JAVA,
                image: "caisson/java".to_owned(),
                argv: strings(&JAVA_COMMAND),
                folder: java,
                stdin: "world\n",
                expected: "hello, world\n",
                root: None,
            }),
            Err(error) => note(JAVA, &error.to_string(), figures),
        }
        for workload in &mut all {
            match export(&work, workload).await {
                Ok(root) => workload.root = Some(root),
                Err(error) => note(&format!("bare exec of {}", workload.name), &error.to_string(), figures),
            }
        }
        Ok(Workloads { all, image })
    }

    pub(crate) fn of(&self, name: &str) -> Fallible<&Workload> {
        let found = self.all.iter().find(|workload| workload.name == name);
        found.ok_or_else(|| format!("there is no workload {name} here").into())
    }

    /// The static program, with these arguments.
    pub(crate) fn program(&self, arguments: &[&str]) -> Fallible<Workload> {
        let mut workload = self.of(PROGRAM)?.clone();
        workload.argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Ok(workload)
    }

    pub(crate) fn images(&self) -> Vec<&str> {
        self.all.iter().map(|workload| workload.image.as_str()).collect()
    }

    pub(crate) async fn remove(&self) {
        // What is left of it the script removes by its name.
        let _ = docker(&["rmi", "--force", &self.image]).await;
    }
}

fn folder(work: &Path, name: &str) -> Fallible<PathBuf> {
    let folder = work.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

async fn succeed(mut command: Command, what: &str) -> Fallible<()> {
    let output = command.kill_on_drop(true).output().await.map_err(|error| format!("{what}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{what}: {}", complaint.trim()).into()) }
}

async fn compile(program: &Path) -> Fallible<()> {
    let source = program.with_extension("c");
    std::fs::write(&source, include_str!("program.c"))?;
    let mut command = Command::new("cc");
    command.args(["-static", "-O2", "-o"]).arg(program).arg(&source);
    succeed(command, "cc").await?;
    Ok(std::fs::remove_file(source)?)
}

/// An image of the folder's files and nothing else.
async fn import(folder: &Path, image: &str) -> Fallible<()> {
    let mut command = Command::new("sh");
    command.args(["-c", "tar --create --directory \"$1\" . | docker import - \"$2\"", "sh"]).arg(folder).arg(image);
    succeed(command, "docker import").await
}

async fn compile_java(folder: &Path) -> Fallible<()> {
    std::fs::write(folder.join("Main.java"), JAVA_SOURCE)?;
    let mount = format!("{}:/box", folder.display());
    docker(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--volume",
        &mount,
        "--workdir",
        "/box",
        "caisson/java",
        "javac",
        "Main.java",
    ])
    .await?;
    Ok(std::fs::remove_file(folder.join("Main.java"))?)
}

/// The image's files in a folder of the host, with the places that a container would have mounted.
async fn export(work: &Path, workload: &Workload) -> Fallible<PathBuf> {
    let root = folder(work, &format!("root-{}", workload.image.replace(['/', ':'], "-")))?;
    let id = docker(&["create", "--network", "none", &workload.image, "/program"]).await?;
    let mut command = Command::new("sh");
    command.args(["-c", "docker export \"$1\" | tar --extract --directory \"$2\"", "sh", &id]).arg(&root);
    let exported = succeed(command, "docker export").await;
    docker(&["rm", "--force", &id]).await?;
    exported?;
    for place in ["box", "tmp", "proc", "dev"] {
        std::fs::create_dir_all(root.join(place))?;
    }
    for entry in std::fs::read_dir(&workload.folder)? {
        let entry = entry?;
        std::fs::copy(entry.path(), root.join("box").join(entry.file_name()))?;
    }
    Ok(root)
}
