//! The state directory as a whole: what it takes up, and whether it is sound.

use std::collections::HashSet;

use hako_store::Lock;

use crate::model::Status;
use crate::{Engine, Error, network};

/// An engine's state directory.
#[derive(Clone, Copy, Debug)]
pub struct System<'a>(&'a Engine);

/// What [`System::check`] found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is not as it should be, a sentence each.
    pub problems: Vec<String>,
    /// What was mended, a sentence each.
    pub repaired: Vec<String>,
}

impl Report {
    /// Tells whether all is well.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl<'a> System<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self(engine)
    }

    /// Looks for what killed processes left behind: containers that are said to run, directories and control groups without a
    /// container, leases, published ports, half-made layers, debris. With `repair` it is mended.
    ///
    /// # Errors
    /// When the state cannot be read, or something found cannot be mended.
    pub fn check(self, repair: bool) -> Result<Report, Error> {
        let mut report = Report::default();
        self.check_containers(repair, &mut report)?;
        self.check_directories(repair, &mut report)?;
        self.check_cgroups(repair, &mut report)?;
        self.check_leases(repair, &mut report)?;
        self.check_volumes(repair, &mut report)?;
        self.check_layers(repair, &mut report)?;
        Ok(report)
    }

    /// Removes the layers that neither an image nor the build cache needs any more; returns the bytes that are free now.
    ///
    /// # Errors
    /// When the database fails, or a layer cannot be removed.
    pub fn free_layers(self) -> Result<u64, Error> {
        let failed = || "cannot remove unused layers".to_owned();
        let mut statement = self
            .0
            .database()
            .connection()
            .prepare_cached("SELECT diff_id FROM build_layer WHERE diff_id IS NOT NULL")?;
        let rows: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let held = rows.iter().filter_map(|text| text.parse().ok()).collect();
        let freed = self.0.images()?.free_layers(&held).map_err(Error::below(failed()))?;
        Ok(freed.bytes)
    }

    fn note(report: &mut Report, repair: bool, text: String) {
        if repair { &mut report.repaired } else { &mut report.problems }.push(text);
    }

    fn check_containers(self, repair: bool, report: &mut Report) -> Result<(), Error> {
        let containers = self.0.containers();
        for (id, status) in self.rows()? {
            if !matches!(
                status,
                Status::Running | Status::Paused | Status::Restarting | Status::Removing
            ) {
                continue;
            }
            let path = containers.lock_path(&id);
            if Lock::is_held(&path).map_err(Error::io("lock", &path))? {
                continue;
            }
            let word = status.as_str();
            Self::note(
                report,
                repair,
                format!("container {} is said to be {word} and has no monitor", id.short()),
            );
            if repair {
                containers.recover(&id)?;
            }
        }
        Ok(())
    }

    fn rows(self) -> Result<Vec<(hako_types::ContainerId, Status)>, Error> {
        let mut statement =
            self.0.database().connection().prepare("SELECT id, status FROM container")?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(rows
            .iter()
            .filter_map(|(id, status)| Some((id.parse().ok()?, status.parse().ok()?)))
            .collect())
    }

    /// A directory without a row is what a creation or a removal left; one whose lock is held is being made just now.
    fn check_directories(self, repair: bool, report: &mut Report) -> Result<(), Error> {
        let root = self.0.paths().containers();
        let known: HashSet<String> =
            self.rows()?.into_iter().map(|(id, _)| id.as_str().to_owned()).collect();
        for entry in
            std::fs::read_dir(&root).map_err(Error::io("read", &root))?.filter_map(Result::ok)
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let is_held = Lock::is_held(&path.join("lock")).unwrap_or(false);
            if known.contains(&name) || is_held {
                continue;
            }
            Self::note(report, repair, format!("`{}` belongs to no container", path.display()));
            if repair {
                std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn check_cgroups(self, repair: bool, report: &mut Report) -> Result<(), Error> {
        let host = crate::monitor::cgroup_host()?;
        let parent = format!("/{}", network::own_name(self.0, "hako", "hako-"));
        let live: HashSet<String> = self
            .rows()?
            .into_iter()
            .filter(|(id, _)| Lock::is_held(&self.0.containers().lock_path(id)).unwrap_or(false))
            .map(|(id, _)| id.as_str().to_owned())
            .collect();
        let failed = || "cannot look at the control groups".to_owned();
        let cgroup = match hako_runtime::cgroup::Cgroup::open(&host, &parent) {
            Ok(cgroup) => cgroup,
            Err(error) if hako_types::Fault::kind(&error) == hako_types::Kind::NotFound => {
                return Ok(());
            }
            Err(error) => return Err(Error::below(failed())(error)),
        };
        let mut names = HashSet::new();
        for directory in cgroup.directories() {
            let entries =
                std::fs::read_dir(directory.path).into_iter().flatten().filter_map(Result::ok);
            names.extend(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        for name in names {
            if live.contains(&name) || name.parse::<hako_types::ContainerId>().is_err() {
                continue;
            }
            Self::note(
                report,
                repair,
                format!("the control group `{parent}/{name}` belongs to no running container"),
            );
            if repair {
                crate::monitor::free_cgroup(&host, &format!("{parent}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Leases and ports of containers that do not run.
    fn check_leases(self, repair: bool, report: &mut Report) -> Result<(), Error> {
        let sql = "SELECT container, 'an address' FROM endpoint WHERE mac IS NOT NULL \
                   UNION SELECT container, 'a port' FROM port";
        let mut statement = self.0.database().connection().prepare(sql)?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        for (container, what) in rows {
            let Ok(id) = container.parse::<hako_types::ContainerId>() else { continue };
            if Lock::is_held(&self.0.containers().lock_path(&id)).unwrap_or(false) {
                continue;
            }
            Self::note(
                report,
                repair,
                format!("container {} does not run and has {what}", id.short()),
            );
            if repair {
                match self.0.containers().load_as_written(&id)? {
                    Some(container) => crate::monitor::release(self.0, &container)?,
                    None => self.0.containers().forget(&id)?,
                }
            }
        }
        Ok(())
    }

    fn check_volumes(self, repair: bool, report: &mut Report) -> Result<(), Error> {
        let root = self.0.paths().volumes();
        for entry in
            std::fs::read_dir(&root).map_err(Error::io("read", &root))?.filter_map(Result::ok)
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if self.0.volumes().get(&name)?.is_some() {
                continue;
            }
            Self::note(
                report,
                repair,
                format!("`{}` belongs to no volume", entry.path().display()),
            );
            if repair {
                std::fs::remove_dir_all(entry.path())
                    .map_err(Error::io("remove", &entry.path()))?;
            }
        }
        let sql = "SELECT DISTINCT container FROM volume_use WHERE container NOT IN (SELECT id FROM container)";
        let mut statement = self.0.database().connection().prepare(sql)?;
        let rows: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for container in rows.iter().filter_map(|text| text.parse::<hako_types::ContainerId>().ok())
        {
            Self::note(
                report,
                repair,
                format!("the missing container {} uses volumes", container.short()),
            );
            if repair {
                self.0.containers().forget(&container)?;
            }
        }
        Ok(())
    }

    fn check_layers(self, repair: bool, report: &mut Report) -> Result<(), Error> {
        let images = self.0.images()?;
        let failed = || "cannot check the layers".to_owned();
        if repair {
            let swept = images.layers().sweep().map_err(Error::below(failed()))?;
            if swept > 0 {
                report.repaired.push(format!("{swept} half-made layers or files were removed"));
            }
        } else {
            let tmp = self.0.paths().tmp();
            for entry in
                std::fs::read_dir(&tmp).map_err(Error::io("read", &tmp))?.filter_map(Result::ok)
            {
                if !Lock::is_held(&entry.path()).unwrap_or(true) {
                    report.problems.push(format!("`{}` is half made", entry.path().display()));
                }
            }
        }
        for image in images.list().map_err(Error::below(failed()))? {
            for layer in image.diff_ids() {
                if !images.layers().has(layer) {
                    report.problems.push(format!(
                        "image {} lacks the layer {}",
                        image.id.short(),
                        layer.short()
                    ));
                }
            }
        }
        Ok(())
    }
}
