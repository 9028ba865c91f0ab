//! `cargo xtask demo`: the founding document's application, with hako alone. The Dockerfile of step 2 compiles the program,
//! the Compose file of step 3 with the health check of step 4 brings it and its database up, and a request asks how it does.

mod base;
mod clock;
mod request;
mod stand_in;

use std::path::{Path, PathBuf};

use self::clock::Clock;
use crate::Outcome;
use crate::command::{Program, program};
use crate::{binary, package, workspace};

/// What becomes of the application when all was shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum After {
    /// It goes.
    TakeDown,
    /// It stays up.
    Keep,
}

/// hako with a state directory of the demo's own.
#[derive(Debug)]
struct Hako {
    program: PathBuf,
    root: PathBuf,
}

impl Hako {
    /// Returns `hako …`.
    fn call(&self, words: &str) -> Program {
        program(&self.program).env("HAKO_ROOT", &self.root).words(words).within(&workspace::root())
    }

    /// Returns `hako compose …` for the application.
    fn compose(&self, words: &str) -> Program {
        self.call(PROJECT).words(words)
    }
}

const PROJECT: &str = "compose -p hako-demo -f examples/step4/docker-compose.yml -f examples/step4/docker-compose.demo.yml";

/// Runs the demo.
pub(crate) fn run(after: After) -> Outcome {
    if !package::is_root() {
        return Err("the demo needs root: it makes networks and mounts".into());
    }
    let mut clock = Clock::new();
    let program = clock.part("build hako", binary::release)?;
    let root = workspace::target().join("demo");
    std::fs::create_dir_all(&root)
        .map_err(|error| format!("cannot make `{}`: {error}", root.display()))?;
    let hako = Hako { program, root: root.join("root") };
    // What an earlier run with --keep, or one that was interrupted, has left.
    hako.compose("down --volumes --remove-orphans").quiet()?;

    clock.part("base images", || base::ensure(&hako, &root.join("stand-ins")))?;
    let shown = show(&hako, &mut clock);
    if shown.is_err() {
        explain(&hako);
    }
    if after == After::Keep && shown.is_ok() {
        keep(&hako);
    } else {
        let down = clock.part("take it down", || hako.compose("down --volumes").show());
        shown.and(down)?;
    }
    clock.print();
    Ok(())
}

/// Brings the application up and shows what there is to see.
fn show(hako: &Hako, clock: &mut Clock) -> Outcome {
    clock.part("build step 2 (two stages)", || {
        hako.call("build -t hako-demo-step2 examples/step2").show()
    })?;
    clock.part("compose up until healthy", || hako.compose("up -d --build --wait").show())?;
    clock.part("ask the application", || {
        println!("$ curl http://localhost:8080/health");
        println!("{}", request::get("/health")?.trim_end());
        println!("$ curl http://localhost:8080/");
        let page = request::get("/")?;
        println!("{}", page.trim_end());
        if page.contains("db:5432 reached") {
            Ok(())
        } else {
            Err("the application does not reach its database".into())
        }
    })?;
    clock.part("ps, logs, stats", || {
        hako.compose("ps").show()?;
        hako.compose("logs --tail 5").show()?;
        hako.compose("stats --no-stream").show()
    })
}

/// Shows what may tell why the application is not as it should be.
fn explain(hako: &Hako) {
    for words in ["ps -a", "logs --tail 50"] {
        if let Err(why) = hako.compose(words).show() {
            eprintln!("xtask: {why}");
        }
    }
}

fn keep(hako: &Hako) {
    let (root, program): (&Path, &Path) = (&hako.root, &hako.program);
    println!(
        "\nThe application stays up at http://localhost:8080/. Look at it, and take it down, with"
    );
    println!("  export HAKO_ROOT={}", root.display());
    println!("  {} {PROJECT} ps", program.display());
    println!("  {} {PROJECT} down --volumes", program.display());
}
