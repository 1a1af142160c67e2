//! The commands of `docs/guides/deploy.md` that answer questions from the log, on a log that the program has written.
use std::process::Command;

use serde_json::{Value, json};

use super::access_log::{Program, closed_port, post};

/// The commands below the heading "Questions to the log", in their order.
fn commands() -> Vec<String> {
    let guide = include_str!("../../../docs/guides/deploy.md");
    let section = guide.split("### Questions to the log").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs jq"]
fn the_commands_of_the_guide_answer_questions_from_a_log() {
    let closed = format!("127.0.0.1:{}", closed_port());
    let config = format!(
        "listen = ['127.0.0.1:0']\nlog.format = 'json'\npublic.trusted-proxies = ['127.0.0.1']\n\
         [group.'/wheel']\nservice = 'wheel'\noptions.family = 'american'\n\
         [group.'/down']\nupstream = {{ urls = ['http://{closed}/'], protocol = 'xml-rpc' }}\n"
    );
    let mut program = Program::start("questions", &config);
    let of = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    let requests = [
        post("/wheel", "spin", &of("192.0.2.1")),
        post("/wheel", "spin", &of("192.0.2.1")),
        post("/wheel", "spinn", &of("192.0.2.1")),
        post("/down", "ask", &of("192.0.2.2")),
        post("/nowhere", "ask", &of("192.0.2.2")),
    ];
    for request in &requests {
        program.ask(request);
    }
    let (mut log, mut lines) = (String::new(), 0);
    while lines < requests.len() {
        let line = program.log.next().unwrap().unwrap();
        lines += usize::from(line.contains("croupier::access"));
        log += &format!("{line}\n");
    }
    let file = std::env::temp_dir().join(format!("croupier-questions-{}.log", std::process::id()));
    std::fs::write(&file, &log).unwrap();
    let mixed = file.with_extension("mixed");
    std::fs::write(&mixed, format!("Started croupier.service.\n{log}42\n\nStopping {{\n")).unwrap();
    let answers: Vec<Value> = commands()
        .iter()
        .map(|command| {
            // The forms that leave out other lines get a log with such lines.
            let journal = command.replace("journalctl -u croupier -o cat", "cat croupier.log");
            let read = if journal.contains("fromjson?") { &mixed } else { &file };
            let command = journal.replace("croupier.log", read.to_str().unwrap());
            let output = Command::new("sh").args(["-c", &command]).output().unwrap();
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect();
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(&mixed).unwrap();
    let [slowest, ended, clients, upstreams, waits, outcomes, journal] = answers.as_slice() else {
        panic!("{answers:?}")
    };

    let spins = slowest.as_array().unwrap().iter().find(|row| row["method"] == "spin").unwrap();
    assert_eq!((&spins["group"], &spins["requests"]), (&json!("/wheel"), &json!(2)));
    assert_eq!(slowest.as_array().unwrap().len(), 1, "calls that failed are not among them");
    assert_eq!(outcomes, journal);
    assert!(outcomes.as_array().unwrap().contains(&json!({"outcome": "ok", "requests": 2})), "{outcomes}");
    assert!(spins["mean_ms"].as_f64().unwrap() <= spins["longest_ms"].as_f64().unwrap());
    let mut rows = ended.as_array().unwrap().clone();
    rows.sort_by_key(|row| row["outcome"].to_string());
    let row = |by: &str, stage: &str, outcome: &str| json!({"ended_by": by, "stage": stage, "outcome": outcome, "requests": 1});
    let expected = [
        row("client", "call", "no-such-method"),
        row("client", "head", "rejected"),
        row("upstream", "call", "unreachable"),
    ];
    assert_eq!(rows, expected);
    let count = |client: &str| {
        let row = clients.as_array().unwrap().iter().find(|row| row["client"] == client).unwrap();
        (row["requests"].as_u64().unwrap(), row["failed"].as_u64().unwrap())
    };
    assert_eq!((count("192.0.2.1"), count("192.0.2.2")), ((3, 1), (2, 2)));
    assert_eq!(*upstreams, json!([{"upstream": closed, "outcome": "unreachable", "requests": 1}]));
    let wheel = waits.as_array().unwrap().iter().find(|row| row["group"] == "/wheel").unwrap();
    assert_eq!(*wheel, json!({"group": "/wheel", "queued": 0, "upstream": 0}));
}
