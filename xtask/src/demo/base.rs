//! The base images: from their registry, or stand-ins under the same names where that cannot be reached.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use super::{Hako, stand_in};
use crate::Outcome;

/// For this long a registry may say nothing about layers.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes sure that the founding document's base images are there.
pub(super) fn ensure(hako: &Hako, scratch: &Path) -> Outcome {
    let mut reachable = true;
    for (image, make) in stand_in::ALL {
        if hako.call("image inspect").word(image).succeeds() {
            println!(
                "{image} is there{}",
                if stand_in::is_one(hako, image) { " (a stand-in of an earlier run)" } else { "" }
            );
            continue;
        }
        if reachable {
            match pull(hako, image) {
                Ok(()) => continue,
                Err(why) => println!(
                    "{image} cannot be pulled: {why}\nmaking stand-ins from packages of this machine instead"
                ),
            }
            reachable = false;
        }
        println!("making a stand-in for {image}");
        make(hako, scratch)?;
    }
    Ok(())
}

/// Pulls `image`. A registry that is silent is given up; one that sends layers may take its time.
fn pull(hako: &Hako, image: &str) -> Outcome {
    println!("$ hako pull {image}");
    let mut command = hako.call("pull").word(image).into_command();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let (layer_seen, wait_for_layer) = mpsc::channel();
    let echo = child.stdout.take().map(|stdout| {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if !line.contains("Pulling from") && layer_seen.send(()).is_err() {
                    // Nobody waits any longer: it is known that layers come.
                }
                println!("{line}");
            }
        })
    });
    // Both a first line and the end of the output (the pull has failed, or was nothing to do) end the wait.
    let silent = wait_for_layer.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
    if silent {
        child.kill().map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if let Some(echo) = echo {
        echo.join().map_err(|_| "the output's reader failed".to_owned())?;
    }
    match (silent, status.success()) {
        (true, _) => Err(format!("its registry did not answer within {} s", PATIENCE.as_secs())),
        (false, true) => Ok(()),
        (false, false) => Err("see above".into()),
    }
}
