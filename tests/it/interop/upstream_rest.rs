//! REST servers of other projects as upstreams: FastAPI, Django Ninja, httpbin, json-server and express with swagger-jsdoc, by
//! their own OpenAPI documents and over all four protocols; and calls made up from croupier's documents, with the requests
//! validated by Prism.
//!
//! The Python packages must be where Python finds them, those of Node in a folder that the variable `NODE_PATH` names.
//! `OPENAPI_DOCUMENTS` may name a folder with further documents, such as those of public services.

use std::path::{Path, PathBuf};
use std::process::Command;

use croupier::model::fault::Kind;
use serde_json::{Value as Json, json};

use crate::support::calls::value_of_json;
use crate::support::over::Over;
use crate::support::peers::{Croupier, Folder, Group, Outcome, Server};
use crate::support::process;

/// A croupier in front of a server. Requests at the paths of its document are not passed on: `POST /login` is a call of `login`.
fn gateway(folder: &Folder, port: u16, path: &str, further: &str) -> Croupier {
    let config = format!(
        r#"
        [group."/remote"]
        upstream = {{ urls = ["http://127.0.0.1:{port}{path}"], protocol = "rest", passthrough = false{further} }}
        xml-rpc = {{ nil = "nil", big-integers = "ex-i8" }}
        "#
    );
    Croupier::start(&folder.file("croupier.toml", &config), &[])
}

/// What a call returns of which the upstream returns nothing: not every client of XML-RPC knows nil.
fn nothing(over: Over) -> Outcome {
    Outcome::Value(if over == Over::XmlRpc { json!("") } else { Json::Null })
}

/// The outcome of a call with these arguments over one protocol.
fn ask(group: &Group<'_>, over: Over, method: &str, args: &Json) -> Outcome {
    let args: Vec<_> = args.as_array().unwrap().iter().map(|arg| value_of_json(&arg.to_string())).collect();
    group.outcome(over, method, &args)
}

/// Makes calls over each protocol: their results are these.
fn returns(group: &Group<'_>, calls: &[(&str, Json, Json)]) {
    for (method, args, expected) in calls {
        for over in Over::ALL {
            let outcome = ask(group, over, method, args);
            assert_eq!(outcome, Outcome::Value(expected.clone()), "{method} {args} over {over:?}");
        }
    }
}

/// Makes calls over each protocol: the upstream refuses them with this status and this text.
fn refuses(group: &Group<'_>, calls: &[(&str, Json, i32, &str)]) {
    for (method, args, status, message) in calls {
        for over in Over::ALL {
            let outcome = ask(group, over, method, args);
            let expected = Outcome::Fault(Kind::Service(Some(*status)), (*message).to_owned());
            assert_eq!(outcome, expected, "{method} {args} over {over:?}");
        }
    }
}

/// The members of objects that a protocol has: SOAP leaves out those that are nil and need not be there, and empty lists.
fn in_protocol(over: Over, value: Json) -> Json {
    match value {
        Json::Object(members) if over == Over::Soap => {
            let is_there = |value: &Json| !value.is_null() && *value != json!([]);
            let members = members.into_iter().filter(|(_, value)| is_there(value));
            members.map(|(name, value)| (name, in_protocol(over, value))).collect()
        }
        value => value,
    }
}

/// The arguments of FastAPI's guest.
fn ann() -> Json {
    json!([
        "Ann & Bo",
        4_611_686_018_427_387_905_i64,
        "12.50",
        0.1,
        "1998-07-17",
        false,
        "black",
        { "street": "A < B" },
        ["1,2", "x"],
        { "a b": 7 },
        { "name": "Cy" },
    ])
}

/// The same guest as FastAPI returns her.
fn stored(number: u64) -> Json {
    let partner = json!({
        "name": "Cy", "chips": 0, "stake": "0.10", "luck": null, "born": null, "invited": true, "colour": "red",
        "address": null, "bets": [], "scores": {}, "partner": null,
    });
    json!({
        "name": "Ann & Bo", "chips": 4_611_686_018_427_387_905_i64, "stake": "12.50", "luck": 0.1, "born": "1998-07-17",
        "invited": false, "colour": "black", "address": { "street": "A < B", "city": null }, "bets": ["1,2", "x"],
        "scores": { "a b": 7 }, "partner": partner, "id": number,
    })
}

#[test]
#[ignore = "needs python3 with fastapi, uvicorn and python-multipart"]
fn guests_of_fastapi_are_created_read_changed_and_removed() {
    let (_server, port) = Server::script("python3", "remote_fastapi.py", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, port, "/", "");
    let guests = croupier.group("/remote", "addGuest");
    let first = 9_007_199_254_740_993_u64;
    for over in Over::ALL {
        let value = |method: &str, args: Json| ask(&guests, over, method, &args).value();
        let stored = |number: u64| in_protocol(over, stored(number));
        assert_eq!(value("addGuest", ann()), stored(first), "{over:?}");
        assert_eq!(value("addGuest", json!(["Di"]))["id"], first + 1);
        assert_eq!(value("readGuest", json!([first])), stored(first), "{over:?}");
        assert_eq!(value("listGuests", json!([1])), json!([stored(first)]));
        assert_eq!(value("listGuests", json!([0, ["red", "black"], 1])), json!([stored(first)]));
        assert_eq!(value("listGuests", json!([0, ["red"]])).as_array().map(Vec::len), Some(1));
        let replaced = value("replaceGuest", json!([first, "Eve", 7]));
        assert_eq!(
            (&replaced["name"], &replaced["chips"], &replaced["invited"]),
            (&json!("Eve"), &json!(7), &json!(true))
        );
        // What is left out is not changed.
        let amended = value("amendGuest", json!([first, "Eva"]));
        assert_eq!((&amended["name"], &amended["chips"]), (&json!("Eva"), &json!(7)));
        let removed = [first, first + 1].map(|number| ask(&guests, over, "removeGuest", &json!([number])));
        assert_eq!(removed, [(); 2].map(|()| nothing(over)), "{over:?}");
        let missing = ask(&guests, over, "readGuest", &json!([first]));
        let message = format!("there is no guest {first}");
        assert_eq!(missing, Outcome::Fault(Kind::Service(Some(404)), message), "{over:?}");
    }
}

#[test]
#[ignore = "needs python3 with fastapi, uvicorn and python-multipart"]
fn fastapi_gets_arguments_in_every_place_and_form() {
    let (_server, port) = Server::script("python3", "remote_fastapi.py", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, port, "/", "");
    let group = croupier.group("/remote", "echo");
    let key = "12345678-1234-5678-1234-567812345678";
    let echo = |given: Json| {
        let mut all = json!({
            "name": "ü", "day": "2024-02-29", "key": key, "flag": false, "ratio": 0.5, "words": null, "at": null, "trace": null,
            "counts": null, "session": null, "big": null, "query": ["flag"],
        });
        all.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        all
    };
    let big = 9_007_199_254_740_993_u64;
    let all = echo(json!({
        "name": "a b&c", "flag": true, "ratio": 2.25, "words": ["x,y", "z w"], "at": "1998-07-17T14:08:55+00:00", "big": big,
        "trace": "tr", "counts": [7], "session": "s-1", "query": ["at", "big", "flag", "ratio", "word"],
    }));
    let at = "1998-07-17T14:08:55Z";
    let args = json!(["a b&c", "2024-02-29", key, true, 2.25, ["x,y", "z w"], at, big, "tr", [7], "s-1"]);
    let bytes = "AAEC/w==";
    let photo = json!({ "album": "x", "title": "T é", "first": "00", "length": 4, "type": "application/octet-stream" });
    let photo = |more: Json| {
        let mut photo = photo.clone();
        photo.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        photo
    };
    returns(
        &group,
        &[
            ("echo", json!(["ü", "2024-02-29", key, false]), echo(json!({}))),
            ("echo", args, all),
            ("login", json!(["ann", "rien & plus", true, ["a b", "c&d"]]), json!(["ann", true, ["a b", "c&d"]])),
            ("upload", json!(["x", bytes, "T é"]), photo(json!({ "more": [], "seal": null }))),
            (
                "upload",
                json!(["x", bytes, "T é", ["YQ==", "Yg=="], "/w=="]),
                photo(json!({ "more": ["a", "b"], "seal": "ff" })),
            ),
            ("sum", json!([[1, 2, 1_i64 << 60]]), json!((1_i64 << 60) + 3)),
            ("animal", json!([{ "kind": "cat", "lives": 7 }]), json!({ "kind": "cat", "said": 7 })),
            ("animal", json!([{ "kind": "dog", "tricks": ["sit"] }]), json!({ "kind": "dog", "said": ["sit"] })),
            (
                "move",
                json!(["red", { "street": "a" }, { "street": "b", "city": "c" }]),
                json!(["red", { "street": "a", "city": null }, { "street": "b", "city": "c" }, 1.5]),
            ),
            ("segment", json!([7]), json!(7)),
        ],
    );
}

#[test]
#[ignore = "needs python3 with fastapi, uvicorn and python-multipart"]
fn responses_of_fastapi_become_results_and_faults() {
    let (_server, port) = Server::script("python3", "remote_fastapi.py", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, port, "/", "");
    let group = croupier.group("/remote", "free");
    let deep = json!({ "nested": true, "big": "1180591620717411303424", "tiny": 1e-7 });
    returns(
        &group,
        &[
            ("picture", json!([]), json!("AAECAw==")),
            ("picture", json!([7]), json!("AAECAwQFBg==")),
            ("stream", json!([2]), json!([{ "number": 0 }, { "number": 1 }])),
            ("text", json!([]), json!("Grüße, 7 < 8")),
            // A redirect to the text.
            ("elsewhere", json!([]), json!("Grüße, 7 < 8")),
            ("free", json!([true]), json!({ "nothing": null, "list": [1, [2.5, "x"], {}], "deep": deep })),
        ],
    );
    let status = |words: &str| format!("the upstream server responded with HTTP status {words}");
    refuses(
        &group,
        &[
            ("readGuest", json!([7]), 404, "there is no guest 7"),
            ("conflict", json!([]), 409, "the guest sits at two tables"),
            ("listGuests", json!([0, ["red"], 1000]), 422, "Input should be less than or equal to 100"),
            ("login", json!(["ann", "x"]), 401, &status("401 Unauthorized")),
            ("crash", json!([]), 500, &status("500 Internal Server Error: Internal Server Error")),
        ],
    );
    let untyped = ask(&group, Over::JsonRpc, "readGuest", &json!(["seven"]));
    assert!(matches!(untyped, Outcome::Fault(Kind::BadParams | Kind::Service(Some(422)), _)), "{untyped:?}");
    let (_, problem) = croupier.rest("POST", "/remote/conflict", "{}");
    assert_eq!(problem["data"]["detail"]["tables"], json!([7, 8]), "{problem}");
}

#[test]
#[ignore = "needs python3 with django-ninja"]
fn tables_of_django_ninja_are_opened_filled_and_closed() {
    let (_server, port) = Server::script("python3", "remote_ninja.py", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, port, "/", "");
    let group = croupier.group("/remote", "open_table");
    for over in Over::ALL {
        let value = |method: &str, args: Json| ask(&group, over, method, &args).value();
        let seat = json!({ "guest": "Ann & Bo", "chips": 1_152_921_504_606_846_977_i64 });
        let opened = value("open_table", json!(["T", "cards", "1998-07-17T14:08:55Z", [seat]]));
        // The dates of XML-RPC have no zone.
        let date = if over == Over::XmlRpc { "1998-07-17T14:08:55" } else { "1998-07-17T14:08:55Z" };
        // Ninja writes the value of the enumeration in Python's way.
        let expected = json!({ "name": "T", "kind": "Kind.cards", "opened": date, "seats": [seat], "id": 7 });
        assert_eq!(opened, expected, "{over:?}");
        let again = ask(&group, over, "open_table", &json!(["T"]));
        assert_eq!(again, Outcome::Fault(Kind::Service(Some(409)), "T is open".to_owned()), "{over:?}");
        assert_eq!(value("sit", json!([7, "Cy é", 3]))["seats"][1], json!({ "guest": "Cy é", "chips": 3 }), "{over:?}");
        assert_eq!(value("list_tables", json!([["cards", "wheel"], 2]))[0]["id"], 7, "{over:?}");
        assert_eq!(value("list_tables", json!([[], 0, "none"])), json!([]), "{over:?}");
        assert_eq!(ask(&group, over, "close_table", &json!([7])), nothing(over), "{over:?}");
        let closed = ask(&group, over, "main_read_table", &json!([7]));
        assert_eq!(closed, Outcome::Fault(Kind::Service(Some(404)), "there is no table 7".to_owned()), "{over:?}");
    }
    let note = json!({ "text": "a & é", "stars": 5, "size": 3, "begins": "0102", "further": ["x"] });
    returns(
        &group,
        &[
            ("note", json!(["a & é", 5, "AQID", ["eA=="]]), note),
            ("form", json!(["a=b&c é"]), json!(["a=b&c é", 3])),
            ("plain", json!([]), json!("a < b")),
        ],
    );
}

#[test]
#[ignore = "needs python3 with httpbin"]
fn httpbin_says_what_it_was_sent() {
    let (_server, port) = Server::script("python3", "remote_httpbin.py", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, port, "/", ", description = \"/spec.json\"");
    let group = croupier.group("/remote", "get_uuid");
    for over in Over::ALL {
        let value = |method: &str, args: Json| ask(&group, over, method, &args).value();
        // The document says nothing of any result.
        assert!(value("get_uuid", json!([]))["uuid"].is_string(), "{over:?}");
        let url = format!("http://127.0.0.1:{port}/anything/a%20b");
        let sent = value("put_anything_anything", json!(["a b"]));
        assert_eq!((&sent["method"], &sent["url"]), (&json!("PUT"), &json!(url)), "{over:?}");
        assert_eq!(value("get_gzip", json!([]))["gzipped"], true, "{over:?}");
        assert_eq!(value("get_encoding_utf8", json!([])).as_str().map(|page| page.contains("∮ E⋅da = Q")), Some(true));
        assert!(value("get_image_png", json!([])).to_string().contains("iVBORw0KGgo"), "{over:?}");
        assert_eq!(value("get_stream_n", json!([1]))["id"], 0, "{over:?}");
        assert_eq!(ask(&group, over, "get_status_codes", &json!([204])), nothing(over), "{over:?}");
        let refused = ask(&group, over, "post_status_codes", &json!([418]));
        assert!(matches!(&refused, Outcome::Fault(Kind::Service(Some(418)), _)), "{over:?}: {refused:?}");
        let url = format!("http://127.0.0.1:{port}/get");
        assert_eq!(value("get_redirect_n", json!([1]))["url"], url, "{over:?}");
    }
}

#[test]
#[ignore = "needs node with json-server"]
fn json_server_stores_what_a_document_of_the_operator_describes() {
    let (_server, port) = Server::script("node", "remote_json_server.js", &[]);
    let folder = Folder::new();
    let document = format!("{}/tests/peers/remote_json_server.yaml", env!("CARGO_MANIFEST_DIR"));
    let croupier = gateway(&folder, port, "/", &format!(", description = \"file:{document}\""));
    let group = croupier.group("/remote", "listGuests");
    let (ann, bo) = (json!({ "id": 7, "name": "Ann", "chips": 30 }), json!({ "id": 8, "name": "Bo & Co", "chips": 5 }));
    returns(
        &group,
        &[
            ("listGuests", json!([]), json!([ann, bo])),
            ("listGuests", json!(["Bo & Co"]), json!([bo])),
            ("listGuests", json!([null, ["chips", "name"], "asc", 1]), json!([bo])),
            ("listGuests", json!([null, null, null, null, [7, 8], 10]), json!([ann])),
            ("readGuest", json!([7]), ann),
            ("betsOfGuest", json!([7]), json!([{ "id": "b/1", "guestId": 7, "on": "RED" }])),
            ("readBet", json!(["b/1"]), json!({ "id": "b/1", "guestId": 7, "on": "RED" })),
        ],
    );
    for over in Over::ALL {
        let value = |method: &str, args: Json| ask(&group, over, method, &args).value();
        let added = value("addGuest", json!(["Cy", 9_007_199_254_740_991_i64]));
        assert_eq!(added, json!({ "id": 9, "name": "Cy", "chips": 9_007_199_254_740_991_i64 }), "{over:?}");
        assert_eq!(value("replaceGuest", json!([9, "Di"])), json!({ "id": 9, "name": "Di" }), "{over:?}");
        assert_eq!(value("amendGuest", json!([9, "Di", 3]))["chips"], 3, "{over:?}");
        value("removeGuest", json!([9]));
        let missing = ask(&group, over, "readGuest", &json!([9]));
        let message = "the upstream server responded with HTTP status 404 Not Found".to_owned();
        assert_eq!(missing, Outcome::Fault(Kind::Service(Some(404)), message), "{over:?}");
    }
}

#[test]
#[ignore = "needs node with express and swagger-jsdoc"]
fn express_reads_every_style_as_the_document_says() {
    let (_server, port) = Server::script("node", "remote_express.js", &[]);
    let folder = Folder::new();
    let croupier = gateway(&folder, port, "/v2", "");
    let group = croupier.group("/remote", "find");
    let form = "application/x-www-form-urlencoded";
    let found = json!({
        "filter": { "on": "RED", "chips": { "gt": "5", "lt": "9" } }, "fields": "a|b|c", "words": "x y z", "tags": ["p", "q&"],
        "x": "0.5", "y": "-2",
    });
    let filter = json!({ "on": "RED", "chips": { "gt": 5, "lt": 9 } });
    let by = json!({ "name": "Ann", "table": "7" });
    returns(
        &group,
        &[
            ("find", json!([filter, ["a", "b|c"], ["x", "y z"], ["p", "q&"], { "x": 0.5, "y": -2 }]), found),
            (
                "place",
                json!([7, ["a", "b;c"], [1, 2], { "from": 1, "to": 9 }]),
                json!({ "url": "/v2/bets/7;wheel=a;wheel=b%3Bc/.1,2", "spins": ".1,2", "range": "from=1,to=9" }),
            ),
            (
                "bet",
                json!(["RED & BLACK", [1, 2], { "name": "Ann", "table": 7 }]),
                json!({ "type": form, "body": { "on": "RED & BLACK", "chips": ["1", "2"], "by": by } }),
            ),
            ("note", json!(["a < b é"]), json!({ "type": "text/plain", "body": "a < b é" })),
        ],
    );
    refuses(&group, &[("note", json!(["refuse"]), 400, "no more bets")]);
}

/// Documents of this repository.
const OWN_DOCUMENTS: [&str; 5] = [
    "peers/remote_json_server.yaml",
    "golden/openapi/every_type.json",
    "golden/openapi/guests.json",
    "golden/openapi/wheel.json",
    "golden/openapi/all.json",
];

fn own_documents() -> Vec<PathBuf> {
    OWN_DOCUMENTS.iter().map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)).collect()
}

/// The documents of the folder that the variable `OPENAPI_DOCUMENTS` names.
fn further_documents() -> Vec<PathBuf> {
    let Ok(folder) = std::env::var("OPENAPI_DOCUMENTS") else {
        println!("left out: OPENAPI_DOCUMENTS does not name a folder with the documents of public services");
        return Vec::new();
    };
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let is_small = |path: &PathBuf| path.metadata().is_ok_and(|file| file.is_file() && file.len() <= MAX_DOCUMENT);
    let is_document = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json" || ending == "yaml");
    let mut documents: Vec<PathBuf> = entries.filter(|path| is_document(path) && is_small(path)).collect();
    documents.sort();
    documents
}

#[test]
#[ignore = "needs openapi-spec-validator, zeep, and node with ajv, ajv-formats and the meta-schemas of OpenRPC and of JSON Schema"]
fn what_is_published_of_servers_is_valid() {
    let script = format!("{}/tests/peers/openapi_documents.py", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    let documents = own_documents().into_iter().chain(further_documents());
    command.args([&script, env!("CARGO_BIN_EXE_croupier")]).args(documents);
    let ended = process::run(&mut command);
    assert!(ended.status.success(), "{ended:?}");
    println!("{}", ended.stdout);
    let last = ended.stdout.lines().last().unwrap();
    let numbers: Vec<u32> = last.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [all, read, openapi, openrpc, wsdl] = numbers[..] else { panic!("{last}") };
    assert_eq!([openapi, openrpc, wsdl], [read; 3], "{}", ended.stdout);
    assert!(read > 0 && read * 20 >= all * 19, "{}", ended.stdout);
}

/// How many calls are made to the servers of the documents of this repository, and to those of a folder.
const CALLS: [u32; 2] = [150, 1200];
/// The part of calls that has to be valid, in percent, without those that no document but OpenAPI can exclude and those that Prism
/// misjudges.
const VALID: u32 = 98;
/// How many documents of a folder Prism serves.
const SERVED: usize = 30;
/// How large the documents of a folder may be, in bytes. Prism and the validators take a minute for one of a megabyte.
const MAX_DOCUMENT: u64 = 64 << 10;

#[test]
#[ignore = "needs node with @stoplight/prism-cli, and python3 with jsonschema"]
fn calls_made_up_from_our_documents_are_valid_by_those_of_the_servers() {
    made_up(&own_documents(), CALLS[0]);
    let mut further = further_documents();
    further.truncate(SERVED);
    if !further.is_empty() {
        made_up(&further, CALLS[1]);
    }
}

fn made_up(documents: &[PathBuf], calls: u32) {
    let [script, prism] =
        ["openapi_made_up.py", "prism.js"].map(|name| format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR")));
    let mut command = Command::new("python3");
    command.args([&script, env!("CARGO_BIN_EXE_croupier"), &prism, "2026", &calls.to_string()]).args(documents);
    let ended = process::run(&mut command);
    assert!(ended.status.success(), "{ended:?}");
    println!("{}", ended.stdout);
    let last = ended.stdout.lines().last().unwrap();
    let numbers: Vec<u32> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [made, _, valid, excused, results, valid_results] = numbers[..] else { panic!("{last}") };
    assert!(made >= calls && valid * 100 >= (made - excused) * VALID, "{}", ended.stdout);
    // Prism makes up responses, not all of which are valid by the document themselves.
    assert!(results > 0 && valid_results * 10 >= results * 9, "{}", ended.stdout);
}
