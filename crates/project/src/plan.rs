//! Wanted − actual, as a value: what has to be done to each service's containers. Nothing is done here.

use std::collections::{BTreeMap, BTreeSet};

use hako_compose::model::Service;
use hako_engine::model::Status;

use crate::{Actual, Error, Wanted};

/// How to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// The services that are meant; the others stay as they are.
    pub services: BTreeSet<String>,
    /// How many containers a service is to have, other than its file says.
    pub scale: BTreeMap<String, u32>,
    /// The services whose containers are all made anew.
    pub forced: BTreeSet<String>,
    /// Make none anew.
    pub no_recreate: bool,
    /// The ids of the images that the services are to run now.
    pub images: BTreeMap<String, String>,
}

/// What happens to one container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// It stays as it is.
    Keep {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Whether it has to be started.
        start: bool,
    },
    /// It is made.
    Create {
        /// Which of the service's containers it is.
        number: u32,
        /// Its name.
        name: String,
    },
    /// It is replaced by a new one, which takes over its anonymous volumes.
    Recreate {
        /// The old one's id.
        id: String,
        /// The old one's name.
        old_name: String,
        /// Which of the service's containers it is.
        number: u32,
        /// The new one's name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// It is stopped and removed.
    Remove {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
}

/// What happens to a service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServicePlan {
    /// What happens to its containers, in order.
    pub changes: Vec<Change>,
    /// Whether those that stay are restarted, because a service that it needs was made anew.
    pub restart: bool,
}

/// What happens to a project.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// By service.
    pub services: BTreeMap<String, ServicePlan>,
    /// Containers of services that are not in the file: id and name.
    pub orphans: Vec<(String, String)>,
}

impl ServicePlan {
    /// Tells whether a container is made anew.
    #[must_use]
    pub fn recreates(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Recreate { .. }))
    }
}

/// Compares what is wanted with what is there. `known` are all services of the file, whether their profile is on or off.
///
/// # Errors
/// When a service with a fixed name is to have several containers.
pub fn plan(
    wanted: &Wanted,
    known: &BTreeSet<String>,
    actual: &[Actual],
    options: &PlanOptions,
) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    for name in by_need(wanted, &options.services) {
        let Some(service) = wanted.project.services.get(&name) else { continue };
        let scale = options.scale.get(&name).copied().unwrap_or_else(|| service.replicas());
        if scale > 1 && !service.container_name.is_empty() {
            return Err(Error::Invalid(format!(
                "the service `{name}` has the fixed container name `{}`, so there can be only one of it",
                service.container_name
            )));
        }
        let forced = options.forced.contains(&name) || shares_recreated(service, &plan);
        let restart = service.depends_on.iter().any(|(other, need)| {
            need.restart && plan.services.get(other).is_some_and(ServicePlan::recreates)
        });
        let of_service: Vec<&Actual> =
            actual.iter().filter(|actual| actual.service == name && !actual.oneoff).collect();
        let stale = |actual: &Actual| reason(wanted, &name, actual, options, forced);
        let changes = changes(wanted, &name, &of_service, scale, &stale);
        plan.services.insert(name, ServicePlan { changes, restart });
    }
    plan.orphans = actual
        .iter()
        .filter(|actual| !known.contains(&actual.service) && !actual.oneoff)
        .map(|actual| (actual.id.clone(), actual.name.clone()))
        .collect();
    Ok(plan)
}

/// Returns the services so that each comes after what it needs.
fn by_need(wanted: &Wanted, chosen: &BTreeSet<String>) -> Vec<String> {
    fn visit(wanted: &Wanted, name: &str, out: &mut Vec<String>, way: &mut BTreeSet<String>) {
        if out.iter().any(|seen| seen == name) || !way.insert(name.to_owned()) {
            return;
        }
        if let Some(service) = wanted.project.services.get(name) {
            service.depends_on.keys().for_each(|other| visit(wanted, other, out, way));
        }
        out.push(name.to_owned());
    }
    let mut out = Vec::new();
    let mut way = BTreeSet::new();
    chosen.iter().for_each(|name| visit(wanted, name, &mut out, &mut way));
    out.retain(|name| chosen.contains(name));
    out
}

/// Tells whether a service lives in the namespaces, or with the volumes, of one that is made anew.
fn shares_recreated(service: &Service, plan: &Plan) -> bool {
    let modes = [&service.network_mode, &service.ipc, &service.pid];
    let shared = modes.into_iter().filter_map(|mode| mode.strip_prefix("service:"));
    let from = service.volumes_from.iter().map(|from| from.split(':').next().unwrap_or(from));
    shared.chain(from).any(|other| plan.services.get(other).is_some_and(ServicePlan::recreates))
}

fn reason(
    wanted: &Wanted,
    service: &str,
    actual: &Actual,
    options: &PlanOptions,
    forced: bool,
) -> Option<&'static str> {
    if options.no_recreate {
        return None;
    }
    if forced {
        return Some("it was asked for");
    }
    if wanted.hashes.get(service).is_some_and(|hash| *hash != actual.hash) {
        return Some("its configuration changed");
    }
    if actual.name != wanted.container_name(service, actual.number) {
        return Some("it was left under another name");
    }
    if is_cut_off(wanted, service, actual) {
        return Some("a network of it is gone");
    }
    let image =
        options.images.get(service).filter(|image| !image.is_empty() && !actual.image.is_empty());
    image.is_some_and(|image| *image != actual.image).then_some("its image changed")
}

/// Tells whether a container is not part of a network that it should be part of, since somebody removed that.
fn is_cut_off(wanted: &Wanted, service: &str, actual: &Actual) -> bool {
    let (Some(networks), Some(service)) = (&actual.networks, wanted.project.services.get(service))
    else {
        return false;
    };
    let names = service
        .networks
        .keys()
        .filter_map(|key| wanted.project.networks.get(key))
        .map(|network| &network.name);
    service.network_mode.is_empty() && names.into_iter().any(|name| !networks.contains(name))
}

fn changes(
    wanted: &Wanted,
    service: &str,
    actual: &[&Actual],
    scale: u32,
    stale: &dyn Fn(&Actual) -> Option<&'static str>,
) -> Vec<Change> {
    let mut kept: Vec<&Actual> = actual.to_vec();
    kept.sort_by_key(|actual| {
        (actual.number, actual.name != wanted.container_name(service, actual.number))
    });
    // Whoever was interrupted while it put a new container in the place of an old one has left both.
    let mut left = Vec::new();
    kept.dedup_by(|later, first| {
        let twice = later.number == first.number;
        left.extend(twice.then_some(*later));
        twice
    });
    let surplus = kept.split_off(kept.len().min(scale as usize));
    let mut out: Vec<Change> = left
        .iter()
        .chain(surplus.iter().rev())
        .map(|actual| Change::Remove { id: actual.id.clone(), name: actual.name.clone() })
        .collect();
    for actual in &kept {
        out.push(match stale(actual) {
            Some(reason) => Change::Recreate {
                id: actual.id.clone(),
                old_name: actual.name.clone(),
                number: actual.number,
                name: wanted.container_name(service, actual.number),
                reason,
            },
            None => Change::Keep {
                id: actual.id.clone(),
                name: actual.name.clone(),
                start: !matches!(
                    actual.status,
                    Status::Running | Status::Paused | Status::Restarting
                ),
            },
        });
    }
    let taken: BTreeSet<u32> = kept.iter().map(|actual| actual.number).collect();
    let free = (1..).filter(|number| !taken.contains(number));
    let missing = (scale as usize).saturating_sub(kept.len());
    out.extend(
        free.take(missing)
            .map(|number| Change::Create { number, name: wanted.container_name(service, number) }),
    );
    out
}

#[cfg(test)]
mod tests {
    use hako_compose::model::{Dependency, Service};
    use hako_engine::container::{Container, Live, Record};
    use hako_types::{ContainerId, Moment};

    use super::*;

    fn wanted(services: &[(&str, Service)]) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.project.name = "p".into();
        for (name, service) in services {
            wanted.project.services.insert((*name).into(), service.clone());
            wanted.hashes.insert((*name).into(), "new".into());
        }
        wanted
    }

    fn there(service: &str, number: u32, hash: &str, status: Status) -> Actual {
        let id = ContainerId::random();
        let container = Container {
            id: id.clone(),
            name: format!("p-{service}-{number}"),
            created: Moment::NEVER,
            image: String::new(),
            record: Record::default(),
            live: Live::default(),
        };
        Actual {
            id: id.as_str().into(),
            name: container.name.clone(),
            service: service.into(),
            number,
            oneoff: false,
            hash: hash.into(),
            image: "sha256:old".into(),
            status,
            networks: None,
            container,
        }
    }

    fn show(wanted: &Wanted, actual: &[Actual], options: PlanOptions) -> String {
        let known: BTreeSet<String> = wanted.project.services.keys().cloned().collect();
        let options = PlanOptions { services: known.clone(), ..options };
        let plan = plan(wanted, &known, actual, &options).unwrap();
        let services = plan.services.into_values().flat_map(|service| service.changes);
        let words = services.map(|change| match change {
            Change::Keep { name, start: false, .. } => format!("keep {name}"),
            Change::Keep { name, .. } => format!("start {name}"),
            Change::Create { name, .. } => format!("create {name}"),
            Change::Recreate { name, .. } => format!("recreate {name}"),
            Change::Remove { name, .. } => format!("remove {name}"),
        });
        words
            .chain(plan.orphans.into_iter().map(|(_, name)| format!("orphan {name}")))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn scaled(count: i64) -> Service {
        Service { scale: Some(count), ..Service::default() }
    }

    #[test]
    fn what_is_missing_is_made_and_what_changed_is_made_anew() {
        let wanted = wanted(&[("web", scaled(3))]);
        let actual = [
            there("web", 1, "new", Status::Running),
            there("web", 3, "old", Status::Exited),
            there("gone", 1, "new", Status::Running),
        ];
        let plain = show(&wanted, &actual, PlanOptions::default());
        assert_eq!(plain, "keep p-web-1, recreate p-web-3, create p-web-2, orphan p-gone-1");
        let none =
            show(&wanted, &actual, PlanOptions { no_recreate: true, ..PlanOptions::default() });
        assert_eq!(none, "keep p-web-1, start p-web-3, create p-web-2, orphan p-gone-1");
        let images = BTreeMap::from([("web".to_owned(), "sha256:new".to_owned())]);
        let image = show(&wanted, &actual, PlanOptions { images, ..PlanOptions::default() });
        assert_eq!(image, "recreate p-web-1, recreate p-web-3, create p-web-2, orphan p-gone-1");
    }

    #[test]
    fn the_highest_numbers_go_first() {
        let actual: Vec<Actual> =
            (1..=3).map(|number| there("web", number, "new", Status::Running)).collect();
        assert_eq!(
            show(&wanted(&[("web", scaled(1))]), &actual, PlanOptions::default()),
            "remove p-web-3, remove p-web-2, keep p-web-1"
        );
    }

    #[test]
    fn who_lives_in_another_containers_namespace_moves_with_it() {
        let mut side = Service { network_mode: "service:main".into(), ..Service::default() };
        let need = Dependency {
            condition: hako_compose::model::Condition::Started,
            restart: true,
            required: true,
        };
        side.depends_on.insert("main".into(), need);
        let wanted = wanted(&[("main", Service::default()), ("side", side)]);
        let actual =
            [there("main", 1, "old", Status::Running), there("side", 1, "new", Status::Running)];
        assert_eq!(
            show(&wanted, &actual, PlanOptions::default()),
            "recreate p-main-1, recreate p-side-1"
        );
    }

    #[test]
    fn what_an_interrupted_replacement_left_goes() {
        let mut aside = there("web", 1, "old", Status::Exited);
        aside.name = "0123456789ab_p-web-1".into();
        let wanted = wanted(&[("web", scaled(1))]);
        let alone = show(&wanted, std::slice::from_ref(&aside), PlanOptions::default());
        assert_eq!(alone, "recreate p-web-1");
        let both = [aside, there("web", 1, "new", Status::Created)];
        let both = show(&wanted, &both, PlanOptions::default());
        assert_eq!(both, "remove 0123456789ab_p-web-1, start p-web-1");
    }

    #[test]
    fn a_fixed_name_is_for_one_only() {
        let fixed = Service { container_name: "own".into(), ..scaled(2) };
        let wanted = wanted(&[("web", fixed)]);
        let options =
            PlanOptions { services: BTreeSet::from(["web".to_owned()]), ..PlanOptions::default() };
        assert!(plan(&wanted, &options.services, &[], &options).is_err());
    }
}
