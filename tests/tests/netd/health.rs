//! Containers that are not healthy, as their runtime said.

use std::time::Duration;

use serde_json::json;
use tests::{Container, Daemon, Lab, eventually};

use super::{control::tell, network, web};

const SOON: Duration = Duration::from_secs(20);

/// A name whose containers are not healthy: the status, and how long that may be kept.
fn nothing(client: &Container, name: &str) -> (String, String) {
    let answer = client.dig_with(&format!("{name} A"));
    assert_eq!(answer.addresses(), [""; 0], "{name}");
    let authority = client.run(&format!("dig +noall +authority +time=2 +tries=1 {name} A")).text();
    (answer.status, authority.split_whitespace().nth(1).unwrap_or_default().to_owned())
}

#[test]
fn who_is_not_healthy_leaves_the_answers_until_it_is_also_after_a_restart() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2, client] = ["c1", "c2", "client"].map(|name| host.container(name));
    let config = network("web", 1, &json!({"names": ["shop"]}));
    let first = c1.add(&config);
    c2.add(&config);
    client.add(&web());
    let both = [c1.address("eth0"), c2.address("eth0")];
    assert_eq!(client.dig("shop").addresses(), both);
    assert_eq!(tell(&host, "c1", "unhealthy"), "");
    // It was answered, so it is served.
    assert_eq!(client.dig("shop").addresses(), both[1..]);
    let soon = ("NOERROR".to_owned(), "1".to_owned());
    assert_eq!(nothing(&client, "c1.web.internal"), soon);
    assert_eq!(client.dig_with(&format!("-x {}", both[0])).data(&["PTR"]), ["c1.web.internal."]);
    let shown = host.netd_show("names --network web");
    assert!(shown.lines().any(|line| line.starts_with("c1.web") && line.ends_with("unhealthy")), "{shown}");
    assert_eq!(tell(&host, "c2", "starting"), "");
    assert_eq!(nothing(&client, "shop.web.internal"), soon);
    netd.kill();
    let netd = host.netd();
    assert_eq!(nothing(&client, "shop.web.internal"), soon, "it outlives netd");
    assert_eq!(tell(&host, "c2", "healthy"), "");
    assert_eq!(client.dig("shop").addresses(), both[1..]);
    netd.stop();
    // Nothing was said of who comes after it.
    first.del().unwrap();
    c1.add(&config);
    let netd = host.netd();
    assert_eq!(client.dig("c1").addresses(), [c1.address("eth0")]);
    assert!(tell(&host, "c9", "healthy").contains("there is no attachment web/c9/eth0"));
    netd.stop();
}

/// Asks for `shop`, and the first whom it names for a page, again and again; says `ok` or `lost` each time.
const LOAD: &str = "while :; do a=$(dig +short +time=2 +tries=1 shop.web.internal A | head -n 1); \
    if curl --silent --max-time 2 --output /dev/null http://$a:8000/; then echo ok; else echo lost; fi; done";

/// A server of files, which is there when this returns.
fn serve(container: &Container) -> Daemon {
    let log = container.folder().join("httpd.log");
    let server = Daemon::start(container, "busybox".as_ref(), log, |command| {
        command.args(["httpd", "-f", "-p", "8000", "-h", "/etc"]);
    });
    let page = "curl --silent --max-time 2 --output /dev/null http://127.0.0.1:8000/resolv.conf";
    eventually(SOON, || container.run(page).success());
    server
}

#[test]
fn a_rolling_restart_under_load_loses_no_question_and_no_request() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let containers = ["c1", "c2", "c3"].map(|name| host.container(name));
    let config = network("web", 1, &json!({"names": ["shop"]}));
    let mut servers = Vec::new();
    for container in &containers {
        container.add(&config);
        servers.push(serve(container));
    }
    let client = host.container("client");
    client.add(&web());
    let load = |number: usize| {
        let log = client.folder().join(format!("load{number}.log"));
        Daemon::start(&client, "sh".as_ref(), log, |command| {
            command.args(["-c", LOAD]);
        })
    };
    let loads = [load(0), load(1)];
    let count = || loads.each_ref().map(|load| load.log().lines().count());
    // Who asks when this begins has its answer used when it ends.
    let drain = || {
        let before = count();
        eventually(SOON, || count().iter().zip(before).all(|(now, before)| *now >= before + 2));
    };
    drain();
    for (number, container) in containers.iter().enumerate() {
        assert_eq!(tell(&host, container.name(), "unhealthy"), "");
        drain();
        servers.remove(0).kill();
        drain();
        assert_eq!(tell(&host, container.name(), "starting"), "");
        servers.push(serve(container));
        assert_eq!(tell(&host, container.name(), "healthy"), "");
        assert_eq!(client.dig("shop").addresses().len(), 3, "round {number}");
        drain();
    }
    let said: String = loads.each_ref().map(Daemon::log).concat();
    assert!(!said.contains("lost"), "{said}");
    drop(loads);
    drop(servers);
    netd.stop();
}

#[test]
fn a_container_whose_labels_ask_for_it_is_found_while_it_answers() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2, client] = ["c1", "c2", "client"].map(|name| host.container(name));
    let annotations = "io.kubernetes.cri.pod-annotations";
    let config = network("web", 1, &json!({"capabilities": {annotations: true}}));
    let mut labelled = config.clone();
    let labels =
        [("netd.health", "http:8000/resolv.conf"), ("netd.health.interval", "1"), ("netd.health.retries", "2")];
    let labels = labels.map(|(key, value)| json!({"key": key, "value": value}));
    labelled["plugins"][1]["args"] = json!({"cni": {"labels": labels}});
    client.add(&web());
    c1.add(&labelled);
    // As containerd says it.
    let attachment = c2.attachment(&config, "eth0").capabilities(&json!({annotations: {"netd.health": "tcp:8000"}}));
    c2.keep(attachment).add().unwrap();
    let soon = ("NOERROR".to_owned(), "1".to_owned());
    for name in ["c1.web.internal", "c2.web.internal"] {
        assert_eq!(nothing(&client, name), soon, "{name} before it answers");
    }
    assert!(host.netd_show("names").contains("starting"));
    let servers = [serve(&c1), serve(&c2)];
    let found = |container: &Container| {
        client.dig_with(&format!("{}.web.internal A", container.name())).addresses() == [container.address("eth0")]
    };
    eventually(SOON, || found(&c1) && found(&c2));
    // What was found before holds while netd finds it again.
    netd.kill();
    let netd = host.netd();
    assert!(found(&c1) && found(&c2));
    let [first, second] = servers;
    first.kill();
    eventually(SOON, || !found(&c1));
    assert_eq!(nothing(&client, "c1.web.internal"), soon);
    assert!(found(&c2));
    let first = serve(&c1);
    eventually(SOON, || found(&c1));
    drop([first, second]);
    netd.stop();
}
