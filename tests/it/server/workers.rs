//! Connections on workers: distributed evenly, served on one worker each, and drained or closed at shutdown.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use croupier::server::settings::{ServerSettings, Timeouts};
use croupier::service::local::Local;
use tokio::sync::Semaphore;

use crate::support::running::{Running, call, post};

/// What handlers wait for until a test lets them go on.
#[derive(Clone)]
struct Gate {
    gentle: Arc<Semaphore>,
    rude: Arc<Mutex<()>>,
}

impl Gate {
    fn shut() -> Gate {
        Gate { gentle: Arc::new(Semaphore::new(0)), rude: Arc::default() }
    }

    /// `worker` tells the name of its thread, `wait` waits for the gate, and `block` keeps its thread meanwhile.
    fn service(&self) -> Local {
        Local::new("Gate", self.clone())
            .method("worker", |_: &Gate, (): ()| thread::current().name().unwrap_or_default().to_owned())
            .method_async("wait", |gate: Arc<Gate>, (): ()| async move {
                gate.gentle.acquire().await.unwrap().forget();
                "waited"
            })
            .method("block", |gate: &Gate, (): ()| drop(gate.rude.lock()))
            .build()
            .unwrap()
    }
}

fn drained_within(drain: Duration) -> ServerSettings {
    ServerSettings { timeouts: Timeouts { drain, ..Timeouts::default() }, ..ServerSettings::default() }
}

/// Asks on a connection that stays open which worker serves it.
fn worker(connection: &mut BufReader<TcpStream>) -> String {
    connection.get_mut().write_all(post("/test", "", &call("worker", &[])).as_bytes()).unwrap();
    let mut answer = String::new();
    while !answer.contains("</methodResponse>") {
        assert_ne!(connection.read_line(&mut answer).unwrap(), 0, "{answer}");
    }
    let (_, name) = answer.split_once("<string>").unwrap();
    name.split_once("</string>").unwrap().0.to_owned()
}

#[test]
fn connections_are_spread_evenly_and_stay_where_they_are() {
    let server = Running::on_workers(Gate::shut().service(), ServerSettings::default(), 3);
    let mut connections: Vec<_> = (0..6).map(|_| BufReader::new(server.connect())).collect();
    let first: Vec<_> = connections.iter_mut().map(worker).collect();
    let again: Vec<_> = connections.iter_mut().map(worker).collect();
    assert_eq!(first, again);
    let mut each = BTreeMap::new();
    first.iter().for_each(|name| *each.entry(name.as_str()).or_default() += 1);
    assert_eq!(each, BTreeMap::from([("croupier-worker-0", 2), ("croupier-worker-1", 2), ("croupier-worker-2", 2)]));
}

#[test]
fn running_requests_of_each_worker_finish_before_the_stop() {
    let gate = Gate::shut();
    let mut server = Running::on_workers(gate.service(), ServerSettings::default(), 2);
    let mut idle = BufReader::new(server.connect());
    worker(&mut idle);
    let waiting: Vec<_> = (0..4).map(|_| server.begin(&call("wait", &[]))).collect();
    server.begin_stop();
    assert_eq!(idle.read_line(&mut String::new()).unwrap(), 0, "an idle connection is closed");
    assert!(TcpStream::connect(server.address).is_err(), "nothing new begins");
    gate.gentle.add_permits(4);
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("waited"), "{answer}");
    }
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn calls_that_do_not_finish_on_any_worker_end_with_a_fault() {
    let server = Running::on_workers(Gate::shut().service(), drained_within(Duration::from_millis(300)), 2);
    let waiting: Vec<_> = (0..4).map(|_| server.begin(&call("wait", &[]))).collect();
    assert_eq!(server.stop().cut, 4);
    for mut stream in waiting {
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.contains("the server is stopping") && response.contains("<fault>"), "{response}");
    }
}

#[test]
fn a_blocked_handler_delays_neither_other_workers_nor_the_stop() {
    let gate = Gate::shut();
    let server = Running::on_workers(gate.service(), drained_within(Duration::from_millis(300)), 2);
    let rude = gate.rude.lock().unwrap();
    let blocking = server.begin(&call("block", &[]));
    assert_eq!(worker(&mut BufReader::new(server.connect())), "croupier-worker-1");
    assert_eq!(server.stop().cut, 1);
    drop((rude, blocking));
}
