//! Samples of contenders that take turns, and the table that shows them.

use std::time::{Duration, Instant};

use crate::Outcome;

/// The samples of one contender, in milliseconds or MiB.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    name: String,
    samples: Vec<f64>,
}

impl Series {
    /// Returns a series of one name.
    pub(crate) fn new(name: &str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self { name: name.to_owned(), samples }
    }

    fn min(&self) -> f64 {
        self.samples.first().copied().unwrap_or(f64::NAN)
    }

    fn median(&self) -> f64 {
        self.samples.get(self.samples.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// One measurement, ready to print. The first series is hako's.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// What was measured.
    pub(crate) title: String,
    /// The unit of the samples.
    pub(crate) unit: &'static str,
    /// What the map says that it may take.
    pub(crate) budget: &'static str,
    /// The contenders.
    pub(crate) series: Vec<Series>,
}

impl Table {
    /// Prints it.
    pub(crate) fn print(&self) {
        println!("\n{} (budget: {})", self.title, self.budget);
        println!("  {:<10}{:>12}{:>12}{:>12}", "", "min", "median", "ratio");
        let own = self.series.first().map_or(f64::NAN, Series::median);
        for series in &self.series {
            let (min, median, unit) = (series.min(), series.median(), self.unit);
            let ratio = median / own;
            println!(
                "  {:<10}{min:>9.2} {unit:<2}{median:>9.2} {unit:<2}{ratio:>10.2} ×",
                series.name
            );
        }
    }
}

/// One contender: what is done before each sample, and what is measured.
pub(crate) struct Contender<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Done before each sample, not measured.
    pub(crate) before: Box<dyn Fn() -> Outcome + 'a>,
    /// What is measured.
    pub(crate) work: Box<dyn Fn() -> Outcome + 'a>,
}

/// Lets the contenders take turns, `rounds` times after one round that does not count.
pub(crate) fn take_turns(rounds: usize, contenders: &[Contender<'_>]) -> Outcome<Vec<Series>> {
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            (contender.before)()?;
            let began = Instant::now();
            (contender.work)()?;
            if round > 0 {
                samples.push(milliseconds(began.elapsed()));
            }
        }
    }
    Ok(contenders
        .iter()
        .zip(samples)
        .map(|(contender, samples)| Series::new(contender.name, samples))
        .collect())
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
