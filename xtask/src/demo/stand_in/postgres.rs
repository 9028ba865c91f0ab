//! postgres' stand-in: a Debian root by debootstrap, and Debian's package installed in it by hako's builder.
//!
//! Where packages come from and how they are fetched is asked of this machine's own apt.

use std::path::Path;

use super::{assets, fresh, import, write};
use crate::Outcome;
use crate::command::program;
use crate::demo::Hako;
use crate::{package, workspace};

/// Makes `postgres:latest`.
pub(super) fn make(hako: &Hako, scratch: &Path) -> Outcome {
    package::ensure(&[("debootstrap", "debootstrap"), ("tar", "tar")])?;
    let root = scratch.join("debian");
    fresh(&root)?;
    let sources = sources()?;
    let main = sources.iter().find(|source| source.suite == source.codename);
    let main = main.ok_or("this machine's apt knows no Debian archive to make a root of")?;
    println!("$ debootstrap --variant=minbase {} {}", main.suite, root.display());
    // Packages that are needed to fetch over TLS come along from the start.
    program("debootstrap")
        .words("--variant=minbase --include=ca-certificates")
        .word(&main.suite)
        .word(&root)
        .word(&main.address)
        .quiet()?;
    as_this_machine(&sources, &root)?;
    import(
        hako,
        &root,
        &["CMD [\"/bin/bash\"]", "LABEL hako.stand-in=debian"],
        "debian-root:latest",
    )?;

    let mut build = hako.call("build --network host -t postgres:latest");
    for proxy in ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]
    {
        if workspace::variable(proxy).is_some() {
            build = build.word("--build-arg").word(proxy);
        }
    }
    build.word(assets("postgres")).show()?;
    fresh(&root)
}

/// One archive that apt fetches from.
#[derive(Debug, Eq, PartialEq)]
struct Source {
    address: String,
    suite: String,
    component: String,
    codename: String,
}

/// Returns Debian's archives as this machine's apt knows them.
fn sources() -> Outcome<Vec<Source>> {
    let ask = || {
        program("apt-get")
            .words("indextargets --format")
            .word("$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(CODENAME)|$(ORIGIN)")
            .word("Created-By: Packages")
            .output()
    };
    let told = parse(&ask()?);
    if !told.is_empty() {
        return Ok(told);
    }
    // Origins are known only once the lists have been fetched.
    program("apt-get").words("update -q").quiet()?;
    Ok(parse(&ask()?))
}

fn parse(told: &str) -> Vec<Source> {
    let fields = told.lines().map(|line| line.split('|').map(str::to_owned).collect::<Vec<_>>());
    fields
        .filter_map(|fields| match <[String; 5]>::try_from(fields) {
            Ok([address, suite, component, codename, origin]) if origin == "Debian" => {
                Some(Source { address, suite, component, codename })
            }
            _ => None,
        })
        .collect()
}

/// Lets the root fetch packages the way this machine does: its archives, apt's settings for fetching, certificates.
fn as_this_machine(sources: &[Source], root: &Path) -> Outcome {
    let line =
        |source: &Source| format!("deb {} {} {}\n", source.address, source.suite, source.component);
    write(&root.join("etc/apt/sources.list"), &sources.iter().map(line).collect::<String>())?;
    let settings = program("apt-config").words("dump Acquire").output()?;
    let settings: Vec<&str> =
        settings.lines().filter(|line| !line.contains("IndexTargets")).collect();
    write(&root.join("etc/apt/apt.conf.d/90machine"), &(settings.join("\n") + "\n"))?;
    for extra in ["/usr/local/share/ca-certificates", "/etc/apt/auth.conf.d", "/etc/apt/auth.conf"]
    {
        if Path::new(extra).exists() {
            let into = root.join(extra.trim_start_matches('/'));
            program("cp").words("-aT").word(extra).word(into).quiet()?;
        }
    }
    let bundle = "etc/ssl/certs/ca-certificates.crt";
    if Path::new("/").join(bundle).exists() {
        program("cp")
            .words("-L")
            .word(Path::new("/").join(bundle))
            .word(root.join(bundle))
            .quiet()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_s_own_archives_are_taken() {
        let told = "http://a/debian/|bookworm|main|bookworm|Debian\nhttp://b/|nodistro|main|nodistro|. nodistro\n";
        let want = Source {
            address: "http://a/debian/".into(),
            suite: "bookworm".into(),
            component: "main".into(),
            codename: "bookworm".into(),
        };
        assert_eq!(parse(told), [want]);
    }
}
