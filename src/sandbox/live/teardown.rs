//! The end of a sandbox: its slot is free again when the engine has said that the container is gone.

use std::time::Duration;

use super::Sandbox;
use crate::sandbox::slots::Slot;

/// How long a container that was told to end may take before it is removed by force.
const GOODBYE: Duration = Duration::from_secs(5);

impl Sandbox {
    /// Ends the sandbox. Returns at once; the slot is free when the engine says that the container is gone.
    pub fn destroy(mut self) {
        self.tear_down();
    }

    fn tear_down(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        if self.shared.settings.keep && self.conversation.is_some() {
            tell_kept(&self.id, slot.uid);
            // Our end of the connection closes; the agent goes on waiting for a step.
            return;
        }
        let shared = self.shared.clone();
        let id = std::mem::take(&mut self.id);
        let conversation = self.conversation.take();
        self.shared.teardowns.spawn(async move {
            let politely = conversation.is_some();
            if let Some(conversation) = conversation {
                conversation.hang_up().await;
            }
            let gone = politely && shared.fates.of(&id, GOODBYE).await.is_some();
            // The engine removes what has ended by itself; this is for what hasn't.
            if !gone && let Err(error) = shared.engine.remove(&id).await {
                tracing::warn!(container.id = id, %error, "a container could not be removed");
            }
            shared.fates.forget(&id);
            drop(slot);
        });
    }

    /// Removes a container in which nothing has run, and gives its slot back for another try.
    pub(super) async fn remove_now(mut self) -> Slot {
        if let Err(error) = self.shared.engine.remove(&self.id).await {
            tracing::warn!(container.id = self.id, %error, "a container could not be removed");
        }
        self.shared.fates.forget(&self.id);
        self.slot.take().expect("a sandbox has its slot until it is torn down")
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
