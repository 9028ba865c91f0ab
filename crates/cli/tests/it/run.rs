//! Refusals of `run` that leave nothing behind.

use super::{Env, is_root};

#[test]
fn an_image_that_may_not_be_pulled_is_named() {
    if !is_root() {
        return;
    }
    let env = Env::new();
    let told = env.hako(&["run", "--rm", "--pull", "never", "nosuch", "true"]);
    assert_eq!(told.code, 125);
    assert!(told.err.contains("No such image: nosuch"), "{}", told.err);
    assert_eq!(env.hako(&["ps", "-aq"]).out, "");
}

#[test]
fn a_terminal_is_not_made_of_a_pipe() {
    let env = Env::new();
    let told = env.hako(&["run", "-it", "alpine"]);
    assert!(told.code != 0 && told.err.contains("the input device is not a TTY"), "{}", told.err);
}
