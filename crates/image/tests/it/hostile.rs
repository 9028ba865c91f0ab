//! Archives that want out of their root.

use super::*;
use hako_image::tar::Kind;

/// What an archive tries, its members, and whether it is refused. `OUT` stands for a directory outside.
type Case = (&'static str, Vec<(Entry, &'static str)>, bool);

fn names_and_links() -> Vec<Case> {
    vec![
        ("dots stop at the root", vec![(file("../../../../../../OUT/f"), "evil")], false),
        ("absolute names are below the root", vec![(file("/OUT/f"), "evil")], false),
        (
            "a link that leads out",
            vec![(link("l", Kind::Symlink, "OUT"), ""), (file("l/f"), "evil")],
            true,
        ),
        (
            "a link with dots",
            vec![(link("l", Kind::Symlink, "../../../../../../OUT"), ""), (file("l/f"), "evil")],
            true,
        ),
        (
            "a link within a link",
            vec![
                (directory("a/"), ""),
                (link("a/b", Kind::Symlink, "/"), ""),
                (link("l", Kind::Symlink, "a/b/../OUT"), ""),
                (file("l/f"), "evil"),
            ],
            true,
        ),
        (
            "a file in the place of a link",
            vec![(link("l", Kind::Symlink, "OUT/secret"), ""), (file("l"), "evil")],
            false,
        ),
        (
            "a directory in the place of a link",
            vec![(link("l", Kind::Symlink, "OUT"), ""), (directory("l/"), ""), (file("l/f"), "x")],
            false,
        ),
    ]
}

fn hard_links_and_marks() -> Vec<Case> {
    vec![
        (
            "a hard link to the outside",
            vec![(link("h", Kind::HardLink, "OUT/secret"), ""), (file("h"), "evil")],
            true,
        ),
        (
            "a hard link with dots",
            vec![(link("h", Kind::HardLink, "../../../../../OUT/secret"), "")],
            true,
        ),
        (
            "a hard link through a link",
            vec![
                (link("l", Kind::Symlink, "OUT"), ""),
                (link("h", Kind::HardLink, "l/secret"), ""),
            ],
            true,
        ),
        (
            "a hard link to a link is the link itself",
            vec![
                (link("l", Kind::Symlink, "OUT/secret"), ""),
                (link("h", Kind::HardLink, "l"), ""),
            ],
            false,
        ),
        ("a whiteout of a hidden file", vec![(file("d/.wh..x"), "")], false),
        ("a whiteout without a name", vec![(file(".wh."), "")], true),
        ("a whiteout of the parent", vec![(file("d/.wh..."), "")], true),
        (
            "a redirect of overlayfs",
            vec![(
                Entry {
                    xattrs: vec![(b"trusted.overlay.redirect".to_vec(), b"/OUT".to_vec())],
                    ..directory("d/")
                },
                "",
            )],
            false,
        ),
        ("a file as a parent", vec![(file("f"), ""), (file("f/x"), "")], true),
    ]
}

#[test]
fn nothing_outside_of_the_root_is_touched_and_nothing_is_left_of_a_refused_archive() {
    if !is_root() {
        return;
    }
    for (name, mut members, refused) in names_and_links().into_iter().chain(hard_links_and_marks())
    {
        let state = State::new();
        let out = state.dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("secret"), "secret").unwrap();
        let with = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .replace("OUT", out.to_str().unwrap().trim_start_matches('/'))
                .into_bytes()
        };
        for (entry, _) in &mut members {
            entry.path = with(&entry.path);
            let absolute = entry.link.starts_with(b"OUT");
            entry.link = with(&entry.link);
            if absolute {
                entry.link.insert(0, b'/');
            }
        }
        let bytes = tar(&members);
        let images = state.images();
        let lease = images.layers().lease().unwrap();
        let result = lease.unpack(None, &mut &bytes[..]);
        assert_eq!(result.is_err(), refused, "{name}: {result:?}");
        let outside: Vec<_> =
            std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(
            (outside, std::fs::read_to_string(out.join("secret")).unwrap()),
            (vec!["secret".into()], "secret".into()),
            "{name}"
        );
        state.assert_clean();
        if let Ok(layer) = result {
            assert!(lease.is_sound(&layer.diff_id).unwrap(), "{name}");
            let mut value = [0; 64];
            let redirect = rustix::fs::lgetxattr(
                lease.path(&layer.diff_id).join("d"),
                "trusted.overlay.redirect",
                &mut value[..],
            );
            assert!(redirect.is_err(), "{name}");
        } else {
            assert_eq!(lease.list().unwrap(), [], "{name}");
        }
    }
}

#[test]
fn the_end_of_an_archive_is_proof_and_a_wrong_digest_leaves_nothing() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let lease = images.layers().lease().unwrap();
    let bytes = tar(&[(file("f"), "x")]);
    let wrong = hako_types::Digest::of(b"something else");
    assert!(lease.unpack(Some(&wrong), &mut &bytes[..]).is_err());
    assert!(lease.unpack(None, &mut &bytes[..600]).is_err());
    assert_eq!(lease.list().unwrap(), []);
    state.assert_clean();
}
