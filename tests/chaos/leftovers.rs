//! What a run leaves with the engine, and its removal however the run ends.

use std::process::Command;

use caisson::sandbox::agent;

/// Removes a run's containers and what holds the agent: its volume, and the containers and images from which it is filled, which
/// workers that are killed leave behind.
pub(crate) struct Leftovers(pub(crate) String);

impl Drop for Leftovers {
    fn drop(&mut self) {
        for (id, worker) in containers() {
            if worker.starts_with(&self.0) {
                let _ = Command::new("docker").args(["rm", "--force", "--volumes", &id]).output();
            }
        }
        let label = format!("label={}={}", agent::LABEL, agent::hash(false));
        // One of another worker that fills the volume just now has done so when it can be listed.
        remove(&["ps", "--all"], &label, &["rm", "--force"]);
        remove(&["images"], &label, &["rmi"]);
        // One that another worker uses stays, and is that worker's to remove.
        let _ = Command::new("docker").args(["volume", "rm", &agent::volume_name(false)]).output();
    }
}

/// Removes all that `list` finds with the label.
fn remove(list: &[&str], label: &str, by: &[&str]) {
    let listed = Command::new("docker").args(list).args(["--quiet", "--no-trunc", "--filter", label]).output();
    for id in String::from_utf8_lossy(&listed.map(|output| output.stdout).unwrap_or_default()).lines() {
        let _ = Command::new("docker").args(by).arg(id).output();
    }
}

/// All containers of all workers of this machine, of any state: id and worker.
pub(crate) fn containers() -> Vec<(String, String)> {
    let format = "{{.ID}} {{.Label \"caisson.worker\"}}";
    let arguments = ["ps", "--all", "--no-trunc", "--filter", "label=caisson.worker", "--format", format];
    let output = Command::new("docker").args(arguments).output().expect("docker can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, worker)| (id.to_owned(), worker.to_owned()))
        .collect()
}
