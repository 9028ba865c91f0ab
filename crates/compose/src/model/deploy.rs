//! How many containers a service has, with which limits, and how they are renewed.

use serde_json::{Number, Value};

use crate::model::{Extensions, Labels};

model! {
    /// What `deploy` says.
    Deploy {
        mode: String,
        replicas: Option<i64>,
        labels: Labels,
        update_config: Option<UpdateConfig>,
        rollback_config: Option<UpdateConfig>,
        resources: Resources,
        restart_policy: Option<RestartPolicy>,
        placement: Placement,
        endpoint_mode: String,
        #[serde(flatten)]
        extensions: Extensions,
    }

    /// How replicas are renewed.
    UpdateConfig {
        parallelism: Option<i64>,
        delay: String,
        failure_action: String,
        monitor: String,
        max_failure_ratio: Option<Number>,
        order: String,
    }

    /// Limits and reservations.
    Resources {
        limits: Option<Limits>,
        reservations: Option<Reservations>,
    }

    /// What a container may use at most; memory in bytes.
    Limits {
        cpus: Option<Number>,
        memory: String,
        pids: i64,
    }

    /// What a container is to have at least; memory in bytes.
    Reservations {
        cpus: Option<Number>,
        memory: String,
        generic_resources: Vec<Value>,
        devices: Vec<DeviceRequest>,
    }

    /// A request for devices; a count of -1 is all.
    DeviceRequest {
        capabilities: Vec<String>,
        driver: String,
        count: i64,
        device_ids: Vec<String>,
        options: Labels,
    }

    /// When a container that ended is started again.
    RestartPolicy {
        condition: String,
        delay: String,
        max_attempts: Option<i64>,
        window: String,
    }

    /// Where containers may run.
    Placement {
        constraints: Vec<String>,
        preferences: Vec<Preference>,
        max_replicas_per_node: i64,
    }

    /// What containers are spread over.
    Preference {
        spread: String,
    }
}
