//! Images through files.

use std::io::Write;
use std::process::{Command, Stdio};

use hako_image::archive::{Error, Import, SavePlan, import, load, plain};
use hako_types::Platform;

use super::*;

fn imported(images: &Images<'_>, name: &str, bytes: &[u8]) -> hako_image::Image {
    let wanted = Import {
        changes: vec!["ENV A=b".into()],
        message: "imported".into(),
        platform: Platform::host(),
        name: Some(name.parse().unwrap()),
    };
    import(images, bytes, &wanted).unwrap()
}

fn saved(images: &Images<'_>, wanted: &[&str]) -> Vec<u8> {
    let wanted: Vec<String> = wanted.iter().map(|&text| text.to_owned()).collect();
    let mut out = Vec::new();
    SavePlan::new(images, &wanted).unwrap().write(&mut out).unwrap();
    out
}

#[test]
fn what_is_saved_is_loaded_elsewhere_under_its_ids_and_names() {
    if !is_root() {
        return;
    }
    let (here, there) = (State::new(), State::new());
    let (images, others) = (here.images(), there.images());
    let one = imported(&images, "thing:1", &tar(&[(file("etc/f"), "hi")]));
    imported(&images, "thing:2", &tar(&[(file("etc/f"), "ho")]));
    images.tag(&one.id, &"other:x".parse().unwrap()).unwrap();
    let bytes = saved(&images, &["thing", "other:x"]);
    assert!(bytes == saved(&images, &["thing", "other:x"]), "the same images give the same bytes");
    let loaded = load(&others, &bytes[..]).unwrap();
    let names: Vec<Vec<String>> =
        loaded.iter().map(|one| one.names.iter().map(|n| n.familiar()).collect()).collect();
    assert_eq!(names, [vec!["thing:1", "other:x"], vec!["thing:2"]]);
    assert_eq!(others.resolve("thing:1").unwrap().id, one.id);
    assert_eq!(others.resolve("thing:1").unwrap().config.config.env, ["A=b"]);
    assert!(SavePlan::new(&images, &["nope".into()]).is_err());
    there.assert_clean();
}

#[test]
fn loading_moves_names_and_says_from_whom() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let one = imported(&images, "thing", &tar(&[(file("f"), "1")]));
    let bytes = saved(&images, &["thing"]);
    let two = imported(&images, "thing", &tar(&[(file("f"), "2")]));
    let loaded = load(&images, &bytes[..]).unwrap();
    assert_eq!(loaded[0].displaced, [("thing:latest".parse().unwrap(), two.id)]);
    assert_eq!(images.resolve("thing").unwrap().id, one.id);
}

#[test]
fn damaged_archives_are_refused_and_nothing_of_them_is_kept() {
    if !is_root() {
        return;
    }
    let (here, there) = (State::new(), State::new());
    let images = here.images();
    imported(&images, "thing", &tar(&[(file("etc/f"), &"payload".repeat(1000))]));
    let good = saved(&images, &["thing"]);
    let at = good.windows(14).position(|window| window == b"payloadpayload").unwrap();
    let mut changed = good.clone();
    changed[at] = b'X';
    let others = there.images();
    assert!(matches!(load(&others, &changed[..]), Err(Error::WrongLayer { .. })));
    assert!(load(&others, &good[..good.len() / 2]).is_err());
    assert!(matches!(load(&others, &b"nonsense\n"[..]), Err(Error::Archive(_))));
    assert!(matches!(load(&others, &tar(&[(file("f"), "")])[..]), Err(Error::NoImages)));
    assert_eq!((others.list().unwrap().len(), others.layers().list().unwrap().len()), (0, 0));
    there.assert_clean();
    assert_eq!(load(&others, &good[..]).unwrap().len(), 1);
}

#[test]
fn archives_may_be_compressed_in_four_ways() {
    let bytes = tar(&[(file("f"), &"text ".repeat(100_000))]);
    for program in ["gzip", "zstd", "xz", "bzip2", "cat"] {
        let child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: no {program} on this machine");
            continue;
        };
        let mut input = child.stdin.take().unwrap();
        let feed = bytes.clone();
        let feeder = std::thread::spawn(move || input.write_all(&feed));
        let packed = child.wait_with_output().unwrap().stdout;
        feeder.join().unwrap().unwrap();
        let mut got = Vec::new();
        plain(&packed[..]).unwrap().read_to_end(&mut got).unwrap();
        assert!(got == bytes, "{program}");
        let cut = plain(&packed[..packed.len() - 3])
            .and_then(|mut reader| reader.read_to_end(&mut Vec::new()));
        assert_eq!(cut.is_err(), program != "cat", "{program}: a cut archive is an error");
    }
}
