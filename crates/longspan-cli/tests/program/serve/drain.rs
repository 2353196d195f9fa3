//! The end: what was accepted is answered.

use std::process::Command;

use serde_json::{Value, json};

use super::super::{Folder, PUMP};
use super::{Events, Server, book};

const WHO: &str = "Who installed the pump?";

impl Server {
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn status(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

/// A question that takes long, once its first windows are read.
fn long_question(server: &Server, repeated: usize) -> Events {
    let text = "The pump was installed in May 1911 by Ada Brown. ".repeat(repeated);
    let mut events = server.events(&json!({"question": WHO, "text": text}));
    assert_eq!(events.next().unwrap().0, "progress");
    events
}

fn last(mut events: Events) -> (String, Value) {
    let mut last = None;
    while let Some(event) = events.next() {
        last = Some(event);
    }
    last.unwrap()
}

#[test]
fn what_was_accepted_is_answered() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(&["--drain-timeout", "600"]);
        let events = long_question(&server, 800);
        server.signal(signal);
        server.wait_for_log("draining");
        assert_eq!(last(events).0, "done");
        assert_eq!(server.status(), Some(0), "{}", server.whole_log());
    }
}

#[test]
fn streams_end_with_an_error_when_the_time_is_over() {
    let mut server = Server::start(&["--drain-timeout", "0"]);
    let events = long_question(&server, 20_000);
    server.signal("-TERM");
    let (name, object) = last(events);
    assert_eq!((name.as_str(), &object["error_type"]), ("error", &json!("draining")));
    assert_eq!(server.status(), Some(0), "{}", server.whole_log());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&["--drain-timeout", "600", "--drain-delay", "600"]);
    let _events = long_question(&server, 20_000);
    server.signal("-TERM");
    server.wait_for_log("draining");
    let health = server.get("/health");
    assert_eq!((health.status, &health.json()["error_type"]), (503, &json!("draining")));
    assert_eq!(server.ask(&json!({"question": WHO, "text": PUMP}))[0]["answer"], "Ada Brown"); // still accepted
    server.signal("-TERM");
    assert_eq!(server.status(), Some(2));
}

#[test]
fn a_server_that_loads_can_be_ended_and_one_that_cannot_start_says_why() {
    let mut server = Server::start_loading(Folder::new(&[]), &[]);
    let health = server.get("/health").status;
    assert!(matches!(health, 200 | 503));
    server.signal("-TERM");
    assert_eq!(server.status(), Some(0), "{}", server.whole_log());
    let server = Server::start(&[]);
    let port = server.url.rsplit_once(':').unwrap().1;
    let ran = server.folder.run(&["serve", "--port", port]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains(&format!("127.0.0.1:{port}: ")) && ran.stderr.contains("hint: "), "{ran:?}");
    let ran = server.folder.run(&["serve", "--port", "0", "-m", "nowhere"]);
    assert!(ran.status == 2 && ran.stderr.starts_with("error: `nowhere`: no such folder"), "{ran:?}");
    assert_eq!(server.ask(&json!({"question": WHO, "text": format!("{PUMP}{}", &book()[..10])})).len(), 1);
}
