//! What hako is doing when it is killed.

use hako_testkit::env::Env;
use hako_testkit::registry::Registry;

/// One command, and for how long it may work before it is killed.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    words: Vec<String>,
    /// A container that must be there, and whether it must run.
    needs: Option<bool>,
    /// An image that must not be there.
    absent: Option<String>,
    /// The kill comes at a random moment within so many microseconds.
    pub(crate) micros: u64,
}

impl Deed {
    fn new(micros: u64, needs: Option<bool>, words: &[&str]) -> Self {
        Self {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            needs,
            absent: None,
            micros,
        }
    }

    /// Returns the words after `hako`.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// Makes what the command needs.
    pub(crate) fn prepare(&self, env: &Env) {
        if let Some(image) = &self.absent {
            let _was_there = env.hako(&["rmi", "-f", image, "made"]);
        }
        let Some(running) = self.needs else { return };
        let state = env.hako(&["inspect", "--format", "{{.State.Running}}", "one"]).stdout;
        if state.is_empty() {
            let created = env.hako(&[
                "create",
                "--name",
                "one",
                "-p",
                "127.0.0.1::80",
                "-v",
                "data:/data",
                "box",
                "sleep",
                "1000",
            ]);
            assert_eq!(created.code, 0, "{created:?}");
        }
        if running && state.trim() != "true" {
            let started = env.hako(&["start", "one"]);
            assert_eq!(started.code, 0, "{started:?}");
        }
        if !running && state.trim() == "true" {
            let stopped = env.hako(&["kill", "one"]);
            assert_eq!(stopped.code, 0, "{stopped:?}");
        }
    }

    /// Returns the build of an image on `box`, from a context that is made here.
    pub(crate) fn build(env: &Env) -> Self {
        let context =
            env.write("ctx/Dockerfile", DOCKERFILE).parent().unwrap().display().to_string();
        Self::new(150_000, None, &["build", "--no-cache", "-q", "-t", "made", &context])
    }

    /// Returns the pull of an image that is built and pushed here.
    fn pull(env: &Env, registry: &Registry) -> Self {
        let image = format!("{}/made:latest", registry.host());
        for words in
            [&Self::build(env).words()[..], &["tag", "made", &image], &["push", "-q", &image]]
        {
            let _out = env.hako(words).ok();
        }
        Self { absent: Some(image.clone()), ..Self::new(150_000, None, &["pull", "-q", &image]) }
    }
}

/// Two stages, so that layers are made, copied from and thrown away.
const DOCKERFILE: &str = "FROM box AS a
RUN --network=none dd if=/dev/zero of=/big bs=1M count=8
FROM box
COPY --from=a /big /big
RUN echo x > /x
";

const COMPOSE: &str = "services:
  a: { image: box, command: sleep 1000, volumes: ['data:/data'] }
  b: { image: box, command: sleep 1000, depends_on: [a], ports: ['127.0.0.1::80'] }
volumes: { data: {} }
";

/// Returns all of them. The longest are those that do most.
pub(crate) fn all(env: &Env, registry: &Registry) -> Vec<Deed> {
    let project = env.write("project/compose.yml", COMPOSE).display().to_string();
    vec![
        Deed::new(60_000, None, &["run", "--rm", "box", "true"]),
        Deed::new(
            60_000,
            None,
            &["run", "-d", "-p", "127.0.0.1::80", "-v", "/anonymous", "box", "sleep", "1000"],
        ),
        Deed::new(60_000, None, &["run", "-d", "--restart", "always", "box", "sh", "-c", "exit 1"]),
        Deed::new(20_000, None, &["create", "-v", "new:/data", "box"]),
        Deed::new(50_000, Some(false), &["start", "one"]),
        Deed::new(30_000, Some(true), &["exec", "one", "true"]),
        Deed::new(50_000, Some(true), &["stop", "-t", "0", "one"]),
        Deed::new(50_000, Some(true), &["restart", "-t", "0", "one"]),
        Deed::new(50_000, Some(true), &["rm", "-f", "one"]),
        Deed::new(30_000, Some(false), &["rm", "one"]),
        Deed::new(150_000, None, &["compose", "-f", &project, "up", "-d"]),
        Deed::new(150_000, None, &["compose", "-f", &project, "down", "-v", "-t", "0"]),
        Deed::build(env),
        Deed::pull(env, registry),
    ]
}
