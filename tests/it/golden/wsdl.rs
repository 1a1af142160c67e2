//! The WSDL documents of a wheel and of a service that uses every type, byte for byte: each in both styles and for
//! each version of SOAP. They are in `tests/golden/wsdl`; `UPDATE_GOLDEN=1` writes them anew.

use std::path::PathBuf;

use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::model::shape::Shapes;
use croupier::protocol::soap::wsdl::write as wsdl;
use croupier::protocol::soap::wsdl::write::{Style, Versions, WsdlForm};
use croupier::service::RpcService;

use crate::support::every_type;

/// The forms in which a document is asked for, by the end of its file's name.
const FORMS: [(&str, WsdlForm); 4] = [
    ("", WsdlForm { style: Style::Document, versions: Versions::One }),
    ("-rpc", WsdlForm { style: Style::Rpc, versions: Versions::One }),
    ("-1.2", WsdlForm { style: Style::Document, versions: Versions::Two }),
    ("-both", WsdlForm { style: Style::Document, versions: Versions::Both }),
];

fn compare(name: &str, service: &dyn RpcService) {
    let shapes = Shapes::of(&service.interface());
    for (end, form) in FORMS {
        let (namespace, address) = (format!("urn:croupier:{name}"), format!("http://localhost:8008/{name}"));
        let text = wsdl::document(&service.interface(), &shapes, &namespace, &address, form);
        let path = PathBuf::from(format!("{}/tests/golden/wsdl/{name}{end}.wsdl", env!("CARGO_MANIFEST_DIR")));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert!(text == expected, "{} differs; UPDATE_GOLDEN=1 writes it anew:\n{text}", path.display());
    }
}

#[test]
fn a_wheel_is_described_as_before() {
    compare("wheel", &WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap());
}

#[test]
fn a_service_with_every_type_is_described_as_before() {
    compare("every-type", &every_type::service());
}
