//! Who a process runs as: names become numbers by the container's own `/etc/passwd` and `/etc/group`.
//!
//! The rules and the sentences are those that Docker's users know: a number need not be in any
//! file, a name must be; a user's groups count only if no group was named.

/// A user with all that depends on it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Who {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

/// Looks up `USER[:GROUP]`; each may be a name or a number. An empty user is root.
///
/// `passwd` and `group` are the contents of the files, empty if there are none.
pub fn look_up(user: &str, passwd: &str, group: &str) -> Result<Who, String> {
    let (user, given) =
        user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let given = given.filter(|group| !group.is_empty());
    let user = if user.is_empty() { "0" } else { user };
    let entry = entry(passwd, user);
    let mut who = match &entry {
        Some(entry) => {
            Who { uid: entry.uid, gid: entry.gid, groups: Vec::new(), home: entry.home.to_owned() }
        }
        None => Who {
            uid: number(user)?.ok_or_else(|| missing_user(user))?,
            home: "/".to_owned(),
            ..Who::default()
        },
    };
    match given {
        Some(given) => who.gid = look_up_group(given, group)?,
        None => {
            if let Some(entry) = &entry {
                who.groups = memberships(group, entry.name);
            }
        }
    }
    // The main group counts among the others too, as Docker has it.
    if !who.groups.contains(&who.gid) {
        who.groups.insert(0, who.gid);
    }
    if who.home.is_empty() {
        "/".clone_into(&mut who.home);
    }
    Ok(who)
}

/// Looks up a group by name or number.
pub fn look_up_group(wanted: &str, group: &str) -> Result<u32, String> {
    let number_wanted = wanted.parse::<i64>().ok();
    let found = group.lines().filter_map(group_fields).find(|(name, gid, _)| match number_wanted {
        Some(number) => i64::from(*gid) == number,
        None => *name == wanted,
    });
    match found {
        Some((_, gid, _)) => Ok(gid),
        None => number(wanted)?.ok_or_else(|| {
            format!("unable to find group {wanted}: no matching entries in group file")
        }),
    }
}

/// Returns the home directory of a user number.
pub fn home(uid: u32, passwd: &str) -> String {
    let found = passwd.lines().filter_map(user_fields).find(|entry| entry.uid == uid);
    found.map(|entry| entry.home).filter(|home| !home.is_empty()).unwrap_or("/").to_owned()
}

fn missing_user(user: &str) -> String {
    format!("unable to find user {user}: no matching entries in passwd file")
}

/// Reads a number of the allowed range; `None` if it is a name.
fn number(text: &str) -> Result<Option<u32>, String> {
    let Ok(number) = text.parse::<i64>() else { return Ok(None) };
    match u32::try_from(number).ok().filter(|number| *number <= i32::MAX.unsigned_abs()) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("uids and gids must be in range 0-2147483647, not {text}")),
    }
}

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn user_fields(line: &str) -> Option<Entry<'_>> {
    let mut fields = line.trim().split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Entry { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
}

fn group_fields(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.trim().split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let gid = fields.nth(1)?.parse().ok()?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

/// What can be read as a number is one, whatever names there are: a user called `1000` that is root
/// would be found by whoever asked for the number (CVE-2016-3697).
fn entry<'a>(passwd: &'a str, user: &str) -> Option<Entry<'a>> {
    let number = user.parse::<i64>().ok();
    passwd.lines().filter_map(user_fields).find(|entry| match number {
        Some(number) => i64::from(entry.uid) == number,
        None => entry.name == user,
    })
}

fn memberships(group: &str, name: &str) -> Vec<u32> {
    let groups = group.lines().filter_map(group_fields);
    groups
        .filter(|(_, _, members)| members.split(',').any(|member| member == name))
        .map(|(_, gid, _)| gid)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\ngame:x:5:60:g:/usr/games:/bin/sh\n";
    const GROUP: &str = "root:x:0:root\nwheel:x:10:root,game\naudio:x:29:game\nnogroup:x:65534:\n";

    fn who(uid: u32, gid: u32, groups: &[u32], home: &str) -> Who {
        Who { uid, gid, groups: groups.to_vec(), home: home.to_owned() }
    }

    #[test]
    fn a_user_brings_its_group_and_its_memberships() {
        assert_eq!(look_up("game", PASSWD, GROUP), Ok(who(5, 60, &[60, 10, 29], "/usr/games")));
        assert_eq!(look_up("5", PASSWD, GROUP), Ok(who(5, 60, &[60, 10, 29], "/usr/games")));
        assert_eq!(look_up("", PASSWD, GROUP), Ok(who(0, 0, &[0, 10], "/root")));
    }

    #[test]
    fn a_named_group_replaces_the_users_groups() {
        assert_eq!(look_up("game:audio", PASSWD, GROUP), Ok(who(5, 29, &[29], "/usr/games")));
        assert_eq!(look_up("7:8", PASSWD, GROUP), Ok(who(7, 8, &[8], "/")));
    }

    #[test]
    fn a_number_need_not_exist_but_a_name_must() {
        assert_eq!(look_up("1000", "", ""), Ok(who(1000, 0, &[0], "/")));
        assert_eq!(
            look_up("ada", PASSWD, GROUP).unwrap_err(),
            "unable to find user ada: no matching entries in passwd file"
        );
        assert_eq!(
            look_up("root:ops", PASSWD, GROUP).unwrap_err(),
            "unable to find group ops: no matching entries in group file"
        );
        assert!(look_up("4294967296", PASSWD, GROUP).unwrap_err().contains("in range"));
    }
}
