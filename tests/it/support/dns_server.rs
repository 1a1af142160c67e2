//! A DNS server with a few names, over UDP (RFC 1035).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// What the server says of a name.
#[derive(Clone)]
pub(crate) enum Said {
    /// It has these addresses for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// It is another name, which has these addresses for so many seconds, and this for as many itself.
    Alias(&'static str, Vec<IpAddr>, u32),
    /// It is a service with these hosts for so many seconds: priority, weight, name and port of each.
    Services(Vec<(u16, u16, &'static str, u16)>, u32),
    /// There is no such name.
    NoName,
    /// The server has failed.
    Failure,
    /// Nothing.
    Nothing,
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const SRV: u16 = 33;

#[derive(Default)]
struct Zone {
    names: HashMap<String, Said>,
    /// The names that were asked for, with the types of records.
    asked: Vec<(String, u16)>,
}

/// The server. It ends when it is dropped.
pub(crate) struct DnsServer {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _serving: JoinSet<()>,
}

impl DnsServer {
    pub(crate) async fn start() -> DnsServer {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::<Mutex<Zone>>::default();
        let mut serving = JoinSet::new();
        let of_server = zone.clone();
        serving.spawn(async move {
            let mut query = [0; 1500];
            loop {
                let (length, client) = socket.recv_from(&mut query).await.unwrap();
                let response = response(&query[..length], &mut of_server.lock().unwrap());
                if let Some(response) = response {
                    socket.send_to(&response, client).await.unwrap();
                }
            }
        });
        DnsServer { address, zone, _serving: serving }
    }

    /// From now on, the server says this of a name.
    pub(crate) fn say(&self, name: &str, said: Said) {
        self.zone.lock().unwrap().names.insert(name.to_owned(), said);
    }

    /// How many times addresses of IPv4 were asked for.
    pub(crate) fn lookups(&self) -> usize {
        self.zone.lock().unwrap().asked.iter().filter(|(_, record)| *record == A).count()
    }
}

/// The response to a query; `None` if there is none.
fn response(query: &[u8], zone: &mut Zone) -> Option<Vec<u8>> {
    // The name begins behind the header, and ends with an empty label.
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let label = &query[at + 1..at + 1 + usize::from(query[at])];
        labels.push(String::from_utf8(label.to_vec()).unwrap().to_ascii_lowercase());
        at += 1 + label.len();
    }
    let name = labels.join(".");
    let record = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    zone.asked.push((name.clone(), record));
    let said = zone.names.get(&name).cloned().unwrap_or(Said::NoName);
    let (code, mut answers) = match &said {
        Said::Addresses(..) | Said::Services(..) => (0, Vec::new()),
        Said::Alias(alias, _, ttl) => (0, vec![answer(&[0xc0, 12], CNAME, *ttl, &encoded(alias))]),
        Said::NoName => (3, Vec::new()),
        Said::Failure => (2, Vec::new()),
        Said::Nothing => return None,
    };
    let owner = match &said {
        Said::Alias(alias, ..) => encoded(alias),
        _ => vec![0xc0, 12],
    };
    if let Said::Addresses(addresses, ttl) | Said::Alias(_, addresses, ttl) = &said {
        answers.extend(addresses.iter().filter_map(|address| match (address, record) {
            (IpAddr::V4(address), A) => Some(answer(&owner, A, *ttl, &address.octets())),
            (IpAddr::V6(address), AAAA) => Some(answer(&owner, AAAA, *ttl, &address.octets())),
            _ => None,
        }));
    }
    if let (Said::Services(hosts, ttl), SRV) = (&said, record) {
        answers.extend(hosts.iter().map(|(priority, weight, target, port)| {
            let numbers = [priority, weight, port].map(|number| number.to_be_bytes()).concat();
            answer(&owner, SRV, *ttl, &[numbers, encoded(target)].concat())
        }));
    }
    let count = u16::try_from(answers.len()).unwrap().to_be_bytes();
    // The same id, a response with recursion, one question.
    let head = [query[0], query[1], 0x81, 0x80 | code, 0, 1, count[0], count[1], 0, 0, 0, 0];
    Some([head.as_slice(), question, &answers.concat()].concat())
}

fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| {
        let length = u8::try_from(label.len()).unwrap();
        std::iter::once(length).chain(label.bytes())
    });
    labels.chain([0]).collect()
}

fn answer(owner: &[u8], record: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [owner, &record.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length.to_be_bytes(), data].concat()
}
