//! Names, removal and what is known of images.

use hako_image::config::{Addition, child_config};
use hako_image::content::{Error, ImageUse, PruneFilter};
use hako_image::{Draft, Image, ImageConfig};
use hako_types::{Moment, Platform, Reference};

use super::*;

fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Makes an image of one layer, with this label.
fn image(images: &Images<'_>, label: &str) -> Image {
    let lease = images.layers().lease().unwrap();
    let layer = lease.unpack(None, &mut &tar(&[(file("f"), label)])[..]).unwrap();
    let base = ImageConfig::empty(&Platform::host());
    let addition = Addition {
        layer: Some(layer.diff_id),
        created: Some(Moment::from_seconds(1)),
        comment: label.into(),
        ..Addition::default()
    };
    images
        .put(&Draft { config: child_config(&base, addition).to_bytes(), ..Draft::default() })
        .unwrap()
}

fn lines(removed: &[hako_image::Removed]) -> Vec<String> {
    removed.iter().map(ToString::to_string).collect()
}

#[test]
fn an_image_is_found_by_every_form_of_its_name() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let one = image(&images, "one");
    images.tag(&one.id, &name("thing")).unwrap();
    images.add_repo_digest(&one.id, &name(&format!("thing@{}", one.id))).unwrap();
    let hex = one.id.hex();
    let by_digest = format!("docker.io/library/thing:whatever@{}", one.id);
    for text in [
        "thing",
        "library/thing",
        "docker.io/thing:latest",
        one.id.as_str(),
        hex,
        &hex[..4],
        &by_digest,
    ] {
        assert_eq!(images.resolve(text).unwrap().id, one.id, "{text}");
    }
    assert!(
        matches!(images.resolve("thing:other"), Err(Error::NotFound(name)) if name == "thing:other")
    );
    assert!(matches!(images.resolve("Upper"), Err(Error::Name { .. })));
    let two = image(&images, "two");
    assert!(matches!(images.resolve(""), Err(Error::Name { .. })));
    images.tag(&two.id, &name(&hex[..6])).unwrap();
    assert_eq!(
        images.resolve(&hex[..6]).unwrap().id,
        two.id,
        "a name is preferred to the beginning of an id"
    );
    images.tag(&two.id, &name("thing")).unwrap();
    assert_eq!(images.resolve("thing").unwrap().id, two.id, "a name moves");
    assert!(images.get(&one.id).unwrap().is_dangling());
}

#[test]
fn removing_follows_dockers_rules() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let one = image(&images, "one");
    let id = one.id.to_string();
    for text in ["a:1", "b:2"] {
        images.tag(&one.id, &name(text)).unwrap();
    }
    let uses = |running| vec![ImageUse { image: one.id.clone(), container: "c1".into(), running }];
    let refused = |text: &str, force, uses: &[ImageUse]| {
        images.remove(text, force, uses).unwrap_err().to_string()
    };
    assert!(
        refused(&id, false, &[])
            .contains("(must be forced) - image is referenced in multiple repositories")
    );
    assert_eq!(lines(&images.remove("a:1", false, &uses(true)).unwrap()), ["Untagged: a:1"]);
    assert!(
        refused("b:2", false, &uses(false))
            .contains("remove repository reference `b:2` (must be forced) - container c1")
    );
    assert!(
        refused(&id, true, &uses(true))
            .contains("(cannot be forced) - image is being used by running container c1")
    );
    assert_eq!(lines(&images.remove("b:2", true, &uses(true)).unwrap()), ["Untagged: b:2"]);
    assert!(images.get(&one.id).unwrap().is_dangling());
    images.tag(&one.id, &name("c")).unwrap();
    assert_eq!(
        lines(&images.remove(&id[..12], true, &uses(false)).unwrap()),
        ["Untagged: c:latest".into(), format!("Deleted: {id}")]
    );
    assert!(matches!(images.resolve(&id), Err(Error::NotFound(_))));
    assert_eq!(images.free_layers(&std::collections::HashSet::new()).unwrap().layers.len(), 1);
}

#[test]
fn prune_takes_what_has_no_name_or_no_container() {
    if !is_root() {
        return;
    }
    let state = State::new();
    let images = state.images();
    let (named, used, loose) =
        (image(&images, "named"), image(&images, "used"), image(&images, "loose"));
    images.tag(&named.id, &name("named")).unwrap();
    let uses = [ImageUse { image: used.id.clone(), container: "c".into(), running: false }];
    assert_eq!(images.usage(&uses).unwrap().layers, 14);
    let old = PruneFilter { until: Some(Moment::from_seconds(1)), ..PruneFilter::default() };
    assert_eq!(lines(&images.prune(&old, &uses).unwrap()), Vec::<String>::new());
    assert_eq!(
        lines(&images.prune(&PruneFilter::default(), &uses).unwrap()),
        [format!("Deleted: {}", loose.id)]
    );
    let all = PruneFilter { all: true, ..PruneFilter::default() };
    assert_eq!(images.prune(&all, &uses).unwrap().len(), 2);
    assert_eq!(images.list().unwrap().len(), 1);
    let history = images.history(&images.get(&used.id).unwrap()).unwrap();
    assert_eq!((history.len(), history[0].size, history[0].comment.as_str()), (1, 4, "used"));
}
