//! The rows of `[instance]`.

use std::borrow::Cow;

use super::super::rules::NAME;
use super::super::setting::{Access, Fallback, Setting};
use crate::strict_toml::{Field, Kind, Value};

pub(super) fn rows() -> [Setting; 10] {
    [
        setting!(
            instance.metadata,
            Kind::Choice(&["auto", "on", "off"]),
            Fallback::Value(Value::Text("auto".to_owned())),
            "Whether the instance metadata service is asked for announcements of the instance's end. `auto` asks where the \
             kernel says that the machine is of EC2, or where `AWS_EC2_METADATA_SERVICE_ENDPOINT` names a service, unless \
             `AWS_EC2_METADATA_DISABLED` is `true`. No request is needed to find that out, so nothing waits on machines \
             without the service. `on` asks in any case."
        ),
        setting!(
            instance.poll_interval_s,
            Kind::Integer { least: 1, most: 60 },
            Fallback::Value(Value::Integer(5)),
            "How many seconds lie between two looks at the metadata. Five are what AWS recommends for Spot: little of the \
             two minutes is lost, and three requests to a service of the same machine cost nothing."
        ),
        setting!(
            instance.interruption_margin_s,
            Kind::Integer { least: 0, most: 110 },
            Fallback::Value(Value::Integer(15)),
            "How many seconds before the time of a Spot interruption notice jobs must be done. They are for publishing, for \
             giving messages back, and for removing containers. A job whose longest time doesn't fit before that is given \
             back as soon as the notice is seen."
        ),
        setting!(
            instance.on_rebalance,
            Kind::Choice(&["ignore", "drain"]),
            Fallback::Value(Value::Text("ignore".to_owned())),
            "What a rebalance recommendation (a raised risk of interruption) does. `drain` stops intake, gives running jobs \
             `worker.grace_period_s`, and ends the worker. By default it is only logged, because an idle instance is of no \
             use to anybody until somebody replaces it; where Auto Scaling does (Capacity Rebalancing), it ends this one by \
             itself once the new one is there, and the worker drains then."
        ),
        setting!(
            instance.scale_in_grace_s,
            Kind::Integer { least: 0, most: 172_800 },
            Fallback::Value(Value::Integer(3_600)),
            "How many seconds running jobs may go on once Auto Scaling has begun to end the instance. Nothing presses while \
             a lifecycle hook holds it, and the heartbeats of the worker keep the hook waiting, so by default every job may \
             finish. The hook's own end (48 hours, or a hundred times its timeout) comes first if it is sooner."
        ),
        setting!(
            instance.auto_scaling_group,
            Kind::Text(NAME),
            Fallback::Words("what `autoscaling:DescribeAutoScalingInstances` says"),
            "The Auto Scaling group of the instance. Set, it saves a permission and a call."
        ),
        setting!(
            instance.lifecycle_hook,
            Kind::Text(NAME),
            Fallback::Words("the group's hook before termination, if it has exactly one"),
            "The lifecycle hook that the worker keeps waiting and completes. To be set where the group has several hooks \
             before termination: completing somebody else's would cut their work short."
        ),
        setting!(
            instance.scale_in_protection,
            Kind::Bool,
            Fallback::Value(Value::Bool(false)),
            "Whether the instance is protected from scale-in while the worker has jobs. Auto Scaling then chooses idle ones. \
             It doesn't hold off Spot interruptions, health checks or people. Off by default, since it needs a permission, \
             and a group of which every instance is busy can't be scaled in at all."
        ),
        setting!(
            instance.protection_interval_s,
            Kind::Integer { least: 1, most: 3_600 },
            Fallback::Value(Value::Integer(60)),
            "How many seconds a worker must be without jobs before the protection is taken away, and the least time between \
             two changes of it. Each is a call that Auto Scaling counts for the whole account."
        ),
        setting!(
            instance.unhealthy_after_s,
            Kind::Integer { least: 0, most: 86_400 },
            Fallback::Value(Value::Integer(600)),
            "After how many seconds without a working engine, an image that was there before, or room on the engine's disk the \
             worker tells Auto Scaling that its instance is unhealthy, once, so that it is replaced. 0: never. Never for what all \
             workers share (queues, S3), since another instance would be no better off. Ten minutes are longer than an engine's \
             restart or upgrade takes. Without the permission `autoscaling:SetInstanceHealth` nothing happens but a line in the \
             log. Should be above the group's health check grace period."
        ),
    ]
}
