//! The counts of quotas survive restarts and reloads of the program, and files that cannot be used keep it from starting.

use std::time::Duration;

use serde_json::{Value, json};

use super::admin::{LISTEN, SPIN, Served};
use super::commands::{Folder, croupier};
use crate::support::process::run;

/// A group with a quota, and the file of its counts.
fn config(folder: &Folder, calls: &str, more: &str) -> String {
    let file = format!(
        "{LISTEN}quotas.file = 'quotas.redb'\n[group.'/wheel']\nservice = 'wheel'\noptions = {{ family = 'mini' }}\n\
         limits.quota = {{ calls = '{calls}'{more} }}\n"
    );
    folder.file("c.toml", &file)
}

/// How many of these calls, in one batch, are made.
fn passed(served: &Served, calls: usize) -> usize {
    let (status, body) = served.call("/wheel", &format!("[{}]", vec![SPIN; calls].join(",")));
    assert_eq!(status, 200, "{body}");
    let refused = body.matches("\"code\":-32052,").count();
    assert_eq!(body.matches("\"result\":").count() + refused, calls, "{body}");
    calls - refused
}

fn stop(served: Served, signal: &str) -> String {
    served.process.signal(signal);
    let ended = served.process.end();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    ended.stderr
}

#[test]
fn a_restart_goes_on_counting() {
    let folder = Folder::new();
    // A month, so that the test seldom runs while a new one begins.
    let file = config(&folder, "10/month", "");
    let served = Served::start(&file);
    assert_eq!(passed(&served, 4), 4);
    let log = stop(served, "TERM");
    assert!(!log.contains("WARN"), "{log}");

    let served = Served::start(&file);
    assert_eq!(passed(&served, 3), 3);
    stop(served, "INT");

    let served = Served::start(&file);
    assert_eq!(passed(&served, 10), 3);
    let (status, body) = served.call("/wheel", SPIN);
    assert!(status == 429 && body.contains("the quota of 10 calls a month is used up; it starts again at 2"), "{body}");
    let scrape = served.scrape();
    assert_eq!(scrape.series().get("croupier_quota_save_failures_total"), Some(&0.0));
    stop(served, "TERM");
}

#[test]
fn a_killed_process_loses_no_more_than_the_last_moments() {
    let folder = Folder::new();
    let file = config(&folder, "10/month", "");
    let served = Served::start(&file);
    assert_eq!(passed(&served, 8), 8);
    // More than twice the time after which counts are written.
    std::thread::sleep(Duration::from_millis(2500));
    served.process.signal("KILL");
    assert_eq!(served.process.end().code(), None);
    let served = Served::start(&file);
    assert_eq!(passed(&served, 10), 2);
}

#[test]
fn a_reload_goes_on_counting_and_a_changed_file_waits_for_a_restart() {
    let folder = Folder::new();
    let file = config(&folder, "10/month", "");
    let served = Served::start(&file);
    assert_eq!(passed(&served, 20), 10);
    let reload = || {
        let (status, text) = served.admin("POST", "/reload");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["needs-restart"].clone()
    };
    assert_eq!(reload(), json!([]));
    assert_eq!(passed(&served, 5), 0);
    config(&folder, "12/month", ", weights = { 'spin*' = 1 }, callers = 5000");
    reload();
    assert_eq!(passed(&served, 5), 2);
    config(&folder, "7/month", "");
    reload();
    assert_eq!(passed(&served, 5), 0);
    // Other callers, and the first again.
    config(&folder, "7/month", ", per = 'group'");
    reload();
    assert_eq!(passed(&served, 9), 7);
    let text = std::fs::read_to_string(&file).unwrap();
    folder.file("c.toml", &text.replace("quotas.redb", "others.redb").replace(", per = 'group'", ""));
    assert_eq!(reload(), json!(["quotas.file"]));
    assert_eq!(passed(&served, 5), 0);
    assert!(!folder.0.join("others.redb").exists());
}

#[test]
fn a_file_that_cannot_be_used_is_said_with_its_key() {
    let folder = Folder::new();
    let file = config(&folder, "10/month", "");
    let refused = |reason: &str| {
        let ended = run(&mut croupier(&["serve", "--config", &file]));
        let expected = format!(
            "croupier: `quotas.file` in `{file}`: `{}` cannot be used: ",
            folder.0.join("quotas.redb").display()
        );
        assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(&expected) && ended.stderr.contains(reason), "{}", ended.stderr);
    };
    let served = Served::start(&file);
    refused("it is in use by another process");
    assert_eq!(passed(&served, 3), 3);
    // The file is not opened to check the configuration.
    assert_eq!(run(&mut croupier(&["check", &file])).code(), Some(0));
    stop(served, "TERM");

    folder.file("quotas.redb", "no counts at all");
    refused("it is damaged, or is no file of quotas");
    folder.file("c.toml", &std::fs::read_to_string(&file).unwrap().replace("'quotas.redb'", "'none/quotas.redb'"));
    let ended = run(&mut croupier(&["serve", "--config", &file]));
    assert!(ended.stderr.contains("cannot be used: there is no folder `"), "{}", ended.stderr);
}

#[test]
fn counts_in_memory_are_warned_of() {
    let folder = Folder::new();
    let file = config(&folder, "10/month", "");
    let text = std::fs::read_to_string(&file).unwrap();
    let file = folder.file("c.toml", &text.replace("quotas.file = 'quotas.redb'\n", ""));
    let checked = run(&mut croupier(&["check", &file]));
    let warning = "the quotas of `/wheel` are counted in memory: a restart forgets the counts";
    assert_eq!(checked.code(), Some(0));
    assert!(format!("{}{}", checked.stdout, checked.stderr).contains(warning), "{checked:?}");
    let served = Served::start(&file);
    assert_eq!(passed(&served, 20), 10);
    assert!(stop(served, "TERM").contains(warning));
    let served = Served::start(&file);
    assert_eq!(passed(&served, 20), 10);
}
