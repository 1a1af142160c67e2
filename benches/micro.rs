//! Each layer on its own: reading documents, writing responses, rows, draws, and finding a group.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fmt::Write as _;
use std::sync::Arc;

use croupier::Value;
use croupier::codec::DocumentLimits;
use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::{XmlRpcDialect, XmlRpcDocument, write_response};
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::server::group_router::GroupRouter;
use croupier::service::Format;
use croupier::service::rows::{Picked, RowSet};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use serde::Deserialize;

const SPIN: &str = "<?xml version=\"1.0\"?>\n<methodCall><methodName>spin</methodName></methodCall>";
/// The number of structs that take just under 1,000,000 bytes.
const STRUCTS: usize = 3033;

fn main() {
    divan::main();
}

/// A call of `count` with an array of structs of four members each.
fn structs() -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\"?>\n<methodCall><methodName>count</methodName><params><param><value><array><data>",
    );
    for at in 0..STRUCTS {
        let (quarters, rest) = (at / 4, at % 4 * 25);
        write!(
            text,
            "<value><struct><member><name>id</name><value><int>{at}</int></value></member>\
             <member><name>name</name><value><string>player {at} &amp; co &lt;{}&gt;</string></value></member>\
             <member><name>stake</name><value><double>{quarters}.{rest}</double></value></member>\
             <member><name>win</name><value><boolean>{}</boolean></value></member></struct></value>",
            at % 7,
            u8::from(at.is_multiple_of(3))
        )
        .unwrap();
    }
    text + "</data></array></value></param></params></methodCall>"
}

fn plain(text: &str) -> XmlRpcDocument<'_> {
    XmlRpcDocument::read(text, Reading::default(), DocumentLimits::default()).unwrap()
}

fn tree(text: &str) -> XmlRpcDocument<'_> {
    XmlRpcDocument::read_tree(text, Reading::default(), DocumentLimits::default()).unwrap()
}

fn values(document: &XmlRpcDocument<'_>) -> Vec<Value> {
    Vec::deserialize(document.tape.values().next().unwrap()).unwrap()
}

#[divan::bench(args = ["plain", "tree"])]
fn parse_1_mb(bencher: Bencher<'_, '_>, reader: &str) {
    let text = structs();
    let read = if reader == "plain" { plain } else { tree };
    bencher.counter(BytesCount::of_str(&text)).bench(|| black_box(read(black_box(&text))).tape.values().len());
}

#[divan::bench(args = ["plain", "tree"])]
fn decode_1_mb(bencher: Bencher<'_, '_>, reader: &str) {
    let text = structs();
    let read = if reader == "plain" { plain } else { tree };
    bencher.counter(BytesCount::of_str(&text)).bench(|| values(&read(black_box(&text))));
}

#[divan::bench]
fn values_of_1_mb(bencher: Bencher<'_, '_>) {
    let text = structs();
    let document = plain(&text);
    bencher.counter(BytesCount::of_str(&text)).bench(|| values(black_box(&document)));
}

#[divan::bench]
fn read_a_spin() -> usize {
    plain(black_box(SPIN)).tape.values().len()
}

#[divan::bench]
fn write_a_spin(bencher: Bencher<'_, '_>) {
    let table = WheelTable::new(Family::American, Chance::Entropy);
    let pocket = table.pockets().first().unwrap().clone();
    let mut answer = Vec::with_capacity(512);
    bencher.bench_local(|| {
        answer.clear();
        write_response(&mut answer, black_box(&pocket), XmlRpcDialect::default()).unwrap();
        answer.len()
    });
}

#[divan::bench]
fn write_100_000_rows(bencher: Bencher<'_, '_>) {
    const ROWS: usize = 100_000;
    let table = WheelTable::new(Family::American, Chance::Entropy);
    let mut piece = Vec::with_capacity(1 << 17);
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        let mut rows = Picked::new(table.pockets().ring().clone(), table.draws(ROWS as u64)).into_rows();
        let mut written = 0;
        loop {
            piece.clear();
            let more = rows.fill(Format::XmlRpc(XmlRpcDialect::default()), &mut piece, 1 << 16).unwrap();
            written += black_box(&piece).len();
            if !more {
                return written;
            }
        }
    });
}

#[divan::bench(args = ["entropy", "seed"])]
fn draw_100_000(bencher: Bencher<'_, '_>, chance: &str) {
    const DRAWS: usize = 100_000;
    let chance = if chance == "seed" { Chance::seeded(7) } else { Chance::Entropy };
    let table = WheelTable::new(Family::American, chance);
    bencher.counter(ItemsCount::new(DRAWS)).bench(|| table.draws(DRAWS as u64).fold(0, |sum, index| sum ^ index));
}

#[divan::bench]
fn spin(bencher: Bencher<'_, '_>) {
    let table = WheelTable::new(Family::American, Chance::Entropy);
    bencher.bench(|| table.spin());
}

#[divan::bench]
fn find_a_group(bencher: Bencher<'_, '_>) {
    let mut router = GroupRouter::default();
    for path in ["/", "/RPC2", "/wheel/american", "/wheel/european", "/wheel/french", "/wheel/mini", "/diagnostics"] {
        router.mount(path, Arc::new(path)).unwrap();
    }
    bencher.bench(|| router.find(black_box("/wheel/american")).unwrap().map(|(found, _)| found.len()));
}
