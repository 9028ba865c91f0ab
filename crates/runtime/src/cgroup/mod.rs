//! Control groups.

/// A control group.
#[derive(Debug)]
pub struct Cgroup {}
