//! Whether a container whose program has ended starts again: a pure function.

use std::time::Duration;

use super::shared::Intent;
use crate::model::RestartPolicy;

/// What happens after a program has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// The container has ended.
    End,
    /// Its program starts again at once, because somebody asked for it.
    Restart,
    /// Its program starts again after a pause, because the policy says so.
    RestartAfter(Duration),
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
const STEADY: Duration = Duration::from_secs(10);

/// The pauses between restarts: twice as long each time, from 100 ms up to a minute; from the beginning again after a
/// run of ten seconds. (These are Docker's numbers.)
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff(Option<Duration>);

impl Backoff {
    /// Returns the pause after a program that ran for so long.
    fn next(&mut self, ran: Duration) -> Duration {
        let pause = match self.0 {
            Some(last) if ran < STEADY => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.0 = Some(pause);
        pause
    }
}

/// Returns what happens after a program has ended with `code`, having run for `ran`, its `restarts`-th restart by the policy.
pub(super) fn next(
    policy: &RestartPolicy,
    intent: Intent,
    code: i32,
    restarts: i64,
    (backoff, ran): (&mut Backoff, Duration),
) -> Next {
    match intent {
        Intent::Stop => return Next::End,
        Intent::Restart => {
            *backoff = Backoff::default();
            return Next::Restart;
        }
        Intent::Policy => {}
    }
    let again = match policy.name.as_str() {
        "always" | "unless-stopped" => true,
        "on-failure" => {
            code != 0 && (policy.maximum_retry_count == 0 || restarts < policy.maximum_retry_count)
        }
        _ => false,
    };
    if again { Next::RestartAfter(backoff.next(ran)) } else { Next::End }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, count: i64) -> RestartPolicy {
        RestartPolicy { name: name.into(), maximum_retry_count: count }
    }

    #[test]
    fn the_pauses_grow_and_begin_anew_after_a_steady_run() {
        let mut backoff = Backoff::default();
        let mut pause =
            |ran| match next(&policy("always", 0), Intent::Policy, 0, 0, (&mut backoff, ran)) {
                Next::RestartAfter(pause) => pause.as_millis(),
                other => panic!("{other:?}"),
            };
        let short = Duration::from_millis(5);
        assert_eq!([pause(short), pause(short), pause(short)], [100, 200, 400]);
        assert_eq!(pause(Duration::from_secs(11)), 100);
    }

    #[test]
    fn on_failure_counts_and_leaves_success_alone() {
        let decide = |code, restarts| {
            next(
                &policy("on-failure", 2),
                Intent::Policy,
                code,
                restarts,
                (&mut Backoff::default(), Duration::ZERO),
            )
        };
        assert_eq!(decide(0, 0), Next::End);
        assert!(matches!(decide(3, 1), Next::RestartAfter(_)));
        assert_eq!(decide(3, 2), Next::End);
    }

    #[test]
    fn a_person_has_the_last_word() {
        let decide = |intent| {
            next(&policy("always", 0), intent, 1, 0, (&mut Backoff::default(), Duration::ZERO))
        };
        assert_eq!(decide(Intent::Stop), Next::End);
        assert_eq!(decide(Intent::Restart), Next::Restart);
    }
}
