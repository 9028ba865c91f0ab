use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::process::Command;

use hako_image::layers::Origin;
use hako_image::tar::{Kind, Time};

use super::*;

/// Unpacks `bytes`, and asserts that the layer gives them again.
fn round_trip(state: &State, bytes: &[u8]) -> std::path::PathBuf {
    let images = state.images();
    let lease = images.layers().lease().unwrap();
    let layer = lease.unpack(Some(&hako_types::Digest::of(bytes)), &mut &bytes[..]).unwrap();
    let mut again = Vec::new();
    let length = lease.tar(&layer.diff_id, &mut again).unwrap();
    assert_eq!(length, lease.tar_size(&layer.diff_id).unwrap());
    assert!(again == bytes, "the tar is another one");
    state.assert_clean();
    lease.path(&layer.diff_id)
}

#[test]
fn a_layer_has_all_that_its_tar_says_and_gives_the_tar_again() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let time = Time { seconds: 1_000_000_000, nanos: 5 };
    let bytes = tar(&[
        (Entry { uid: 3, mtime: time, ..entry("./", Kind::Directory, 0o751) }, ""),
        (Entry { mtime: time, ..directory("d/") }, ""),
        (Entry { uid: 7, gid: 8, mtime: time, mode: 0o4750, ..file("d/f") }, "hello"),
        (
            Entry { xattrs: vec![(b"user.k".to_vec(), b"v".to_vec())], ..file("missing/parent/x") },
            "x",
        ),
        (link("d/hard", Kind::HardLink, "/d/f"), ""),
        (Entry { uid: 9, ..link("d/soft", Kind::Symlink, "/etc/x") }, ""),
        (Entry { device: (1, 3), ..entry("null", Kind::CharDevice, 0o666) }, ""),
        (entry("pipe", Kind::Fifo, 0o622), ""),
    ]);
    let root = round_trip(&state, &bytes);
    let of = |path: &str| std::fs::symlink_metadata(root.join(path)).unwrap();
    assert_eq!((of("").mode() & 0o7777, of("").uid()), (0o751, 3));
    let f = of("d/f");
    assert_eq!(
        (f.mode() & 0o7777, f.uid(), f.gid(), f.mtime(), f.mtime_nsec()),
        (0o4750, 7, 8, 1_000_000_000, 5)
    );
    assert_eq!(
        (of("d").mtime(), of("d/hard").ino(), of("d/soft").uid()),
        (1_000_000_000, f.ino(), 9)
    );
    assert!(
        of("null").file_type().is_char_device()
            && of("null").rdev() == 259
            && of("pipe").file_type().is_fifo()
    );
    assert_eq!(of("null").permissions().mode() & 0o777, 0o666);
    let parent = root.parent().unwrap().metadata().unwrap();
    assert_eq!(parent.mode() & 0o777, 0o700);
}

#[test]
fn whiteouts_become_those_of_overlayfs_whatever_their_order() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let bytes = tar(&[
        (file("a/.wh.gone"), ""),
        (file("b/own"), ""),
        (file("b/.wh..wh..opq"), ""),
        (directory("kept/"), ""),
        (file(".wh.kept"), ""),
        (file(".wh.back"), ""),
        (directory("back/"), ""),
        (file(".wh.deep"), ""),
        (file("deep/f"), ""),
        (file(".wh..wh.plnk/x"), ""),
    ]);
    let root = round_trip(&state, &bytes);
    let gone = std::fs::symlink_metadata(root.join("a/gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    for opaque in ["b", "kept", "back", "deep"] {
        let mut value = [0; 8];
        let length =
            rustix::fs::lgetxattr(root.join(opaque), "trusted.overlay.opaque", &mut value[..])
                .unwrap();
        assert_eq!(&value[..length], b"y", "{opaque}");
    }
    insta::assert_snapshot!(tree(&root), @"
    a d
    a/gone c
    b d
    b/own f
    back d
    deep d
    deep/f f
    kept d
    ");
}

#[test]
fn a_tar_with_the_same_name_twice_is_made_again_too() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let bytes = tar(&[
        (file("f"), "first"),
        (file("d/x"), "in d"),
        (file("d/x"), "in d again"),
        (file("f"), "second"),
        (link("d", Kind::Symlink, "f"), ""),
        (file("f"), "third"),
        (link("lib", Kind::Symlink, "usr/lib"), ""),
        (directory("usr/lib/"), ""),
        (file("lib/so"), "through a link"),
    ]);
    let root = round_trip(&state, &bytes);
    assert_eq!(std::fs::read_to_string(root.join("d")).unwrap(), "third");
    assert_eq!(std::fs::read_to_string(root.join("usr/lib/so")).unwrap(), "through a link");
}

#[test]
fn archives_of_gnu_tar_are_kept_to_the_byte() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let source = state.dir.path().join("source");
    std::fs::create_dir_all(source.join("é/".repeat(60))).unwrap();
    std::fs::write(source.join("f"), vec![7; 100_000]).unwrap();
    std::fs::hard_link(source.join("f"), source.join("g")).unwrap();
    std::fs::write(source.join("n".repeat(200)), "x").unwrap();
    let sparse = std::fs::File::create(source.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"abc", 500_000).unwrap();
    sparse.set_len(1_000_000).unwrap();
    for form in ["gnu", "pax"] {
        let out = Command::new("tar")
            .arg(format!("--format={form}"))
            .args(["-cSf-", "-C"])
            .arg(&source)
            .arg(".")
            .output();
        let root = round_trip(&state, &out.unwrap().stdout);
        let same = Command::new("diff").arg("-r").arg(&source).arg(&root).status().unwrap();
        assert!(same.success(), "{form}");
        assert!(
            std::fs::metadata(root.join("sparse")).unwrap().blocks() < 100,
            "{form}: holes are kept"
        );
    }
}

#[test]
fn an_upper_directory_becomes_a_layer_and_always_the_same_one() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let lease = images.layers().lease().unwrap();
    let bytes = tar(&[
        (Entry { mtime: Time { seconds: 9, nanos: 0 }, ..directory("d/") }, ""),
        (
            Entry { uid: 5, xattrs: vec![(b"user.k".to_vec(), b"v".to_vec())], ..file("d/f") },
            "hello",
        ),
        (file("d/.wh..wh..opq"), ""),
        (file(".wh.gone"), ""),
        (link("z", Kind::HardLink, "d/f"), ""),
    ]);
    let first = lease.unpack(None, &mut &bytes[..]).unwrap();
    let made = lease.capture(&lease.path(&first.diff_id), &[]).unwrap();
    let upper = state.paths.tmp().join("upper");
    let copied =
        Command::new("cp").arg("-a").arg(lease.path(&first.diff_id)).arg(&upper).status().unwrap();
    assert!(copied.success());
    let adopted = lease.adopt(&upper).unwrap();
    assert_eq!(adopted, made);
    assert!(!upper.exists());
    state.assert_clean();
    let mut tar = Vec::new();
    lease.tar(&made.diff_id, &mut tar).unwrap();
    let mut names = Vec::new();
    let mut reader = hako_image::tar::Reader::new(&tar[..], hako_image::tar::Limits::default());
    while let Some(entry) = reader.next().unwrap() {
        names.push(String::from_utf8(entry.path).unwrap());
    }
    assert_eq!(names, ["d/", "d/.wh..wh..opq", "d/f", ".wh.gone", "z"]);
    assert_eq!(lease.facts(&first.diff_id).unwrap().origin, Origin::Unpacked);
}

#[test]
fn what_is_unused_goes_but_not_under_a_lease() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let layers = images.layers();
    let lease = layers.lease().unwrap();
    let layer = lease.unpack(None, &mut &tar(&[(file("f"), "x")])[..]).unwrap();
    let free = || images.free_layers(&std::collections::HashSet::new()).unwrap();
    assert_eq!(free().layers, []);
    drop(lease);
    let held = std::collections::HashSet::from([layer.diff_id.clone()]);
    assert_eq!(images.free_layers(&held).unwrap().layers, []);
    let freed = free();
    assert_eq!((freed.layers, freed.bytes), (vec![layer.diff_id.clone()], 1));
    assert!(!layers.has(&layer.diff_id));
    state.assert_clean();
}

#[test]
fn what_a_power_cut_damaged_is_found_at_the_next_boot() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let lease = state.images().layers().lease().unwrap();
    let good = lease.unpack(None, &mut &tar(&[(file("f"), "good")])[..]).unwrap();
    let bad = lease.unpack(None, &mut &tar(&[(file("f"), "bad")])[..]).unwrap();
    // As if it were another boot: the marks name one that is gone, and the data of a file is missing.
    for layer in [&good, &bad] {
        let facts = lease.path(&layer.diff_id).with_file_name("facts.json");
        let text = std::fs::read_to_string(&facts).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["boot"] = "another".into();
        std::fs::write(&facts, value.to_string()).unwrap();
    }
    std::fs::write(lease.path(&bad.diff_id).join("f"), "").unwrap();
    std::fs::write(state.paths.locks().join("layers-boot"), "another").unwrap();
    std::fs::create_dir(state.paths.tmp().join("layer-debris")).unwrap();
    let images = state.images();
    assert!(images.layers().has(&good.diff_id) && !images.layers().has(&bad.diff_id));
    assert_eq!(images.layers().facts(&good.diff_id).unwrap().boot, None);
    state.assert_clean();
}
