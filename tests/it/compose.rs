//! A project comes up in order, is found by its names, and goes without a trace.

use hako_testkit::env::Env;

const FILE: &str = r#"services:
  app:
    build: .
    stop_grace_period: 100ms
    environment: ["PEER=db"]
    depends_on:
      db: { condition: service_healthy }
    networks: [back]
  db:
    image: box
    command: sh -c "sleep 0.3; touch /ready; exec sleep 1000"
    stop_grace_period: 100ms
    healthcheck: { test: ["CMD", "test", "-e", "/ready"], interval: 100ms, retries: 50 }
    volumes: ["data:/data"]
    networks: [back]
volumes:
  data:
networks:
  back:
"#;

#[test]
fn up_waits_for_health_and_down_takes_everything() {
    let Some(env) = Env::new() else { return };
    let file = env.write("p/compose.yml", FILE);
    let _path = env.write("p/Dockerfile", "FROM box\nCMD ping -c 1 $PEER && exec sleep 1000\n");
    let compose = |words: &[&str]| {
        env.hako(&[&["compose", "-p", "proj", "-f", file.to_str().unwrap()], words].concat())
    };

    let up = compose(&["up", "-d", "--build", "--wait"]);
    assert_eq!(up.code, 0, "{up:?}");
    assert_eq!(compose(&["ps", "--services"]).ok().lines().count(), 2);
    assert!(env.inspect("{{.State.Health.Status}}", "proj-db-1") == "healthy");
    assert_eq!(compose(&["exec", "app", "sh", "-c", "echo $PEER"]).ok(), "db");
    assert!(compose(&["logs", "app"]).ok().contains("1 packets received"));
    assert_eq!(env.hako(&["volume", "ls", "-q"]).ok(), "proj_data");

    let id = env.inspect("{{.Id}}", "proj-app-1");
    assert_eq!(compose(&["up", "-d"]).code, 0);
    assert_eq!(env.inspect("{{.Id}}", "proj-app-1"), id, "nothing changed: nothing is made anew");

    assert_eq!(compose(&["down", "-v"]).code, 0);
    assert_eq!(env.hako(&["ps", "-aq"]).ok(), "");
    assert_eq!(env.hako(&["volume", "ls", "-q"]).ok(), "");
    assert_eq!(env.hako(&["network", "ls", "-q", "--filter", "name=proj"]).ok(), "");
    assert_eq!(env.hako(&["system", "check"]).code, 0);
}
