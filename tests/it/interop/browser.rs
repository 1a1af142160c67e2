//! The pages in a browser: what it displays and does, and which errors it reports.
//!
//! `tests/peers/browser.js` drives Chromium through the package puppeteer-core, which must be where Node finds it, in a
//! folder that the variable `NODE_PATH` names. `CHROMIUM` is the browser's program; `/usr/bin/chromium` without it.

use std::process::Command;

use croupier::config::{Config, Registry};
use croupier::http::public_url::PublicUrl;
use croupier::server::settings::ServerSettings;

use crate::support::casino;
use crate::support::hostile_service;
use crate::support::pages;
use crate::support::process::run;
use crate::support::running::Running;

/// Lets the script take one of its steps, against a gateway of its own; it must find nothing wrong.
fn step(name: &str) {
    step_at(name, &Running::router(pages::router(PublicUrl::default()), ServerSettings::default()));
}

fn step_at(name: &str, gateway: &Running) {
    let script = format!("{}/tests/peers/browser.js", env!("CARGO_MANIFEST_DIR"));
    let shots = format!("{}/screenshots", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&shots).unwrap();
    let url = format!("http://{}", gateway.address);
    let ended = run(Command::new("node").args([&script, &url, &shots, name]).env("HOSTILE", hostile_service::shown()));
    assert!(ended.status.success(), "{}\n{}{}", ended.status, ended.stdout, ended.stderr);
}

macro_rules! steps {
    ($($test:ident: $step:literal,)*) => {$(
        #[test]
        #[ignore = "needs chromium and node with the puppeteer-core package"]
        fn $test() {
            step($step);
        }
    )*};
}

#[test]
#[ignore = "needs chromium and node with the puppeteer-core package"]
fn a_page_of_ones_own_shows_what_there_is_and_what_is_dead() {
    step_at("showsTheTable", &Running::router(casino::config().router(), ServerSettings::default()));
}

/// A wheel here, one that another gateway turns, and one of a server that is not there.
fn with_upstreams(other: &Running) -> String {
    format!(
        r#"
        [group."/american"]
        service = "wheel"
        options = {{ family = "american" }}

        [group."/french"]
        upstream = {{ urls = ["http://{}/wheel/french"], protocol = "json-rpc" }}

        [group."/dead"]
        upstream = {{ urls = ["unix:/nowhere/dead.sock"], protocol = "xml-rpc" }}

        [group."/table".aggregate]
        title = "The table"
        on-error = "partial"

        [group."/table".aggregate.methods.spin.calls]
        american = {{ group = "/american", method = "spin" }}
        french-one = {{ group = "/french", method = "spin" }}
        mini = {{ group = "/dead", method = "spin" }}

        [page."/show"]
        group = "/table"
        method = "spin"
        template = "built-in:table"
        style = "built-in:table"
        title = "Tonight"
    "#,
        other.address
    )
}

#[test]
#[ignore = "needs chromium and node with the puppeteer-core package"]
fn a_table_shows_wheels_of_upstreams_and_one_that_is_dead() {
    let other = Running::built_in();
    let config = Config::parse("table.toml", &with_upstreams(&other), &Registry::standard()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let remotes: Vec<_> = config.groups.iter().filter_map(|group| group.upstream.clone()).collect();
    let discovered: Vec<bool> = remotes.iter().map(|remote| runtime.block_on(remote.discover()).is_ok()).collect();
    assert_eq!(discovered, [true, false]);
    step_at("showsUpstreams", &Running::router(config.router(), ServerSettings::default()));
}

#[test]
#[ignore = "needs chromium and node with the puppeteer-core package"]
fn methods_of_a_large_service_are_searched_and_opened() {
    step_at("opensMethodsOfAList", &Running::of_mounts(pages::large_mounts()));
}

steps! {
    pages_are_accessible: "isAccessible",
    a_wheel_is_drawn_and_turns_over_every_protocol: "drawsAndTurnsTheWheel",
    spins_go_through_the_form_over_every_protocol_and_the_code_works: "spinsThroughTheForm",
    forms_of_every_type_are_understood_alike: "sendsEveryType",
    a_keyboard_is_enough: "worksByKeyboardOnly",
    hostile_texts_are_shown_as_text: "showsHostileTextAsText",
    pages_are_documents_without_scripts: "documentsWithoutScripts",
    pictures_are_taken_on_a_phone_and_on_a_desk: "takesPictures",
}
