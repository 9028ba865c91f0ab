//! `kill -9` at any moment: of a command or of a monitor, while containers are made, run, stopped and removed, and while images
//! are built and pulled. Whatever it hits, `hako system check --repair` leaves a state that `hako system check` calls sound, and
//! nothing of the engine's is left on the machine.
//!
//! `HAKO_KILLS` is how many times (200), `HAKO_SEED` repeats a run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod debris;
mod deed;

use std::process::{Child, Stdio};
use std::time::Duration;

use hako_testkit::env::{Env, wait_for};
use hako_testkit::registry::{Door, Registry};

use self::deed::Deed;

/// Numbers that look random; the same for the same seed (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
        from.get(usize::try_from(self.roll(count)).ok()?)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the test is, and where it begins, is said in the environment"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_is_killed_whenever_nothing_leaks() {
    let Some(env) = Env::new() else { return };
    let kills = number("HAKO_KILLS").unwrap_or(200);
    let seed = number("HAKO_SEED").unwrap_or_else(|| {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .subsec_nanos()
            .into()
    });
    eprintln!("{kills} kills; HAKO_SEED={seed} repeats them");
    let mut dice = Dice(seed | 1);
    let registry = Registry::start(Door::Open).unwrap();
    let deeds = deed::all(&env, &registry);

    for turn in 0..kills {
        let deed = dice.pick(&deeds).unwrap();
        deed.prepare(&env);
        let child =
            env.command(&deed.words()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(dice.roll(deed.micros)));
        let hit = strike(&env, child, &mut dice);
        mend(&env, &format!("turn {turn} (seed {seed}): {} of `{}`", hit, deed.words().join(" ")));
        if turn % 10 == 9 {
            clear(&env, &format!("turn {turn} (seed {seed})"));
        }
    }
    clear(&env, "the end");
    for image in ["box", "made"] {
        let _built = env.hako(&Deed::build(&env).words()).ok();
        assert_eq!(env.hako(&["run", "--rm", image, "echo", "well"]).ok(), "well");
    }
}

/// Kills the command or one of the monitors, then waits for the command's end. Returns what was hit.
fn strike(env: &Env, mut child: Child, dice: &mut Dice) -> &'static str {
    let own = i32::try_from(child.id()).unwrap();
    let monitors: Vec<i32> = env.processes().into_iter().filter(|pid| *pid != own).collect();
    let victim = if dice.roll(2) == 0 { dice.pick(&monitors).copied() } else { None };
    let hit = match victim.and_then(rustix::process::Pid::from_raw) {
        Some(pid) => {
            // It may have ended by itself.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            "a monitor"
        }
        None => {
            child.kill().unwrap();
            "the command"
        }
    };
    let ended = wait_for_end(&mut child);
    if ended { hit } else { panic!("`hako` did not end after {hit} was killed") }
}

/// A command whose monitor is gone ends soon; one that waits for a container that sleeps is ended.
fn wait_for_end(child: &mut Child) -> bool {
    for _ in 0..1500 {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    drop(child.wait());
    false
}

/// Repairs, and sees that there is nothing more to repair.
fn mend(env: &Env, when: &str) {
    let repaired = env.hako(&["system", "check", "--repair"]);
    assert_eq!(repaired.code, 0, "{when}: {repaired:?}");
    let checked = env.hako(&["system", "check"]);
    // What still ran when the repair looked may have come to its own end since.
    if checked.code != 0 {
        let again = wait_for(when, || {
            let _repaired = env.hako(&["system", "check", "--repair"]);
            let again = env.hako(&["system", "check"]);
            (again.code == 0 || env.processes().is_empty()).then_some(again)
        });
        assert_eq!(again.code, 0, "{when}: first {checked:?} after {repaired:?}, then {again:?}");
    }
}

/// Removes all containers; then nothing of the engine's may be left on the machine.
fn clear(env: &Env, when: &str) {
    let ids = env.hako(&["ps", "-aq"]).ok();
    let ids: Vec<&str> = ids.lines().collect();
    if !ids.is_empty() {
        let removed = env.hako(&[&["rm", "-f", "-v"], ids.as_slice()].concat());
        assert_eq!(removed.code, 0, "{when}: {removed:?}");
    }
    mend(env, when);
    debris::none_left(env, when);
}
