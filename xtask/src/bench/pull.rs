//! Pull and unpack from a registry on loopback: one large layer, and twenty small ones.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Bench;
use super::peer::{Peer, silently};
use super::series::{Contender, Table, take_turns};
use crate::Outcome;
use crate::command::program;
use crate::package;

const ROUNDS: usize = 5;

/// The registry's process; it ends with this value.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Measures both.
pub(super) fn run(bench: &Bench, peers: &[Peer]) -> Outcome<Vec<Table>> {
    package::ensure(&[("docker-registry", "docker-registry")])?;
    let port = free_port().map_err(|error| format!("no port is free: {error}"))?;
    let _registry = serve(&bench.scratch, port)?;
    let first = peers.first().ok_or("there is nobody to measure")?;
    let author = first.beside(bench.scratch.join("author"));
    author.bring_image(&bench.scratch)?;
    let mut tables = Vec::new();
    for (name, layers, budget) in [("one", 1, "0.3 s"), ("twenty", 20, "half of docker's")] {
        let image = format!("127.0.0.1:{port}/hako-bench-{name}:latest");
        publish(&author, &bench.scratch, &image, layers)?;
        let contenders: Vec<Contender<'_>> =
            peers.iter().map(|peer| contender(peer, &image)).collect();
        let series = take_turns(ROUNDS, &contenders)?;
        let title = format!("pull and unpack from loopback, 33 MB of gzip in {layers} layer(s)");
        tables.push(Table { title, unit: "ms", budget, series });
        for peer in peers {
            let _gone = peer.call("rmi -f").word(&image).succeeds();
        }
    }
    author.leave();
    Ok(tables)
}

fn contender<'a>(peer: &'a Peer, image: &'a str) -> Contender<'a> {
    Contender {
        name: peer.name,
        before: Box::new(move || {
            let _gone = peer.call("rmi -f").word(image).succeeds();
            Ok(())
        }),
        work: Box::new(move || {
            let pull = peer.call("pull");
            let pull = if peer.name == "podman" { pull.word("--tls-verify=false") } else { pull };
            silently(pull.word(image))
        }),
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn serve(scratch: &Path, port: u16) -> Outcome<Registry> {
    let storage = scratch.join("registry");
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: '127.0.0.1:{port}' }}\n",
        storage.display()
    );
    let file = scratch.join("registry.yml");
    std::fs::write(&file, config)
        .map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
    let mut command = program("docker-registry").word("serve").word(&file).into_command();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let registry =
        Registry(child.map_err(|error| format!("cannot run `docker-registry`: {error}"))?);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err("the registry does not listen".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(registry)
}

/// Makes an image of 80 MB, which gzip makes about 33 MB of, in so many layers, and pushes it.
fn publish(author: &Peer, scratch: &Path, image: &str, layers: usize) -> Outcome {
    let context = scratch.join(format!("layers{layers}"));
    let failed = |error: std::io::Error| format!("cannot make `{}`: {error}", context.display());
    let mut steps = String::from("FROM scratch\n");
    for layer in 0..layers {
        let dir = context.join(layer.to_string());
        std::fs::create_dir_all(&dir).map_err(failed)?;
        let files = 400 / layers;
        for file in 0..files {
            write_file(&dir.join(file.to_string()), layer * files + file).map_err(failed)?;
        }
        steps.push_str(&format!("COPY {layer} /data/{layer}\n"));
    }
    std::fs::write(context.join("Dockerfile"), steps).map_err(failed)?;
    author.call("build -q -t").word(image).word(&context).quiet()?;
    author.call("push -q").word(image).quiet()
}

/// Writes 200 KiB: seven tenths hexadecimal noise, of which gzip makes a little more than half, and the rest the same line.
fn write_file(path: &Path, seed: usize) -> std::io::Result<()> {
    let mut state = u64::try_from(seed).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::with_capacity(200 << 10);
    while text.len() < 140 << 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    while text.len() < 200 << 10 {
        text.push_str("all the layers of an image lie above each other\n");
    }
    std::fs::File::create(path)?.write_all(text.as_bytes())
}
