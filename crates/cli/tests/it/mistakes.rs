//! Mistakes are told with the right exit code, the culprit's name and what may have been meant.

use super::Env;

#[test]
fn unknown_words_end_with_a_hint() {
    let env = Env::new();
    let told = env.hako(&["rnu"]);
    assert_eq!((told.code, told.out.as_str()), (1, ""));
    assert_eq!(told.err, "error: unknown command: hako rnu\nhint: did you mean `hako run`?\n");
    let told = env.hako(&["run", "--pubilsh", "80", "alpine"]);
    assert_eq!(told.code, 125);
    assert!(
        told.err.starts_with("error: unknown flag: --pubilsh\nhint: did you mean `--publish`?\n"),
        "{}",
        told.err
    );
    assert_eq!(env.hako(&["rm"]).code, 1);
    assert_eq!(env.hako(&["swarm", "init"]).code, 1);
}

#[test]
fn words_that_contradict_each_other_touch_nothing() {
    let env = Env::new();
    for words in [
        &["run", "--rm", "--restart", "always", "alpine"][..],
        &["run", "-w", "relative", "alpine"],
        &["run", "-v", "/tmp:/", "alpine"],
        &["run", "-m", "nonsense", "alpine"],
    ] {
        assert_eq!(env.hako(words).code, 125, "{words:?}");
    }
    assert!(!env.directory().join("root").exists());
}

#[test]
fn the_help_of_every_command_is_there() {
    let env = Env::new();
    let overview = env.hako(&["--help"]);
    let commands = overview
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once("  ").map(|(name, _)| name));
    let mut count = 0;
    for name in commands.filter(|name| !name.is_empty() && !name.starts_with([' ', '-'])) {
        if matches!(name, "oci" | "compose" | "builder" | "build") {
            continue;
        }
        let told = env.hako(&[name, "--help"]);
        assert_eq!(told.code, 0, "{name}: {}", told.err);
        assert!(told.out.starts_with(&format!("Usage:  hako {name}")), "{name}: {}", told.out);
        count += 1;
    }
    assert!(count > 40, "{count}");
}
