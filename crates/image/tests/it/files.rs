//! `docker cp` and `docker diff`.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use hako_image::files::{
    Overlay, Owner, PackOptions, Plain, UnpackOptions, diff, pack_from, stat, unpack_into,
};
use hako_image::tar::Kind;

use super::*;

#[test]
fn what_is_copied_out_can_be_copied_in_elsewhere_and_links_stay_within_the_root() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("d/sub")).unwrap();
    fs::write(root.join("d/f"), "F").unwrap();
    fs::set_permissions(root.join("d/f"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(root.join("d/f"), root.join("d/sub/g")).unwrap();
    symlink("/d", root.join("abs")).unwrap();
    symlink("../../../../d", root.join("up")).unwrap();
    let fd = File::open(&root).unwrap();
    for path in ["/d", "abs/../d", "up/."] {
        let options =
            PackOptions { name: Some("copy".into()), follow: true, ..PackOptions::default() };
        let packed = pack_from(fd.as_fd(), path.as_ref(), Plain(Vec::new()), &options).unwrap().0;
        let target = dir.path().join("target");
        fs::create_dir(&target).unwrap();
        let options = UnpackOptions {
            owner: Owner::Fixed(1, 2),
            keep_kinds: true,
            ..UnpackOptions::default()
        };
        unpack_into(File::open(&target).unwrap().as_fd(), "/".as_ref(), &packed[..], &options)
            .unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(tree(&target), @"
            copy d
            copy/f f
            copy/sub d
            copy/sub/g f
            ");
        }
        let f = fs::metadata(target.join("copy/f")).unwrap();
        assert_eq!((f.mode() & 0o777, f.uid(), f.gid(), f.nlink()), (0o640, 1, 2, 2));
        fs::remove_dir_all(target).unwrap();
    }
    let single =
        pack_from(fd.as_fd(), "abs/f".as_ref(), Plain(Vec::new()), &PackOptions::default())
            .unwrap()
            .0;
    assert!(single.starts_with(b"f\0"));
    assert_eq!(stat(fd.as_fd(), "up".as_ref()).unwrap().link_target, Some("/d".into()));
    assert!(stat(fd.as_fd(), "/none/x".as_ref()).unwrap_err().to_string().contains("/none/x"));
}

#[test]
fn copying_in_keeps_directories_directories_and_takes_names_as_they_are() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = File::open(dir.path()).unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("f"), "old").unwrap();
    let options = UnpackOptions { keep_kinds: true, ..UnpackOptions::default() };
    let unpack = |members: &[(Entry, &str)]| {
        unpack_into(root.as_fd(), "/".as_ref(), &tar(members)[..], &options)
    };
    assert_eq!(
        unpack(&[(file("d"), "")]).unwrap_err().to_string(),
        "cannot overwrite directory `/d`"
    );
    assert_eq!(
        unpack(&[(directory("f/"), "")]).unwrap_err().to_string(),
        "cannot overwrite non-directory `/f`"
    );
    unpack(&[(entry(".", Kind::Directory, 0o700), ""), (file("f"), "new"), (file(".wh.x"), "")])
        .unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "new");
    assert!(dir.path().join(".wh.x").exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    let nowhere = unpack_into(root.as_fd(), "/none".as_ref(), &tar(&[])[..], &options).unwrap_err();
    assert_eq!(nowhere.to_string(), "cannot open the directory `/none`");
}

#[test]
fn a_diff_lists_what_was_added_changed_and_deleted() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let lease = images.layers().lease().unwrap();
    let layer = |members: &[(Entry, &str)]| {
        let layer = lease.unpack(None, &mut &tar(members)[..]).unwrap();
        lease.path(&layer.diff_id)
    };
    let bottom = layer(&[
        (file("etc/motd"), ""),
        (file("etc/passwd"), ""),
        (file("etc/same"), ""),
        (file("srv/old"), ""),
        (file("srv/hidden"), ""),
        (file("untouched/f"), ""),
    ]);
    let middle = layer(&[(file("srv/.wh.hidden"), "")]);
    let upper = layer(&[
        (file("d/sub/f"), ""),
        (file("etc/.wh.motd"), ""),
        (entry("etc/passwd", Kind::File, 0o600), ""),
        (file("etc/same"), ""),
        (file("etc/.wh.never"), ""),
        (directory("srv/"), ""),
        (file("srv/.wh..wh..opq"), ""),
        (file("srv/n"), ""),
        (directory("untouched/"), ""),
    ]);
    let changes = diff(&upper, &[middle, bottom], Overlay::Trusted).unwrap();
    let lines: Vec<String> =
        changes.iter().map(|change| format!("{} {}", change.kind, change.path.display())).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    A /d
    A /d/sub
    A /d/sub/f
    C /etc
    D /etc/motd
    C /etc/passwd
    C /srv
    A /srv/n
    D /srv/old
    ");
}
