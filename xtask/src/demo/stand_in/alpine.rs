//! Alpine's stand-in: BusyBox, certificates and time zones, with small programs for what this BusyBox was built without.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{assets, fresh, import, write};
use crate::Outcome;
use crate::command::program;
use crate::demo::Hako;
use crate::package;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:root\ntty:x:5:\nnobody:x:65534:\n";
const RELEASE: &str = "NAME=\"hako's stand-in for Alpine\"\nID=alpine-stand-in\nPRETTY_NAME=\"hako's stand-in for Alpine (BusyBox)\"\n";

/// Makes `alpine:latest`.
pub(super) fn make(hako: &Hako, scratch: &Path) -> Outcome {
    package::ensure(&[("busybox", "busybox-static"), ("tar", "tar"), ("dpkg-deb", "dpkg")])?;
    let root = scratch.join("alpine");
    fresh(&root)?;
    lay_out(&root).map_err(|error| format!("cannot make `{}`: {error}", root.display()))?;
    write(&root.join("etc/passwd"), PASSWD)?;
    write(&root.join("etc/group"), GROUP)?;
    write(&root.join("etc/os-release"), RELEASE)?;
    let packages = scratch.join("alpine-packages");
    fresh(&packages)?;
    let unpacked = packages.join("root");
    package::unpack(&["ca-certificates", "tzdata"], &packages, &unpacked)?;
    certificates(&unpacked, &root)?;
    program("cp")
        .words("-a")
        .word(unpacked.join("usr/share/zoneinfo"))
        .word(root.join("usr/share/"))
        .quiet()?;
    let path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    import(hako, &root, &[path, "CMD [\"/bin/sh\"]", "LABEL hako.stand-in=alpine"], "alpine:latest")
}

fn lay_out(root: &Path) -> std::io::Result<()> {
    let dirs = "bin sbin etc/ssl/certs dev home proc root run sys tmp usr/bin usr/sbin usr/share usr/local/bin usr/local/sbin var/tmp";
    for dir in dirs.split(' ') {
        std::fs::create_dir_all(root.join(dir))?;
    }
    for dir in ["tmp", "var/tmp"] {
        std::fs::set_permissions(root.join(dir), PermissionsExt::from_mode(0o1777))?;
    }
    let busybox =
        ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    std::fs::copy(busybox.unwrap_or("/bin/busybox"), root.join("bin/busybox"))?;
    let applets = std::process::Command::new(root.join("bin/busybox")).arg("--list").output()?;
    for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|name| *name != "busybox")
    {
        symlink("/bin/busybox", root.join("bin").join(applet))?;
    }
    for own in std::fs::read_dir(assets("alpine"))?.filter_map(Result::ok) {
        let to = root.join("usr/local/bin").join(own.file_name());
        std::fs::copy(own.path(), &to)?;
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755))?;
    }
    Ok(())
}

/// Puts the certificates into the one file in which programs look for them.
fn certificates(unpacked: &Path, root: &Path) -> Outcome {
    let from = unpacked.join("usr/share/ca-certificates/mozilla");
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", from.display());
    let mut files: Vec<_> = std::fs::read_dir(&from)
        .map_err(failed)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut bundle = String::new();
    for file in files {
        bundle.push_str(&std::fs::read_to_string(&file).map_err(failed)?);
    }
    write(&root.join("etc/ssl/certs/ca-certificates.crt"), &bundle)
}
