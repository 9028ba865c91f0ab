//! Commands that a service has run in its containers after they start and before they stop.

use hako_compose::model::Hook;
use hako_engine::Engine;
use hako_engine::attach::Frame;
use hako_engine::container::ExecSpec;

use crate::apply::Work;
use crate::{Error, Status};

/// Runs the hooks of `post_start`.
///
/// # Errors
/// When one cannot be run, or ends with another code than 0.
pub(super) fn after_start(
    work: &Work<'_>,
    engine: &Engine,
    service: &str,
    id: &str,
) -> Result<(), Error> {
    let Some(found) = work.wanted.project.services.get(service) else { return Ok(()) };
    for hook in &found.post_start {
        let code = run(engine, id, hook)?;
        if code != 0 {
            let command = hook.command.join(" ");
            return Err(Error::Waiting(format!(
                "the post_start hook `{command}` of `{service}` ended with code {code}"
            )));
        }
    }
    Ok(())
}

/// Runs the hooks of `pre_stop`; a failure is told and does not keep the container from stopping.
pub(super) fn before_stop(work: &Work<'_>, engine: &Engine, service: &str, id: &str) {
    let Some(found) = work.wanted.project.services.get(service) else { return };
    for hook in &found.pre_stop {
        let told = match run(engine, id, hook) {
            Ok(0) => continue,
            Ok(code) => {
                format!("the pre_stop hook `{}` ended with code {code}", hook.command.join(" "))
            }
            Err(error) => error.to_string(),
        };
        work.tell(&format!("Service {service}"), &told, Status::Warning);
    }
}

fn run(engine: &Engine, id: &str, hook: &Hook) -> Result<i32, Error> {
    let spec = ExecSpec {
        cmd: hook.command.clone(),
        env: hook
            .environment
            .iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)))
            .collect(),
        user: hook.user.clone(),
        working_dir: hook.working_dir.clone(),
        privileged: hook.privileged,
        ..ExecSpec::default()
    };
    let doing = || format!("cannot run the hook `{}`", hook.command.join(" "));
    let attachment = engine.containers().exec(id, &spec).map_err(Error::engine(doing()))?;
    loop {
        match attachment.next() {
            Ok(Some(Frame::Exit(code))) => return Ok(code),
            Ok(Some(Frame::Failed(_)) | None) => return Ok(126),
            Ok(Some(_)) => {}
            Err(source) => {
                return Err(Error::Io { doing: "hear the hook of", path: id.into(), source });
            }
        }
    }
}
