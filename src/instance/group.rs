//! The Auto Scaling group that the instance belongs to. The only place that names its SDK.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_autoscaling::types::LifecycleHook;

use super::Settings;
use super::metadata::Identity;
use crate::aws::Refusal;

/// One attempt, and a call with the SDK's own retries.
const ATTEMPT: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(12);

/// The lifecycle hooks that hold an instance before its end.
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";

/// What Auto Scaling would not do for us.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}: {reason}")]
pub(super) struct GroupError {
    operation: &'static str,
    reason: String,
    /// The service's word for it; `None` when it didn't answer.
    pub(super) code: Option<String>,
}

/// An instance in its group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    client: Client,
    name: String,
    instance: String,
    /// Whether it was protected from scale-in when we asked; `None` when we had no need to ask.
    pub(super) is_protected: Option<bool>,
}

/// The hook to complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) name: String,
    /// How long the group waits without a heartbeat; `None` when it would not say.
    pub(super) timeout: Option<Duration>,
}

impl Group {
    /// The group of an instance: the configured one, or what Auto Scaling says. `None` for an instance without one.
    ///
    /// # Errors
    /// When Auto Scaling can't be asked.
    pub(super) async fn of(identity: &Identity, settings: &Settings) -> Result<Option<Group>, GroupError> {
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build();
        // The instance's own region: the queues may be in another one.
        let region = aws_config::Region::new(identity.region.clone());
        let config =
            aws_config::defaults(BehaviorVersion::latest()).region(region).timeout_config(timeouts).load().await;
        let client = Client::new(&config);
        let instance = identity.id.clone();
        if let Some(name) = settings.group.clone() {
            return Ok(Some(Group { client, name, instance, is_protected: None }));
        }
        let answer = client
            .describe_auto_scaling_instances()
            .instance_ids(&instance)
            .send()
            .await
            .map_err(|error| failed("find the instance's Auto Scaling group", &error))?;
        let found = answer.auto_scaling_instances.unwrap_or_default().into_iter().next();
        Ok(found.and_then(|found| {
            let is_protected = found.protected_from_scale_in;
            Some(Group { client, name: found.auto_scaling_group_name?, instance, is_protected })
        }))
    }

    /// The hook that holds the instance before its end: `wanted`, or the group's only one. Without either it is `None`.
    ///
    /// # Errors
    /// When the group's hooks can't be asked for.
    pub(super) async fn hook(&self, wanted: Option<&str>) -> Result<Option<Hook>, GroupError> {
        let answer = self
            .client
            .describe_lifecycle_hooks()
            .auto_scaling_group_name(&self.name)
            .send()
            .await
            .map_err(|error| failed("read the group's lifecycle hooks", &error))?;
        let hooks = answer.lifecycle_hooks.unwrap_or_default();
        let hook = choose(&hooks, wanted);
        if hook.is_none() && hooks.iter().filter(|hook| is_terminating(hook)).count() > 1 {
            tracing::warn!(
                group = self.name,
                "the group has several hooks before termination and none is completed; name the worker's in instance.lifecycle_hook"
            );
        }
        Ok(hook)
    }

    /// Puts off the end of the hook's time.
    ///
    /// # Errors
    /// When Auto Scaling refuses or can't be asked.
    pub(super) async fn heartbeat(&self, hook: &Hook) -> Result<(), GroupError> {
        self.client
            .record_lifecycle_action_heartbeat()
            .auto_scaling_group_name(&self.name)
            .lifecycle_hook_name(&hook.name)
            .instance_id(&self.instance)
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("put off the end of the lifecycle action", &error))
    }

    /// Lets the group go on with the termination.
    ///
    /// # Errors
    /// When Auto Scaling refuses or can't be asked.
    pub(super) async fn complete(&self, hook: &Hook) -> Result<(), GroupError> {
        self.client
            .complete_lifecycle_action()
            .auto_scaling_group_name(&self.name)
            .lifecycle_hook_name(&hook.name)
            .instance_id(&self.instance)
            .lifecycle_action_result("CONTINUE")
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("complete the lifecycle action", &error))
    }

    /// Says whether the group may choose this instance when it scales in.
    ///
    /// # Errors
    /// When Auto Scaling refuses or can't be asked.
    pub(super) async fn protect(&self, protected: bool) -> Result<(), GroupError> {
        self.client
            .set_instance_protection()
            .auto_scaling_group_name(&self.name)
            .instance_ids(&self.instance)
            .protected_from_scale_in(protected)
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("change the protection from scale-in", &error))
    }
    /// Says that the instance is unhealthy, so that the group replaces it.
    ///
    /// # Errors
    /// When Auto Scaling refuses or can't be asked.
    pub(super) async fn is_unhealthy(&self) -> Result<(), GroupError> {
        self.client
            .set_instance_health()
            .instance_id(&self.instance)
            .health_status("Unhealthy")
            .should_respect_grace_period(true)
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("say that the instance is unhealthy", &error))
    }
}

fn is_terminating(hook: &LifecycleHook) -> bool {
    hook.lifecycle_transition() == Some(TERMINATING)
}

fn choose(hooks: &[LifecycleHook], wanted: Option<&str>) -> Option<Hook> {
    let mut hooks = hooks.iter().filter(|hook| is_terminating(hook));
    let hook = match wanted {
        Some(name) => {
            let known = hooks.find(|hook| hook.lifecycle_hook_name() == Some(name));
            return Some(Hook { name: name.to_owned(), timeout: known.and_then(timeout) });
        }
        None => hooks.next()?,
    };
    let is_only = hooks.next().is_none();
    is_only.then_some(Hook { name: hook.lifecycle_hook_name()?.to_owned(), timeout: timeout(hook) })
}

fn timeout(hook: &LifecycleHook) -> Option<Duration> {
    hook.heartbeat_timeout().and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

fn failed<E>(operation: &'static str, error: &SdkError<E>) -> GroupError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Refusal { reason, code } = Refusal::of(error);
    GroupError { operation, reason, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(name: &str, transition: &str) -> LifecycleHook {
        LifecycleHook::builder()
            .lifecycle_hook_name(name)
            .lifecycle_transition(transition)
            .heartbeat_timeout(90)
            .build()
    }

    #[test]
    fn the_only_hook_before_termination_is_taken_and_of_several_the_one_that_is_named() {
        let launch = hook("launch", "autoscaling:EC2_INSTANCE_LAUNCHING");
        let (drain, logs) = (hook("drain", TERMINATING), hook("logs", TERMINATING));
        let chosen = |hooks: &[LifecycleHook], wanted| choose(hooks, wanted).map(|hook| (hook.name, hook.timeout));
        let timeout = Some(Duration::from_secs(90));
        assert_eq!(chosen(&[], None), None);
        assert_eq!(chosen(std::slice::from_ref(&launch), None), None);
        assert_eq!(chosen(&[launch.clone(), drain.clone()], None), Some(("drain".to_owned(), timeout)));
        assert_eq!(chosen(&[logs.clone(), drain.clone()], None), None, "either might be somebody else's");
        assert_eq!(chosen(&[logs, drain], Some("drain")), Some(("drain".to_owned(), timeout)));
        assert_eq!(chosen(&[launch], Some("drain")), Some(("drain".to_owned(), None)), "the operator knows better");
    }
}
