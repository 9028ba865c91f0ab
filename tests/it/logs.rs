//! What a container wrote can be read later, whole or in part.

use hako_testkit::env::Env;

#[test]
fn streams_stay_apart_and_the_tail_is_counted_in_lines() {
    let Some(env) = Env::new() else { return };
    let script = "for i in 1 2 3; do echo out$i; done; echo err >&2";
    let _out = env.hako(&["run", "--name", "one", "box", "sh", "-c", script]).ok();
    let logs = env.hako(&["logs", "one"]);
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("out1\nout2\nout3\n", "err\n"));
    let tail = env.hako(&["logs", "--tail", "2", "one"]);
    assert_eq!(tail.stdout.lines().count() + tail.stderr.lines().count(), 2);
    let stamped = env.hako(&["logs", "-t", "one"]).stdout;
    assert!(stamped.lines().all(|line| line.contains("Z out")), "{stamped}");
}

#[test]
fn followed_logs_end_with_the_container() {
    let Some(env) = Env::new() else { return };
    let _id = env
        .hako(&["run", "-d", "--name", "one", "box", "sh", "-c", "echo a; sleep 1; echo b"])
        .ok();
    assert_eq!(env.hako(&["logs", "-f", "one"]).ok(), "a\nb");
}
