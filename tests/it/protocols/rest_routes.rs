//! The guest list of `examples/guests.rs` by its routes, and the same list over the other protocols.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use croupier::app::App;
use croupier::config::{Config, Registry};
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::http::routes::RestRoute;
use croupier::model::interface::Interface;
use croupier::protocol::rest::openapi;
use croupier::protocol::rest::server::check;
use croupier::protocol::set::ProtocolSet;
use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::ServerSettings;
use croupier::service::{Call, CallFuture, RpcService};
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::running::{Running, call, post};

fn configured(text: &str, registry: &Registry) -> Running {
    let config = Config::parse("guests.toml", text, registry).unwrap_or_else(|errors| panic!("{errors}"));
    Running::router(config.router(), config.settings)
}

fn casino() -> Running {
    configured(include_str!("../../../examples/guests.toml"), &guests::registry())
}

const JSON: &str = "Content-Type: application/json\r\n";

/// A response: its status, the lines of its head in lower case, and its body as JSON.
fn ask(running: &Running, verb: &str, path: &str, headers: &str, body: &str) -> (u16, String, Value) {
    let length = body.len();
    let response = running.raw(format!(
        "{verb} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    ));
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{verb} {path}: {response}"));
    let status = head[9..12].parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

/// The status and the JSON of a response to a body of JSON.
fn send(running: &Running, verb: &str, path: &str, body: &str) -> (u16, Value) {
    let headers = if body.is_empty() { "" } else { JSON };
    let (status, head, json) = ask(running, verb, path, headers, body);
    assert!(head.contains("cache-control: no-store"), "{head}");
    (status, json)
}

#[test]
fn a_guest_is_created_read_changed_and_deleted_by_four_verbs_and_seen_by_every_protocol() {
    let casino = casino();
    let blanche = json!({ "id": 1, "name": "Blanche", "chips": 500 });
    let list = || send(&casino, "GET", "/casino/guests", "");
    assert_eq!(list(), (200, json!([])));
    let guest = r#"{"name": "Blanche", "chips": 500}"#;
    assert_eq!(send(&casino, "POST", "/casino/guests", guest), (200, blanche.clone()));
    assert_eq!(send(&casino, "GET", "/casino/guests/1", ""), (200, blanche.clone()));
    assert_eq!(send(&casino, "GET", "/casino/read?id=1", ""), (200, blanche.clone()));

    let xml = casino.post("/casino", &call("read", &["<value><int>1</int></value>"]));
    assert!(xml.contains("Blanche</"), "{xml}");
    let rpc = r#"{"jsonrpc": "2.0", "id": 1, "method": "list"}"#;
    assert_eq!(ask(&casino, "POST", "/casino", JSON, rpc).2["result"], json!([blanche]));
    let soap = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
        <c:read xmlns:c="urn:croupier:casino"><c:id>1</c:id></c:read></e:Body></e:Envelope>"#;
    let told = casino.raw(post("/casino", "Connection: close\r\n", soap));
    assert!(told.contains("Blanche</"), "{told}");

    let changed = json!({ "id": 1, "name": "Polina", "chips": 0 });
    assert_eq!(send(&casino, "PUT", "/casino/guests/1", r#"{"name": "Polina"}"#), (200, changed));
    let amended = json!({ "id": 1, "name": "Polina", "chips": 70 });
    assert_eq!(send(&casino, "PATCH", "/casino/guests/1", r#"{"chips": 70}"#), (200, amended.clone()));
    assert_eq!(send(&casino, "PATCH", "/casino/guests/1", ""), (200, amended));
    let won = json!({ "id": 1, "name": "Polina", "chips": 1100 });
    assert_eq!(send(&casino, "POST", "/casino/guests/1/win?chips=1030", ""), (200, won.clone()));
    assert_eq!(send(&casino, "GET", "/casino/guests/rich", ""), (200, json!([won])));
    assert_eq!(send(&casino, "POST", "/casino/guests/1/lose?chips=1100", "").1["chips"], 0);

    let guest = "<value><struct><member><name>name</name><value>Astley</value></member></struct></value>";
    assert!(casino.post("/casino", &call("add", &[guest])).contains("Astley"));
    assert_eq!(list().1.as_array().unwrap().len(), 2);
    assert_eq!(send(&casino, "DELETE", "/casino/guests/2", "").1["name"], "Astley");
    assert!(casino.post("/casino", &call("remove", &["<value><int>1</int></value>"])).contains("Polina"));
    assert_eq!(list(), (200, json!([])));
    let (status, problem) = send(&casino, "DELETE", "/casino/guests/2", "");
    assert_eq!((status, &problem["code"], &problem["in"]), (422, &json!(1), &json!("path")));
}

/// A request to the guest list; its status, parameter and place; what is said of it, if that is ours to say.
const WRONG: &str = r#"
    GET /guests/x | 400 id path | parameter `id` in the path: `x` is not an integer
    GET /guests/-1 | 400 id path |
    GET /guests?chips=1e3 | 400 chips query | parameter `chips` in the query: `1e3` is not an integer
    GET /guests?chips=1&chips=2 | 400 chips query | the parameter `chips` in the query is given twice
    GET /guests?chip=1 | 400 chip query | there is no parameter `chip`; did you mean `chips`?
    GET /guests/1?id=2 | 400 id query | the parameter `id` is in the path already
    GET /guests/rich?chips=1 | 400 chips query | the parameter `chips` is set by the route
    PATCH /guests/1 {"id": 1} | 400 id body | the parameter `id` is in the path already
    PATCH /guests/1 {"names": "B"} | 400 names body | there is no parameter `names`; did you mean `name`?
    PATCH /guests/1 {"chips": "x"} | 400 chips body |
    PATCH /guests/1 {"name": ""} | 400 name body | a name has from 1 to 100 characters
    POST /guests [1] | 400 guest body |
    POST /guests | 400 guest body | the parameter `guest` is missing
    POST /guests/1/win | 400 chips query | the parameter `chips` is missing
    GET /guests/77 | 422 id path | there is no guest 77
"#;

/// A request that is wrong as a whole; its status and kind.
const NO_CALLS: &str = r#"
    PATCH /guests/1 [] | 400 structure
    PATCH /guests/1 { | 400 not-well-formed
    PATCH /guests/1 {"name": "a", "name": "b"} | 400 structure
    PATCH /guests/1?name=a {"chips": 1} | 400 refused
    GET /guests {} | 400 refused
    DELETE /guests/1 {} | 400 refused
    POST /guests/1/win?chips=1 {} | 400 refused
    GET /guests/1/win/more | 404 no-such-method
    GET /nothing | 404 no-such-method
"#;

/// Each line's request, answered, and what stands behind it.
fn answered<'t>(casino: &Running, lines: &'t str) -> impl Iterator<Item = ((u16, Value), Vec<&'t str>)> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| {
        let mut parts = line.split('|').map(str::trim);
        let mut request = parts.next().unwrap().splitn(3, ' ');
        let (verb, path) = (request.next().unwrap(), request.next().unwrap());
        println!("{line}");
        (send(casino, verb, &format!("/casino{path}"), request.next().unwrap_or_default()), parts.collect())
    })
}

#[test]
fn a_wrong_parameter_is_reported_with_its_location() {
    let casino = casino();
    assert_eq!(send(&casino, "POST", "/casino/guests", r#"{"name": "Blanche"}"#).0, 200);
    for ((status, problem), expected) in answered(&casino, WRONG) {
        let [place, detail] = expected.as_slice() else { panic!("{expected:?}") };
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(format!("{status} {} {}", text("parameter"), text("in")), *place, "{problem}");
        assert!(detail.is_empty() || text("detail") == *detail, "{problem}");
    }
    for ((status, problem), expected) in answered(&casino, NO_CALLS) {
        assert_eq!([format!("{status} {}", problem["kind"].as_str().unwrap())], *expected, "{problem}");
    }
    assert_eq!(ask(&casino, "GET", "/casino/guests/a%2Fb", "", "").0, 400);
    assert_eq!(send(&casino, "GET", "/casino/guests/1", "").1["name"], "Blanche");
}

#[test]
fn head_options_and_other_verbs_work_on_routes() {
    let casino = casino();
    send(&casino, "POST", "/casino/guests", r#"{"name": "Blanche"}"#);
    for (path, allow) in [
        ("/guests", "GET, HEAD, OPTIONS, POST"),
        ("/guests/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/guests/rich", "GET, HEAD, OPTIONS"),
        ("/guests/1/win", "OPTIONS, POST"),
        ("/add", "OPTIONS, POST"),
    ] {
        let allowed = format!("allow: {allow}\r\n").to_lowercase();
        let (status, head, _) = ask(&casino, "OPTIONS", &format!("/casino{path}"), "", "");
        assert!(status == 204 && head.contains(&allowed), "{path}: {head}");
        let (status, head, problem) = ask(&casino, "PROPFIND", &format!("/casino{path}"), "", "");
        assert!(status == 405 && head.contains(&allowed), "{path}: {head}");
        assert_eq!(problem["detail"], "PROPFIND is not allowed here");
    }
    let (_, got, _) = ask(&casino, "GET", "/casino/guests/1", "", "");
    let (status, head, body) = ask(&casino, "HEAD", "/casino/guests/1/", "", "");
    assert_eq!((status, body), (200, Value::Null));
    let length = |head: &str| head.lines().find(|line| line.starts_with("content-length")).map(str::to_owned);
    assert_eq!(length(&head), length(&got));
    let csv =
        casino.raw("GET /casino/guests HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\nConnection: close\r\n\r\n");
    assert!(csv.ends_with("id,name,chips\r\n1,Blanche,0\r\n"), "{csv}");
}

/// A browser sends a POST that looks like a form's, or has no body, to any site without asking.
#[test]
fn a_page_of_another_site_posts_to_no_route() {
    let casino = casino();
    send(&casino, "POST", "/casino/guests", r#"{"name": "Blanche"}"#);
    let origin = "Origin: https://evil.example\r\n";
    for (headers, expected) in [
        (origin.to_owned(), 403),
        (format!("{origin}Content-Type: text/plain\r\n"), 403),
        ("Content-Type: text/plain\r\n".to_owned(), 415),
        ("Content-Type: a/b\r\n".to_owned(), 415),
    ] {
        let (status, _, problem) = ask(&casino, "POST", "/casino/guests/1/win?chips=9", &headers, "");
        assert_eq!((status, &problem["kind"]), (expected, &json!("refused")), "{headers}");
        let (status, _, _) = ask(&casino, "PUT", "/casino/guests/1", "Content-Type: a/b\r\n", r#"{"name": "B"}"#);
        assert_eq!(status, 415);
    }
    assert_eq!(send(&casino, "GET", "/casino/guests/1", "").1["chips"], 0);
    let json = format!("{origin}Content-Type: application/json\r\n");
    assert_eq!(ask(&casino, "POST", "/casino/guests/1/win?chips=9", &json, "").0, 200);
}

#[test]
fn a_get_route_may_call_an_unsafe_method_and_share_a_path() {
    let text = r#"
        [group."/casino"]
        service = "guests"
        cors = { origins = ["*"] }
        routes = [
            { route = "GET /add", method = "add" },
            { route = "DELETE /remove", method = "remove" },
            { route = "GET /{id}", method = "read" },
        ]
    "#;
    let casino = configured(text, &guests::registry());
    let guest = "/casino/add?guest=%7B%22name%22:%22Blanche%22%7D";
    assert_eq!(send(&casino, "GET", guest, "").1["id"], 1);
    assert_eq!(send(&casino, "POST", "/casino/add", r#"{"guest": {"name": "Polina"}}"#).1["id"], 2);
    assert_eq!(send(&casino, "DELETE", "/casino/remove?id=2", "").1["name"], "Polina");
    assert_eq!(send(&casino, "GET", "/casino/1", "").1["name"], "Blanche");
    // What is a method's own path is that method's, with whatever verb.
    assert_eq!(send(&casino, "GET", "/casino/amend", "").0, 405);
    let asked = "Origin: https://a.example\r\nAccess-Control-Request-Method: DELETE\r\n";
    let (_, head, _) = ask(&casino, "OPTIONS", "/casino/remove", asked, "");
    assert!(head.contains("access-control-allow-methods: get, head, post, delete\r\n"), "{head}");
}

#[test]
fn routes_are_in_the_documents_and_on_the_page() {
    let casino = casino();
    let (_, _, document) = ask(&casino, "GET", "/casino/openapi.json", "", "");
    let (_, _, of_all) = ask(&casino, "GET", "/openapi.json", "", "");
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 7 + 5);
    let mut names = BTreeSet::new();
    for (path, item) in paths {
        for (verb, operation) in item.as_object().unwrap() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path} {verb}");
            let in_all = &of_all["paths"][format!("/casino{path}")][verb];
            assert_eq!(in_all["requestBody"], operation["requestBody"]);
        }
    }
    let patch = &paths["/guests/{id}"]["patch"];
    assert_eq!(patch["parameters"][0]["in"], "path");
    assert_eq!(patch["requestBody"]["required"], false);
    let schema = &patch["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["name", "chips"]);
    assert_eq!(paths["/guests/rich"]["get"].get("parameters"), None);
    let win = &paths["/guests/{id}/win"]["post"];
    assert!(win["description"].as_str().unwrap().ends_with("Here `take` is always `false`."), "{win}");
    let page = casino.raw("GET /casino HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(page.contains("<code>PATCH &#x2f;casino&#x2f;guests&#x2f;{id}</code>"), "{page}");
    assert!(page.contains("<code>take = true</code>"), "{page}");
}

#[test]
fn the_document_is_as_it_was() {
    let config = Config::parse("x", include_str!("../../../examples/guests.toml"), &guests::registry()).unwrap();
    let [casino] = config.groups.as_slice() else { panic!("one group") };
    let url = "https://casino.example/casino";
    let text = format!("{:#}\n", openapi::document(&casino.service.interface(), &casino.protocols.route_table(), url));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi/guests.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
}

#[test]
fn a_program_of_ones_own_has_routes_too() {
    let wheel = || WheelTable::new(Family::Mini, Chance::seeded(7)).service().unwrap();
    let route = |route: &str, method: &str| RestRoute::new(route, method).unwrap();
    let app = |added: RestRoute| App::new().mount("/w", wheel()).unwrap().route(added);
    assert!(app(route("GET /spins/{spins}", "spinList")).is_ok());
    let wrong = |added| app(added).err().unwrap().to_string();
    assert_eq!(wrong(route("GET /spins", "spinLost")), "there is no method `spinLost` (did you mean `spinList`?)");
    assert_eq!(
        wrong(route("GET /spins/{spin}", "spinList")),
        "the method `spinList` has no parameter `spin` (did you mean `spins`?)"
    );
    let none = App::new().route(route("GET /x", "spin")).err().unwrap();
    assert_eq!(none.to_string(), "a route belongs to a service, and none is mounted");
}

/// What a group's methods are may be known later than its routes.
#[test]
fn an_unknown_method_before_discovery_differs_from_an_error() {
    let routes =
        [RestRoute::new("POST /{name}/start", "start").unwrap(), RestRoute::new("POST /{x}/start", "stop").unwrap()];
    let checked = check(&routes, &Interface::default());
    assert_eq!(checked.unknown.iter().map(|wrong| wrong.route).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(
        checked.wrong.iter().map(|wrong| wrong.message.as_str()).collect::<Vec<_>>(),
        ["duplicate route `POST /{x}/start`"]
    );
    let wheel = WheelTable::new(Family::Mini, Chance::seeded(7)).service().unwrap();
    assert_eq!(check(&routes, &wheel.interface()).unknown.len(), 2);
}

/// A service of which nothing is known, or something that does not fit its routes.
struct Unlike(Arc<Interface>);

impl RpcService for Unlike {
    fn interface(&self) -> Arc<Interface> {
        self.0.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        panic!("{} was called", call.method)
    }
}

#[test]
fn a_route_without_its_method_calls_nothing() {
    let routes = ["GET /spins/{wheel}", "GET /spins"];
    let routes = [RestRoute::new(routes[0], "spinList").unwrap(), RestRoute::new(routes[1], "spinLost").unwrap()];
    let protocols = ProtocolSet { routes: routes.to_vec(), ..ProtocolSet::default() };
    let ask = |interface: &Interface, path: &str| {
        let service = Unlike(Arc::new(interface.clone()));
        let mut mounted = GroupMount::new("/w", service);
        mounted.protocols = protocols.clone();
        let router = Mounts { groups: vec![mounted], ..Mounts::default() }.router().unwrap();
        let running = Running::router(router, ServerSettings::default());
        let (status, _, problem) = ask(&running, "GET", path, "", "");
        (status, problem["kind"].as_str().unwrap().to_owned())
    };
    let wheel = WheelTable::new(Family::Mini, Chance::seeded(7)).service().unwrap();
    assert_eq!(ask(&Interface::default(), "/w/spins"), (502, "unreachable".into()));
    assert_eq!(ask(&wheel.interface(), "/w/spins"), (404, "no-such-method".into()));
    assert_eq!(ask(&wheel.interface(), "/w/spins/1"), (500, "internal".into()));
}
