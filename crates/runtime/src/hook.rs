//! Runs hooks: a command that finds the container's state on its standard input.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};

use crate::spec::{Hook, State};

/// Runs one hook to its end; says in words what went wrong.
pub fn run(hook: &Hook, state: &State) -> Result<(), String> {
    let mut command = Command::new(&hook.path);
    if let Some((name, rest)) = hook.args.split_first() {
        command.arg0(name).args(rest);
    }
    let pairs = hook.env.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    command
        .env_clear()
        .envs(pairs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| source.to_string())?;
    let text = serde_json::to_vec(state).map_err(|source| source.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // A hook need not read its state.
        let _unread = input.write_all(&text);
    }
    if let Some(seconds) = hook.timeout.filter(|seconds| *seconds > 0) {
        limit(&mut child, Duration::from_secs(seconds))?;
    }
    let output = child.wait_with_output().map_err(|source| source.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { said };
    Err(format!("{}, output: {}", output.status, said.trim()))
}

/// Kills the hook if it takes longer.
fn limit(child: &mut Child, time: Duration) -> Result<(), String> {
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("it has no process number")?;
    let pidfd =
        rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| errno.to_string())?;
    let time_left =
        Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    let ended = rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&time_left));
    if ended.is_ok_and(|ended| ended > 0) {
        return Ok(());
    }
    let _gone = child.kill();
    let _reaped = child.wait();
    Err(format!("it took longer than {} seconds", time.as_secs()))
}
