//! A Dockerfile becomes an image, and what did not change is not done again.

use hako_testkit::env::Env;

const TWO_STAGES: &str = r#"FROM box AS builder
WORKDIR /src
COPY . .
RUN tr a-z A-Z < text > loud && echo bu""ilt
FROM box
WORKDIR /app
COPY --from=builder --chown=nobody /src/loud .
ENV NAME=value
USER nobody
CMD ["cat", "/app/loud"]
"#;

#[test]
fn two_stages_make_an_image_that_runs() {
    let Some(env) = Env::new() else { return };
    let _path = env.write("ctx/Dockerfile", TWO_STAGES);
    let _path = env.write("ctx/text", "hello\n");
    let context = env.path("ctx");
    let context = context.to_str().unwrap();
    let first = env.hako(&["build", "--progress", "plain", "-t", "made", context]);
    assert!(first.code == 0 && first.stderr.contains("built"), "{first:?}");
    assert_eq!(env.hako(&["run", "--rm", "made"]).ok(), "HELLO");
    let id =
        || env.hako(&["image", "inspect", "--format", "{{.Id}} {{.Config.User}}", "made"]).ok();
    let before = id();

    let second = env.hako(&["build", "--progress", "plain", "-t", "made", context]);
    assert!(
        second.code == 0 && second.stderr.contains("CACHED") && !second.stderr.contains("built"),
        "{second:?}"
    );
    assert_eq!(id(), before, "a build of the same is the same image");

    let _path = env.write("ctx/text", "changed\n");
    let _none = env.hako(&["build", "-q", "-t", "made", context]).ok();
    assert_eq!(env.hako(&["run", "--rm", "made"]).ok(), "CHANGED");
}

#[test]
fn a_failing_step_names_itself_and_leaves_nothing() {
    let Some(env) = Env::new() else { return };
    let _path = env.write("ctx/Dockerfile", "FROM box\nRUN echo before && exit 3\n");
    let failed = env.hako(&["build", "-t", "made", env.path("ctx").to_str().unwrap()]);
    assert!(
        failed.code != 0
            && failed.stderr.contains("exit 3")
            && failed.stderr.contains("Dockerfile:2"),
        "{failed:?}"
    );
    assert_eq!(env.hako(&["image", "inspect", "made"]).code, 1);
    assert_eq!(env.hako(&["system", "check"]).code, 0);
}

#[test]
fn what_dockerignore_names_stays_behind() {
    let Some(env) = Env::new() else { return };
    let _path = env.write("ctx/Dockerfile", "FROM box\nCOPY . /all\n");
    let _path = env.write("ctx/.dockerignore", "*.log\n!keep.log\n");
    for name in ["a.log", "keep.log", "text"] {
        let _path = env.write(&format!("ctx/{name}"), name);
    }
    let _id = env.hako(&["build", "-q", "-t", "made", env.path("ctx").to_str().unwrap()]).ok();
    let listed = env.hako(&["run", "--rm", "made", "ls", "/all"]).ok();
    assert_eq!(listed, "Dockerfile\nkeep.log\ntext");
}
