//! Probes by the description of a server, and by a connection alone.

use croupier::protocol::Protocol;
use croupier::upstream::transport::{OutlierOptions, Tls, TransportOptions};
use croupier::upstream::{Probe, Upstream, UpstreamOptions};

use super::failing_hosts::{call, health, in_turn, start, status, upstream, urls};
use crate::support::hello::response;
use crate::support::upstream::{Act, ScriptedUpstream};

/// Runs the probes until each host has had this many, as `count` says.
async fn probe(upstream: &Upstream, hosts: &[ScriptedUpstream], count: usize, counted: fn(&ScriptedUpstream) -> usize) {
    let watching = tokio::spawn(upstream.clone().watch(|_: &Upstream, _| {}));
    for host in hosts {
        while counted(host) < count {
            tokio::task::yield_now().await;
        }
    }
    watching.abort();
    let _ = watching.await;
}

#[tokio::test]
async fn a_server_is_asked_for_its_description_in_its_protocol() {
    let hosts = start(2).await;
    let xml_rpc = "<methodResponse><params><param><value><array><data><value>hello</value></data></array></value></param></params></methodResponse>";
    let fault = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value></member><member><name>faultString</name><value>no</value></member></struct></value></fault></methodResponse>";
    let (page, without_page) = (status(500, "text/html", "<h1>error</h1>"), status(404, "text/xml", "<no/>"));
    for (protocol, question, well, ill) in [
        (
            Protocol::XmlRpc,
            "<methodName>system.listMethods</methodName>",
            status(200, "text/xml", xml_rpc),
            page.clone(),
        ),
        (
            Protocol::XmlRpc,
            "<methodName>system.listMethods</methodName>",
            status(200, "text/xml", fault),
            without_page.clone(),
        ),
        (
            Protocol::JsonRpc,
            r#""method":"rpc.discover""#,
            status(200, "application/json", r#"{"jsonrpc":"2.0","id":1,"result":{"methods":[]}}"#),
            page.clone(),
        ),
        (
            Protocol::JsonRpc,
            r#""method":"rpc.discover""#,
            status(200, "application/json", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#),
            Act::Cut(Vec::new()),
        ),
        (Protocol::Soap, "GET /?wsdl HTTP/1.1\r\n", status(200, "text/xml", "<definitions/>"), without_page.clone()),
        (Protocol::Soap, "GET /?wsdl HTTP/1.1\r\n", status(204, "text/xml", ""), page.clone()),
    ] {
        let options = UpstreamOptions { health: health(Probe::Describe), ..UpstreamOptions::new(protocol) };
        // Without ejections, only probes keep calls from a host.
        let outliers = OutlierOptions { max_ejected: 0.0, ..OutlierOptions::default() };
        let upstream = upstream(&urls(&hosts), options, TransportOptions { outliers, ..in_turn() }).await;
        hosts[0].will([ill]);
        hosts[1].will([well]);
        // The end of the second probe shows that the first was noted.
        probe(&upstream, &hosts, 2, ScriptedUpstream::requests).await;
        assert!(hosts.iter().all(|host| host.all()[0].contains(question)), "{protocol}: {:?}", hosts[0].all());
        hosts[0].will([Act::Cut(Vec::new())]);
        hosts[1].will([Act::Output(response(protocol).await)]);
        for _ in 0..10 {
            call(&upstream).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_probe_by_a_connection_sends_nothing_and_needs_tls_where_calls_do() {
    let hosts = start(2).await;
    let sound = response(Protocol::JsonRpc).await;
    hosts.iter().for_each(|host| host.will([Act::Output(sound.clone())]));
    let outliers = OutlierOptions { max_ejected: 0.0, ..OutlierOptions::default() };
    let plain = urls(&hosts);
    for (urls, is_well) in [(plain.clone(), true), (vec![plain[0].replace("http:", "https:"), plain[1].clone()], false)]
    {
        // It closes connections for which it is to shake hands.
        hosts[0].will([if is_well { Act::Output(sound.clone()) } else { Act::Deaf(1) }]);
        hosts[1].will([Act::Output(sound.clone())]);
        let options = UpstreamOptions { health: health(Probe::Connect), ..UpstreamOptions::new(Protocol::JsonRpc) };
        let transport = TransportOptions { outliers: outliers.clone(), tls: Tls::default(), ..in_turn() };
        let upstream = upstream(&urls, options, transport).await;
        let before: Vec<usize> = hosts.iter().map(ScriptedUpstream::connections).collect();
        let watching = tokio::spawn(upstream.clone().watch(|_: &Upstream, _| {}));
        for (host, before) in hosts.iter().zip(before) {
            while host.connections() < before + 2 {
                tokio::task::yield_now().await;
            }
        }
        watching.abort();
        let _ = watching.await;
        assert_eq!(hosts[1].requests(), 0, "nothing is sent");
        let before = hosts[0].connections();
        for _ in 0..10 {
            call(&upstream).await.unwrap();
        }
        if is_well {
            assert_eq!((hosts[0].requests(), hosts[1].requests()), (5, 5));
        } else {
            // The last probe may have been on its way.
            assert!(hosts[0].connections() <= before + 1 && hosts[1].requests() == 10);
        }
    }
}
