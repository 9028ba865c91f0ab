//! Runs a command in a container of a fresh image: `try ROOT IMAGE.tar.gz COMMAND…`. For trying the engine without the command line.
use hako_engine::attach::Frame;
use hako_engine::container::*;
use hako_engine::model::*;
use hako_engine::*;
use std::io::Write;

fn main() -> std::process::ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    match args.get(1).and_then(|a| a.to_str()) {
        Some("init") => return hako_runtime::init(),
        Some("monitor") => return hako_engine::monitor::main(&args[2..], &[]),
        _ => {}
    }
    let words: Vec<String> = args.iter().map(|a| a.to_str().unwrap().to_owned()).collect();
    let engine = Engine::open(Settings { root: words[1].clone().into(), program: "/proc/self/exe".into(), rooms: &[] }).unwrap();
    let images = engine.images().unwrap();
    if images.resolve("alpine").is_err() {
        let import = hako_image::archive::Import { changes: vec!["CMD [\"/bin/sh\"]".into()], message: String::new(), platform: hako_types::Platform::host(), name: Some("alpine".parse().unwrap()) };
        hako_image::archive::import(&images, std::fs::File::open(&words[2]).unwrap(), &import).unwrap();
    }
    let t = std::time::Instant::now();
    let mut host = HostConfig { auto_remove: true, ..HostConfig::default() };
    if let Ok(n) = std::env::var("NET") { host.network_mode = n; }
    let request = CreateRequest {
        config: Config { image: "alpine".into(), cmd: Some(words[3..].to_vec()), ..Config::default() },
        host,
        ..CreateRequest::default()
    };
    let created = match engine.containers().create(&request) { Ok(c) => c, Err(e) => { eprintln!("create: {e:?}"); return 125.into(); } };
    let t1 = t.elapsed();
    let streams = Streams { stdin: false, stdout: true, stderr: true };
    let attachment = match engine.containers().start(created.id.as_str(), StartOptions { attach: Some(streams), size: None }) { Ok(a) => a.unwrap(), Err(e) => { eprintln!("start: {e:?}"); return e.exit_code().into(); } };
    let t2 = t.elapsed();
    loop {
        match attachment.next().unwrap() {
            Some(Frame::Stdout(b)) => std::io::stdout().write_all(&b).unwrap(),
            Some(Frame::Stderr(b)) => std::io::stderr().write_all(&b).unwrap(),
            Some(Frame::Exit(code)) => { eprintln!("create {t1:?} start {t2:?} exit {:?}", t.elapsed()); return (code as u8).into() }
            other => { eprintln!("{other:?}"); return 1.into() }
        }
    }
}
