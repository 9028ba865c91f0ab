//! How long each part took.

use std::time::{Duration, Instant};

use crate::Outcome;

/// The parts that have ended.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    parts: Vec<(&'static str, Duration)>,
}

impl Clock {
    /// Starts.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), parts: Vec::new() }
    }

    /// Does one part, with a heading before and its time behind it.
    pub(super) fn part<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<T> {
        println!("\n== {name}");
        let began = Instant::now();
        let outcome = work();
        let took = began.elapsed();
        println!("== {name}: {:.2} s", took.as_secs_f64());
        self.parts.push((name, took));
        outcome
    }

    /// Prints all parts and the sum.
    pub(super) fn print(&self) {
        println!();
        for (name, took) in &self.parts {
            println!("{name:<28}{:>8.2} s", took.as_secs_f64());
        }
        println!("{:<28}{:>8.2} s", "all", self.began.elapsed().as_secs_f64());
    }
}
