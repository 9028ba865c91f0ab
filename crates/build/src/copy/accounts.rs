//! Who `--chown` and `USER` mean: names of the image, or numbers.

use super::Error;

/// A user and a group, as numbers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The users and groups of an image.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Its `/etc/passwd`.
    pub passwd: String,
    /// Its `/etc/group`.
    pub group: String,
}

impl Accounts {
    /// Looks up `user`, `user:group` or numbers. A user alone brings its group: the one of its account, or the same number.
    ///
    /// # Errors
    /// [`Error::Unknown`] when a name is not there.
    pub fn owner(&self, text: &str) -> Result<Owner, Error> {
        let (user, group) =
            text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let (uid, own_group) = self.user(user)?;
        let gid = match group.filter(|group| !group.is_empty()) {
            Some(group) => self.group(group)?,
            None => own_group,
        };
        Ok(Owner { uid, gid })
    }

    fn user(&self, name: &str) -> Result<(u32, u32), Error> {
        if name.is_empty() {
            return Ok((0, 0));
        }
        if let Ok(uid) = name.parse() {
            return Ok((uid, uid));
        }
        self.passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<&str>>())
            .find(|fields| fields.first() == Some(&name))
            .and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
            .ok_or_else(|| Error::Unknown { what: "user", name: name.to_owned() })
    }

    fn group(&self, name: &str) -> Result<u32, Error> {
        if let Ok(gid) = name.parse() {
            return Ok(gid);
        }
        self.group
            .lines()
            .map(|line| line.split(':').collect::<Vec<&str>>())
            .find(|fields| fields.first() == Some(&name))
            .and_then(|fields| fields.get(2)?.parse().ok())
            .ok_or_else(|| Error::Unknown { what: "group", name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_brings_its_group_and_unknown_names_are_refused() {
        let accounts = Accounts {
            passwd: "root:x:0:0::/root:/bin/sh\njoe:x:1500:1501::/:/bin/sh\n".into(),
            group: "team:x:1600:joe\n".into(),
        };
        let owner = |text| accounts.owner(text).map(|owner| (owner.uid, owner.gid)).ok();
        assert_eq!(owner("joe:team"), Some((1500, 1600)));
        assert_eq!(owner("joe"), Some((1500, 1501)));
        assert_eq!(owner("99"), Some((99, 99)));
        assert_eq!(owner("77:88"), Some((77, 88)));
        assert_eq!(owner("nobody"), None);
        assert_eq!(owner("joe:none"), None);
    }
}
