//! Listings of a new state directory, and what is said of things that are not there.

use super::{Env, is_root};

#[test]
fn a_new_state_directory_is_empty() {
    if !is_root() {
        return;
    }
    let env = Env::new();
    assert_eq!(
        env.hako(&["ps", "-a"]).out,
        "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
    );
    assert_eq!(env.hako(&["images", "-q"]).out, "");
    assert_eq!(env.hako(&["volume", "ls", "--format", "{{.Name}}"]).out, "");
    let networks = env.hako(&["network", "ls", "--format", "{{.Name}} {{.Driver}}"]);
    assert_eq!(networks.out, "bridge bridge\nhost host\nnone null\n");
    assert_eq!(env.hako(&["system", "check"]).out, "sound\n");
}

#[test]
fn what_is_not_there_is_named_and_the_list_is_empty() {
    if !is_root() {
        return;
    }
    let env = Env::new();
    let told = env.hako(&["inspect", "nothing"]);
    assert_eq!((told.code, told.out.as_str()), (1, "[]\n"));
    assert_eq!(told.err, "error: No such object: nothing\n");
    assert_eq!(env.hako(&["rm", "nothing"]).err, "error: No such container: nothing\n");
    assert_eq!(env.hako(&["rmi", "nothing"]).err, "error: No such image: nothing:latest\n");
    let told = env.hako(&["ps", "--filter", "bogus=1"]);
    assert!(told.code == 1 && told.err.contains("invalid filter 'bogus'"), "{}", told.err);
}
