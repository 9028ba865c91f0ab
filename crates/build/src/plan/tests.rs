use std::collections::BTreeMap;

use hako_types::Platform;

use super::*;
use crate::outline::outline;
use crate::request::RunDefaults;

fn request(text: &str) -> Request {
    Request {
        dockerfile: text.into(),
        target: None,
        arguments: BTreeMap::new(),
        labels: BTreeMap::new(),
        platform: "linux/amd64".parse().unwrap(),
        contexts: BTreeMap::new(),
        no_cache: NoCache::Nothing,
        run: RunDefaults::default(),
        has_context: true,
        project: String::new(),
    }
}

fn planned(request: &Request) -> Result<Planned, Problem> {
    let (file, _) = hako_dockerfile::parse(&request.dockerfile).map_err(|mut all| all.remove(0))?;
    let outline = outline(&file, request).map_err(|mut all| all.remove(0))?;
    let mut images = BTreeMap::new();
    for wanted in outline.images() {
        let mut config = ImageConfig::empty(&Platform::host());
        config.config.env.push("PATH=/bin".into());
        config.config.cmd = Some(vec!["base".into()]);
        if wanted.reference == "triggers" {
            config.config.on_build = vec!["RUN trigger".into(), "ENV T=1".into()];
        }
        images.insert(wanted, Base { config, layers: vec![], display: "image".into() });
    }
    plan(&file, &outline, request, &images)
}

fn names(planned: &Planned) -> Vec<&str> {
    planned.graph.vertices.iter().map(|vertex| vertex.name.as_str()).collect()
}

#[test]
fn only_what_the_target_needs_is_in_the_graph() {
    let mut request = request(
        "FROM a AS before\nRUN false\nFROM b AS wanted\nRUN one\nFROM c AS final\nCOPY --from=WANTED /x /y\nFROM d\nCOPY --from=before / /\n",
    );
    request.target = Some("final".into());
    insta::assert_debug_snapshot!(names(&planned(&request).unwrap()), @r#"
    [
        "[wanted 1/2] FROM image",
        "[wanted 2/2] RUN one",
        "[final 1/2] FROM image",
        "[final 2/2] COPY --from=WANTED /x /y",
    ]
    "#);
}

#[test]
fn arguments_and_environment_have_their_scopes() {
    let mut request = request(
        "ARG MAJOR=3\nARG VER=${MAJOR}.1\nFROM a AS base\nARG VER\nARG A=1 B=\"two $VER\" C\nARG A=9\nENV V=env\nARG V=arg\nENV abc=hello\nENV abc=bye def=$abc\nFROM base\nRUN x\n",
    );
    request.arguments.insert("C".into(), String::new());
    request.arguments.insert("HTTP_PROXY".into(), "p".into());
    let planned = planned(&request).unwrap();
    let Operation::Run(run) = &planned.graph.vertices[1].operation else { panic!() };
    assert_eq!(
        run.env,
        ["PATH=/bin", "VER=3.1", "A=9", "B=two 3.1", "C=", "V=env", "abc=bye", "def=hello"],
    );
    assert_eq!(run.uncounted_env, ["HTTP_PROXY=p"]);
    assert_eq!(planned.config.config.env, ["PATH=/bin", "V=env", "abc=bye", "def=hello"]);
}

#[test]
fn triggers_run_first_and_are_not_inherited() {
    let planned = planned(&request("FROM triggers\nRUN own $T\nENTRYPOINT [\"e\"]\n")).unwrap();
    assert_eq!(names(&planned)[1..], ["[2/3] RUN trigger", "[3/3] RUN own $T"]);
    assert!(planned.config.config.on_build.is_empty());
    assert_eq!(planned.config.config.cmd, None);
}

#[test]
fn mistakes_have_their_places() {
    for (text, line, message) in [
        ("ARG BASE\nFROM $BASE\n", 2, "base name (`$BASE`) should not be blank"),
        (
            "FROM a\nARG x\nENV y=\"${x:?please give x}\"\n",
            3,
            "failed to process `\"${x:?please give x}\"`: x: please give x",
        ),
        ("FROM a\nCOPY --from=3 /a /b\n", 2, "there is no stage 3 before this one"),
        (
            "FROM a AS me\nCOPY --from=me /a /b\n",
            2,
            "circular dependency: stage `me` copies from itself",
        ),
        ("FROM a\nARG s=SIGNONE\nSTOPSIGNAL $s\n", 3, "invalid signal: `SIGNONE`"),
    ] {
        let problem = planned(&request(text)).unwrap_err();
        assert_eq!((problem.span.position(text).line, problem.message.as_str()), (line, message));
    }
}

#[test]
fn paths_are_below_the_working_directory() {
    let text = "FROM a\nWORKDIR top/a\nWORKDIR ../c/./d/\nCOPY f .\nCOPY f g\nCOPY a b /x\n";
    let planned = planned(&request(text)).unwrap();
    let targets: Vec<String> = planned
        .graph
        .vertices
        .iter()
        .filter_map(|v| match &v.operation {
            Operation::Copy(copy) => Some(copy.target.clone()),
            Operation::Directory(directory) => Some(directory.path.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(targets, ["/top/a", "/top/c/d", "/top/c/d/", "/top/c/d/g", "/x/"]);
}
