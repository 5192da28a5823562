//! `caisson doctor`: looks at everything that jobs rest on, and at what a sandbox on this host really is.
//!
//! Facts are collected at the edges into plain structs; what they mean is said by pure functions from facts to
//! [`Finding`]s, which are tested on recorded facts of hosts of both kinds.
//!
//! ```text
//! engine   GET /info, /version ──► EngineFacts ──► engine::judge ─┐
//! host     /proc, /sys, statvfs ─► HostFacts ────► kernel::judge, timing::judge
//! sandbox  the agent's probe ────► Facts ────────► sandbox::judge ├─► Vec<Finding> ─► table, JSON, exit code
//! images   inspect, the probe ───► ImageFacts ───► images::judge  │
//! queues   GetQueueAttributes ───► QueuesFacts ──► queues::judge ─┘
//! ```

pub mod engine;
pub mod facts;
pub mod finding;
pub mod host;
pub mod images;
pub mod kernel;
pub mod probe;
pub mod queues;
pub mod sandbox;
pub mod table;
pub mod timing;
pub mod version;

use std::path::Path;
use std::time::Duration;

pub use finding::{Area, Check, Finding, Verdict};

use crate::queue::Sqs;
use crate::sandbox::{Engine, EngineFacts, Sandboxes, Settings};
use host::HostFacts;
use queues::{Answer, QueuesFacts};
use timing::Placement;

/// A queue that takes longer to answer is as good as none: the SDK itself would try for minutes.
const QUEUE_ANSWERS: Duration = Duration::from_secs(20);

/// What to look at.
#[derive(Debug, Clone)]
pub struct Subject {
    /// With a worker id of its own: a worker of the same name would lose its containers to us.
    pub settings: Settings,
    pub placement: Placement,
    /// Name and reference of each image.
    pub images: Vec<(String, String)>,
    /// None when none is configured.
    pub incoming_urls: Vec<String>,
    pub outgoing_url: Option<String>,
    pub visibility_timeout_s: u64,
    pub wait_time_s: u64,
}

/// Every check of every area, for documents and tests.
pub fn checks() -> impl Iterator<Item = Check> {
    engine::CHECKS
        .into_iter()
        .chain(kernel::CHECKS)
        .chain(timing::CHECKS)
        .chain(sandbox::CHECKS)
        .chain(images::CHECKS)
        .chain(queues::CHECKS)
}

/// Looks at everything. When `stop` completes before that, what was made is removed and there are no findings.
pub async fn examine(subject: &Subject, stop: impl Future<Output = ()>) -> Option<Vec<Finding>> {
    let host = HostFacts::collect(Path::new("/"));
    let mut findings = Vec::new();
    tokio::pin!(stop);
    match facts_of_engine(&subject.settings.engine_socket).await {
        Err(reason) => {
            findings.push(engine::REACHABLE.broken(
                reason,
                "start it (systemctl start docker), and run as a user who may open its socket; what it is asked for could not \
                 be looked at",
            ));
            findings.extend(kernel::judge(&host, "", None));
        }
        Ok(facts) => {
            let disk = room(&facts.root_folder);
            let runtime = subject.settings.runtime.as_deref();
            findings.extend(engine::judge(&facts, runtime, disk, host.swap_is_on()));
            let (landlock, more) = inside(subject, &facts, &host, stop.as_mut()).await?;
            findings.extend(kernel::judge(&host, &facts.kernel, landlock));
            findings.extend(more);
        }
    }
    findings.extend(timing::judge(&host, subject.placement));
    tokio::select! {
        of_queues = queues(subject) => findings.extend(of_queues),
        () = stop => return None,
    }
    findings.sort_by_key(|finding| finding.area);
    Some(findings)
}

async fn facts_of_engine(socket: &str) -> Result<EngineFacts, String> {
    let engine = Engine::connect(socket).await.map_err(|error| error.to_string())?;
    engine.facts().await.map_err(|error| error.to_string())
}

/// Looks into sandboxes. Also returns the Landlock ABI that one saw.
async fn inside(
    subject: &Subject,
    engine: &EngineFacts,
    host: &HostFacts,
    stop: impl Future<Output = ()>,
) -> Option<(Option<u64>, Vec<Finding>)> {
    let settings = &subject.settings;
    let sandboxes = match Sandboxes::open(settings.clone()).await {
        Ok(sandboxes) => sandboxes,
        Err(error) => {
            let advice = "no job can run here before that: the message says what is in the way";
            return Some((None, vec![sandbox::START.broken(error.to_string(), advice)]));
        }
    };
    let asked = sandbox::Asked {
        host_kernel: engine.kernel.clone(),
        host_swaps: host.swap_is_on(),
        apparmor: engine.has_security_option("apparmor"),
        remapped: engine.remaps_users(),
        ..probe::asked(settings, sandboxes.are_pinned())
    };
    let look = async {
        let probe = examine_sandbox(&sandboxes, &settings.worker_id).await;
        let mut findings = sandbox::judge(&probe, &asked);
        for (name, reference) in &subject.images {
            findings.extend(images::judge(&probe::image(&sandboxes, &settings.worker_id, name, reference).await));
        }
        (landlock_of(&probe, &asked), findings)
    };
    let seen = tokio::select! {
        seen = look => Some(seen),
        () = stop => None,
    };
    sandboxes.close().await;
    seen
}

/// Looks around in a sandbox of an image with nothing in it, which is removed when the sandboxes are closed.
pub async fn examine_sandbox(sandboxes: &Sandboxes, worker_id: &str) -> sandbox::Probe {
    let image = match sandboxes.bare_image().await {
        Ok(image) => image,
        Err(error) => return sandbox::Probe::NotStarted(error.to_string()),
    };
    probe::sandbox(sandboxes, worker_id, &image).await
}

/// Only the host's own kernel's: a sandbox with another says nothing of it.
fn landlock_of(probe: &sandbox::Probe, asked: &sandbox::Asked) -> Option<u64> {
    let sandbox::Probe::Told(told) = probe else { return None };
    if told.facts.one("kernel") == Some(&asked.host_kernel) { told.facts.number("landlock") } else { None }
}

/// The room in a folder's file system, when the folder is to be seen from here.
fn room(folder: &str) -> Option<engine::Disk> {
    if folder.is_empty() || !Path::new(folder).exists() {
        return None;
    }
    let room = rustix::fs::statvfs(folder).ok()?;
    Some(engine::Disk {
        free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
        free_inodes: room.f_favail,
        inodes: room.f_files,
    })
}

async fn queues(subject: &Subject) -> Vec<Finding> {
    let (Some(first), Some(outgoing)) = (subject.incoming_urls.first(), &subject.outgoing_url) else {
        let missing: Vec<&str> = [
            ("queue.incoming_url", subject.incoming_urls.is_empty()),
            ("queue.outgoing_url", subject.outgoing_url.is_none()),
        ]
        .iter()
        .filter(|(_, is_missing)| *is_missing)
        .map(|(key, _)| *key)
        .collect();
        return vec![
            queues::CONFIGURED.note(
                format!("not set: {}", missing.join(", ")),
                "caisson worker needs both; caisson run needs neither",
            ),
        ];
    };
    let queue = Sqs::open(first).await;
    let incoming: Vec<Sqs> = subject.incoming_urls.iter().map(|url| queue.sibling(url)).collect();
    let outgoing = queue.sibling(outgoing);
    let (incoming, outgoing) =
        tokio::join!(futures_util::future::join_all(incoming.iter().map(answer)), answer(&outgoing));
    queues::judge(&QueuesFacts {
        incoming,
        outgoing,
        visibility_timeout_s: subject.visibility_timeout_s,
        wait_time_s: subject.wait_time_s,
    })
}

async fn answer(queue: &Sqs) -> Answer {
    let attributes = match tokio::time::timeout(QUEUE_ANSWERS, queue.attributes()).await {
        Ok(attributes) => attributes.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s from {}", QUEUE_ANSWERS.as_secs(), queue.url())),
    };
    Answer { url: queue.url().to_owned(), attributes }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_an_id_of_its_own_that_begins_with_its_area() {
        let ids: BTreeSet<&str> = checks().map(|check| check.id).collect();
        assert_eq!(ids.len(), checks().count());
        for check in checks() {
            assert!(check.id.starts_with(&format!("{}.", check.area.name())), "{}", check.id);
        }
    }

    #[test]
    fn every_check_is_in_the_document() {
        let document = include_str!("../docs/doctor.md");
        for check in checks() {
            assert!(document.contains(&format!("`{}`", check.id)), "docs/doctor.md says nothing of {}", check.id);
        }
    }
}
