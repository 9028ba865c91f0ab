//! Taking a container's lock, which its monitor holds for as long as it lives.
//!
//! What the record says and who holds the lock are two things, and a monitor changes the first while it has the second: a
//! container between two runs is recorded as ended and its monitor lives on. So whoever wants the lock neither trusts the record
//! alone nor waits without looking at it again.

use std::time::Duration;

use hako_store::Lock;
use hako_types::ContainerId;

use super::{Container, Containers};
use crate::Error;
use crate::model::Status;

/// How soon the lock is tried again, and how late at most.
const SOON: Duration = Duration::from_micros(200);
const LATE: Duration = Duration::from_millis(5);

/// What came of trying to take a container's lock.
#[derive(Debug)]
pub(super) enum Hold {
    /// It is held now; nothing else happens to the container.
    Taken(Lock),
    /// A monitor has it, and the container runs.
    Busy(Box<Container>),
    /// The container is gone.
    Gone,
}

impl Containers<'_> {
    /// Takes the lock of a container; waits while somebody holds it who is about to let go (a monitor at its end, a removal).
    ///
    /// # Errors
    /// When the lock cannot be asked for, or the container not be read.
    pub(super) fn hold(self, id: &ContainerId) -> Result<Hold, Error> {
        let path = self.lock_path(id);
        let mut pause = SOON;
        loop {
            match Lock::try_exclusive(&path) {
                Ok(Some(lock)) => return Ok(Hold::Taken(lock)),
                Ok(None) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Hold::Gone);
                }
                Err(error) => return Err(Error::io("lock", &path)(error)),
            }
            match self.load_as_written(id)? {
                None => return Ok(Hold::Gone),
                Some(container) if is_live(container.live.state.status) => {
                    return Ok(Hold::Busy(Box::new(container)));
                }
                Some(_) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(LATE);
        }
    }
}

/// Tells whether a container of this status has a monitor that goes on.
fn is_live(status: Status) -> bool {
    matches!(status, Status::Running | Status::Paused | Status::Restarting)
}
