//! What hako is doing when it is killed.

use hako_testkit::env::Env;

/// One command, and for how long it may work before it is killed.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    words: Vec<String>,
    /// A container that must be there, and whether it must run.
    needs: Option<bool>,
    /// The kill comes at a random moment within so many microseconds.
    pub(crate) micros: u64,
}

impl Deed {
    fn new(micros: u64, needs: Option<bool>, words: &[&str]) -> Self {
        Self { words: words.iter().map(|word| (*word).to_owned()).collect(), needs, micros }
    }

    /// Returns the words after `hako`.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// Makes what the command needs.
    pub(crate) fn prepare(&self, env: &Env) {
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
    pub(crate) fn build(env: &Env) -> Option<Self> {
        let steps = "FROM box AS a\nRUN --network=none dd if=/dev/zero of=/big bs=1M count=8\nFROM box\nCOPY --from=a /big /big\nRUN echo x > /x\n";
        let context = env.write("ctx/Dockerfile", steps).parent()?.to_str()?.to_owned();
        Some(Self::new(150_000, None, &["build", "--no-cache", "-q", "-t", "made", &context]))
    }
}

/// Returns all of them. The longest are those that do most.
pub(crate) fn all(env: &Env) -> Vec<Deed> {
    let mut deeds = vec![
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
    ];
    deeds.extend(Deed::build(env));
    deeds
}
