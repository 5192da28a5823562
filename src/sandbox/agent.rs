//! How the agent gets into containers of any image: a read-only volume named after its content.
//!
//! A volume works wherever the engine's socket does, also when the worker itself runs in a container and shares no files
//! with the host. It is filled by the engine: an image that holds nothing but the agent, and a container of it, never
//! started, with the empty volume over the agent's folder; the engine copies what the image has there, modes included.

use std::collections::HashMap;
use std::sync::OnceLock;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use sha2::{Digest, Sha256};

use super::SandboxError;
use super::engine::{Engine, EngineError};
use super::spec::LABEL_DEADLINE;

/// Where the volume is mounted, and the program in it.
pub const FOLDER: &str = "/caisson";
pub const PROGRAM: &str = "/caisson/agent";

/// The same program, readable: gVisor's loader opens a program as its user does, and can't start the other. It is in a volume of
/// its own. A file that can be opened and a folder that can be read are ways from one container to another, since all of them
/// have the same: a lock on the one, a watch on the other.
pub const READABLE_PROGRAM: &str = "/caisson/agent.readable";

/// The program to start, by whether it has to be readable.
pub(super) fn program(readable: bool) -> &'static str {
    if readable { READABLE_PROGRAM } else { PROGRAM }
}

/// Marks the volumes, and what is made for a moment to fill them; its value is the agent's hash.
pub const LABEL: &str = "caisson.agent";

/// How long a container or an image that holds the agent may be needed, in seconds: filling a volume takes a few of them,
/// and looking around on a host a minute or two.
const NEEDED_S: i64 = 3_600;

/// The static program that `build.rs` made.
static AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/caisson-agent"));

/// The volume's name, from a hash of its content: workers of one build share it, others don't.
pub fn volume_name(readable: bool) -> String {
    format!("caisson-agent-{}", hash(readable))
}

/// The first 16 hexadecimal digits of a SHA-256 over all that the volume holds.
pub fn hash(readable: bool) -> &'static str {
    static HASHES: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
    let make = || Sha256::digest(archive(readable)).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    HASHES[usize::from(readable)].get_or_init(make)
}

/// Makes sure that the volume is there and filled. Returns its name.
///
/// # Errors
/// When the engine refuses one of the steps.
pub async fn install(engine: &Engine, readable: bool) -> Result<String, SandboxError> {
    let volume = volume_name(readable);
    if !engine.has_volume(&volume).await? {
        fill(engine, readable).await?;
    }
    Ok(volume)
}

/// Fills the volume whether or not it exists; an existing one must be empty to be filled.
pub(crate) async fn fill(engine: &Engine, readable: bool) -> Result<(), SandboxError> {
    let volume = &volume_name(readable);
    // Two workers may do this at once: each with an image and a container of its own, the same bytes in one volume.
    engine.create_volume(volume, HashMap::from([(LABEL.to_owned(), hash(readable).to_owned())])).await?;
    let reference = import(engine, readable).await?;
    let body = ContainerCreateBody {
        image: Some(reference.clone()),
        cmd: Some(vec![program(readable).to_owned()]),
        labels: Some(passing_labels(readable)),
        host_config: Some(HostConfig { mounts: Some(vec![mount(volume, false)]), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let created = engine.create(&reference.replace(':', "-"), body).await;
    if let Ok(id) = &created {
        engine.remove(id).await?;
    }
    engine.remove_image(&reference).await?;
    created?;
    Ok(())
}

/// Makes an image that holds the agent and nothing else, under a name of its own; whoever asked for it removes it.
///
/// # Errors
/// When the engine refuses it.
pub(crate) async fn import(engine: &Engine, readable: bool) -> Result<String, EngineError> {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let repository = "caisson-agent";
    engine.import(repository, &unique, &passing_labels(readable), archive(readable)).await?;
    Ok(format!("{repository}:{unique}"))
}

/// For what is removed by whoever made it, and swept by anybody when that one couldn't.
fn passing_labels(readable: bool) -> HashMap<String, String> {
    let deadline = jiff::Timestamp::now().as_second() + NEEDED_S;
    HashMap::from([(LABEL.to_owned(), hash(readable).to_owned()), (LABEL_DEADLINE.to_owned(), deadline.to_string())])
}

/// The volume as a container mounts it.
pub(crate) fn mount(volume: &str, read_only: bool) -> Mount {
    Mount {
        target: Some(FOLDER.to_owned()),
        source: Some(volume.to_owned()),
        typ: Some(MountType::VOLUME),
        read_only: Some(read_only),
        // An empty volume is to stay empty in a job's container, or the image's own folder of that name would fill it.
        volume_options: Some(MountVolumeOptions { no_copy: Some(read_only), ..MountVolumeOptions::default() }),
        ..Mount::default()
    }
}

/// A root file system with the agent and nothing else. Mode 0111: whoever can't read a program can't trace it from its
/// first instruction on, before it has made itself undumpable. The folder's is the same, so that nobody watches it.
fn archive(readable: bool) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::with_capacity(2 * AGENT.len() + 8192));
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content).expect("a tar in memory can't fail to be written");
    };
    add("caisson/", tar::EntryType::Directory, if readable { 0o555 } else { 0o111 }, &[]);
    add("caisson/agent", tar::EntryType::Regular, 0o111, AGENT);
    if readable {
        add("caisson/agent.readable", tar::EntryType::Regular, 0o555, AGENT);
    }
    builder.into_inner().expect("a tar in memory can't fail to be written")
}
