//! From the configuration to the instance that a worker watches.

use std::time::Duration;

use crate::config::{Config, OnRebalance, Switch};
use crate::instance::Settings;

pub(super) fn settings(config: &Config) -> Settings {
    let instance = &config.instance;
    let seconds = Duration::from_secs;
    Settings {
        metadata: match instance.metadata {
            Switch::Auto => None,
            Switch::On => Some(true),
            Switch::Off => Some(false),
        },
        poll_interval: seconds(instance.poll_interval_s),
        interruption_margin: seconds(instance.interruption_margin_s),
        drain_on_rebalance: instance.on_rebalance == OnRebalance::Drain,
        grace_period: seconds(config.worker.grace_period_s),
        scale_in_grace: seconds(instance.scale_in_grace_s),
        group: instance.auto_scaling_group.clone(),
        hook: instance.lifecycle_hook.clone(),
        protection_interval: instance.scale_in_protection.then(|| seconds(instance.protection_interval_s)),
        unhealthy_after: (instance.unhealthy_after_s > 0).then(|| seconds(instance.unhealthy_after_s)),
    }
}
