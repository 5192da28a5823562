//! The values that labels can have, as types, so that a call site can't invent one.

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$about])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// Why a delivery ended without an answer.
    GivenBack {
        /// Our own failure hit it.
        Failed = "failed",
        /// The worker stops, and the job was not yet done or not even begun.
        Stopping = "stopping",
        /// It came when the worker had just stopped taking in messages, because its host fails.
        Paused = "paused",
        /// The message may be with another worker.
        LeaseLost = "lease_lost",
    }
}

words! {
    /// A part of a job's time.
    Stage {
        Queue = "queue",
        Prepare = "prepare",
        Compile = "compile",
        Run = "run",
    }
}

words! {
    /// A request to a queue.
    QueueRequest {
        Receive = "receive",
        Send = "send",
        Delete = "delete",
        Extend = "extend",
        /// Making one message visible again, now or after a delay.
        Release = "release",
    }
}
