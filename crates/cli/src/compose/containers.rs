//! Commands that docker has for one container as well: they are these, called with the container of a service.

use super::Command;
use super::context::Context;
use super::scene::Scene;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::command::{dispatch, say};
use crate::report::Failure;
use crate::terminal::is_terminal;

const INDEX: Flag = value("index", "int", "the number of the service's container");

const EXEC_FLAGS: &[Flag] = &[
    switch("detach", "run the command in the background").short('d'),
    values("env", "stringArray", "set an environment variable").short('e'),
    INDEX,
    switch("interactive", "").short('i'),
    switch("no-tty", "give the command no terminal").short('T'),
    switch("no-TTY", ""),
    switch("privileged", "give the command all capabilities"),
    switch("tty", "").short('t'),
    value("user", "string", "the user").short('u'),
    value("workdir", "string", "the directory").short('w'),
];

pub(super) const EXEC: Command = Command {
    names: &["exec"],
    about: "Run a command in a service's container",
    syntax: Syntax {
        words: "SERVICE COMMAND [ARGS...]",
        count: Words::AtLeast(2),
        program: true,
        flags: &[EXEC_FLAGS],
    },
    run: exec,
};

pub(super) const ATTACH: Command = Command {
    names: &["attach"],
    about: "Attach to a service's running container",
    syntax: Syntax {
        words: "SERVICE",
        count: Words::Exactly(1),
        program: false,
        flags: &[&[
            value("detach-keys", "string", ""),
            INDEX,
            switch("no-stdin", "do not pass input on"),
            switch("sig-proxy", ""),
        ]],
    },
    run: attach,
};

pub(super) const EXPORT: Command = Command {
    names: &["export"],
    about: "Write a service's container's files as a tar archive",
    syntax: Syntax {
        words: "SERVICE",
        count: Words::Exactly(1),
        program: false,
        flags: &[&[INDEX, value("output", "string", "write to this file").short('o')]],
    },
    run: export,
};

pub(super) const COMMIT: Command = Command {
    names: &["commit"],
    about: "Make an image of a service's container",
    syntax: Syntax {
        words: "SERVICE [REPOSITORY[:TAG]]",
        count: Words::Between(1, 2),
        program: false,
        flags: &[&[
            value("author", "string", "the author").short('a'),
            values("change", "list", "a Dockerfile instruction").short('c'),
            INDEX,
            value("message", "string", "a message").short('m'),
            switch("pause", "pause the container meanwhile (default true)").short('p'),
        ]],
    },
    run: commit,
};

pub(super) const CP: Command = Command {
    names: &["cp"],
    about: "Copy files between a service's containers and here",
    syntax: Syntax {
        words: "SERVICE:SRC_PATH DEST_PATH|- or SRC_PATH|- SERVICE:DEST_PATH",
        count: Words::Exactly(2),
        program: false,
        flags: &[&[
            switch("all", "copy to the containers of run, too"),
            switch("archive", "keep owners").short('a'),
            switch("follow-link", "follow a link at the source").short('L'),
            INDEX,
        ]],
    },
    run: cp,
};

pub(super) const STATS: Command = Command {
    names: &["stats"],
    about: "Show what containers use",
    syntax: Syntax {
        words: "[SERVICE]",
        count: Words::AtMost(1),
        program: false,
        flags: &[&[
            switch("all", "also those that do not run").short('a'),
            value("format", "string", "table, json or a template"),
            switch("no-stream", "show one sample"),
            switch("no-trunc", "do not shorten"),
        ]],
    },
    run: stats,
};

pub(super) const TOP: Command = Command {
    names: &["top"],
    about: "Show the processes of containers",
    syntax: Syntax { words: "[SERVICES...]", count: Words::AtLeast(0), program: false, flags: &[] },
    run: top,
};

fn index(parsed: &Parsed) -> Result<u32, Failure> {
    if !parsed.given("index") {
        return Ok(0);
    }
    u32::try_from(parsed.integer("index")?).map_err(|_| Failure::new("--index must be positive"))
}

/// Returns the id of the container that is meant.
fn id(context: &Context<'_>, parsed: &Parsed, service: &str) -> Result<String, Failure> {
    Ok(Scene::find(context)?.container(context, service, index(parsed)?)?.id)
}

fn call(context: &Context<'_>, words: &[String]) -> Result<u8, Failure> {
    Ok(dispatch(context.session, words))
}

/// Returns the flags that were given, as words again.
fn flags(parsed: &Parsed, texts: &[&str], switches: &[&str]) -> Vec<String> {
    let texts = texts
        .iter()
        .flat_map(|flag| parsed.all(flag).map(move |value| format!("--{flag}={value}")));
    let switches =
        switches.iter().filter_map(|flag| Some(format!("--{flag}={}", parsed.text(flag)?)));
    texts.chain(switches).collect()
}

fn exec(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let service = &parsed.words[0];
    let actual = match scene.container(context, service, index(parsed)?) {
        Ok(actual) if actual.is_up() => actual,
        Ok(_) => return Err(Failure::new(format!("service \"{service}\" is not running"))),
        Err(failure) => return Err(failure),
    };
    let id = actual.id;
    let here = is_terminal(rustix::stdio::stdin()) && is_terminal(rustix::stdio::stdout());
    let without = parsed.on("no-tty") || parsed.on("no-TTY") || parsed.text("tty") == Some("false");
    let mut words = vec!["exec".to_owned()];
    if parsed.on("detach") {
        words.push("--detach".into());
    } else if parsed.text("interactive") != Some("false") {
        words.push("--interactive".into());
    }
    if here && !without && !parsed.on("detach") {
        words.push("--tty".into());
    }
    words.extend(flags(parsed, &["env", "user", "workdir"], &["privileged"]));
    words.push(id);
    words.extend(parsed.words[1..].iter().cloned());
    call(context, &words)
}

fn attach(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let id = id(context, parsed, &parsed.words[0])?;
    let mut words = vec!["attach".to_owned()];
    words.extend(flags(parsed, &["detach-keys"], &["no-stdin", "sig-proxy"]));
    words.push(id);
    call(context, &words)
}

fn export(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let id = id(context, parsed, &parsed.words[0])?;
    let mut words = vec!["export".to_owned()];
    words.extend(flags(parsed, &["output"], &[]));
    words.push(id);
    call(context, &words)
}

fn commit(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let id = id(context, parsed, &parsed.words[0])?;
    let mut words = vec!["commit".to_owned()];
    words.extend(flags(parsed, &["author", "change", "message"], &["pause"]));
    words.push(id);
    words.extend(parsed.words.get(1).cloned());
    call(context, &words)
}

fn cp(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let all = scene.containers(context, parsed.on("all"))?;
    let split = |text: &str| match text.split_once(':') {
        Some((service, path)) if !service.contains('/') && service != "." => {
            Some((service.to_owned(), path.to_owned()))
        }
        _ => None,
    };
    let (source, target) = (&parsed.words[0], &parsed.words[1]);
    let options = flags(parsed, &[], &["archive", "follow-link"]);
    let run = |from: String, to: String| {
        let words: Vec<String> = ["cp".to_owned()]
            .into_iter()
            .chain(options.iter().cloned())
            .chain([from, to])
            .collect();
        call(context, &words)
    };
    match (split(source), split(target)) {
        (Some((service, path)), None) => {
            let actual = scene.container(context, &service, index(parsed)?)?;
            run(format!("{}:{path}", actual.id), target.clone())
        }
        (None, Some((service, path))) => {
            scene.check(std::slice::from_ref(&service), &all)?;
            let wanted = index(parsed)?;
            let own: Vec<_> = all
                .iter()
                .filter(|actual| {
                    actual.service == service && (wanted == 0 || actual.number == wanted)
                })
                .collect();
            if own.is_empty() {
                return Err(Failure::new(format!("no container found for service \"{service}\"")));
            }
            for actual in own {
                let code = run(source.clone(), format!("{}:{path}", actual.id))?;
                if code != 0 {
                    return Ok(code);
                }
            }
            Ok(0)
        }
        _ => Err(Failure::new("one of the two paths must be SERVICE:PATH")),
    }
}

fn stats(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let chosen = scene.chosen(context, &parsed.words, false)?.containers;
    let ids: Vec<String> = chosen
        .into_iter()
        .filter(|actual| actual.is_up() || parsed.on("all"))
        .map(|actual| actual.id)
        .collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let mut words = vec!["stats".to_owned()];
    words.extend(flags(parsed, &["format"], &["all", "no-stream", "no-trunc"]));
    words.extend(ids);
    call(context, &words)
}

fn top(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let chosen = scene.chosen(context, &parsed.words, false)?.containers;
    let engine = context.engine()?;
    for actual in chosen.iter().filter(|actual| actual.is_up()) {
        let pids = engine.containers().top(&actual.id)?;
        say(&format!("{}\n{}\n", actual.name, processes(&pids)?));
    }
    Ok(0)
}

/// Returns the lines of `ps` for these processes, under its headings.
fn processes(pids: &[i32]) -> Result<String, Failure> {
    let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let mut rows = vec!["UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD".to_owned()];
    if !list.is_empty() {
        let columns = "user=,pid=,ppid=,c=,stime=,tty=,time=,args=";
        let output = std::process::Command::new("ps")
            .args(["-ww", "-o", columns, "-p", &list.join(",")])
            .output();
        let output = output.map_err(|error| Failure::io("cannot run `ps`", &error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        rows.extend(text.lines().map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let (head, tail) = cells.split_at(cells.len().min(7));
            format!("{}\t{}", head.join("\t"), tail.join(" "))
        }));
    }
    Ok(crate::format::lines(&rows))
}
