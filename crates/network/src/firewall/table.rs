//! A table in the kernel: transactions on it.

use std::io;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::encode;
use super::ruleset::{Element, Ruleset};
use crate::error::{Error, Result};
use crate::netlink::{Batch, EXCLUSIVE, Socket};

/// An element and the name of the set that it belongs to.
type Placed = (&'static str, Element);

/// Longer than the kernel takes to free what was deleted.
const GRACE: Duration = Duration::from_millis(60);

/// A table of this name in the thread's namespace, whether it is there or not.
#[derive(Debug)]
pub(super) struct Table<'a> {
    name: &'a str,
    socket: &'a Socket,
}

impl Table<'_> {
    /// Opens a socket, works with it, and closes it.
    pub(super) fn with_fresh<T>(
        name: &str,
        work: impl FnOnce(&Table<'_>) -> Result<T>,
    ) -> Result<T> {
        work(&Table { name, socket: &Socket::netfilter().map_err(Error::NoNftables)? })
    }

    /// Opens a socket, works with it, and closes it some time later on a thread of its own.
    ///
    /// The kernel frees what was deleted after a grace period, and any nfnetlink socket of the namespace that closes in the
    /// meantime waits for that, and lets nobody change a table until then: 8 to 16 ms, long after the change itself was made.
    pub(super) fn with<T>(name: &str, work: impl FnOnce(&Table<'_>) -> Result<T>) -> Result<T> {
        let socket = Socket::netfilter().map_err(Error::NoNftables)?;
        let outcome = work(&Table { name, socket: &socket });
        // Without a thread the socket is closed here and now.
        let _closed = thread::Builder::new().stack_size(16 * 1024).spawn(move || {
            thread::sleep(GRACE);
            drop(socket);
        });
        outcome
    }

    /// Returns the socket, for what is no matter of tables.
    pub(super) fn socket(&self) -> &Socket {
        self.socket
    }

    /// Tells whether the table is there.
    pub(super) fn is_present(&self) -> Result<bool> {
        let mut question = Batch::default();
        encode::get_table(&mut question, self.name);
        match self.socket.get(&question, |_| ()) {
            Ok(()) => Ok(true),
            Err(error) if is(&error, Errno::NOENT) => Ok(false),
            Err(error) => Err(self.failed("ask for", error)),
        }
    }

    /// Returns the chains of other tables whose policy is to drop what is on its way through: `table chain`.
    pub(super) fn closed_elsewhere(&self) -> Result<Vec<String>> {
        let mut question = Batch::default();
        encode::get_chains(&mut question);
        let mut closed = Vec::new();
        let mut each = |body: &[u8]| {
            let found = encode::closed_chain(body);
            closed.extend(found.map(|(table, chain)| format!("{table} {chain}")));
        };
        self.socket
            .ask(&question, |message| each(message.body))
            .map_err(|error| self.failed("look beside", error))?;
        Ok(closed)
    }

    /// Tells whether an element is there.
    pub(super) fn has(&self, (set, element): &Placed) -> bool {
        let mut question = Batch::default();
        encode::get_element(&mut question, self.name, set, element);
        self.socket.get(&question, |_| ()).is_ok()
    }

    /// Makes the table what the ruleset says, whatever it was.
    pub(super) fn install(&self, ruleset: &Ruleset) -> Result<()> {
        // Where there is no table yet nothing has to be freed, which is many times as fast.
        match self.transact(|batch| self.write(batch, ruleset, EXCLUSIVE)) {
            Err(error) if is(&error, Errno::EXIST) => {}
            other => return other.map_err(|error| self.failed("make", error)),
        }
        let replaced = self.transact(|batch| {
            encode::delete_table(batch, self.name);
            self.write(batch, ruleset, 0);
        });
        match replaced {
            // Somebody deleted it just now.
            Err(error) if is(&error, Errno::NOENT) => {
                self.transact(|batch| self.write(batch, ruleset, 0))
            }
            other => other,
        }
        .map_err(|error| self.failed("replace", error))
    }

    /// Removes the table. One that is gone is no error.
    pub(super) fn remove(&self) -> Result<()> {
        match self.transact(|batch| encode::delete_table(batch, self.name)) {
            Err(error) if !is(&error, Errno::NOENT) => Err(self.failed("remove", error)),
            _ => Ok(()),
        }
    }

    /// Adds elements, in place of those of the same key.
    pub(super) fn put_in(&self, placed: &[Placed], doing: &'static str) -> Result<()> {
        match self.transact(|batch| self.place(batch, placed, true)) {
            Err(error) if is(&error, Errno::EXIST) || is(&error, Errno::BUSY) => {
                // An entry that a killed process left behind.
                self.take_out(placed)?;
                self.transact(|batch| self.place(batch, placed, true))
            }
            other => other,
        }
        .map_err(|error| self.failed(doing, error))
    }

    /// Deletes elements: together, or, when one is not there, each for itself.
    pub(super) fn take_out(&self, placed: &[Placed]) -> Result<()> {
        let failed = |error| self.failed("take elements out of", error);
        match self.transact(|batch| self.place(batch, placed, false)) {
            Err(error) if is(&error, Errno::NOENT) => {}
            other => return other.map_err(failed),
        }
        for one in placed {
            match self.transact(|batch| self.place(batch, std::slice::from_ref(one), false)) {
                Err(error) if !is(&error, Errno::NOENT) => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a whole ruleset.
    fn write(&self, batch: &mut Batch, ruleset: &Ruleset, flags: u16) {
        encode::new_table(batch, self.name, flags);
        for (set, id) in ruleset.sets.iter().zip(1..) {
            encode::new_set(batch, self.name, set, id);
        }
        for chain in &ruleset.chains {
            encode::new_chain(batch, self.name, chain);
        }
        for chain in &ruleset.chains {
            encode::new_rules(batch, self.name, chain);
        }
        for set in &ruleset.sets {
            encode::elements(batch, self.name, set.name, &set.elements, true);
        }
    }

    /// Adds or deletes elements, those of one set together.
    fn place(&self, batch: &mut Batch, placed: &[Placed], add: bool) {
        let mut rest = placed;
        while let Some((set, _)) = rest.first() {
            let run = rest.iter().take_while(|(other, _)| other == set).count();
            let elements: Vec<_> = rest[..run].iter().map(|(_, element)| element.clone()).collect();
            encode::elements(batch, self.name, set, &elements, add);
            rest = &rest[run..];
        }
    }

    /// Sends what `write` writes as one transaction: all of it happens, or nothing.
    fn transact(&self, write: impl FnOnce(&mut Batch)) -> io::Result<()> {
        let mut batch = Batch::default();
        encode::begin(&mut batch);
        write(&mut batch);
        batch.acknowledge();
        let last = batch.last();
        encode::end(&mut batch);
        self.socket.send(&batch)?;
        self.socket.answers(last)
    }

    /// Names what went wrong.
    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            // What the kernel says of an expression that it does not know.
            Some(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOENT) if doing == "make" => {
                Error::NoNftables(source)
            }
            Some(Errno::NOENT) => Error::NoTable(self.name.to_owned()),
            _ => Error::Firewall { doing, table: self.name.to_owned(), source },
        }
    }
}

fn is(failure: &io::Error, errno: Errno) -> bool {
    failure.raw_os_error() == Some(errno.raw_os_error())
}
