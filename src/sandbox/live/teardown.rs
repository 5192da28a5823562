//! The end of a sandbox: its slot is free again when the engine has said that the container is gone, or has ended and may be
//! started again.

use super::Sandbox;
use super::birth::Stopped;
use crate::sandbox::janitor::Remains;
use crate::sandbox::pool::{Retired, retire};
use crate::steps;

impl Sandbox {
    /// Ends the sandbox. Returns at once; the slot is free when the engine says that the container is gone, or that it ended
    /// in order and may be started again.
    pub fn destroy(mut self) {
        match self.retired() {
            Some(retired) => retire(&self.shared, retired),
            None => self.tear_down(),
        }
    }

    /// What becomes of a container of the pool whose job ended in order; the sandbox is empty then.
    fn retired(&mut self) -> Option<Retired> {
        let (kind, past) = self.of_pool.take()?;
        if !self.conduct.is_orderly() || self.conversation.is_none() {
            return None;
        }
        let conversation = self.conversation.take()?;
        let (slot, ownership) = self.holds.take()?;
        let stopped = Stopped {
            id: std::mem::take(&mut self.id),
            ownership,
            in_force: self.in_force,
            confinement: self.confinement.clone(),
            places: self.places,
        };
        Some(Retired { stopped, conversation, slot, kind, past })
    }

    fn tear_down(&mut self) {
        let Some((slot, ownership)) = self.holds.take() else { return };
        if self.shared.settings.keep && self.conversation.is_some() {
            tell_kept(&self.id, slot.uid.number);
            // Our end of the connection closes; the agent goes on waiting for a step.
            return;
        }
        let id = std::mem::take(&mut self.id);
        self.shared.janitor.clear_away(Remains { id, ownership, conversation: self.conversation.take() }, slot);
        steps::passed!("told to end");
    }
}

impl Drop for Sandbox {
    /// The net under a cancelled job: whoever drops a sandbox instead of destroying it gets the same.
    fn drop(&mut self) {
        self.tear_down();
    }
}

fn tell_kept(id: &str, uid: u32) {
    let short = id.get(..12).unwrap_or(id);
    eprintln!(
        "caisson: kept the sandbox {short}, with the workspace as the last program left it. Look into it with\n  \
         docker exec -it -u {uid} -w /box {short} bash      (or another program of its image)\n\
         and remove it with\n  docker rm -f {short}\nA worker on this host removes it after its deadline."
    );
}
