//! Whole projects through the front door, from files in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use hako_compose::{Files, Loaded, Options, load, yaml};
use hako_types::Fault;

struct Memory(BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn is_file(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}

fn options(environment: &[(&str, &str)]) -> Options {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Options::new("/p".into(), environment)
}

fn try_load(files: &[(&str, &str)], options: &Options) -> Result<Loaded, hako_compose::Error> {
    let files =
        files.iter().map(|(path, text)| (Path::new("/p").join(path), (*text).to_owned())).collect();
    load(&Memory(files), options)
}

fn one(text: &str) -> Loaded {
    try_load(&[("compose.yaml", text)], &options(&[])).unwrap_or_else(|error| panic!("{error}"))
}

fn fails(text: &str) -> (String, String) {
    let error = try_load(&[("compose.yaml", text)], &options(&[])).expect_err("must fail");
    (error.to_string(), error.hint().unwrap_or_default())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a file and its model")]
fn the_founding_file_becomes_its_model() {
    let loaded = one("
version: '3'
services:
  app:
    build:
      context: .
      dockerfile: Dockerfile
    ports:
      - \"8080:8080\"
    environment:
      - DB_HOST=db
      - DB_PORT=5432
    depends_on:
      - db
    volumes:
      - ./config:/app/config
    networks:
      - app-network
    healthcheck:
      test: [\"CMD\", \"curl\", \"-f\", \"http://localhost:8080/health\"]
      interval: 30s
      timeout: 3s
      retries: 3
  db:
    image: postgres:latest
    volumes:
      - postgres-data:/var/lib/postgresql/data
    networks:
      - app-network
volumes:
  postgres-data:
networks:
  app-network:
    driver: bridge
");
    assert!(loaded.warnings[0].contains("`version` is obsolete"));
    let text = yaml::emit(&serde_json::to_value(&loaded.project).unwrap());
    insta::assert_snapshot!(text, @"
    name: p
    services:
      app:
        build:
          context: /p
          dockerfile: Dockerfile
        depends_on:
          db:
            condition: service_started
            required: true
        environment:
          DB_HOST: db
          DB_PORT: \"5432\"
        healthcheck:
          test:
            - CMD
            - curl
            - -f
            - http://localhost:8080/health
          timeout: 3s
          interval: 30s
          retries: 3
        networks:
          app-network: null
        ports:
          - mode: ingress
            target: 8080
            published: \"8080\"
            protocol: tcp
        volumes:
          - type: bind
            source: /p/config
            target: /app/config
            bind:
              create_host_path: true
      db:
        image: postgres:latest
        networks:
          app-network: null
        volumes:
          - type: volume
            source: postgres-data
            target: /var/lib/postgresql/data
            volume: {}
    networks:
      app-network:
        name: p_app-network
        driver: bridge
        ipam: {}
    volumes:
      postgres-data:
        name: p_postgres-data
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of mistakes")]
fn mistakes_name_their_line_and_what_was_meant() {
    for (text, want, hint) in [
        (
            "services:\n  web:\n    image: x\n    comand: y\n",
            "/p/compose.yaml:4:5: services.web: unknown key `comand`",
            "did you mean `command`?",
        ),
        (
            "services:\n  web:\n    image: [x]\n",
            "/p/compose.yaml:3:12: services.web.image: must be a string, not a list",
            "",
        ),
        (
            "services:\n  web:\n    image: x\n    tty: maybe\n",
            "services.web.tty: must be a boolean, not a string (`maybe`)",
            "",
        ),
        (
            "services:\n  web: {image: x, restart: sometimes}\n",
            "`sometimes` is not a restart policy",
            "",
        ),
        (
            "name: Bad Name\nservices: {web: {image: x}}\n",
            "/p/compose.yaml:1:7: name: invalid project name `Bad Name`",
            "",
        ),
        (
            "services:\n  web:\n    image: x\n    networks: [no]\n",
            "services.web.networks: service `web` refers to undefined network `no`",
            "",
        ),
        (
            "services:\n  web:\n    image: 'a $ b'\n",
            "/p/compose.yaml:3:12: services.web.image: invalid interpolation format",
            "write $$ where a dollar sign is meant to stay",
        ),
        (
            "services:\n  web:\n    image: ${V:?set it}\n",
            "required variable V is missing a value: set it",
            "",
        ),
        (
            "services:\n  web: {image: x, mem_limit: lots}\n",
            "services.web.mem_limit: `lots` is not a size",
            "",
        ),
        (
            "services:\n  web: {image: x, healthcheck: {test: [curl]}}\n",
            "must begin with NONE, CMD or CMD-SHELL",
            "",
        ),
        (
            "services:\n  web: {image: x, deploy: {replicas: -1}}\n",
            "services.web.deploy.replicas: cannot be negative",
            "",
        ),
        (
            "services:\n  web:\n    image: x\n    networks: {n: {ipv4_address: 1.2.3}}\nnetworks: {n: }\n",
            "/p/compose.yaml:4:15: services.web.networks: `1.2.3` is not an IPv4 address",
            "",
        ),
        ("services:\n  web: {image: x, volumes: ['a::b']}\n", "an empty part between colons", ""),
    ] {
        let (message, got_hint) = fails(text);
        assert!(message.contains(want), "{message}\n  does not contain {want}");
        assert_eq!(got_hint, hint, "{message}");
    }
}

#[test]
fn included_projects_keep_their_own_directory_and_variables() {
    let files = [
        (
            "compose.yaml",
            "include: [sub/compose.yaml]\nservices: {web: {image: x, depends_on: [db]}}\n",
        ),
        ("sub/compose.yaml", "services: {db: {image: \"db:${TAG}\", volumes: [\"./d:/d\"]}}\n"),
        ("sub/.env", "TAG=7\n"),
    ];
    let loaded = try_load(&files, &options(&[])).unwrap();
    let db = &loaded.project.services["db"];
    assert_eq!((db.image.as_str(), db.volumes[0].source.as_str()), ("db:7", "/p/sub/d"));
    let clash = [
        ("compose.yaml", "include: [a.yaml]\nservices: {web: {image: x}}\n"),
        ("a.yaml", "services: {web: {image: y}}\n"),
    ];
    assert!(
        try_load(&clash, &options(&[])).unwrap_err().to_string().contains("`web` conflicts with")
    );
    let circle = [("compose.yaml", "include: [a.yaml]\n"), ("a.yaml", "include: [compose.yaml]\n")];
    assert!(try_load(&circle, &options(&[])).unwrap_err().to_string().contains("in a circle"));
}

#[test]
fn an_extended_service_brings_the_networks_that_it_needs() {
    let files = [
        ("compose.yaml", "services: {web: {extends: {file: b.yaml, service: base}}}\n"),
        (
            "b.yaml",
            "services: {base: {image: x, networks: [n]}, other: {image: y, networks: [m]}}\nnetworks: {n: {internal: true}, m: }\n",
        ),
    ];
    let loaded = try_load(&files, &options(&[])).unwrap();
    assert_eq!(loaded.project.networks.keys().collect::<Vec<_>>(), ["n"]);
    assert!(loaded.project.networks["n"].internal);
}

#[test]
fn the_hash_follows_what_containers_are_made_from() {
    let hash = |text: &str, value: &str| {
        let loaded = try_load(&[("compose.yaml", text)], &options(&[("V", value)])).unwrap();
        loaded.config_hash(&loaded.project.services["web"])
    };
    let base = "services: {web: {image: x, secrets: [s], configs: [c]}}\nsecrets: {s: {environment: V}}\nconfigs: {c: {content: one}}\n";
    assert_eq!(
        hash(base, "1"),
        hash(&base.replace("image: x", "scale: 3, pull_policy: never, image: x"), "1")
    );
    assert_ne!(hash(base, "1"), hash(base, "2"));
    assert_ne!(hash(base, "1"), hash(&base.replace("one", "two"), "1"));
}

#[test]
fn without_filling_the_text_keeps_its_variables() {
    let mut options = options(&[]);
    options.interpolate = false;
    let text =
        "services: {web: {image: \"x:${TAG:-1}\", ports: [\"${PORT}:80\"], tty: \"${TTY}\"}}\n";
    let loaded = try_load(&[("compose.yaml", text)], &options).unwrap();
    assert_eq!(
        loaded.tree.get("services").unwrap().get("web").unwrap().get("image").unwrap().as_text(),
        Some("x:${TAG:-1}")
    );
    let names: Vec<&str> = loaded.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["PORT", "TAG", "TTY"]);
}

#[test]
fn profiles_turn_services_on_and_naming_them_does_too() {
    let text = "services: {web: {image: x}, tool: {image: x, profiles: [t], depends_on: [aid]}, aid: {image: x, profiles: [t]}}\n";
    let mut loaded = one(text);
    assert_eq!(loaded.project.services.len(), 1);
    loaded.enable(&["tool".into()]).unwrap();
    loaded.settle().unwrap();
    assert_eq!(
        loaded.select(&["tool".into()], true).unwrap().into_iter().collect::<Vec<_>>(),
        ["aid", "tool"]
    );
    assert!(
        loaded
            .enable(&["nobody".into()])
            .unwrap_err()
            .to_string()
            .contains("no such service: nobody")
    );
}
