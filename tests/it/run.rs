//! A container's command runs, and how it ends is how `hako run` ends.

use hako_testkit::env::Env;

#[test]
fn output_goes_to_the_stream_it_was_written_to() {
    let Some(env) = Env::new() else { return };
    let ended = env.hako(&["run", "--rm", "box", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "out\n", "err\n"));
}

#[test]
fn the_command_s_exit_code_is_hako_s() {
    let Some(env) = Env::new() else { return };
    assert_eq!(env.hako(&["run", "--rm", "box", "sh", "-c", "exit 42"]).code, 42);
    assert_eq!(env.hako(&["run", "--rm", "box", "/nothing"]).code, 127);
    assert_eq!(env.hako(&["run", "--rm", "box", "/etc"]).code, 126);
    assert_eq!(env.hako(&["run", "--no-such-flag", "box"]).code, 125);
    assert_eq!(env.hako(&["ps", "-aq"]).ok(), "", "--rm leaves nothing, whatever the end");
}

#[test]
fn standard_input_arrives_with_i() {
    let Some(env) = Env::new() else { return };
    assert_eq!(env.hako_fed(&["run", "--rm", "-i", "box", "wc", "-c"], "12345").ok(), "5");
}

#[test]
fn the_environment_user_directory_and_hostname_are_as_asked() {
    let Some(env) = Env::new() else { return };
    let script = "echo $A $(id -u) $(pwd) $(hostname)";
    let words = [
        "run", "--rm", "-e", "A=b", "-u", "nobody", "-w", "/tmp", "-h", "inside", "box", "sh",
        "-c", script,
    ];
    assert_eq!(env.hako(&words).ok(), "b 65534 /tmp inside");
}

#[test]
fn a_terminal_is_one() {
    let Some(env) = Env::new() else { return };
    let ended = env.hako(&["run", "--rm", "-t", "box", "sh", "-c", "tty"]);
    assert_eq!(ended.ok(), "/dev/pts/0");
}

#[test]
fn a_container_sees_itself_only() {
    let Some(env) = Env::new() else { return };
    let pids =
        env.hako(&["run", "--rm", "box", "sh", "-c", "echo $$; ls -d /proc/[0-9]* | wc -l"]).ok();
    assert!(pids.starts_with("1\n"), "{pids}");
}

#[test]
fn a_limit_on_memory_is_kept() {
    let Some(env) = Env::new() else { return };
    let words = [
        "run",
        "--name",
        "eater",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        "box",
        "sh",
        "-c",
        "tail /dev/zero",
    ];
    assert_eq!(env.hako(&words).code, 137);
    assert_eq!(env.inspect("{{.State.OOMKilled}}", "eater"), "true");
}

#[test]
fn a_detached_container_is_stopped_started_and_removed() {
    let Some(env) = Env::new() else { return };
    let id = env
        .hako(&["run", "-d", "--name", "one", "--stop-timeout", "1", "box", "sleep", "1000"])
        .ok();
    assert_eq!(id.len(), 64);
    assert_eq!(env.inspect("{{.State.Status}}", "one"), "running");
    let _name = env.hako(&["stop", "one"]).ok();
    assert_eq!(env.inspect("{{.State.Status}} {{.State.ExitCode}}", "one"), "exited 137");
    let _name = env.hako(&["start", "one"]).ok();
    assert_eq!(env.hako(&["ps", "-q", "--no-trunc"]).ok(), id);
    assert_eq!(env.hako(&["rm", "one"]).code, 1, "a running container is not removed without -f");
    let _name = env.hako(&["rm", "-f", "one"]).ok();
    assert_eq!(env.hako(&["ps", "-aq"]).ok(), "");
    assert_eq!(env.hako(&["system", "check"]).code, 0);
}
