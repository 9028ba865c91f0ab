use std::io::Read;

use super::*;

fn read(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    let mut reader = Reader::new(bytes, Limits::default());
    let mut all = Vec::new();
    while let Some(entry) = reader.next()? {
        let mut payload = Vec::new();
        loop {
            let part = reader.payload(7)?.to_vec();
            if part.is_empty() {
                break;
            }
            payload.extend_from_slice(&part);
            reader.take(part.len());
        }
        all.push((entry, payload));
    }
    Ok(all)
}

#[test]
fn what_is_written_is_read_again() {
    let long = [b"d/".repeat(90).as_slice(), b"name"].concat();
    let longer = b"x".repeat(3000);
    let entries = [
        Entry { path: b"etc/".to_vec(), kind: Kind::Directory, mode: 0o1777, ..Entry::default() },
        Entry {
            path: long,
            uid: 3_000_000,
            gid: 7,
            mtime: Time { seconds: -5, nanos: 250 },
            size: 5,
            ..Entry::default()
        },
        Entry {
            path: longer.clone(),
            kind: Kind::Symlink,
            link: b"\xff/".repeat(200),
            ..Entry::default()
        },
        Entry { path: "é".into(), kind: Kind::HardLink, link: longer, ..Entry::default() },
        Entry {
            path: b"null".to_vec(),
            kind: Kind::CharDevice,
            device: (1, 3),
            ..Entry::default()
        },
        Entry {
            path: b"f".to_vec(),
            kind: Kind::Fifo,
            xattrs: vec![(b"user.a".to_vec(), b"\0\n=".to_vec())],
            ..Entry::default()
        },
    ];
    let mut writer = Writer::new(Vec::new());
    for entry in &entries {
        writer.entry(entry).unwrap();
        writer.payload(&b"hello"[..usize::try_from(entry.size).unwrap()]).unwrap();
    }
    let bytes = writer.finish().unwrap();
    assert!(bytes.len().is_multiple_of(BLOCK));
    let got = read(&bytes).unwrap();
    assert_eq!(got.iter().map(|(entry, _)| entry.clone()).collect::<Vec<_>>(), entries);
    assert_eq!(got[1].1, b"hello");
}

#[test]
fn an_archive_that_is_cut_or_damaged_is_refused() {
    let mut writer = Writer::new(Vec::new());
    writer.file(&Entry { path: b"a".to_vec(), ..Entry::default() }, &[1; 700]).unwrap();
    let bytes = writer.finish().unwrap();
    for length in [1, 511, 513, 1000] {
        assert!(matches!(read(&bytes[..length]), Err(Error::Truncated)), "{length}");
    }
    let mut damaged = bytes.clone();
    damaged[3] ^= 1;
    assert!(matches!(read(&damaged), Err(Error::Checksum(0))));
    assert!(matches!(read(&[b'x'; 1024]), Err(Error::Checksum(0))));
    // The end mark may be missing.
    assert_eq!(read(&bytes[..1536]).unwrap().len(), 1);
}

#[test]
fn an_archive_that_asks_for_too_much_is_refused() {
    let entry = Entry { path: b"a".to_vec(), size: 1 << 40, ..Entry::default() };
    let mut writer = Writer::new(Vec::new());
    writer.entry(&entry).unwrap();
    assert!(matches!(
        read(&writer.finish().unwrap()),
        Err(Error::TooMuch { what: "bytes of payload", .. })
    ));
    let mut writer = Writer::new(Vec::new());
    let xattrs = vec![(b"user.a".to_vec(), vec![0; 2 << 20])];
    writer.entry(&Entry { xattrs, ..Entry::default() }).unwrap();
    assert!(matches!(
        read(&writer.finish().unwrap()),
        Err(Error::TooMuch { what: "bytes in an extended header", .. })
    ));
}

/// The size in an extended header is that of the member, not of headers between them (CVE-2025-62518).
#[test]
fn a_size_in_an_extended_header_does_not_hide_members() {
    let mut records = Vec::new();
    pax::push(&mut records, b"size", b"1024");
    let mut bytes = header(b'x', records.len() as u64);
    records.resize(BLOCK, 0);
    bytes.extend(records);
    bytes.extend(header(b'L', 5));
    bytes.extend(b"long\0".iter().copied().chain([0; 507]));
    bytes.extend(header(b'0', 0));
    bytes.extend([7; 1024]);
    bytes.extend([0; 1024]);
    let got = read(&bytes).unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].0.path.as_slice(), got[0].0.size), (b"long".as_slice(), 1024));
}

fn header(flag: u8, size: u64) -> Vec<u8> {
    let fields = header::Fields {
        name: b"n",
        prefix: b"",
        mode: 0o644,
        uid: 0,
        gid: 0,
        size,
        mtime: 0,
        flag,
        link: b"",
        device: (0, 0),
    };
    fields.encode().to_vec()
}

/// Archives of the tar on this machine: every sparse form, long names, and names with a prefix.
#[test]
fn archives_of_gnu_tar_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"abc", 100_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"def", 900_000).unwrap();
    file.set_len(1_000_000).unwrap();
    let deep = "d".repeat(90);
    std::fs::create_dir_all(dir.path().join(&deep).join(&deep)).unwrap();
    std::fs::write(dir.path().join(&deep).join(&deep).join("f"), "x").unwrap();
    let forms = [
        vec!["--format=gnu", "-S"],
        vec!["--format=pax", "--sparse-version=0.0", "-S"],
        vec!["--format=pax", "--sparse-version=0.1", "-S"],
        vec!["--format=pax", "--sparse-version=1.0", "-S"],
        vec!["--format=ustar"],
    ];
    for form in forms {
        let out = std::process::Command::new("tar")
            .args(&form)
            .arg("-cf-")
            .arg("-C")
            .arg(dir.path())
            .args(["sparse", &deep])
            .output();
        let Ok(out) = out else {
            eprintln!("skipped: no tar on this machine");
            return;
        };
        let got = read(&out.stdout).unwrap();
        let (entry, payload) = got.iter().find(|(entry, _)| entry.path == b"sparse").unwrap();
        assert_eq!(entry.size, 1_000_000, "{form:?}");
        let mut whole = vec![0; 1_000_000];
        let mut rest = payload.as_slice();
        let all = vec![Segment { offset: 0, length: 1_000_000 }];
        for segment in entry.segments.as_ref().unwrap_or(&all) {
            let (start, length) = (
                usize::try_from(segment.offset).unwrap(),
                usize::try_from(segment.length).unwrap(),
            );
            rest.read_exact(&mut whole[start..start + length]).unwrap();
        }
        assert_eq!(
            (&whole[100_000..100_003], &whole[900_000..900_003]),
            (b"abc".as_slice(), b"def".as_slice()),
            "{form:?}"
        );
        let last = [&deep, &deep, "f"].join("/");
        assert!(
            got.iter().any(|(entry, payload)| entry.path == last.as_bytes() && payload == b"x"),
            "{form:?}"
        );
    }
}
