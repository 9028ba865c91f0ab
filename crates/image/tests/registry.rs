//! Pull and push against a registry in this process, with everything that can go wrong on the way.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::io::{BufRead, Cursor, Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hako_image::registry::{
    Client, Config, Credential, Error as RegistryError, Mirror, Registry as Entry, media,
};
use hako_image::transfer::{
    BlobLedger, Compression, Error, Event, KnownBlob, LayerSink, LayerSource, NoLedger,
    PullOptions, Pulled, PushOptions, Pushing, Silent, Status, pull, push,
};
use hako_testkit::registry::{Door, Faults, Registry};
use hako_types::{Digest, Fault, Kind, Reference};

/// Layers in memory.
#[derive(Default)]
struct Memory(Mutex<HashMap<Digest, Vec<u8>>>, Mutex<Vec<(Digest, KnownBlob)>>);

#[derive(Debug, thiserror::Error)]
#[error("memory")]
struct Broken(#[source] std::io::Error);

impl Fault for Broken {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}

impl LayerSink for Memory {
    type Error = Broken;

    fn has(&self, diff_id: &Digest) -> Result<bool, Broken> {
        Ok(self.0.lock().unwrap().contains_key(diff_id))
    }

    fn unpack(&self, diff_id: &Digest, tar: &mut dyn BufRead) -> Result<u64, Broken> {
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).map_err(Broken)?;
        let len = bytes.len() as u64;
        self.0.lock().unwrap().insert(diff_id.clone(), bytes);
        Ok(len)
    }
}

impl LayerSource for Memory {
    type Error = Broken;

    fn open(&self, diff_id: &Digest) -> Result<Box<dyn Read + Send + '_>, Broken> {
        let bytes = self
            .0
            .lock()
            .unwrap()
            .get(diff_id)
            .cloned()
            .ok_or(Broken(std::io::ErrorKind::NotFound.into()))?;
        Ok(Box::new(Cursor::new(bytes)))
    }
}

impl BlobLedger for Memory {
    fn known(&self, diff_id: &Digest) -> Vec<KnownBlob> {
        let known = self.1.lock().unwrap();
        known.iter().rev().filter(|(id, _)| id == diff_id).map(|(_, blob)| blob.clone()).collect()
    }

    fn record(&self, diff_id: &Digest, known: &KnownBlob) {
        self.1.lock().unwrap().push((diff_id.clone(), known.clone()));
    }
}

fn client() -> Client {
    Client::new(Config { retries: 2, ..Config::default() })
}

fn reference(registry: &Registry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.host()).parse().unwrap()
}

/// Bytes that do not compress well, different for each seed.
fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_le_bytes()[6]
    })
    .take(len)
    .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn get(
    client: &Client,
    name: &Reference,
    platform: Option<&str>,
    sink: &Memory,
) -> Result<Pulled, Error> {
    let options =
        PullOptions { platform: platform.map(|p| p.parse().unwrap()), ..PullOptions::default() };
    pull(client, name, &options, (sink, &NoLedger), &Silent)
}

fn one_layer(registry: &Registry, bytes: &[u8]) -> Digest {
    let diff_id = Digest::of(bytes);
    registry.add_image(
        ("app", "latest"),
        "amd64",
        &[(media::OCI_LAYER_GZIP, &gzip(bytes), diff_id.clone())],
    );
    diff_id
}

#[test]
fn an_index_leads_to_the_platform_and_layers_of_every_kind_arrive_once() {
    let registry = Registry::start(Door::Open).unwrap();
    let (a, b, c) = (content(1, 700_000), content(2, 10), content(3, 300_000));
    let z = zstd::encode_all(&b[..], 1).unwrap();
    let manifests = ["arm64", "amd64"].map(|arch| {
        let layers: [(&str, &[u8], Digest); 4] = [
            (media::OCI_LAYER_GZIP, &gzip(&a), Digest::of(&a)),
            (media::OCI_LAYER_ZSTD, &z, Digest::of(&b)),
            (media::OCI_LAYER, &c, Digest::of(&c)),
            (media::OCI_LAYER_GZIP, &gzip(&a), Digest::of(&a)),
        ];
        let mut entry = registry.add_image(("app", arch), arch, &layers);
        entry["platform"] = serde_json::json!({"os": "linux", "architecture": arch});
        entry
    });
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": manifests});
    let index = registry.add_manifest("app", "latest", &index);
    let (client, memory) = (client(), Memory::default());
    let states = Mutex::new(Vec::new());
    let progress = |event: &Event<'_>| {
        if let Event::Layer { status, .. } = event {
            states.lock().unwrap().push(status.words());
        }
    };
    let name = reference(&registry, "app");
    let pulled =
        pull(&client, &name, &PullOptions::default(), (&memory, &memory), &progress).unwrap();
    assert_eq!(pulled.digest().as_str(), index["digest"].as_str().unwrap());
    assert!(String::from_utf8_lossy(&pulled.config).contains("amd64"));
    assert_eq!(pulled.reference.tag.as_deref(), Some("latest"));
    for bytes in [&a, &b, &c] {
        assert_eq!(memory.0.lock().unwrap()[&Digest::of(bytes)], *bytes);
    }
    let count = |words: &str| states.lock().unwrap().iter().filter(|s| *s == words).count();
    assert_eq!((count("Pulling fs layer"), count("Pull complete")), (4, 3));
    assert_eq!(memory.known(&Digest::of(&a))[0].repository, name.repository());
    let fetched = || registry.log().iter().filter(|line| line.contains("/blobs/")).count();
    let before = fetched();
    get(&client, &name, None, &memory).unwrap();
    assert_eq!(fetched() - before, 1, "only the configuration is fetched again");
    let arm = get(&client, &name, Some("linux/arm64"), &memory).unwrap();
    assert!(String::from_utf8_lossy(&arm.config).contains("arm64"));
    let error = get(&client, &name, Some("linux/s390x"), &memory).unwrap_err();
    assert!(
        error.to_string().contains("linux/s390x; there is one for linux/arm64, linux/amd64"),
        "{error}"
    );
    let error =
        get(&client, &reference(&registry, "app:arm64"), Some("linux/amd64"), &memory).unwrap_err();
    assert!(matches!(error, Error::Platform { .. }), "{error}");
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let registry = Registry::start(Door::Open).unwrap();
    let bytes = content(4, 1_000_000);
    let diff_id = one_layer(&registry, &bytes);
    registry.set_faults(Faults { cut_after: Some(300_000), ..Faults::default() });
    let memory = Memory::default();
    get(&client(), &reference(&registry, "app"), None, &memory).unwrap();
    assert_eq!(memory.0.lock().unwrap()[&diff_id], bytes);
    registry.set_faults(Faults { cut_after: Some(300_000), no_ranges: true, ..Faults::default() });
    let error = get(&client(), &reference(&registry, "app"), None, &Memory::default()).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::Broken { .. })), "{error:?}");
}

#[test]
fn wrong_content_is_refused_by_both_digests_and_leaves_nothing() {
    let registry = Registry::start(Door::Open).unwrap();
    let bytes = content(5, 400_000);
    one_layer(&registry, &bytes);
    let memory = Memory::default();
    registry.set_faults(Faults { corrupt: true, ..Faults::default() });
    let error = get(&client(), &reference(&registry, "app"), None, &memory).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::Mismatch { .. })), "{error:?}");
    registry.set_faults(Faults::default());
    let other = Digest::of(b"other");
    for packed in [gzip(&bytes), gzip(b"small"), bytes.clone()] {
        registry.add_image(
            ("app", "liar"),
            "amd64",
            &[(media::OCI_LAYER_GZIP, &packed, other.clone())],
        );
        let error = get(&client(), &reference(&registry, "app:liar"), None, &memory).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt { source, .. } if source.wanted == other),
            "{error:?}"
        );
    }
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    registry.add_image(("app", "foreign"), "amd64", &[(foreign, b"x", other.clone())]);
    let error = get(&client(), &reference(&registry, "app:foreign"), None, &memory).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    assert!(memory.0.lock().unwrap().is_empty());
}

#[test]
fn passwords_and_tokens_open_doors() {
    let good =
        Credential { username: "joe".into(), password: "pa:ss".into(), ..Credential::default() };
    let bad = Credential { password: "wrong".into(), ..good.clone() };
    for door in [Door::Basic("am9lOnBhOnNz".into()), Door::Token("am9lOnBhOnNz".into())] {
        let is_token = matches!(door, Door::Token(_));
        let registry = Registry::start(door).unwrap();
        let bytes = content(6, 1000);
        let diff_id = one_layer(&registry, &bytes);
        let name = reference(&registry, "app");
        let memory = Memory::default();
        let anonymous = get(&client(), &name, None, &memory);
        assert_eq!(anonymous.is_ok(), is_token, "{anonymous:?}");
        assert_eq!(client().login(&registry.host(), &bad).unwrap_err().kind(), Kind::Denied);
        let client = client();
        client.login(&registry.host(), &good).unwrap();
        get(&client, &name, None, &memory).unwrap();
        let config = registry.manifest("app", "latest").unwrap()["config"]["digest"]
            .as_str()
            .unwrap()
            .to_owned();
        let config = registry.blob("app", &config).unwrap();
        let image = Pushing { config: &config, manifest: None };
        let other = reference(&registry, "other:1");
        let pushed =
            push(&client, &other, (image, &PushOptions::default()), (&memory, &NoLedger), &Silent)
                .unwrap();
        assert_eq!(pushed.layers[0].0, diff_id);
        let refused = push(
            &self::client(),
            &other,
            (image, &PushOptions::default()),
            (&memory, &NoLedger),
            &Silent,
        );
        assert_eq!(refused.unwrap_err().kind(), Kind::Denied);
    }
}

#[test]
fn a_redirect_to_another_host_takes_no_authorization_along() {
    let registry = Registry::start(Door::Basic("am9lOnBhOnNz".into())).unwrap();
    let store = Registry::start(Door::Open).unwrap();
    for registry in [&registry, &store] {
        one_layer(registry, &content(7, 200_000));
    }
    registry.set_faults(Faults {
        redirect: Some(format!("http://{}", store.host())),
        ..Faults::default()
    });
    let client = client();
    let joe =
        Credential { username: "joe".into(), password: "pa:ss".into(), ..Credential::default() };
    client.login(&registry.host(), &joe).unwrap();
    get(&client, &reference(&registry, "app"), None, &Memory::default()).unwrap();
    assert!(registry.log().iter().any(|line| line.contains("/blobs/") && line.ends_with("+auth")));
    assert!(store.log().iter().any(|line| line.contains("/blobs/")));
    assert!(!store.log().iter().any(|line| line.ends_with("+auth")));
}

#[test]
fn a_push_sends_only_what_is_not_there() {
    let registry = Registry::start(Door::Open).unwrap();
    let (a, b) = (content(8, 2_500_000), content(9, 1000));
    let memory = Memory::default();
    for bytes in [&a, &b] {
        memory.0.lock().unwrap().insert(Digest::of(bytes), bytes.clone());
    }
    let config = serde_json::json!({"os": "linux", "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&a), Digest::of(&b)]}})
    .to_string();
    let client = client();
    let send = |name: &str, manifest: Option<&[u8]>, options: &PushOptions| {
        let image = Pushing { config: config.as_bytes(), manifest };
        push(&client, &reference(&registry, name), (image, options), (&memory, &memory), &Silent)
            .unwrap()
    };
    let uploads = || {
        registry
            .log()
            .iter()
            .filter(|line| line.starts_with("PUT") && line.contains("/uploads/"))
            .count()
    };
    let first = send("one:1", None, &PushOptions::default());
    assert_eq!(uploads(), 3);
    assert_eq!(first.manifest.descriptor.media_type, media::DOCKER_MANIFEST);
    let again = send("one:2", None, &PushOptions::default());
    assert_eq!((uploads(), &again.manifest), (3, &first.manifest));
    send("two:1", None, &PushOptions::default());
    assert_eq!(
        uploads(),
        4,
        "layers are mounted from the other repository, only the configuration is sent"
    );
    let back = Memory::default();
    let pulled = get(&client, &reference(&registry, "two:1"), None, &back).unwrap();
    assert_eq!(pulled.config, config.as_bytes());
    assert_eq!(*back.0.lock().unwrap(), *memory.0.lock().unwrap());
    memory.1.lock().unwrap().clear();
    let zstd = send(
        "three:1",
        None,
        &PushOptions { compression: Compression::Zstd, ..PushOptions::default() },
    );
    assert_eq!(zstd.manifest.descriptor.media_type, media::OCI_MANIFEST);
    let kept = send("three:2", Some(&zstd.manifest.bytes), &PushOptions::default());
    assert_eq!(kept.manifest, zstd.manifest, "an image's own manifest is used again");
    memory.1.lock().unwrap().clear();
    registry.set_faults(Faults { no_streams: true, ..Faults::default() });
    let pieces = send("four:1", None, &PushOptions::default());
    assert_eq!(pieces.manifest, first.manifest, "compression does not depend on how it is sent");
}

#[test]
fn tags_come_in_pages_and_a_registry_that_is_busy_is_asked_again() {
    let registry = Registry::start(Door::Open).unwrap();
    for tag in ["a", "b", "c", "d", "e"] {
        registry.add_image(("app", tag), "amd64", &[]);
    }
    registry.set_faults(Faults { unavailable: 2, ..Faults::default() });
    let client = client();
    let repository = client.repository(&reference(&registry, "app")).unwrap();
    assert_eq!(repository.tags().unwrap(), ["a", "b", "c", "d", "e"]);
    assert!(
        repository.resolve("c").unwrap().is_some() && repository.resolve("x").unwrap().is_none()
    );
    let missing =
        get(&client, &reference(&registry, "app:x"), None, &Memory::default()).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(missing.to_string().contains("app:x"), "{missing}");
}

#[test]
fn a_dead_registry_is_named_soon_and_a_dead_mirror_is_passed_over() {
    let gone = {
        let registry = Registry::start(Door::Open).unwrap();
        registry.host()
    };
    let start = Instant::now();
    let name: Reference = format!("{gone}/app").parse().unwrap();
    let error = get(&client(), &name, None, &Memory::default()).unwrap_err();
    assert!(error.to_string().contains(&gone) && error.kind() == Kind::Unavailable, "{error}");
    assert!(start.elapsed() < Duration::from_secs(60));
    let registry = Registry::start(Door::Open).unwrap();
    let bytes = content(10, 100);
    let diff_id = one_layer(&registry, &bytes);
    let mirrors =
        [gone, registry.host()].map(|location| Mirror { location, ..Mirror::default() }).to_vec();
    let entry = Entry { prefix: "registry.invalid".into(), mirrors, ..Entry::default() };
    let client = Client::new(Config { registries: vec![entry], retries: 0, ..Config::default() });
    let memory = Memory::default();
    get(&client, &"registry.invalid/app".parse().unwrap(), None, &memory).unwrap();
    assert!(memory.has(&diff_id).unwrap());
    assert_eq!(Status::PullComplete.words(), "Pull complete");
}
